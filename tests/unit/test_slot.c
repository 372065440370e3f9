/* Slots and keys. */
#include "tests/harness.h"

#include "driver/slot.h"

START_TEST(key_finds_its_slot_until_that_is_given_back)
{
	struct slots slots;
	struct slot *slot;
	uint64_t key;

	slots_init(&slots);
	slot = slots_take(&slots);
	key = slot_key(slot);
	ck_assert_ptr_eq(slots_find(&slots, key), slot);
	slots_give(&slots, slot);
	ck_assert_ptr_null(slots_find(&slots, key));
	ck_assert_ptr_eq(slots_take(&slots), slot);
	ck_assert_ptr_null(slots_find(&slots, key));
	ck_assert_ptr_eq(slots_find(&slots, slot_key(slot)), slot);
	slots_deinit(&slots);
}
END_TEST

START_TEST(key_that_never_was_finds_nothing)
{
	struct slots slots;
	uint64_t key;

	slots_init(&slots);
	ck_assert_ptr_null(slots_find(&slots, 0));
	key = slot_key(slots_take(&slots));
	ck_assert_uint_ne(key, 0);
	ck_assert_ptr_null(slots_find(&slots, 0));
	ck_assert_ptr_null(slots_find(&slots, UINT64_MAX));
	ck_assert_ptr_null(slots_find(&slots, key + 1));
	ck_assert_ptr_null(slots_find(&slots, key + SLOTS_PER_BLOCK));
	ck_assert_ptr_null(slots_find(&slots, key | UINT64_C(1) << 63));
	slots_deinit(&slots);
}
END_TEST

START_TEST(slots_stay_where_they_are_when_the_table_grows)
{
	static struct slot *taken[5 * SLOTS_PER_BLOCK];
	struct slots slots;

	slots_init(&slots);
	for (uint32_t i = 0; i < ARRAY_SIZE(taken); i++) {
		taken[i] = slots_take(&slots);
		ck_assert_uint_eq(slot_index(taken[i]), i);
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(taken); i++) {
		ck_assert_ptr_eq(slots_at(&slots, i), taken[i]);
		ck_assert_ptr_eq(slots_find(&slots, slot_key(taken[i])), taken[i]);
	}
	ck_assert_uint_eq(slots_count(&slots), ARRAY_SIZE(taken));
	slots_deinit(&slots);
	ck_assert_uint_eq(slots_count(&slots), 0);
}
END_TEST

START_TEST(generation_starts_over_before_the_highest_bit)
{
	struct slots slots;
	struct slot *slot;

	slots_init(&slots);
	slot = slots_take(&slots);
	slot->key = (uint64_t)SLOT_GENERATION_MAX << 32 | slot_index(slot);
	ck_assert_uint_eq(slot_key(slot) >> 63, 0);
	slots_give(&slots, slot);
	ck_assert_uint_eq(slot_key(slots_take(&slots)), SLOT_GENERATION_ONE | slot_index(slot));
	slots_deinit(&slots);
}
END_TEST

START_TEST(what_the_last_owner_asked_for_is_forgotten)
{
	struct slots slots;
	struct slot *slot;

	slots_init(&slots);
	slot = slots_take(&slots);
	slot->marks = SLOT_CANCELLED;
	slots_give(&slots, slot);
	ck_assert(slots_take(&slots)->marks == 0);
	slots_deinit(&slots);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slot");

	suite_add(suite, key_finds_its_slot_until_that_is_given_back);
	suite_add(suite, key_that_never_was_finds_nothing);
	suite_add(suite, slots_stay_where_they_are_when_the_table_grows);
	suite_add(suite, generation_starts_over_before_the_highest_bit);
	suite_add(suite, what_the_last_owner_asked_for_is_forgotten);
	return suite_main(suite);
}
