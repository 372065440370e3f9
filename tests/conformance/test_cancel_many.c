/* Cancelling all that is in flight on a file, or all there is. */
#include "tests/conformance/conformance.h"

#include <poll.h>

enum { MANY = 20 };

static struct proactor_op endless(void)
{
	return op_timeout(1000 * NSEC_PER_SEC);
}

/* @count entries come and all of them were cancelled. */
static void expect_cancelled(struct proactor *proactor, int count)
{
	struct proactor_entry entry;

	for (int i = 0; i < count; i++)
		assert_result(next(proactor, &entry).result, -ECANCELED);
	expect_quiet(proactor);
}

static uint64_t in_flight(struct proactor *proactor)
{
	struct proactor_stats stats;

	proactor_stats(proactor, &stats);
	return stats.in_flight;
}

START_TEST(everything_on_a_file_is_cancelled_and_nothing_else)
{
	struct proactor *proactor = start();
	int peer, other_peer;
	int64_t file = stream(proactor, &peer), other = stream(proactor, &other_peer);
	static char bytes[MANY][4], other_bytes[4];
	uint64_t others[2];

	for (int i = 0; i < MANY; i++) {
		(void)launch(proactor, op_recv(file, bytes[i], 4, 0));
		(void)launch(proactor, op_poll(file, POLLIN));
	}
	others[0] = launch(proactor, op_recv(other, other_bytes, 4, 0));
	others[1] = launch(proactor, endless());
	expect_quiet(proactor);
	ck_assert_int_eq(proactor_cancel_file(proactor, file), 2 * MANY);
	expect_cancelled(proactor, 2 * MANY);
	ck_assert_int_eq(proactor_cancel_file(proactor, file), 0);
	ck_assert_uint_eq(in_flight(proactor), 2);
	ck_assert_int_eq(send(other_peer, "x", 1, 0), 1);
	assert_result(await(proactor, others[0]), 1);
	assert_result(proactor_cancel(proactor, others[1]), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, others[1]), -ECANCELED);
	/* the file has not suffered */
	ck_assert_int_eq(send(peer, "y", 1, 0), 1);
	assert_result(run(proactor, op_recv(file, bytes[0], 1, 0)), 1);
	close(peer);
	close(other_peer);
	close_file(proactor, file);
	close_file(proactor, other);
	stop(proactor);
}
END_TEST

START_TEST(everything_on_a_file_is_cancelled_before_the_first_poll)
{
	struct proactor *proactor = start_with_capacity(2);
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	char byte;

	for (int i = 0; i < MANY; i++)
		(void)launch(proactor, op_read(file, &byte, 1, PROACTOR_CURRENT));
	ck_assert_int_eq(proactor_cancel_file(proactor, file), MANY);
	expect_cancelled(proactor, MANY);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(cancel_of_a_file_meets_each_kind_of_operation)
{
	struct proactor *proactor = start();
	struct proactor_address address;
	struct proactor_buffers *buffers;
	int peer, writer;
	int64_t file = stream(proactor, &peer), pipe_file = silent_pipe(proactor, &writer);
	int64_t listening = listener(proactor, AF_INET, &address);
	char byte;
	struct iovec piece = {&byte, 1};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

	must(proactor_buffers_new(proactor, 2, 16, &buffers));
	(void)launch(proactor, op_recv(file, &byte, 1, 0));
	(void)launch(proactor, op_recvfrom(file, &byte, 1, 0, NULL));
	(void)launch(proactor, op_recvmsg(file, &message, 0));
	(void)launch(proactor, op_recv_select(file, buffers));
	(void)launch(proactor, flagged(op_recv_select(file, buffers), PROACTOR_MULTISHOT));
	(void)launch(proactor, op_poll(file, POLLIN));
	(void)launch(proactor, flagged(op_poll(file, POLLIN), PROACTOR_MULTISHOT));
	(void)launch(proactor, within(op_recv(file, &byte, 1, 0), 1000 * NSEC_PER_SEC));
	(void)launch(proactor, op_read(pipe_file, &byte, 1, PROACTOR_CURRENT));
	(void)launch(proactor, op_readv(pipe_file, &piece, 1, PROACTOR_CURRENT));
	(void)launch(proactor, op_accept(listening, NULL));
	(void)launch(proactor, flagged(op_accept(listening, NULL), PROACTOR_MULTISHOT));
	expect_quiet(proactor);
	ck_assert_int_eq(proactor_cancel_file(proactor, file), 8);
	expect_cancelled(proactor, 8);
	ck_assert_int_eq(proactor_cancel_file(proactor, pipe_file), 2);
	expect_cancelled(proactor, 2);
	ck_assert_int_eq(proactor_cancel_file(proactor, listening), 2);
	expect_cancelled(proactor, 2);
	proactor_buffers_free(buffers);
	close(peer);
	close(writer);
	close_file(proactor, file);
	close_file(proactor, pipe_file);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(cancel_of_a_file_meets_both_ends_of_a_splice)
{
	struct proactor *proactor = start();
	int fds[2];
	int64_t in, out = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));

	must(pipe2(fds, O_CLOEXEC));
	in = attach(proactor, fds[0]);
	for (int i = 0; i < 2; i++) {
		(void)launch(proactor, op_splice(in, PROACTOR_CURRENT, out, 0, 10));
		expect_quiet(proactor);
		ck_assert_int_eq(proactor_cancel_file(proactor, i == 0 ? in : out), 1);
		expect_cancelled(proactor, 1);
	}
	close(fds[1]);
	close_file(proactor, in);
	close_file(proactor, out);
	stop(proactor);
}
END_TEST

