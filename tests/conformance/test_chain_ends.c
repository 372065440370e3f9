/* How chains end early: by a failure, a short transfer, a cancellation, the proactor's end. */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <sys/uio.h>

static struct proactor_op endless(void)
{
	return op_timeout(1000 * NSEC_PER_SEC);
}

/* The chain of @op and two nops: @op gives @result, and the others go on or are cancelled. */
static void expect_chain(struct proactor *proactor, struct proactor_op op, int64_t result,
	bool goes_on)
{
	uint64_t keys[] = {
		launch(proactor, chained(op)),
		launch(proactor, chained(op_nop())),
		launch(proactor, op_nop()),
	};
	struct proactor_entry entry;

	for (int i = 0; i < 3; i++) {
		assert_result(next(proactor, &entry).result,
			i == 0            ? result
				: goes_on ? 0
					  : -ECANCELED);
		ck_assert_uint_eq(entry.key, keys[i]);
	}
}

START_TEST(failure_cancels_all_the_rest_in_order)
{
	enum { COUNT = 30, BAD = 10 };
	struct proactor *proactor = start();
	struct proactor_entry entry;
	uint64_t keys[COUNT];
	char byte;

	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor,
			chained(i == BAD ? op_read(123456789, &byte, 1, 0) : op_nop()));
	for (int i = 0; i < COUNT; i++) {
		assert_result(next(proactor, &entry).result,
			i < BAD            ? 0
				: i == BAD ? -EBADF
					   : -ECANCELED);
		ck_assert_uint_eq(entry.key, keys[i]);
	}
	expect_quiet(proactor);
	stop(proactor);
}
END_TEST

START_TEST(short_transfer_ends_the_chain)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100), ends[2];
	uint8_t bytes[50];
	struct iovec pieces[] = {{bytes, 20}, {bytes + 20, 30}};
	int fds[2];

	must(pipe2(fds, O_CLOEXEC));
	ends[0] = attach(proactor, fds[0]);
	ends[1] = attach(proactor, fds[1]);
	expect_chain(proactor, op_read(file, bytes, 50, 50), 50, true);
	expect_chain(proactor, op_read(file, bytes, 50, 51), 49, false);
	expect_chain(proactor, op_read(file, bytes, 50, 1000), 0, false);
	expect_chain(proactor, op_read(file, bytes, 0, 1000), 0, true);
	expect_chain(proactor, op_readv(file, pieces, 2, 50), 50, true);
	expect_chain(proactor, op_readv(file, pieces, 2, 60), 40, false);
	expect_chain(proactor, op_writev(file, pieces, 2, 0), 50, true);
	expect_chain(proactor, op_splice(file, 0, ends[1], PROACTOR_CURRENT, 20), 20, true);
	expect_chain(proactor, op_splice(file, 90, ends[1], PROACTOR_CURRENT, 20), 10, false);
	expect_chain(proactor, op_read(ends[0], bytes, 50, PROACTOR_CURRENT), 30, false);
	close_file(proactor, ends[0]);
	close_file(proactor, ends[1]);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(short_send_ends_the_chain)
{
	static char bytes[8 << 20];
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer), result;
	struct iovec piece = {bytes, sizeof(bytes)};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	uint64_t keys[2];

	expect_chain(proactor, op_send(file, bytes, 10, 0), 10, true);
	piece.iov_len = 10;
	expect_chain(proactor, op_sendmsg(file, &message, 0), 10, true);
	piece.iov_len = sizeof(bytes);
	for (int i = 0; i < 2; i++) {
		keys[0] = launch(proactor,
			chained(i == 0 ? op_send(file, bytes, sizeof(bytes), MSG_DONTWAIT)
				       : op_sendmsg(file, &message, MSG_DONTWAIT)));
		keys[1] = launch(proactor, op_nop());
		result = await(proactor, keys[0]);
		ck_assert_msg(result == -EAGAIN || (result > 0 && result < (8 << 20)), "%s",
			result_text(result));
		assert_result(await(proactor, keys[1]), -ECANCELED);
		/* makes some room, so that the next one sends something */
		ck_assert_int_gt(recv(peer, bytes, sizeof(bytes), 0), 0);
	}
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(short_receive_is_a_success)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	struct proactor_buffers *buffers;
	struct proactor_entry entry;
	char bytes[50];
	struct iovec piece = {bytes, sizeof(bytes)};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

	must(proactor_buffers_new(proactor, 1, 50, &buffers));
	ck_assert_int_eq(send(peer, "abc", 3, 0), 3);
	expect_chain(proactor, op_recv(file, bytes, 50, 0), 3, true);
	ck_assert_int_eq(send(peer, "abc", 3, 0), 3);
	expect_chain(proactor, op_recvfrom(file, bytes, 50, 0, NULL), 3, true);
	ck_assert_int_eq(send(peer, "abc", 3, 0), 3);
	expect_chain(proactor, op_recvmsg(file, &message, 0), 3, true);
	/* with a buffer of its own */
	ck_assert_int_eq(send(peer, "abc", 3, 0), 3);
	(void)launch(proactor, chained(op_recv_select(file, buffers)));
	(void)launch(proactor, op_nop());
	assert_result(next(proactor, &entry).result, 3);
	must(proactor_buffer_release(buffers, proactor_buffer_data(buffers, entry.flags)));
	assert_result(next(proactor, &entry).result, 0);
	/* the end of the stream is one, too */
	close(peer);
	expect_chain(proactor, op_recv(file, bytes, 50, 0), 0, true);
	proactor_buffers_free(buffers);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(results_that_are_no_sizes_go_on_if_they_are_no_failures)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	struct statx stat;

	expect_chain(proactor, op_poll(file, POLLOUT), POLLOUT, true);
	expect_chain(proactor, op_stat(PROACTOR_CWD, ".", 0, &stat), 0, true);
	expect_chain(proactor, op_stat(PROACTOR_CWD, "missing", 0, &stat), -ENOENT, false);
	expect_chain(proactor, op_timeout(1), 0, true);
	expect_chain(proactor, within(endless(), NSEC_PER_MSEC), -ETIME, false);
	expect_chain(proactor, op_shutdown(file, SHUT_RDWR), 0, true);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- cancelling ---- */

