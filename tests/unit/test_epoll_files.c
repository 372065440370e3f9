/*
 * The epoll driver from within: numbers that are used again, flags that are left alone, and
 * idleness.
 */
#include "tests/unit/epoll_counted.h"

/* ---- a number that is used again ---- */

/* Waits on @fd, and is served: it is registered after that. */
static void use(struct proactor *proactor, int fd, int peer)
{
	char byte = 0;

	push_waiting(proactor, op_recv(fd, &byte, 1));
	expect_quiet(proactor);
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	expect_all(proactor, 1, 1);
	ck_assert_int_eq(byte, 'x');
}

/*
 * The description lives on under another number, and so does its registration. What happens to it
 * is no event of the file that has the number then, and nothing that comes again and again.
 */
START_TEST(description_that_lives_on_disturbs_nobody)
{
	struct proactor *proactor = start();
	int fds[2], others[2], twin;
	char byte = 0;

	make_pair(fds);
	attach(proactor, fds[0]);
	use(proactor, fds[0], fds[1]);
	twin = must(dup(fds[0]));
	/* closed past us, and its number is another file's */
	make_pair(others);
	must(dup3(others[0], fds[0], O_CLOEXEC));
	close(others[0]);
	attach(proactor, fds[0]);
	push_waiting(proactor, op_recv(fds[0], &byte, 1));
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(send(fds[1], "old", 3, 0), 3);
		expect_quiet(proactor);
	}
	counts.events = 0;
	expect_quiet(proactor);
	ck_assert_int_eq(counts.events, 0);
	ck_assert_int_eq(send(others[1], "n", 1, 0), 1);
	expect_all(proactor, 1, 1);
	ck_assert_int_eq(byte, 'n');
	use(proactor, fds[0], others[1]);
	close(fds[0]);
	close(fds[1]);
	close(others[1]);
	close(twin);
	proactor_free(proactor);
}
END_TEST

START_TEST(number_that_is_used_again_is_registered_again)
{
	struct proactor *proactor = start();
	int fds[2], number;

	make_pair(fds);
	number = fds[0];
	for (int i = 1; i <= 10; i++) {
		use(proactor, fds[0], fds[1]);
		ck_assert_int_eq(counts.ctls, 2 * i - 1);
		push_ready(proactor, op_close(fds[0]), 0);
		close(fds[1]);
		make_pair(fds);
		ck_assert_int_eq(fds[0], number);
	}
	close(fds[0]);
	close(fds[1]);
	proactor_free(proactor);
}
END_TEST

/* ---- flags ---- */

START_TEST(no_description_is_made_nonblocking)
{
	struct proactor *proactor = start();
	struct sockaddr_in address;
	int fds[2], pipe_fds[2], listening = make_listener(&address);
	int disk = must(open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	int64_t result;
	char bytes[4];

	make_pair(fds);
	must(pipe2(pipe_fds, O_CLOEXEC));
	counts.flag_changes = 0;
	for (int i = 0; i < 2; i++) {
		push_waiting(proactor, op_recv(fds[0], bytes, 1));
		push_waiting(proactor, op_read(pipe_fds[0], bytes, 1));
		push_waiting(proactor, op_accept(listening));
		push_waiting(proactor, op_poll(pipe_fds[0], POLLIN));
		push_ready(proactor, op_send(fds[0], "x", 1), 1);
	}
	/* by a thread, where the file system cannot do it at once */
	if (push(proactor, op_write(disk, "x", 1), &result) == PROACTOR_PENDING)
		expect_all(proactor, 1, 1);
	expect_quiet(proactor);
	proactor_free(proactor);
	ck_assert_int_eq(counts.flag_changes, 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert(!(must(fcntl(fds[i], F_GETFL)) & O_NONBLOCK));
		ck_assert(!(must(fcntl(pipe_fds[i], F_GETFL)) & O_NONBLOCK));
		close(fds[i]);
		close(pipe_fds[i]);
	}
	ck_assert(!(must(fcntl(listening, F_GETFL)) & O_NONBLOCK));
	close(listening);
	close(disk);
}
END_TEST

/* ---- idleness ---- */

START_TEST(thousand_that_wait_wake_nobody)
{
	enum { COUNT = 250 };
	struct proactor *proactor = start();
	struct timespec second = {.tv_sec = 1};
	struct sockaddr_in address;
	struct proactor_entry entry;
	int fds[2], pipe_fds[2], listening = make_listener(&address);
	static char bytes[2][COUNT];

	make_pair(fds);
	must(pipe2(pipe_fds, O_CLOEXEC));
	for (int i = 0; i < COUNT; i++) {
		push_waiting(proactor, op_recv(fds[0], &bytes[0][i], 1));
		push_waiting(proactor, op_read(pipe_fds[0], &bytes[1][i], 1));
		push_waiting(proactor, op_accept(listening));
		push_waiting(proactor, op_poll(fds[0], POLLIN));
	}
	expect_quiet(proactor);
	/* a new registration of what can be written to is an event: that was this */
	memset(&counts, 0, sizeof(counts));
	assert_result(proactor_poll(proactor, &second, &entry, 1), -ETIME);
	ck_assert_int_eq(counts.events, 0);
	/* the time is over; a timer may be early by a little and asked again */
	ck_assert_int_ge(counts.waits_in_vain, 1);
	ck_assert_int_le(counts.waits, 2);
	proactor_free(proactor);
	for (size_t i = 0; i < 2; i++) {
		close(fds[i]);
		close(pipe_fds[i]);
	}
	close(listening);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("epoll_files");

	suite_add(suite, description_that_lives_on_disturbs_nobody);
	suite_add(suite, number_that_is_used_again_is_registered_again);
	suite_add(suite, no_description_is_made_nonblocking);
	suite_add(suite, thousand_that_wait_wake_nobody);
	return suite_main(suite);
}
