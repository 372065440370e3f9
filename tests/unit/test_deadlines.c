/* driver/deadlines.c: the heap against a plain array. */
#include "tests/harness.h"

#include <stdlib.h>

#include "driver/deadlines.h"

enum { COUNT = 1000 };

START_TEST(they_come_in_order_of_time)
{
	static struct deadline all[COUNT];
	struct deadlines deadlines = {0};
	uint64_t last_ns = 0;

	for (size_t i = 0; i < COUNT; i++)
		must(deadlines_add(&deadlines, &all[i], 1 + i * 7919 % COUNT));
	for (size_t i = 0; i < COUNT; i++) {
		uint64_t next_ns = deadlines_next_ns(&deadlines);
		struct deadline *first = deadlines_pop(&deadlines, COUNT);

		ck_assert_ptr_nonnull(first);
		ck_assert_uint_eq(first->at_ns, next_ns);
		ck_assert_uint_ge(next_ns, last_ns);
		ck_assert_uint_eq(first->place, 0);
		last_ns = next_ns;
	}
	ck_assert_ptr_null(deadlines_pop(&deadlines, UINT64_MAX));
	ck_assert_uint_eq(deadlines_next_ns(&deadlines), CLOCK_NEVER);
	deadlines_deinit(&deadlines);
}
END_TEST

START_TEST(one_that_has_not_come_stays)
{
	struct deadlines deadlines = {0};
	struct deadline one = {0};

	must(deadlines_add(&deadlines, &one, 100));
	ck_assert_ptr_null(deadlines_pop(&deadlines, 99));
	ck_assert_ptr_eq(deadlines_pop(&deadlines, 100), &one);
	/* and it can come again */
	must(deadlines_add(&deadlines, &one, 200));
	deadlines_remove(&deadlines, &one);
	deadlines_remove(&deadlines, &one);
	ck_assert_uint_eq(deadlines.count, 0);
	deadlines_deinit(&deadlines);
	deadlines_deinit(&deadlines);
}
END_TEST

START_TEST(any_may_leave_from_the_middle)
{
	static struct deadline all[COUNT];
	struct deadlines deadlines = {0};
	size_t left = COUNT;
	uint64_t last_ns = 0;

	srand(4711);
	for (size_t i = 0; i < COUNT; i++)
		must(deadlines_add(&deadlines, &all[i], (uint64_t)rand() % 500 + 1));
	for (size_t i = 0; i < COUNT; i += 3, left--)
		deadlines_remove(&deadlines, &all[(i * 331) % COUNT]);
	ck_assert_uint_eq(deadlines.count, left);
	while (deadlines.count > 0) {
		struct deadline *first = deadlines_pop(&deadlines, UINT64_MAX);

		ck_assert_uint_ge(first->at_ns, last_ns);
		last_ns = first->at_ns;
	}
	deadlines_deinit(&deadlines);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("deadlines");

	suite_add(suite, they_come_in_order_of_time);
	suite_add(suite, one_that_has_not_come_stays);
	suite_add(suite, any_may_leave_from_the_middle);
	return suite_main(suite);
}