START_TEST(cancel_of_a_file_meets_both_directories_of_a_name)
{
	struct proactor *proactor = start();
	int64_t from, to;

	must(mkdir("from", 0700));
	must(mkdir("to", 0700));
	from = must(run(proactor, op_open("from", O_RDONLY | O_DIRECTORY)));
	to = must(run(proactor, op_open("to", O_RDONLY | O_DIRECTORY)));
	for (int i = 0; i < 4; i++) {
		uint64_t before = launch(proactor, chained(endless())), key;

		key = launch(proactor,
			i < 2 ? op_rename_at(from, "a", to, "b", 0)
			      : op_link_at(from, "a", to, "b", 0));
		ck_assert_int_eq(proactor_cancel_file(proactor, i % 2 ? from : to), 1);
		assert_result(await(proactor, key), -ECANCELED);
		assert_result(proactor_cancel(proactor, before), PROACTOR_CANCEL_REQUESTED);
		assert_result(await(proactor, before), -ECANCELED);
	}
	close_file(proactor, from);
	close_file(proactor, to);
	stop(proactor);
}
END_TEST

START_TEST(cancel_of_a_file_meets_a_receive_that_waits_for_a_buffer)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers;
	struct proactor_entry entry;
	int peer;
	int64_t file = stream(proactor, &peer);

	must(proactor_buffers_new(proactor, 1, 4, &buffers));
	ck_assert_int_eq(send(peer, "aaaabbbb", 8, 0), 8);
	(void)launch(proactor, op_recv_select(file, buffers));
	assert_result(next(proactor, &entry).result, 4);
	(void)launch(proactor, op_recv_select(file, buffers));
	expect_quiet(proactor);
	ck_assert_int_eq(proactor_cancel_file(proactor, file), 1);
	expect_cancelled(proactor, 1);
	proactor_buffers_free(buffers);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* Both have something in one look, of which the caller takes one. */
START_TEST(cancel_of_a_file_meets_a_stream_of_which_a_shot_was_not_taken)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers;
	struct proactor_entry entry;
	int peers[2];
	int64_t files[2];
	uint64_t keys[2];

	must(proactor_buffers_new(proactor, 8, 4, &buffers));
	for (int i = 0; i < 2; i++) {
		files[i] = stream(proactor, &peers[i]);
		keys[i] = launch(proactor,
			flagged(op_recv_select(files[i], buffers), PROACTOR_MULTISHOT));
	}
	expect_quiet(proactor);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(send(peers[i], "a", 1, 0), 1);
	usleep(10000);
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(proactor_cancel_file(proactor, files[i]), 1);
	/* what has come may come, as the end or before it */
	for (int ended = 0; ended < 2;) {
		assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
		ck_assert(entry.key == keys[0] || entry.key == keys[1]);
		if (entry.result != 1)
			assert_result(entry.result, -ECANCELED);
		if (entry.flags & PROACTOR_MORE)
			continue;
		must(proactor_pop(proactor, &entry, &(struct proactor_completion){0}));
		ended++;
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(send(peers[i], "b", 1, 0), 1);
	expect_quiet(proactor);
	proactor_buffers_free(buffers);
	for (int i = 0; i < 2; i++) {
		close(peers[i]);
		close_file(proactor, files[i]);
	}
	stop(proactor);
}
END_TEST

