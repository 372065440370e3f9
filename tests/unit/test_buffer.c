/* The byte queue. */
#include "tests/harness.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"

START_TEST(bytes_come_out_as_they_went_in)
{
	struct buffer buffer = {0};
	uint8_t written = 0, read = 0;

	/*
	 * uneven steps, so that head and tail meet every alignment and the waiting bytes are moved
	 * many times
	 */
	for (int round = 0; round < 2000; round++) {
		for (int i = 0; i < 37; i++, written++)
			must(buffer_append(&buffer, &written, 1));
		for (int i = 0; i < 31 || (round % 50 == 0 && buffer_size(&buffer) > 0);
			i++, read++) {
			ck_assert_uint_eq(*buffer_bytes(&buffer), read);
			buffer_consume(&buffer, 1);
		}
	}
	ck_assert_uint_le(buffer.capacity, 2048);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(room_is_made_by_moving_when_that_is_enough)
{
	struct buffer buffer = {0};
	uint8_t bytes[512] = {0};
	size_t capacity;

	must(buffer_append(&buffer, bytes, sizeof(bytes)));
	capacity = buffer.capacity;
	bytes[0] = 7;
	buffer_consume(&buffer, sizeof(bytes) - 1);
	must(buffer_append(&buffer, bytes, capacity - 1));
	ck_assert_uint_eq(buffer.capacity, capacity);
	ck_assert_uint_eq(buffer_size(&buffer), capacity);
	ck_assert_uint_eq(buffer_bytes(&buffer)[1], 7);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(reserved_room_is_there_after_consuming_at_the_front)
{
	struct buffer buffer = {0};

	must(buffer_append(&buffer, "0123456789", 10));
	buffer_consume(&buffer, 9);
	must(buffer_reserve(&buffer, 100000));
	ck_assert_uint_ge(buffer_room(&buffer), 100000);
	ck_assert_uint_eq(buffer_size(&buffer), 1);
	ck_assert_uint_eq(*buffer_bytes(&buffer), '9');
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(size_that_cannot_be_had_leaves_the_buffer_as_it_was)
{
	struct buffer buffer = {0}, before;

	must(buffer_append(&buffer, "abc", 3));
	before = buffer;
	assert_result(buffer_reserve(&buffer, SIZE_MAX), -ENOMEM);
	assert_result(buffer_reserve(&buffer, SIZE_MAX - 3), -ENOMEM);
	assert_result(buffer_append(&buffer, "", SIZE_MAX / 2 + 2), -ENOMEM);
	ck_assert_mem_eq(&buffer, &before, sizeof(buffer));
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(nothing_can_be_appended_to_nothing)
{
	struct buffer buffer = {0};

	must(buffer_append(&buffer, NULL, 0));
	ck_assert_uint_eq(buffer_size(&buffer), 0);
	buffer_deinit(&buffer);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(memory_goes_back_only_when_empty_and_large)
{
	struct buffer buffer = {0};

	must(buffer_reserve(&buffer, 5000));
	buffer_commit(&buffer, 1);
	buffer_trim(&buffer, 4096);
	ck_assert_ptr_nonnull(buffer.data);
	buffer_clear(&buffer);
	buffer_trim(&buffer, 8192);
	ck_assert_ptr_nonnull(buffer.data);
	buffer_trim(&buffer, 4096);
	ck_assert_ptr_null(buffer.data);
	ck_assert_uint_eq(buffer.capacity, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buffer");

	suite_add(suite, bytes_come_out_as_they_went_in);
	suite_add(suite, room_is_made_by_moving_when_that_is_enough);
	suite_add(suite, reserved_room_is_there_after_consuming_at_the_front);
	suite_add(suite, size_that_cannot_be_had_leaves_the_buffer_as_it_was);
	suite_add(suite, nothing_can_be_appended_to_nothing);
	suite_add(suite, memory_goes_back_only_when_empty_and_large);
	return suite_main(suite);
}
