/* The table of limits. */
#include "tests/harness.h"

#include <string.h>

#include "daemon/chunk.h"
#include "proto/limits.h"
#include "proto/scan.h"

START_TEST(default_is_in_range)
{
	struct limits limits;

	limits_init(&limits);
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		ck_assert_msg(limits.value[i] == limit_table[i].fallback, "%s",
			limit_table[i].name);
		ck_assert_msg(limit_table[i].minimum <= limits.value[i], "%s", limit_table[i].name);
		ck_assert_msg(limits.value[i] <= limit_table[i].maximum, "%s", limit_table[i].name);
	}
}
END_TEST

START_TEST(every_limit_is_found_by_its_name_and_no_other)
{
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		const char *name = limit_table[i].name;

		ck_assert_uint_eq(limit_find(name, strlen(name)), i);
		ck_assert_uint_ne(limit_find(name, strlen(name) - 1), i);
	}
	ck_assert_uint_eq(limit_find("files=", 6), LIMIT_COUNT);
	ck_assert_uint_eq(limit_find("", 0), LIMIT_COUNT);
}
END_TEST

START_TEST(limit_per_user_is_no_smaller_than_per_session_by_default)
{
	ck_assert_uint_ge(limit_table[LIMIT_USER_OPERATIONS].fallback,
		limit_table[LIMIT_OPERATIONS].fallback);
	ck_assert_uint_ge(limit_table[LIMIT_USER_FILES].fallback,
		limit_table[LIMIT_FILES].fallback);
	ck_assert_uint_ge(limit_table[LIMIT_USER_MEMORY].fallback,
		limit_table[LIMIT_MEMORY].fallback);
}
END_TEST

/* What one limit allows, the others and the code have to be able to hold. */
START_TEST(limits_agree_with_each_other)
{
	ck_assert_uint_lt(limit_table[LIMIT_TRANSFER_SIZE].fallback,
		limit_table[LIMIT_FRAME_SIZE].fallback);
	ck_assert_uint_lt(limit_table[LIMIT_TRANSFER_SIZE].maximum,
		limit_table[LIMIT_FRAME_SIZE].maximum);
	ck_assert_uint_le(limit_table[LIMIT_FRAME_DEPTH].maximum, SCAN_DEPTH_MAX);
	ck_assert_uint_le(chunk_footprint(limit_table[LIMIT_FRAME_SIZE].maximum),
		UINT64_C(1) << 32);
	ck_assert_uint_le(chunk_footprint(limit_table[LIMIT_TRANSFER_SIZE].fallback),
		limit_table[LIMIT_MEMORY].fallback);
	ck_assert_uint_ge(limit_table[LIMIT_MEMORY].minimum, chunk_footprint(CHUNK_SIZE_MIN));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("limits");

	suite_add(suite, default_is_in_range);
	suite_add(suite, every_limit_is_found_by_its_name_and_no_other);
	suite_add(suite, limit_per_user_is_no_smaller_than_per_session_by_default);
	suite_add(suite, limits_agree_with_each_other);
	return suite_main(suite);
}
