/* Chunks of memory, and their pool. */
#include "tests/harness.h"

#include <string.h>
#include <unistd.h>

#include "daemon/chunk.h"

START_TEST(chunk_has_the_room_that_was_asked_for_behind_the_headroom)
{
	static const size_t sizes[] = {
		0, 1, 4095, 4096, 4097, 65536, 65537, 1 << 20, (1 << 20) + 1};
	struct chunk_pool pool;

	chunk_pool_init(&pool);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct chunk *chunk = chunk_new(&pool, sizes[i]);

		ck_assert_ptr_nonnull(chunk);
		ck_assert_uint_eq(chunk->head, CHUNK_HEADROOM);
		ck_assert_uint_eq(chunk_size(chunk), 0);
		ck_assert_uint_ge(chunk_room(chunk), sizes[i]);
		ck_assert_uint_eq(chunk->capacity, chunk_footprint(sizes[i]));
		ck_assert_uint_eq(pool.used_bytes, chunk->capacity);
		memset(chunk->bytes, 0xa5, chunk->capacity);
		ck_assert_ptr_null(chunk_free(&pool, chunk));
		ck_assert_uint_eq(pool.used_bytes, 0);
	}
	chunk_pool_deinit(&pool);
}
END_TEST

START_TEST(footprint_grows_with_the_class_only)
{
	ck_assert_uint_eq(chunk_footprint(0), CHUNK_SIZE_MIN + CHUNK_HEADROOM);
	ck_assert_uint_eq(chunk_footprint(CHUNK_SIZE_MIN), CHUNK_SIZE_MIN + CHUNK_HEADROOM);
	ck_assert_uint_eq(chunk_footprint(CHUNK_SIZE_MIN + 1), 2 * CHUNK_SIZE_MIN + CHUNK_HEADROOM);
	ck_assert_uint_eq(chunk_footprint(67108864), 67108864 + CHUNK_HEADROOM);
}
END_TEST

START_TEST(freed_chunk_serves_the_next_of_its_class_as_new)
{
	struct chunk_pool pool;
	struct chunk *chunk, *again;

	chunk_pool_init(&pool);
	chunk = chunk_new(&pool, 5000);
	chunk->tail = chunk->capacity;
	chunk->head = 0;
	chunk_free(&pool, chunk);
	ck_assert_uint_eq(pool.kept_bytes, chunk_footprint(5000));
	again = chunk_new(&pool, 4096);
	ck_assert_ptr_ne(again, chunk);
	chunk_free(&pool, again);
	again = chunk_new(&pool, 8192);
	ck_assert_ptr_eq(again, chunk);
	ck_assert_uint_eq(again->head, CHUNK_HEADROOM);
	ck_assert_uint_eq(chunk_size(again), 0);
	chunk_free(&pool, again);
	chunk_pool_deinit(&pool);
}
END_TEST

START_TEST(pool_keeps_up_to_a_bound)
{
	struct chunk_pool pool;
	struct chunk *chunks[20];

	chunk_pool_init(&pool);
	for (size_t i = 0; i < ARRAY_SIZE(chunks); i++)
		chunks[i] = chunk_new(&pool, 1 << 20);
	for (size_t i = 0; i < ARRAY_SIZE(chunks); i++)
		chunk_free(&pool, chunks[i]);
	ck_assert_uint_le(pool.kept_bytes, 16 * 1024 * 1024);
	ck_assert_uint_gt(pool.kept_bytes, 8 * 1024 * 1024);
	chunk_pool_trim(&pool);
	ck_assert_uint_eq(pool.kept_bytes, 0);
	chunk_pool_deinit(&pool);
}
END_TEST

START_TEST(new_chunk_carries_no_descriptor)
{
	struct chunk_pool pool;
	struct chunk *chunk;

	chunk_pool_init(&pool);
	chunk = chunk_new(&pool, 1);
	ck_assert_uint_eq(chunk->fd_count, 0);
	chunk_free(&pool, chunk);
	chunk_free(&pool, NULL);
	chunk_pool_deinit(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("chunk");

	suite_add(suite, chunk_has_the_room_that_was_asked_for_behind_the_headroom);
	suite_add(suite, footprint_grows_with_the_class_only);
	suite_add(suite, freed_chunk_serves_the_next_of_its_class_as_new);
	suite_add(suite, pool_keeps_up_to_a_bound);
	suite_add(suite, new_chunk_carries_no_descriptor);
	return suite_main(suite);
}
