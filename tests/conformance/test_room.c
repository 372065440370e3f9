/* The room that a file takes: fallocate and ftruncate. */
#include "tests/conformance/conformance.h"

#include <linux/falloc.h>

#define FOUR_GIB (INT64_C(1) << 32)

static int64_t blocks_of(const char *path)
{
	struct stat now;

	must(stat(path, &now));
	return now.st_blocks;
}

START_TEST(fallocate_finds_room_and_lengthens_the_file)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);
	uint8_t bytes[200];

	assert_result(run(proactor, op_fallocate(file, 0, 50, 100000)), 0);
	ck_assert_int_eq(size_of("file"), 100050);
	ck_assert_int_ge(blocks_of("file") * 512, 100050);
	assert_result(run(proactor, op_read(file, bytes, 200, 0)), 200);
	assert_pattern(bytes, 100, 0);
	ck_assert_uint_eq(bytes[100], 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(fallocate_does_what_its_mode_says)
{
	enum { HOLE = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);
	uint8_t bytes[100];

	assert_result(run(proactor, op_fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 100000)), 0);
	ck_assert_int_eq(size_of("file"), 100);
	assert_result(run(proactor, op_fallocate(file, HOLE, 10, 20)), 0);
	assert_result(run(proactor, op_read(file, bytes, 100, 0)), 100);
	assert_pattern(bytes, 10, 0);
	for (int i = 10; i < 30; i++)
		ck_assert_uint_eq(bytes[i], 0);
	assert_pattern(bytes + 30, 70, 30);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(fallocate_reaches_beyond_four_gibibytes)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);

	assert_result(run(proactor, op_fallocate(file, 0, FOUR_GIB + 1, 4096)), 0);
	ck_assert_int_eq(size_of("file"), FOUR_GIB + 4097);
	ck_assert_int_lt(blocks_of("file"), 1000);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(fallocate_says_why_it_cannot)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100), reader, pipe_file;
	int writer;

	pipe_file = silent_pipe(proactor, &writer);
	reader = must(run(proactor, op_open("file", O_RDONLY)));
	assert_result(run_or_refuse(proactor, op_fallocate(file, 0, 0, 0)), -EINVAL);
	assert_result(run_or_refuse(proactor, op_fallocate(file, 0, 0, -1)), -EINVAL);
	assert_result(run_or_refuse(proactor, op_fallocate(file, 0, -1, 10)), -EINVAL);
	assert_result(run_or_refuse(proactor, op_fallocate(file, 0, INT64_MIN, 1)), -EINVAL);
	assert_result(run(proactor, op_fallocate(file, 0, INT64_MAX, INT64_MAX)), -EFBIG);
	assert_result(run(proactor, op_fallocate(file, 1 << 30, 0, 1)), -EOPNOTSUPP);
	assert_result(run(proactor, op_fallocate(reader, 0, 0, 10)), -EBADF);
	assert_result(run(proactor, op_fallocate(pipe_file, 0, 0, 10)), -EBADF);
	ck_assert_int_eq(size_of("file"), 100);
	close(writer);
	close_file(proactor, pipe_file);
	close_file(proactor, reader);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(ftruncate_makes_longer_and_shorter)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);
	uint8_t bytes[100];

	assert_result(run(proactor, op_ftruncate(file, 40)), 0);
	ck_assert_int_eq(size_of("file"), 40);
	assert_result(run(proactor, op_ftruncate(file, 100)), 0);
	assert_result(run(proactor, op_read(file, bytes, 100, 0)), 100);
	assert_pattern(bytes, 40, 0);
	for (int i = 40; i < 100; i++)
		ck_assert_uint_eq(bytes[i], 0);
	assert_result(run(proactor, op_ftruncate(file, 100)), 0);
	assert_result(run(proactor, op_ftruncate(file, 0)), 0);
	ck_assert_int_eq(size_of("file"), 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(ftruncate_reaches_beyond_four_gibibytes)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);

	assert_result(run(proactor, op_ftruncate(file, FOUR_GIB + 7)), 0);
	ck_assert_int_eq(size_of("file"), FOUR_GIB + 7);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(ftruncate_says_why_it_cannot)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100), reader, pipe_file;
	int writer;

	pipe_file = silent_pipe(proactor, &writer);
	reader = must(run(proactor, op_open("file", O_RDONLY)));
	assert_result(run_or_refuse(proactor, op_ftruncate(file, -1)), -EINVAL);
	assert_result(run_or_refuse(proactor, op_ftruncate(file, INT64_MIN)), -EINVAL);
	assert_result(run(proactor, op_ftruncate(reader, 0)), -EINVAL);
	assert_result(run(proactor, op_ftruncate(pipe_file, 0)), -EINVAL);
	ck_assert_int_eq(size_of("file"), 100);
	close(writer);
	close_file(proactor, pipe_file);
	close_file(proactor, reader);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

void add_room(Suite *suite)
{
	suite_add(suite, fallocate_finds_room_and_lengthens_the_file);
	suite_add(suite, fallocate_does_what_its_mode_says);
	suite_add(suite, fallocate_reaches_beyond_four_gibibytes);
	suite_add(suite, fallocate_says_why_it_cannot);
	suite_add(suite, ftruncate_makes_longer_and_shorter);
	suite_add(suite, ftruncate_reaches_beyond_four_gibibytes);
	suite_add(suite, ftruncate_says_why_it_cannot);
}
