/* statx on the wire: what is filled in comes back, and what is not does not. */
#include "tests/harness.h"

#include <errno.h>
#include <string.h>

#include "proto/codec.h"

static struct buffer buffer;

static struct statx stat_there_and_back(struct statx *stat)
{
	struct proactor_op op = {.opcode = PROACTOR_STAT, .stat = {.stat = stat}};
	struct statx read;
	struct codec_result result = {.stat = &read};
	struct pack pack = pack_into(&buffer);

	memset(&read, 0xa5, sizeof(read));
	codec_pack_result(&pack, &op, 0);
	must(codec_read_result(PROACTOR_STAT,
		reader_of(buffer_bytes(&buffer), buffer_size(&buffer)), &result));
	buffer_deinit(&buffer);
	return read;
}

START_TEST(all_of_a_stat_comes_back)
{
	struct statx stat =
			     {
				     .stx_mask = STATX_BASIC_STATS | STATX_BTIME,
				     .stx_blksize = 4096,
				     .stx_attributes = UINT64_MAX,
				     .stx_nlink = 2,
				     .stx_uid = 1000,
				     .stx_gid = UINT32_MAX,
				     .stx_mode = S_IFREG | 0644,
				     .stx_ino = UINT64_MAX,
				     .stx_size = UINT64_C(1) << 40,
				     .stx_blocks = 8,
				     .stx_atime = {.tv_sec = 1, .tv_nsec = 999999999},
				     .stx_btime = {.tv_sec = -1, .tv_nsec = 1},
				     .stx_ctime = {.tv_sec = 0, .tv_nsec = 0},
				     .stx_mtime = {.tv_sec = INT64_C(9223372035), .tv_nsec = 5},
				     .stx_dev_major = 259,
				     .stx_dev_minor = 70000,
				     .stx_rdev_major = 1,
				     .stx_rdev_minor = UINT32_MAX,
			     },
		     read;

	read = stat_there_and_back(&stat);
	ck_assert_mem_eq(&read, &stat, sizeof(stat));
}
END_TEST

START_TEST(what_the_kernel_did_not_fill_in_does_not_travel)
{
	struct statx stat = {.stx_mask = STATX_SIZE, .stx_size = 5, .stx_ino = 9, .stx_mode = 7},
		     read;

	read = stat_there_and_back(&stat);
	ck_assert_uint_eq(read.stx_size, 5);
	ck_assert_uint_eq(read.stx_ino, 0);
	ck_assert_uint_eq(read.stx_mode, 0);
	ck_assert_uint_eq(read.stx_mask, STATX_SIZE);
}
END_TEST

START_TEST(time_that_nanoseconds_cannot_count_is_the_last_one_they_can)
{
	struct statx stat = {.stx_mask = STATX_ATIME | STATX_MTIME,
			     .stx_atime = {.tv_sec = INT64_MAX / 2},
			     .stx_mtime = {.tv_sec = INT64_MIN / 2}},
		     read;

	read = stat_there_and_back(&stat);
	ck_assert_int_eq(read.stx_atime.tv_sec, INT64_MAX / 1000000000);
	ck_assert_int_eq(read.stx_mtime.tv_sec, INT64_MIN / 1000000000 - 1);
	ck_assert_uint_lt(read.stx_mtime.tv_nsec, 1000000000);
}
END_TEST

START_TEST(names_that_a_reader_does_not_know_are_passed_over)
{
	struct statx read;
	struct codec_result result = {.stat = &read};
	struct pack pack = pack_into(&buffer);

	pack_map(&pack, 3);
	pack_str(&pack, "new");
	pack_array(&pack, 1);
	pack_map(&pack, 0);
	pack_pair_uint(&pack, "size", 6);
	pack_pair_str(&pack, "uid", "not a number");
	must(codec_read_result(PROACTOR_STAT,
		reader_of(buffer_bytes(&buffer), buffer_size(&buffer)), &result));
	ck_assert_uint_eq(read.stx_size, 6);
	ck_assert_uint_eq(read.stx_uid, 0);
	assert_result(codec_read_result(PROACTOR_STAT,
			      reader_of(buffer_bytes(&buffer), buffer_size(&buffer) - 1), &result),
		-EBADMSG);
	buffer_deinit(&buffer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("codec_stat");

	suite_add(suite, all_of_a_stat_comes_back);
	suite_add(suite, what_the_kernel_did_not_fill_in_does_not_travel);
	suite_add(suite, time_that_nanoseconds_cannot_count_is_the_last_one_they_can);
	suite_add(suite, names_that_a_reader_does_not_know_are_passed_over);
	return suite_main(suite);
}