START_TEST(cancelled_at_its_head_the_whole_chain_ends_in_order)
{
	struct proactor *proactor = start();
	struct proactor_entry entry;
	uint64_t keys[4];

	for (int moment = 0; moment < 2; moment++) {
		for (int i = 0; i < 4; i++)
			keys[i] = launch(proactor, chained(endless()));
		if (moment == 1)
			expect_quiet(proactor);
		assert_result(proactor_cancel(proactor, keys[0]), PROACTOR_CANCEL_REQUESTED);
		for (int i = 0; i < 4; i++) {
			assert_result(next(proactor, &entry).result, -ECANCELED);
			ck_assert_uint_eq(entry.key, keys[i]);
		}
		expect_quiet(proactor);
	}
	stop(proactor);
}
END_TEST

START_TEST(cancelled_in_the_middle_what_is_before_goes_on)
{
	struct proactor *proactor = start();
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	char bytes[2];
	uint64_t keys[5];

	for (int moment = 0; moment < 2; moment++) {
		for (int i = 0; i < 2; i++)
			keys[i] = launch(proactor,
				chained(op_read(file, &bytes[i], 1, PROACTOR_CURRENT)));
		for (int i = 2; i < 5; i++)
			keys[i] = launch(proactor, chained(op_nop()));
		if (moment == 1)
			expect_quiet(proactor);
		assert_result(proactor_cancel(proactor, keys[2]), PROACTOR_CANCEL_REQUESTED);
		for (int i = 2; i < 5; i++)
			assert_result(await(proactor, keys[i]), -ECANCELED);
		expect_quiet(proactor);
		ck_assert_int_eq(write(writer, "ab", 2), 2);
		assert_result(await(proactor, keys[0]), 1);
		assert_result(await(proactor, keys[1]), 1);
		ck_assert_mem_eq(bytes, "ab", 2);
	}
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(cancelled_at_its_end_all_but_the_last_go_on)
{
	struct proactor *proactor = start();
	uint64_t keys[3];

	for (int i = 0; i < 3; i++)
		keys[i] = launch(proactor, chained(op_timeout(2 * NSEC_PER_MSEC)));
	assert_result(proactor_cancel(proactor, keys[2]), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, keys[2]), -ECANCELED);
	assert_result(await(proactor, keys[0]), 0);
	assert_result(await(proactor, keys[1]), 0);
	assert_result(proactor_cancel(proactor, keys[2]), -ENOENT);
	expect_quiet(proactor);
	stop(proactor);
}
END_TEST

