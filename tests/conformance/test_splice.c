/* From file to file through a pipe: splice. */
#include "tests/conformance/conformance.h"

#include <stdlib.h>

#define FOUR_GIB (INT64_C(1) << 32)

/* Both ends of a pipe. */
static void pipe_files(struct proactor *proactor, int64_t ret_files[2])
{
	int fds[2];

	must(pipe2(fds, O_CLOEXEC));
	ret_files[0] = attach(proactor, fds[0]);
	ret_files[1] = attach(proactor, fds[1]);
}

static void close_files(struct proactor *proactor, const int64_t *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close_file(proactor, files[i]);
}

START_TEST(splice_moves_a_file_through_a_pipe_to_another)
{
	enum { SIZE = 300000 };
	struct proactor *proactor = start();
	int64_t pipe_ends[2], from = pattern_file(proactor, "from", SIZE), to, done = 0;

	pipe_files(proactor, pipe_ends);
	to = must(run(proactor, op_open("to", O_RDWR | O_CREAT)));
	while (done < SIZE) {
		int64_t in =
			run(proactor, op_splice(from, done, pipe_ends[1], PROACTOR_CURRENT, SIZE));

		ck_assert_int_gt(in, 0);
		for (int64_t end = done + in; done < end;) {
			int64_t out = run(proactor,
				op_splice(pipe_ends[0], PROACTOR_CURRENT, to, done, end - done));

			ck_assert_int_gt(out, 0);
			done += out;
		}
	}
	assert_result(run(proactor, op_splice(from, SIZE, pipe_ends[1], PROACTOR_CURRENT, 10)), 0);
	close_files(proactor, (int64_t[]){from, to, pipe_ends[0], pipe_ends[1]}, 4);
	ck_assert_int_eq(system("cmp from to"), 0);
	stop(proactor);
}
END_TEST

START_TEST(splice_moves_no_more_than_it_was_asked_to)
{
	struct proactor *proactor = start();
	int64_t pipe_ends[2], from = pattern_file(proactor, "from", 1000);
	uint8_t bytes[100];

	pipe_files(proactor, pipe_ends);
	assert_result(run(proactor, op_splice(from, 100, pipe_ends[1], PROACTOR_CURRENT, 0)), 0);
	assert_result(run(proactor, op_splice(from, 100, pipe_ends[1], PROACTOR_CURRENT, 33)), 33);
	/* short at the end of the file */
	assert_result(run(proactor, op_splice(from, 990, pipe_ends[1], PROACTOR_CURRENT, 33)), 10);
	assert_result(run(proactor, op_read(pipe_ends[0], bytes, 100, PROACTOR_CURRENT)), 43);
	assert_pattern(bytes, 33, 100);
	assert_pattern(bytes + 33, 10, 990);
	close_files(proactor, (int64_t[]){from, pipe_ends[0], pipe_ends[1]}, 3);
	stop(proactor);
}
END_TEST

START_TEST(splice_moves_the_current_position)
{
	struct proactor *proactor = start();
	int64_t pipe_ends[2], file = pattern_file(proactor, "file", 1000);
	uint8_t bytes[20];

	pipe_files(proactor, pipe_ends);
	assert_result(run(proactor,
			      op_splice(file, PROACTOR_CURRENT, pipe_ends[1], PROACTOR_CURRENT,
				      20)),
		20);
	assert_result(run(proactor,
			      op_splice(pipe_ends[0], PROACTOR_CURRENT, file, PROACTOR_CURRENT,
				      20)),
		20);
	assert_result(run(proactor, op_read(file, bytes, 20, 20)), 20);
	assert_pattern(bytes, 20, 0);
	assert_result(run(proactor, op_read(file, bytes, 1, PROACTOR_CURRENT)), 1);
	assert_pattern(bytes, 1, 40);
	close_files(proactor, (int64_t[]){file, pipe_ends[0], pipe_ends[1]}, 3);
	stop(proactor);
}
END_TEST

START_TEST(splice_reaches_beyond_four_gibibytes)
{
	struct proactor *proactor = start();
	int64_t pipe_ends[2], file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	char bytes[4] = "";

	pipe_files(proactor, pipe_ends);
	assert_result(run(proactor, op_write(pipe_ends[1], "far", 3, PROACTOR_CURRENT)), 3);
	assert_result(run(proactor,
			      op_splice(pipe_ends[0], PROACTOR_CURRENT, file, FOUR_GIB + 1, 3)),
		3);
	assert_result(run(proactor, op_read(file, bytes, 3, FOUR_GIB + 1)), 3);
	ck_assert_str_eq(bytes, "far");
	assert_result(run(proactor,
			      op_splice(file, FOUR_GIB + 2, pipe_ends[1], PROACTOR_CURRENT, 9)),
		2);
	close_files(proactor, (int64_t[]){file, pipe_ends[0], pipe_ends[1]}, 3);
	stop(proactor);
}
END_TEST

