/* The epoll driver from within: what it registers, and what an event is worth. */
#include "tests/unit/epoll_counted.h"

/* ---- registrations ---- */

START_TEST(what_can_be_done_at_once_is_not_registered)
{
	struct proactor *proactor = start();
	int fds[2], pipe_fds[2];
	char bytes[4];

	make_pair(fds);
	must(pipe2(pipe_fds, O_CLOEXEC));
	for (int i = 0; i < 100; i++) {
		push_ready(proactor, op_send(fds[0], "abcd", 4), 4);
		push_ready(proactor, op_poll(fds[1], POLLIN), POLLIN);
		push_ready(proactor, op_recv(fds[1], bytes, 4), 4);
		push_ready(proactor, op_write(pipe_fds[1], "abcd", 4), 4);
		push_ready(proactor, op_read(pipe_fds[0], bytes, 4), 4);
	}
	ck_assert_int_eq(counts.ctls, 0);
	ck_assert_int_eq(counts.waits, 0);
	for (int i = 0; i < 2; i++) {
		push_ready(proactor, op_close(fds[i]), 0);
		push_ready(proactor, op_close(pipe_fds[i]), 0);
	}
	proactor_free(proactor);
}
END_TEST

/* Whatever waits on it, in each direction, time and again. */
START_TEST(file_is_registered_once)
{
	struct proactor *proactor = start();
	char byte;
	int fds[2];

	make_pair(fds);
	attach(proactor, fds[0]);
	for (int i = 0; i < 50; i++) {
		push_waiting(proactor, op_recv(fds[0], &byte, 1));
		push_waiting(proactor, op_poll(fds[0], POLLIN));
		expect_quiet(proactor);
		ck_assert_int_eq(send(fds[1], "x", 1, 0), 1);
		expect_all(proactor, 2, 1);
		fill(fds[0]);
		push_waiting(proactor, op_send(fds[0], "x", 1));
		empty(fds[1]);
		expect_all(proactor, 1, 1);
		empty(fds[1]);
	}
	ck_assert_int_eq(counts.ctls, 1);
	close(fds[1]);
	push_ready(proactor, op_close(fds[0]), 0);
	/* it was taken away, as the description may have another number */
	ck_assert_int_eq(counts.ctls, 2);
	proactor_free(proactor);
}
END_TEST

START_TEST(one_event_serves_many)
{
	enum { COUNT = 40 };
	struct proactor *proactor = start();
	char bytes[COUNT], out[COUNT];
	int fds[2];

	make_pair(fds);
	for (int i = 0; i < COUNT; i++)
		push_waiting(proactor, op_recv(fds[0], &bytes[i], 1));
	for (int i = 0; i < COUNT; i++)
		out[i] = (char)('A' + i);
	ck_assert_int_eq(send(fds[1], out, COUNT, 0), COUNT);
	expect_all(proactor, COUNT, 1);
	/* in the order of the pushes */
	ck_assert_mem_eq(bytes, out, COUNT);
	ck_assert_int_eq(counts.events, 1);
	ck_assert_int_le(counts.waits, 1);
	ck_assert_int_eq(counts.ctls, 1);
	close(fds[0]);
	close(fds[1]);
	proactor_free(proactor);
}
END_TEST

START_TEST(those_who_read_do_not_wait_for_those_who_write)
{
	enum { COUNT = 5 };
	struct proactor *proactor = start();
	char bytes[COUNT] = "", text[] = "abcde";
	int fds[2];

	make_pair(fds);
	fill(fds[0]);
	for (int i = 0; i < COUNT; i++) {
		push_waiting(proactor, op_send(fds[0], &text[i], 1));
		push_waiting(proactor, op_recv(fds[0], &bytes[i], 1));
	}
	expect_quiet(proactor);
	ck_assert_int_eq(send(fds[1], "12345", COUNT, 0), COUNT);
	expect_all(proactor, COUNT, 1);
	ck_assert_mem_eq(bytes, "12345", COUNT);
	expect_quiet(proactor);
	empty(fds[1]);
	expect_all(proactor, COUNT, 1);
	ck_assert_int_eq(recv(fds[1], bytes, COUNT, MSG_DONTWAIT), COUNT);
	ck_assert_mem_eq(bytes, text, COUNT);
	ck_assert_int_eq(counts.ctls, 1);
	close(fds[0]);
	close(fds[1]);
	proactor_free(proactor);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("epoll");

	suite_add(suite, what_can_be_done_at_once_is_not_registered);
	suite_add(suite, file_is_registered_once);
	suite_add(suite, one_event_serves_many);
	suite_add(suite, those_who_read_do_not_wait_for_those_who_write);
	return suite_main(suite);
}