START_TEST(chain_closed_by_cancelling_its_last_takes_no_more)
{
	struct proactor *proactor = start();
	uint64_t head = launch(proactor, chained(endless())),
		 last = launch(proactor, chained(op_nop())), other;

	must(proactor_cancel(proactor, last));
	/* pushed next after an operation that failed: one way or the other it ends */
	other = launch(proactor, op_nop());
	assert_result(await(proactor, last), -ECANCELED);
	assert_result(await(proactor, other), -ECANCELED);
	must(proactor_cancel(proactor, head));
	assert_result(await(proactor, head), -ECANCELED);
	stop(proactor);
}
END_TEST

START_TEST(chain_and_time_out)
{
	struct proactor *proactor = start();
	uint64_t begin = clock_now_ns(), keys[4];

	/* its time counts from push, also while it waits */
	keys[0] = launch(proactor, chained(op_timeout(60 * NSEC_PER_MSEC)));
	keys[1] = launch(proactor, chained(op_timeout(1)));
	keys[2] = launch(proactor, chained(within(op_nop(), 20 * NSEC_PER_MSEC)));
	keys[3] = launch(proactor, op_nop());
	assert_result(await(proactor, keys[2]), -ETIME);
	ck_assert_uint_ge(clock_now_ns() - begin, 20 * NSEC_PER_MSEC);
	ck_assert(!has_ended(proactor, keys[0]));
	assert_result(await(proactor, keys[3]), -ECANCELED);
	assert_result(await(proactor, keys[0]), 0);
	assert_result(await(proactor, keys[1]), 0);
	ck_assert_uint_ge(clock_now_ns() - begin, 60 * NSEC_PER_MSEC);
	stop(proactor);
}
END_TEST

/* ---- at the end ---- */

START_TEST(proactor_with_a_chain_half_done_can_be_freed)
{
	for (int done = 0; done < 5; done++) {
		struct proactor *proactor = start();
		struct proactor_buffers *buffers;
		struct proactor_entry entry;
		int peer;
		int64_t file = stream(proactor, &peer);
		char byte;

		must(proactor_buffers_new(proactor, 1, 10, &buffers));
		for (int i = 0; i < 3; i++)
			(void)launch(proactor, chained(op_nop()));
		(void)launch(proactor, chained(op_recv(file, &byte, 1, 0)));
		(void)launch(proactor, chained(op_recv_select(file, buffers)));
		(void)launch(proactor, chained(op_open(".", O_RDONLY)));
		(void)launch(proactor, chained(within(endless(), NSEC_PER_SEC)));
		for (int i = 0; i < done && i < 3; i++)
			assert_result(next(proactor, &entry).result, 0);
		if (done == 4)
			expect_quiet(proactor);
		proactor_free(proactor);
		close(peer);
		if (engine->in_process)
			close((int)file);
	}
}
END_TEST

void add_chain_ends(Suite *suite)
{
	suite_add(suite, failure_cancels_all_the_rest_in_order);
	suite_add(suite, short_transfer_ends_the_chain);
	suite_add(suite, short_send_ends_the_chain);
	suite_add(suite, short_receive_is_a_success);
	suite_add(suite, results_that_are_no_sizes_go_on_if_they_are_no_failures);
	suite_add(suite, cancelled_at_its_head_the_whole_chain_ends_in_order);
	suite_add(suite, cancelled_in_the_middle_what_is_before_goes_on);
	suite_add(suite, cancelled_at_its_end_all_but_the_last_go_on);
	suite_add(suite, chain_closed_by_cancelling_its_last_takes_no_more);
	suite_add(suite, chain_and_time_out);
	suite_add(suite, proactor_with_a_chain_half_done_can_be_freed);
}