START_TEST(cancel_of_a_file_meets_what_waits_in_a_chain)
{
	struct proactor *proactor = start();
	int writer, peer;
	int64_t pipe_file = silent_pipe(proactor, &writer), file = stream(proactor, &peer);
	char bytes[3][4];
	uint64_t keys[3];

	keys[0] = launch(proactor, chained(op_recv(file, bytes[0], 4, 0)));
	keys[1] = launch(proactor, chained(op_read(pipe_file, bytes[1], 1, PROACTOR_CURRENT)));
	keys[2] = launch(proactor, op_nop());
	expect_quiet(proactor);
	ck_assert_int_eq(proactor_cancel_file(proactor, pipe_file), 1);
	assert_result(await(proactor, keys[1]), -ECANCELED);
	assert_result(await(proactor, keys[2]), -ECANCELED);
	expect_quiet(proactor);
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	assert_result(await(proactor, keys[0]), 1);
	close(writer);
	close(peer);
	close_file(proactor, pipe_file);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(what_has_ended_on_a_file_is_not_counted)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	struct proactor_entry entry;
	struct proactor_completion completion;
	char bytes[2];

	ck_assert_int_eq(proactor_cancel_file(proactor, file), 0);
	ck_assert_int_eq(proactor_cancel_file(proactor, -1), 0);
	ck_assert_int_eq(proactor_cancel_file(proactor, INT64_MAX), 0);
	(void)launch(proactor, op_recv(file, &bytes[0], 1, 0));
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	(void)launch(proactor, op_recv(file, &bytes[1], 1, 0));
	ck_assert_int_eq(proactor_cancel_file(proactor, file), 1);
	must(proactor_pop(proactor, &entry, &completion));
	assert_result(completion.result, 1);
	expect_cancelled(proactor, 1);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(number_that_two_results_share_with_a_file_is_no_file)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	/* their first parameter is a number, but not that of a file */
	uint64_t key = launch(proactor, op_timeout((uint64_t)file + 1000 * NSEC_PER_SEC));
	struct proactor_op op = op_timeout(1000 * NSEC_PER_SEC);

	ck_assert_int_eq(proactor_cancel_file(proactor, (int64_t)op.timeout.duration_ns), 0);
	ck_assert_int_eq(proactor_cancel_file(proactor, file), 0);
	expect_quiet(proactor);
	ck_assert_int_eq(proactor_cancel_all(proactor), 1);
	assert_result(await(proactor, key), -ECANCELED);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(everything_is_cancelled)
{
	struct proactor *proactor = start_with_capacity(4);
	struct proactor_address address;
	int peer;
	int64_t file = stream(proactor, &peer), listening = listener(proactor, AF_INET, &address);
	static char bytes[MANY][4];

	ck_assert_int_eq(proactor_cancel_all(proactor), 0);
	for (int i = 0; i < MANY; i++) {
		(void)launch(proactor, op_recv(file, bytes[i], 4, 0));
		(void)launch(proactor, op_accept(listening, NULL));
		(void)launch(proactor, endless());
		(void)launch(proactor, within(op_poll(file, POLLIN), 1000 * NSEC_PER_SEC));
		(void)launch(proactor, chained(endless()));
		(void)launch(proactor, op_nop());
		if (i == MANY / 2)
			expect_quiet(proactor);
	}
	ck_assert_int_eq(proactor_cancel_all(proactor), 6 * MANY);
	/* asked for already is not asked for again by name, but does no harm */
	must(proactor_cancel_all(proactor));
	expect_cancelled(proactor, 6 * MANY);
	ck_assert_int_eq(proactor_cancel_all(proactor), 0);
	ck_assert_uint_eq(in_flight(proactor), 0);
	assert_result(run(proactor, op_nop()), 0);
	close(peer);
	close_file(proactor, file);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(everything_is_cancelled_and_what_has_ended_keeps_its_result)
{
	struct proactor *proactor = start();
	struct proactor_entry entries[3];
	struct proactor_completion completion;
	int ended = 0;

	for (int i = 0; i < 3; i++)
		(void)launch(proactor, op_nop());
	(void)launch(proactor, endless());
	while (ended < 3)
		ended +=
			must(proactor_poll(proactor, NULL, entries + ended, (unsigned)(3 - ended)));
	ck_assert_int_eq(proactor_cancel_all(proactor), 1);
	for (int i = 0; i < 3; i++) {
		must(proactor_pop(proactor, &entries[i], &completion));
		assert_result(completion.result, 0);
	}
	expect_cancelled(proactor, 1);
	stop(proactor);
}
END_TEST

void add_cancel_many(Suite *suite)
{
	suite_add(suite, everything_on_a_file_is_cancelled_and_nothing_else);
	suite_add(suite, everything_on_a_file_is_cancelled_before_the_first_poll);
	suite_add(suite, cancel_of_a_file_meets_each_kind_of_operation);
	suite_add(suite, cancel_of_a_file_meets_both_ends_of_a_splice);
	suite_add(suite, cancel_of_a_file_meets_both_directories_of_a_name);
	suite_add(suite, cancel_of_a_file_meets_a_receive_that_waits_for_a_buffer);
	suite_add(suite, cancel_of_a_file_meets_a_stream_of_which_a_shot_was_not_taken);
	suite_add(suite, cancel_of_a_file_meets_what_waits_in_a_chain);
	suite_add(suite, what_has_ended_on_a_file_is_not_counted);
	suite_add(suite, number_that_two_results_share_with_a_file_is_no_file);
	suite_add(suite, everything_is_cancelled);
	suite_add(suite, everything_is_cancelled_and_what_has_ended_keeps_its_result);
}
