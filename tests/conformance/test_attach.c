/* Files and descriptors: attach, detach, and what is left open. */
#include "tests/conformance/conformance.h"

static int detach(struct proactor *proactor, int64_t file)
{
	int fd = -1;

	must(proactor_detach(proactor, file, &fd));
	ck_assert_int_ge(fd, 0);
	return fd;
}

START_TEST(number_that_is_no_descriptor_cannot_be_attached)
{
	struct proactor *proactor = start();
	int fd = must(open(".", O_RDONLY | O_CLOEXEC));
	int64_t file = 42;

	close(fd);
	assert_result(proactor_attach(proactor, fd, &file), -EBADF);
	assert_result(proactor_attach(proactor, -1, &file), -EBADF);
	assert_result(proactor_attach(proactor, PROACTOR_CWD, &file), -EBADF);
	assert_result(proactor_attach(proactor, INT32_MAX, &file), -EBADF);
	ck_assert_int_eq(file, 42);
	stop(proactor);
}
END_TEST

START_TEST(number_that_is_no_file_cannot_be_detached)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10);
	int fd = 42;

	assert_result(proactor_detach(proactor, -1, &fd), -EBADF);
	assert_result(proactor_detach(proactor, file + (INT64_C(1) << 32), &fd), -EBADF);
	assert_result(proactor_detach(proactor, INT64_MAX, &fd), -EBADF);
	close_file(proactor, file);
	assert_result(proactor_detach(proactor, file, &fd), -EBADF);
	ck_assert_int_eq(fd, 42);
	stop(proactor);
}
END_TEST

START_TEST(attached_file_shares_its_position_with_its_twin)
{
	struct proactor *proactor = start();
	int fd = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600)), twin = must(dup(fd)), back;
	int64_t file;
	char bytes[4] = "";

	ck_assert_int_eq(write(fd, "0123456789", 10), 10);
	must(lseek(fd, 2, SEEK_SET));
	file = attach(proactor, fd);
	assert_result(run(proactor, op_read(file, bytes, 3, PROACTOR_CURRENT)), 3);
	ck_assert_str_eq(bytes, "234");
	ck_assert_int_eq(lseek(twin, 0, SEEK_CUR), 5);
	must(lseek(twin, 8, SEEK_SET));
	back = detach(proactor, file);
	ck_assert_int_eq(lseek(back, 0, SEEK_CUR), 8);
	ck_assert_int_eq(lseek(back, 1, SEEK_SET), 1);
	ck_assert_int_eq(lseek(twin, 0, SEEK_CUR), 1);
	close(back);
	close(twin);
	stop(proactor);
}
END_TEST

START_TEST(attaching_leaves_the_flags_of_the_open_file_alone)
{
	struct proactor *proactor = start();
	int fds[2], flags, back;
	int64_t file;
	char byte;

	must(pipe2(fds, O_CLOEXEC));
	flags = must(fcntl(fds[0], F_GETFL));
	file = attach(proactor, fds[0]);
	ck_assert_int_eq(write(fds[1], "x", 1), 1);
	assert_result(run(proactor, op_read(file, &byte, 1, PROACTOR_CURRENT)), 1);
	back = detach(proactor, file);
	ck_assert_int_eq(must(fcntl(back, F_GETFL)), flags);
	close(back);
	close(fds[1]);
	stop(proactor);
}
END_TEST

START_TEST(file_can_go_back_and_forth)
{
	struct proactor *proactor = start();
	int fd = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	char bytes[32] = "";

	for (int i = 0; i < 10; i++) {
		int64_t file = attach(proactor, fd);

		assert_result(run(proactor, op_write(file, "ab", 2, PROACTOR_CURRENT)), 2);
		fd = detach(proactor, file);
	}
	ck_assert_int_eq(pread(fd, bytes, sizeof(bytes), 0), 20);
	close(fd);
	stop(proactor);
}
END_TEST

START_TEST(close_ends_an_attached_descriptor)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	char byte;

	close_file(proactor, file);
	/* nobody else holds the other end */
	ck_assert_int_eq(read(peer, &byte, 1), 0);
	close(peer);
	stop(proactor);
}
END_TEST

START_TEST(descriptors_that_were_made_are_close_on_exec)
{
	struct proactor *proactor = start();
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_UNIX, &address);
	int64_t files[3];
	int client = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	must(connect(client, &address.any, address.size));
	files[0] = must(run(proactor, op_open(".", O_RDONLY)));
	files[1] = must(run(proactor, op_socket(AF_INET, SOCK_STREAM)));
	files[2] = must(run(proactor, op_accept(listening, NULL)));
	for (int i = 0; i < 3; i++) {
		int fd = detach(proactor, files[i]);

		ck_assert_int_eq(must(fcntl(fd, F_GETFD)), FD_CLOEXEC);
		close(fd);
	}
	close(client);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(file_that_was_opened_can_be_taken_out)
{
	struct proactor *proactor = start();
	int fd = detach(proactor, pattern_file(proactor, "file", 100));
	uint8_t bytes[100];

	ck_assert_int_eq(pread(fd, bytes, 100, 0), 100);
	ck_assert_uint_eq(bytes[99], pattern(99));
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	close(fd);
	stop(proactor);
}
END_TEST

/* ---- in-process: descriptors can be counted ---- */

START_TEST(files_in_results_that_nobody_popped_are_closed)
{
	int before = fd_count();
	struct proactor *proactor = start();
	struct proactor_entry entries[8];
	struct proactor_completion ready;
	uint64_t key;

	close_file(proactor, pattern_file(proactor, "file", 10));
	for (int i = 0; i < 20; i++) {
		struct proactor_op op = op_open("file", O_RDONLY);

		assert_result(proactor_push(proactor, &op, &key, &ready), PROACTOR_PENDING);
	}
	/* some have an entry that was not popped, some have none */
	ck_assert_int_gt(proactor_poll(proactor, NULL, entries, ARRAY_SIZE(entries)), 0);
	/* threads may open them: check's time-out is the bound */
	while (fd_count() < before + 10)
		usleep(1000);
	proactor_free(proactor);
	ck_assert_int_eq(fd_count(), before);
}
END_TEST

START_TEST(connections_that_nobody_popped_are_closed)
{
	int before = fd_count();
	struct proactor *proactor = start();
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_INET, &address);
	int client = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct proactor_entry entry;
	char byte;

	(void)launch(proactor, op_accept(listening, NULL));
	(void)launch(proactor, op_accept(listening, NULL));
	must(connect(client, &address.any, address.size));
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	proactor_free(proactor);
	ck_assert_int_eq(recv(client, &byte, 1, 0), 0);
	close(client);
	close((int)listening);
	ck_assert_int_eq(fd_count(), before);
}
END_TEST

void add_attach(Suite *suite)
{
	suite_add(suite, number_that_is_no_descriptor_cannot_be_attached);
	suite_add(suite, number_that_is_no_file_cannot_be_detached);
	suite_add(suite, attached_file_shares_its_position_with_its_twin);
	suite_add(suite, attaching_leaves_the_flags_of_the_open_file_alone);
	suite_add(suite, file_can_go_back_and_forth);
	suite_add(suite, close_ends_an_attached_descriptor);
	suite_add(suite, descriptors_that_were_made_are_close_on_exec);
	suite_add(suite, file_that_was_opened_can_be_taken_out);
	if (!engine->in_process)
		return;
	suite_add(suite, files_in_results_that_nobody_popped_are_closed);
	suite_add(suite, connections_that_nobody_popped_are_closed);
}
