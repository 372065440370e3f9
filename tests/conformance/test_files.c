/* Reading and writing: open, close, read, write, fsync, on files that can seek. */
#include "tests/conformance/conformance.h"

#include <stdlib.h>

#define FOUR_GIB (INT64_C(1) << 32)

START_TEST(read_gives_what_is_there)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10000);
	uint8_t bytes[4096];

	assert_result(run(proactor, op_read(file, bytes, sizeof(bytes), 0)), sizeof(bytes));
	assert_pattern(bytes, sizeof(bytes), 0);
	assert_result(run(proactor, op_read(file, bytes, 1000, 777)), 1000);
	assert_pattern(bytes, 1000, 777);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(read_across_the_end_is_short_and_beyond_it_empty)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10000);
	uint8_t bytes[4096];

	memset(bytes, 0xee, sizeof(bytes));
	assert_result(run(proactor, op_read(file, bytes, sizeof(bytes), 9990)), 10);
	assert_pattern(bytes, 10, 9990);
	ck_assert_uint_eq(bytes[10], 0xee);
	assert_result(run(proactor, op_read(file, bytes, sizeof(bytes), 10000)), 0);
	assert_result(run(proactor, op_read(file, bytes, sizeof(bytes), FOUR_GIB)), 0);
	assert_pattern(bytes, 10, 9990);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(nothing_can_be_read_and_written)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);
	uint8_t byte = 0xee;
	struct stat stat_now;

	assert_result(run(proactor, op_read(file, &byte, 0, 0)), 0);
	assert_result(run(proactor, op_read(file, NULL, 0, PROACTOR_CURRENT)), 0);
	assert_result(run(proactor, op_write(file, &byte, 0, 5000)), 0);
	assert_result(run(proactor, op_write(file, NULL, 0, PROACTOR_CURRENT)), 0);
	ck_assert_uint_eq(byte, 0xee);
	must(stat("file", &stat_now));
	ck_assert_int_eq(stat_now.st_size, 100);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(what_was_written_is_read)
{
	struct proactor *proactor = start();
	int64_t file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	uint8_t bytes[16] = {0};

	assert_result(run(proactor, op_write(file, "hello world", 11, 0)), 11);
	assert_result(run(proactor, op_write(file, "W", 1, 6)), 1);
	assert_result(run(proactor, op_fsync(file, 0)), 0);
	assert_result(run(proactor, op_fsync(file, 1)), 0);
	assert_result(run(proactor, op_read(file, bytes, sizeof(bytes), 0)), 11);
	ck_assert_str_eq((char *)bytes, "hello World");
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(current_position_is_moved_by_its_own_operations_only)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 1000);
	uint8_t bytes[100];

	assert_result(run(proactor, op_read(file, bytes, 100, PROACTOR_CURRENT)), 100);
	assert_pattern(bytes, 100, 0);
	assert_result(run(proactor, op_read(file, bytes, 100, 500)), 100);
	assert_result(run(proactor, op_write(file, "x", 1, 700)), 1);
	assert_result(run(proactor, op_read(file, bytes, 100, PROACTOR_CURRENT)), 100);
	assert_pattern(bytes, 100, 100);
	assert_result(run(proactor, op_write(file, "yz", 2, PROACTOR_CURRENT)), 2);
	assert_result(run(proactor, op_read(file, bytes, 100, 200)), 100);
	ck_assert_mem_eq(bytes, "yz", 2);
	assert_pattern(bytes + 2, 98, 202);
	assert_result(run(proactor, op_read(file, bytes, 1, PROACTOR_CURRENT)), 1);
	assert_pattern(bytes, 1, 202);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(offsets_reach_beyond_four_gibibytes)
{
	struct proactor *proactor = start();
	int64_t file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	struct statx stat;
	char bytes[8] = "";

	assert_result(run(proactor, op_write(file, "far", 3, FOUR_GIB + 5)), 3);
	assert_result(run(proactor, op_read(file, bytes, sizeof(bytes), FOUR_GIB + 5)), 3);
	ck_assert_str_eq(bytes, "far");
	assert_result(run(proactor, op_read(file, bytes, 3, 5)), 3);
	ck_assert_mem_eq(bytes, "\0\0\0", 3);
	assert_result(run(proactor, op_stat(file, "", 0, &stat)), 0);
	ck_assert_uint_eq(stat.stx_size, FOUR_GIB + 8);
	/* at the largest offset there can be nothing, and nothing can be put there */
	assert_result(run(proactor, op_read(file, bytes, 1, INT64_MAX)), -EINVAL);
	assert_result(run(proactor, op_write(file, bytes, 1, INT64_MAX)), -EINVAL);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(large_transfers_get_there_in_as_many_steps_as_they_want)
{
	enum { SIZE = 5 << 20 };
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "from", SIZE), copy, r;
	uint8_t *bytes = malloc(SIZE);
	size_t done;

	for (done = 0; done < SIZE; done += (size_t)r) {
		r = run(proactor, op_read(file, bytes + done, SIZE - done, (int64_t)done));
		ck_assert_int_gt(r, 0);
	}
	assert_pattern(bytes, SIZE, 0);
	copy = must(run(proactor, op_open("to", O_RDWR | O_CREAT)));
	for (done = 0; done < SIZE; done += (size_t)r) {
		r = run(proactor, op_write(copy, bytes + done, SIZE - done, PROACTOR_CURRENT));
		ck_assert_int_gt(r, 0);
	}
	close_file(proactor, copy);
	close_file(proactor, file);
	ck_assert_int_eq(system("cmp from to"), 0);
	free(bytes);
	stop(proactor);
}
END_TEST

