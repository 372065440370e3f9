/* What goes over a connection, and waiting for it: recv, send, shutdown, poll. */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

START_TEST(recv_waits_until_something_comes)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	char bytes[16] = "";
	uint64_t key = launch(proactor, op_recv(file, bytes, sizeof(bytes), 0));

	expect_quiet(proactor);
	ck_assert_int_eq(send(peer, "late", 4, 0), 4);
	assert_result(await(proactor, key), 4);
	ck_assert_str_eq(bytes, "late");
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(recv_ends_with_nothing_when_the_peer_has_ended)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	char byte;
	uint64_t key = launch(proactor, op_recv(file, &byte, 1, 0));

	expect_quiet(proactor);
	close(peer);
	assert_result(await(proactor, key), 0);
	assert_result(run(proactor, op_recv(file, &byte, 1, 0)), 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(recv_takes_the_flags_of_the_system_call)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	char bytes[8] = "";
	uint64_t key;

	assert_result(run(proactor, op_recv(file, bytes, 1, MSG_DONTWAIT)), -EAGAIN);
	ck_assert_int_eq(send(peer, "abc", 3, 0), 3);
	assert_result(run(proactor, op_recv(file, bytes, 8, MSG_PEEK)), 3);
	assert_result(run(proactor, op_recv(file, bytes, 8, 0)), 3);
	key = launch(proactor, op_recv(file, bytes, 6, MSG_WAITALL));
	ck_assert_int_eq(send(peer, "def", 3, 0), 3);
	expect_quiet(proactor);
	ck_assert_int_eq(send(peer, "ghi", 3, 0), 3);
	assert_result(await(proactor, key), 6);
	ck_assert_str_eq(bytes, "defghi");
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* An eventfd, and many a device, knows none of the flags that a write may have (pwritev2(2)). */
START_TEST(file_that_knows_no_flags_is_written)
{
	struct proactor *proactor = start();
	uint64_t written = 7, found = 0;
	int64_t file = attach(proactor, must(eventfd(0, EFD_CLOEXEC)));

	assert_result(run(proactor, op_write(file, &written, sizeof(written), PROACTOR_CURRENT)),
		8);
	assert_result(run(proactor, op_read(file, &found, sizeof(found), PROACTOR_CURRENT)), 8);
	ck_assert_uint_eq(found, written);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(send_to_nobody_is_an_error_and_no_signal)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);

	signal(SIGPIPE, SIG_DFL);
	close(peer);
	assert_result(run(proactor, op_send(file, "x", 1, 0)), -EPIPE);
	assert_result(run(proactor, op_shutdown(file, SHUT_WR)), 0);
	assert_result(run(proactor, op_send(file, "x", 1, 0)), -EPIPE);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* A pipe (or a stream) of which the end to be written to is a file, and nobody has the other. */
static int64_t broken(struct proactor *proactor, bool is_pipe)
{
	int fds[2];

	must(is_pipe ? pipe2(fds, O_CLOEXEC)
		     : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	close(fds[0]);
	return attach(proactor, fds[1]);
}

START_TEST(write_to_nobody_is_an_error_and_no_signal)
{
	struct proactor *proactor = start();

	signal(SIGPIPE, SIG_DFL);
	for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
		int64_t file = broken(proactor, is_pipe);

		assert_result(run(proactor, op_write(file, "x", 1, PROACTOR_CURRENT)), -EPIPE);
		assert_result(run(proactor,
				      flagged(op_write(file, "x", 1, PROACTOR_CURRENT),
					      PROACTOR_MAY_BLOCK)),
			-EPIPE);
		close_file(proactor, file);
	}
	stop(proactor);
}
END_TEST

/* What is in the pipe before leaves no room, so the write waits; then the reader goes. */
START_TEST(write_that_waits_for_nobody_is_an_error_and_no_signal)
{
	struct proactor *proactor = start();
	static const uint8_t page[4096];
	uint64_t keys[2];
	int64_t file;
	int fds[2];

	signal(SIGPIPE, SIG_DFL);
	must(pipe2(fds, O_CLOEXEC));
	must(fcntl(fds[1], F_SETPIPE_SZ, 4096));
	ck_assert_int_eq(write(fds[1], page, 4096), 4096);
	file = attach(proactor, fds[1]);
	for (int i = 0; i < 2; i++)
		keys[i] = launch(proactor, op_write(file, page, 4096, PROACTOR_CURRENT));
	expect_quiet(proactor);
	close(fds[0]);
	for (int i = 0; i < 2; i++)
		assert_result(await(proactor, keys[i]), -EPIPE);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(writev_and_splice_to_nobody_are_errors_and_no_signals)
{
	struct proactor *proactor = start();
	const struct iovec piece = text_piece("x");
	int64_t file = pattern_file(proactor, "file", 10);

	signal(SIGPIPE, SIG_DFL);
	for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
		int64_t to = broken(proactor, is_pipe), from;
		int writer;

		from = silent_pipe(proactor, &writer);
		ck_assert_int_eq(write(writer, "xyz", 3), 3);
		assert_result(run(proactor, op_writev(to, &piece, 1, PROACTOR_CURRENT)), -EPIPE);
		assert_result(run(proactor,
				      op_splice(from, PROACTOR_CURRENT, to, PROACTOR_CURRENT, 1)),
			-EPIPE);
		if (is_pipe)
			assert_result(run(proactor, op_splice(file, 0, to, PROACTOR_CURRENT, 1)),
				-EPIPE);
		close(writer);
		close_file(proactor, from);
		close_file(proactor, to);
	}
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

static volatile sig_atomic_t broken_pipes;

static void count_broken_pipe(int number)
{
	(void)number;
	broken_pipes++;
}

/* What the caller does with the signal is the caller's: it is as before, and one of his arrives. */
START_TEST(signal_of_a_broken_pipe_stays_the_callers)
{
	struct proactor *proactor = start();
	int64_t file = broken(proactor, true);
	sigset_t mask;

	signal(SIGPIPE, count_broken_pipe);
	assert_result(run(proactor, op_write(file, "x", 1, PROACTOR_CURRENT)), -EPIPE);
	ck_assert_int_eq(broken_pipes, 0);
	must(sigprocmask(SIG_BLOCK, NULL, &mask));
	ck_assert(!sigismember(&mask, SIGPIPE));
	must(raise(SIGPIPE));
	ck_assert_int_eq(broken_pipes, 1);
	/* blocked and pending it stays so */
	must(sigaddset(&mask, SIGPIPE));
	must(sigprocmask(SIG_BLOCK, &mask, NULL));
	must(raise(SIGPIPE));
	assert_result(run(proactor, op_write(file, "x", 1, PROACTOR_CURRENT)), -EPIPE);
	must(sigpending(&mask));
	ck_assert(sigismember(&mask, SIGPIPE));
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(nothing_can_be_sent)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	char byte;

	assert_result(run(proactor, op_send(file, NULL, 0, 0)), 0);
	ck_assert_int_eq(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(shutdown_ends_a_recv_that_waits)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	char byte;
	uint64_t key = launch(proactor, op_recv(file, &byte, 1, 0));

	expect_quiet(proactor);
	assert_result(run(proactor, op_shutdown(file, SHUT_RD)), 0);
	assert_result(await(proactor, key), 0);
	assert_result(run(proactor, op_shutdown(file, 99)), -EINVAL);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(stream_carries_more_than_its_buffers_hold)
{
	enum { SIZE = 4 << 20 };
	struct proactor *proactor = start();
	int peer;
	int64_t sender = stream(proactor, &peer), receiver = attach(proactor, peer);
	uint8_t *out = malloc(SIZE), *in = calloc(1, SIZE);

	for (size_t i = 0; i < SIZE; i++)
		out[i] = pattern(i);
	/* both may be short: what was sent in one go has to arrive before the next */
	for (size_t sent = 0, received = 0; received < SIZE;) {
		uint64_t sending = launch(proactor, op_send(sender, out + sent, SIZE - sent, 0));

		do {
			int64_t r = run(proactor,
				op_recv(receiver, in + received, SIZE - received, MSG_DONTWAIT));

			ck_assert_msg(r > 0 || r == -EAGAIN, "%s", result_text(r));
			received += r > 0 ? (size_t)r : 0;
		} while (received < SIZE && !has_ended(proactor, sending));
		sent += (size_t)must(await(proactor, sending));
		while (received < sent)
			received += (size_t)must(run(proactor,
				op_recv(receiver, in + received, sent - received, 0)));
		ck_assert_uint_eq(received, sent);
	}
	ck_assert_mem_eq(in, out, SIZE);
	free(in);
	free(out);
	close_file(proactor, sender);
	close_file(proactor, receiver);
	stop(proactor);
}
END_TEST

/* ---- poll ---- */

START_TEST(poll_of_what_is_ready_ends_at_once)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);

	assert_result(run(proactor, op_poll(file, POLLOUT)), POLLOUT);
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	assert_result(run(proactor, op_poll(file, POLLIN)), POLLIN);
	assert_result(run(proactor, op_poll(file, POLLIN | POLLOUT)), POLLIN | POLLOUT);
	close(peer);
	assert_result(run(proactor, op_poll(file, POLLIN | POLLRDHUP)),
		POLLIN | POLLRDHUP | POLLHUP);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(poll_waits_until_it_is_ready_and_takes_nothing)
{
	struct proactor *proactor = start();
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	uint64_t first = launch(proactor, op_poll(file, POLLIN)),
		 second = launch(proactor, op_poll(file, POLLIN));
	char byte;

	expect_quiet(proactor);
	ck_assert_int_eq(write(writer, "x", 1), 1);
	assert_result(await(proactor, first), POLLIN);
	assert_result(await(proactor, second), POLLIN);
	assert_result(run(proactor, op_read(file, &byte, 1, PROACTOR_CURRENT)), 1);
	/* asked for nothing, it still tells that the other side is gone */
	first = launch(proactor, op_poll(file, 0));
	expect_quiet(proactor);
	close(writer);
	assert_result(await(proactor, first), POLLHUP);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- timeout ---- */

START_TEST(timeout_ends_with_nothing_and_not_before_its_time)
{
	struct proactor *proactor = start();
	uint64_t begin = clock_now_ns();

	assert_result(run(proactor, op_timeout(0)), 0);
	assert_result(run(proactor, op_timeout(1)), 0);
	assert_result(run(proactor, op_timeout(30 * NSEC_PER_MSEC)), 0);
	ck_assert_uint_ge(clock_now_ns() - begin, 30 * NSEC_PER_MSEC);
	stop(proactor);
}
END_TEST

START_TEST(shorter_timeout_ends_first)
{
	struct proactor *proactor = start();
	uint64_t never = launch(proactor, op_timeout(UINT64_MAX)),
		 late = launch(proactor, op_timeout(NSEC_PER_SEC / 5));
	uint64_t soon = launch(proactor, op_timeout(NSEC_PER_MSEC));
	struct proactor_completion completion;
	struct proactor_entry entry;

	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	ck_assert_uint_eq(entry.key, soon);
	must(proactor_pop(proactor, &entry, &completion));
	assert_result(await(proactor, late), 0);
	assert_result(proactor_cancel(proactor, never), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, never), -ECANCELED);
	stop(proactor);
}
END_TEST

START_TEST(nop_does_nothing)
{
	struct proactor *proactor = start();

	for (int i = 0; i < 100; i++)
		assert_result(run(proactor, op_nop()), 0);
	stop(proactor);
}
END_TEST

void add_streams(Suite *suite)
{
	suite_add(suite, recv_waits_until_something_comes);
	suite_add(suite, recv_ends_with_nothing_when_the_peer_has_ended);
	suite_add(suite, recv_takes_the_flags_of_the_system_call);
	suite_add(suite, file_that_knows_no_flags_is_written);
	suite_add(suite, send_to_nobody_is_an_error_and_no_signal);
	suite_add(suite, write_to_nobody_is_an_error_and_no_signal);
	suite_add(suite, write_that_waits_for_nobody_is_an_error_and_no_signal);
	suite_add(suite, signal_of_a_broken_pipe_stays_the_callers);
	if (engine->in_process)
		suite_add(suite, writev_and_splice_to_nobody_are_errors_and_no_signals);
	suite_add(suite, nothing_can_be_sent);
	suite_add(suite, shutdown_ends_a_recv_that_waits);
	suite_add(suite, stream_carries_more_than_its_buffers_hold);
	suite_add(suite, poll_of_what_is_ready_ends_at_once);
	suite_add(suite, poll_waits_until_it_is_ready_and_takes_nothing);
	suite_add(suite, timeout_ends_with_nothing_and_not_before_its_time);
	suite_add(suite, shorter_timeout_ends_first);
	suite_add(suite, nop_does_nothing);
}
