/* Numbers to objects. */
#include "tests/harness.h"

#include "base/map.h"

enum { NODES = 5000 };

static struct map_node nodes[NODES];

/* Keys as they come: counters, multiples of a power of two, neighbours of the largest. */
static uint64_t key_of(int pattern, int i)
{
	switch (pattern) {
	case 0: return (uint64_t)i;
	case 1: return (uint64_t)i << 32;
	case 2: return (uint64_t)i * 4096;
	default: return UINT64_MAX - (uint64_t)i;
	}
}

START_TEST(what_is_inserted_is_found_until_it_is_removed)
{
	for (int pattern = 0; pattern < 4; pattern++) {
		struct map map = {0};

		for (int i = 0; i < NODES; i++)
			must(map_insert(&map, key_of(pattern, i), &nodes[i]));
		ck_assert_uint_eq(map.count, NODES);
		for (int i = 0; i < NODES; i++)
			ck_assert_ptr_eq(map_find(&map, key_of(pattern, i)), &nodes[i]);
		for (int i = 0; i < NODES; i += 2)
			map_remove(&map, &nodes[i]);
		for (int i = 0; i < NODES; i++)
			ck_assert_ptr_eq(map_find(&map, key_of(pattern, i)),
				i % 2 ? &nodes[i] : NULL);
		for (int i = 1; i < NODES; i += 2)
			map_remove(&map, &nodes[i]);
		map_deinit(&map);
	}
}
END_TEST

START_TEST(key_that_was_removed_may_come_again)
{
	struct map map = {0};

	for (int i = 0; i < 3; i++) {
		must(map_insert(&map, 7, &nodes[i]));
		ck_assert_ptr_eq(map_find(&map, 7), &nodes[i]);
		map_remove(&map, &nodes[i]);
		ck_assert_ptr_null(map_find(&map, 7));
	}
	map_deinit(&map);
}
END_TEST

START_TEST(zeroed_map_is_empty_and_may_end_twice)
{
	struct map map = {0};

	ck_assert_ptr_null(map_find(&map, 0));
	map_deinit(&map);
	must(map_insert(&map, 0, &nodes[0]));
	ck_assert_ptr_null(map_find(&map, 1));
	map_remove(&map, &nodes[0]);
	map_deinit(&map);
	map_deinit(&map);
}
END_TEST

/*
 * A bucket holds a few keys only, whatever their pattern: else a client could make every look-up
 * slow.
 */
START_TEST(keys_are_spread_over_the_buckets)
{
	for (int pattern = 0; pattern < 4; pattern++) {
		struct map map = {0};
		size_t longest = 0;

		for (int i = 0; i < NODES; i++)
			must(map_insert(&map, key_of(pattern, i), &nodes[i]));
		for (size_t i = 0; i < map.bucket_count; i++) {
			size_t length = 0;

			for (struct map_node *node = map.buckets[i]; node; node = node->next)
				length++;
			longest = MAX(longest, length);
		}
		ck_assert_msg(longest <= 16, "pattern %d: %zu in one bucket", pattern, longest);
		for (int i = 0; i < NODES; i++)
			map_remove(&map, &nodes[i]);
		map_deinit(&map);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("map");

	suite_add(suite, what_is_inserted_is_found_until_it_is_removed);
	suite_add(suite, key_that_was_removed_may_come_again);
	suite_add(suite, zeroed_map_is_empty_and_may_end_twice);
	suite_add(suite, keys_are_spread_over_the_buckets);
	return suite_main(suite);
}
