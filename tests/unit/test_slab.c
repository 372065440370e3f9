/* The slab. */
#include "tests/harness.h"

#include <string.h>

#include "base/slab.h"

enum { OBJECTS = 3000 };

static void *objects[OBJECTS];

START_TEST(objects_do_not_overlap)
{
	struct slab slab;

	slab_init(&slab, 100);
	for (int i = 0; i < OBJECTS; i++) {
		objects[i] = slab_take(&slab);
		ck_assert_ptr_nonnull(objects[i]);
		ck_assert_uint_eq((uintptr_t)objects[i] % 16, 0);
		memset(objects[i], i, 100);
	}
	for (int i = 0; i < OBJECTS; i++) {
		for (int byte = 0; byte < 100; byte++)
			ck_assert_uint_eq(((uint8_t *)objects[i])[byte], (uint8_t)i);
		slab_give(&slab, objects[i]);
	}
	slab_deinit(&slab);
}
END_TEST

START_TEST(object_given_back_is_the_next_one_taken)
{
	struct slab slab;
	void *a, *b;

	slab_init(&slab, 1);
	a = slab_take(&slab);
	b = slab_take(&slab);
	ck_assert_ptr_ne(a, b);
	slab_give(&slab, a);
	ck_assert_ptr_eq(slab_take(&slab), a);
	ck_assert_uint_eq(slab.used_count, 2);
	slab_give(&slab, b);
	slab_give(&slab, a);
	slab_deinit(&slab);
}
END_TEST

START_TEST(object_larger_than_a_block_has_a_block_of_its_own)
{
	struct slab slab;
	void *a, *b;

	slab_init(&slab, 100000);
	a = memset(slab_take(&slab), 1, 100000);
	b = memset(slab_take(&slab), 2, 100000);
	ck_assert_uint_eq(((uint8_t *)a)[99999], 1);
	slab_give(&slab, a);
	slab_give(&slab, b);
	slab_deinit(&slab);
	slab_deinit(&slab);
}
END_TEST

START_TEST(steady_load_allocates_nothing)
{
	struct slab slab;
	struct slab_block *blocks;

	slab_init(&slab, 64);
	slab_give(&slab, slab_take(&slab));
	blocks = slab.blocks;
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 100; i++)
			objects[i] = slab_take(&slab);
		for (int i = 0; i < 100; i++)
			slab_give(&slab, objects[i]);
	}
	ck_assert_ptr_eq(slab.blocks, blocks);
	slab_deinit(&slab);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slab");

	suite_add(suite, objects_do_not_overlap);
	suite_add(suite, object_given_back_is_the_next_one_taken);
	suite_add(suite, object_larger_than_a_block_has_a_block_of_its_own);
	suite_add(suite, steady_load_allocates_nothing);
	return suite_main(suite);
}