START_TEST(many_at_once_do_not_mix)
{
	enum { COUNT = 200, SIZE = 3000 };
	struct proactor *proactor = start();
	int64_t file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	static uint8_t bytes[COUNT * SIZE], back[COUNT * SIZE];
	uint64_t keys[COUNT];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = pattern(i);
	/* in batches of what await() keeps at most */
	for (int batch = 0; batch < COUNT; batch += 50) {
		for (int i = batch; i < batch + 50; i++)
			keys[i] =
				launch(proactor, op_write(file, bytes + i * SIZE, SIZE, i * SIZE));
		for (int i = batch + 49; i >= batch; i--)
			assert_result(await(proactor, keys[i]), SIZE);
		for (int i = batch; i < batch + 50; i++)
			keys[i] = launch(proactor, op_read(file, back + i * SIZE, SIZE, i * SIZE));
		for (int i = batch; i < batch + 50; i++)
			assert_result(await(proactor, keys[i]), SIZE);
	}
	assert_pattern(back, sizeof(back), 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(access_is_what_the_file_was_opened_for)
{
	struct proactor *proactor = start();
	int64_t both = pattern_file(proactor, "file", 10), reader, writer, directory;
	uint8_t byte;

	reader = must(run(proactor, op_open("file", O_RDONLY)));
	writer = must(run(proactor, op_open("file", O_WRONLY)));
	directory = must(run(proactor, op_open(".", O_RDONLY | O_DIRECTORY)));
	assert_result(run(proactor, op_write(reader, "x", 1, 0)), -EBADF);
	assert_result(run(proactor, op_read(writer, &byte, 1, 0)), -EBADF);
	assert_result(run(proactor, op_read(directory, &byte, 1, 0)), -EISDIR);
	close_file(proactor, directory);
	close_file(proactor, writer);
	close_file(proactor, reader);
	close_file(proactor, both);
	stop(proactor);
}
END_TEST

START_TEST(offset_that_is_none_is_invalid)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10);
	uint8_t byte = 0;
	const struct proactor_op ops[] = {
		op_read(file, &byte, 1, -2),
		op_read(file, &byte, 1, INT64_MIN),
		op_write(file, &byte, 1, -2),
		op_write(file, &byte, 1, INT64_MIN),
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		assert_result(run_or_refuse(proactor, ops[i]), -EINVAL);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(append_writes_at_the_end)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10), appender;
	char bytes[4] = "";

	appender = must(run(proactor, op_open("file", O_WRONLY | O_APPEND)));
	assert_result(run(proactor, op_write(appender, "ab", 2, PROACTOR_CURRENT)), 2);
	assert_result(run(proactor, op_read(file, bytes, sizeof(bytes), 10)), 2);
	ck_assert_str_eq(bytes, "ab");
	close_file(proactor, appender);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(pipe_is_read_as_it_comes)
{
	struct proactor *proactor = start();
	char bytes[8] = "";
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	uint64_t key = launch(proactor, op_read(file, bytes, sizeof(bytes), PROACTOR_CURRENT));

	assert_result(run(proactor, op_fsync(file, 0)), -EINVAL);
	expect_quiet(proactor);
	ck_assert_int_eq(write(writer, "late", 4), 4);
	assert_result(await(proactor, key), 4);
	ck_assert_str_eq(bytes, "late");
	close(writer);
	assert_result(run(proactor, op_read(file, bytes, 1, PROACTOR_CURRENT)), 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(file_is_gone_after_close)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10);
	uint8_t byte;

	close_file(proactor, file);
	assert_result(run(proactor, op_read(file, &byte, 1, 0)), -EBADF);
	assert_result(run(proactor, op_close(file)), -EBADF);
	stop(proactor);
}
END_TEST

/* Every operation that takes a file, on @file. */
static void refuse_file(struct proactor *proactor, int64_t file)
{
	struct proactor_address address = local_address(AF_INET);
	struct statx stat;
	uint8_t byte = 0;
	struct iovec piece = {&byte, 1};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	const struct proactor_op ops[] = {
		op_close(file),
		op_read(file, &byte, 1, 0),
		op_read(file, &byte, 0, 0),
		op_write(file, &byte, 1, 0),
		op_write(file, &byte, 0, PROACTOR_CURRENT),
		op_readv(file, &piece, 1, 0),
		op_writev(file, &piece, 1, 0),
		op_fsync(file, 0),
		op_fallocate(file, 0, 0, 1),
		op_ftruncate(file, 0),
		op_stat(file, "", 0, &stat),
		op_stat(file, "relative", 0, &stat),
		op_open_at(file, "relative", O_RDONLY, 0),
		op_unlink(file, "relative", 0),
		op_rename_at(file, "relative", PROACTOR_CWD, "other", 0),
		op_rename_at(PROACTOR_CWD, "here", file, "other", 0),
		op_mkdir(file, "relative", 0700),
		op_symlink(file, "relative", "target"),
		op_link_at(file, "relative", PROACTOR_CWD, "other", 0),
		op_link_at(PROACTOR_CWD, "here", file, "other", 0),
		op_splice(file, PROACTOR_CURRENT, file, PROACTOR_CURRENT, 1),
		op_bind(file, &address),
		op_listen(file, 1),
		op_accept(file, NULL),
		op_connect(file, &address),
		op_shutdown(file, SHUT_RDWR),
		op_recv(file, &byte, 1, 0),
		op_send(file, &byte, 1, 0),
		op_recvfrom(file, &byte, 1, 0, &address),
		op_sendto(file, &byte, 1, &address),
		op_recvmsg(file, &message, 0),
		op_sendmsg(file, &message, 0),
		op_poll(file, 1),
	};

	close(must(open("here", O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		int64_t result = run_or_refuse(proactor, ops[i]);

		/* what has no form on the wire is refused by the daemon's driver as a whole */
		if (result == -EOPNOTSUPP && !engine->in_process)
			continue;
		ck_assert_msg(result == -EBADF, "opcode %u on file %" PRId64 ": %s", ops[i].opcode,
			file, result_text(result));
	}
}

START_TEST(number_that_is_no_file_is_a_bad_file_for_every_operation)
{
	struct proactor *proactor = start();

	refuse_file(proactor, -1);
	refuse_file(proactor, 123456789);
	refuse_file(proactor, INT32_MAX);
	stop(proactor);
}
END_TEST

START_TEST(number_wider_than_a_descriptor_is_not_cut_to_another_file)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10);

	refuse_file(proactor, file + FOUR_GIB);
	refuse_file(proactor, file - FOUR_GIB);
	refuse_file(proactor, PROACTOR_CWD + FOUR_GIB);
	refuse_file(proactor, INT64_MAX);
	refuse_file(proactor, INT64_MIN);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

void add_files(Suite *suite)
{
	suite_add(suite, read_gives_what_is_there);
	suite_add(suite, read_across_the_end_is_short_and_beyond_it_empty);
	suite_add(suite, nothing_can_be_read_and_written);
	suite_add(suite, what_was_written_is_read);
	suite_add(suite, current_position_is_moved_by_its_own_operations_only);
	suite_add(suite, offsets_reach_beyond_four_gibibytes);
	suite_add(suite, large_transfers_get_there_in_as_many_steps_as_they_want);
	suite_add(suite, many_at_once_do_not_mix);
	suite_add(suite, access_is_what_the_file_was_opened_for);
	suite_add(suite, offset_that_is_none_is_invalid);
	suite_add(suite, append_writes_at_the_end);
	suite_add(suite, pipe_is_read_as_it_comes);
	suite_add(suite, file_is_gone_after_close);
	suite_add(suite, number_that_is_no_file_is_a_bad_file_for_every_operation);
	suite_add(suite, number_wider_than_a_descriptor_is_not_cut_to_another_file);
}
