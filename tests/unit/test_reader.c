/* Reading the values of a frame. */
#include "tests/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/reader.h"

#define READER(...)                                                                                \
	reader_of(((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__}))

START_TEST(values_come_in_order_and_where_they_lie)
{
	/* [7, "ab", bin 3, nil] */
	static const uint8_t frame[] = {0x94, 7, 0xa2, 'a', 'b', 0xc4, 1, 3, 0xc0};
	struct reader reader = reader_of(frame, sizeof(frame));
	const uint8_t *bytes;
	struct value value;
	uint64_t number;
	uint32_t count;
	size_t size;

	assert_result(reader_array(&reader, &count), 0);
	ck_assert_uint_eq(count, 4);
	assert_result(reader_uint(&reader, 7, &number), 0);
	ck_assert_uint_eq(number, 7);
	assert_result(reader_bytes(&reader, &bytes, &size), 0);
	ck_assert(bytes == frame + 3 && size == 2);
	assert_result(reader_bytes(&reader, &bytes, &size), 0);
	ck_assert(bytes == frame + 7 && size == 1);
	assert_result(reader_next(&reader, &value), 0);
	ck_assert_int_eq(value.token.type, TOKEN_NIL);
	assert_result(reader_next(&reader, &value), -EBADMSG);
}
END_TEST

START_TEST(value_that_is_not_all_there_is_refused_and_not_passed)
{
	static const uint8_t frames[][4] = {
		{0xa3, 'a', 'b'}, {0xcd, 1}, {0xc4, 3, 'a', 'b'}, {0xc4}, {0xc7, 2, 5, 'a'}};
	static const size_t sizes[] = {3, 2, 4, 1, 4};
	struct value value;

	for (size_t i = 0; i < 5; i++) {
		struct reader reader = reader_of(frames[i], sizes[i]);

		assert_result(reader_next(&reader, &value), -EBADMSG);
		assert_result(reader_skip(&reader), -EBADMSG);
		ck_assert_ptr_eq(reader.at, frames[i]);
	}
}
END_TEST

/* On memory of exactly that size, so that a sanitizer or valgrind sees a read beyond its end. */
START_TEST(no_prefix_is_read_beyond_its_end)
{
	static const uint8_t frame[] = {0x82, 0xa1, 'k', 0x92, 0xcf, 0, 0, 0, 0, 0, 0, 0, 1, 0xc4,
		2, 8, 9, 0xda, 0, 1, 'x', 0xd8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		16, 17};

	for (size_t size = 0; size <= sizeof(frame); size++) {
		uint8_t *copy = malloc(size);
		struct reader reader = reader_of(memcpy(copy, frame, size), size);

		assert_result(reader_skip(&reader), size < sizeof(frame) ? -EBADMSG : 0);
		free(copy);
	}
}
END_TEST

START_TEST(skip_passes_a_value_with_all_that_is_in_it)
{
	/* [1, [2, {3: 4}], "x"], 5 */
	struct reader reader = READER(0x93, 1, 0x92, 2, 0x81, 3, 4, 0xa1, 'x', 5);
	uint64_t number;

	assert_result(reader_skip(&reader), 0);
	assert_result(reader_uint(&reader, UINT64_MAX, &number), 0);
	ck_assert_uint_eq(number, 5);
	assert_result(reader_skip(&reader), -EBADMSG);
}
END_TEST

START_TEST(skip_ends_whatever_counts_are_announced)
{
	uint8_t frame[5 * 64];

	for (size_t i = 0; i < sizeof(frame); i += 5)
		memcpy(frame + i, ((const uint8_t[]){0xdf, 0xff, 0xff, 0xff, 0xff}), 5);
	assert_result(reader_skip(&(struct reader){frame, frame + sizeof(frame)}), -EBADMSG);
}
END_TEST

START_TEST(integer_that_does_not_fit_is_refused_and_passed)
{
	struct reader reader =
		READER(0xcd, 1, 0, 0xff, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 9);
	int64_t number = 42;
	uint64_t unsigned_number = 42;

	assert_result(reader_uint(&reader, 255, &unsigned_number), -EPROTO);
	assert_result(reader_int(&reader, 0, 10, &number), -EPROTO);
	assert_result(reader_int(&reader, INT64_MIN, INT64_MAX, &number), -EPROTO);
	ck_assert(number == 42 && unsigned_number == 42);
	assert_result(reader_int(&reader, 9, 9, &number), 0);
	ck_assert_int_eq(number, 9);
}
END_TEST

START_TEST(integer_is_taken_at_both_ends_of_its_range)
{
	struct reader reader = READER(0xff, 0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0, 0xcf, 0x7f, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff);
	int64_t number;

	assert_result(reader_int(&reader, -1, -1, &number), 0);
	ck_assert_int_eq(number, -1);
	assert_result(reader_int(&reader, INT64_MIN, 0, &number), 0);
	ck_assert(number == INT64_MIN);
	assert_result(reader_int(&reader, 0, INT64_MAX, &number), 0);
	ck_assert(number == INT64_MAX);
}
END_TEST

START_TEST(something_else_is_not_taken_for_what_is_asked)
{
	/* nil, 1.0, true, "1", [], {} */
	static const uint8_t values[][2] = {{0xc0}, {0xc3}, {0xa1, '1'}, {0x90}, {0x80}};
	static const size_t sizes[] = {1, 1, 2, 1, 1};

	for (size_t i = 0; i < 5; i++) {
		struct reader reader = reader_of(values[i], sizes[i]);
		struct reader readers[] = {reader, reader, reader, reader, reader};
		const uint8_t *bytes;
		uint64_t number;
		int64_t integer;
		uint32_t count;
		size_t size;

		assert_result(reader_uint(&readers[0], UINT64_MAX, &number), -EPROTO);
		assert_result(reader_int(&readers[1], INT64_MIN, INT64_MAX, &integer), -EPROTO);
		assert_result(reader_bytes(&readers[2], &bytes, &size), i == 2 ? 0 : -EPROTO);
		assert_result(reader_array(&readers[3], &count), i == 3 ? 0 : -EPROTO);
		assert_result(reader_map(&readers[4], &count), i == 4 ? 0 : -EPROTO);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reader");

	suite_add(suite, values_come_in_order_and_where_they_lie);
	suite_add(suite, value_that_is_not_all_there_is_refused_and_not_passed);
	suite_add(suite, no_prefix_is_read_beyond_its_end);
	suite_add(suite, skip_passes_a_value_with_all_that_is_in_it);
	suite_add(suite, skip_ends_whatever_counts_are_announced);
	suite_add(suite, integer_that_does_not_fit_is_refused_and_passed);
	suite_add(suite, integer_is_taken_at_both_ends_of_its_range);
	suite_add(suite, something_else_is_not_taken_for_what_is_asked);
	return suite_main(suite);
}