START_TEST(splice_from_a_pipe_waits_and_ends_with_it)
{
	struct proactor *proactor = start();
	int64_t pipe_ends[2], file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	uint64_t key;

	pipe_files(proactor, pipe_ends);
	key = launch(proactor, op_splice(pipe_ends[0], PROACTOR_CURRENT, file, 0, 100));
	expect_quiet(proactor);
	assert_result(run(proactor, op_write(pipe_ends[1], "late", 4, PROACTOR_CURRENT)), 4);
	assert_result(await(proactor, key), 4);
	key = launch(proactor, op_splice(pipe_ends[0], PROACTOR_CURRENT, file, 4, 100));
	expect_quiet(proactor);
	close_file(proactor, pipe_ends[1]);
	assert_result(await(proactor, key), 0);
	ck_assert_int_eq(size_of("file"), 4);
	close_files(proactor, (int64_t[]){file, pipe_ends[0]}, 2);
	stop(proactor);
}
END_TEST

START_TEST(splice_that_waits_can_be_cancelled)
{
	struct proactor *proactor = start();
	int64_t pipe_ends[2], file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	uint64_t key;

	pipe_files(proactor, pipe_ends);
	for (int i = 0; i < 20; i++) {
		key = launch(proactor, op_splice(pipe_ends[0], PROACTOR_CURRENT, file, 0, 100));
		if (i % 2)
			expect_quiet(proactor);
		assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
		assert_result(await(proactor, key), -ECANCELED);
	}
	/* the bytes that come are nobody's */
	assert_result(run(proactor, op_write(pipe_ends[1], "x", 1, PROACTOR_CURRENT)), 1);
	expect_quiet(proactor);
	ck_assert_int_eq(size_of("file"), 0);
	close_files(proactor, (int64_t[]){file, pipe_ends[0], pipe_ends[1]}, 3);
	stop(proactor);
}
END_TEST

START_TEST(splice_says_why_it_cannot)
{
	struct proactor *proactor = start();
	int64_t ends[2], file = pattern_file(proactor, "file", 10), other;

	pipe_files(proactor, ends);
	other = pattern_file(proactor, "other", 10);
	/* neither is a pipe; a pipe has no offsets; each has its direction */
	assert_result(run(proactor, op_splice(file, 0, other, 0, 1)), -EINVAL);
	assert_result(run(proactor, op_splice(file, 0, ends[1], 5, 1)), -ESPIPE);
	assert_result(run(proactor, op_splice(ends[0], 5, file, 0, 1)), -ESPIPE);
	assert_result(run(proactor, op_splice(file, 0, ends[0], PROACTOR_CURRENT, 1)), -EBADF);
	assert_result(run(proactor, op_splice(ends[1], PROACTOR_CURRENT, file, 0, 1)), -EBADF);
	assert_result(run(proactor, op_splice(file, 0, 123456789, PROACTOR_CURRENT, 1)), -EBADF);
	assert_result(run(proactor, op_splice(file, 0, ends[1] + FOUR_GIB, PROACTOR_CURRENT, 1)),
		-EBADF);
	assert_result(run_or_refuse(proactor, op_splice(file, -2, ends[1], PROACTOR_CURRENT, 1)),
		-EINVAL);
	assert_result(run_or_refuse(proactor, op_splice(file, 0, ends[1], PROACTOR_CURRENT, -1)),
		-EINVAL);
	close_files(proactor, (int64_t[]){file, other, ends[0], ends[1]}, 4);
	stop(proactor);
}
END_TEST

void add_splice(Suite *suite)
{
	suite_add(suite, splice_moves_a_file_through_a_pipe_to_another);
	suite_add(suite, splice_moves_no_more_than_it_was_asked_to);
	suite_add(suite, splice_moves_the_current_position);
	suite_add(suite, splice_reaches_beyond_four_gibibytes);
	suite_add(suite, splice_from_a_pipe_waits_and_ends_with_it);
	suite_add(suite, splice_that_waits_can_be_cancelled);
	suite_add(suite, splice_says_why_it_cannot);
}
