/*
 * Cancelling: at every moment of an operation's life, and each one still ends in exactly one entry.
 */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

/* ---- operations that wait until they are cancelled ---- */

enum kind { RECV, READ_PIPE, POLL, TIMEOUT, ACCEPT, KINDS };

/* A file that stays silent, for each kind but TIMEOUT. */
struct silence {
	int64_t files[KINDS];
	int peers[KINDS]; /* the other end; -1: there is none */
	char bytes[KINDS][8];
};

static void silence_begin(struct proactor *proactor, struct silence *silence)
{
	struct proactor_address address;

	*silence = (struct silence){.peers = {[TIMEOUT] = -1, [ACCEPT] = -1}};
	silence->files[RECV] = stream(proactor, &silence->peers[RECV]);
	silence->files[READ_PIPE] = silent_pipe(proactor, &silence->peers[READ_PIPE]);
	silence->files[POLL] = stream(proactor, &silence->peers[POLL]);
	silence->files[ACCEPT] = listener(proactor, AF_INET, &address);
}

static void silence_end(struct proactor *proactor, struct silence *silence)
{
	for (int kind = 0; kind < KINDS; kind++) {
		if (kind != TIMEOUT)
			close_file(proactor, silence->files[kind]);
		if (silence->peers[kind] >= 0)
			close(silence->peers[kind]);
	}
}

static struct proactor_op silent_op(struct silence *silence, int kind)
{
	switch (kind) {
	case RECV: return op_recv(silence->files[kind], silence->bytes[kind], 8, 0);
	case READ_PIPE:
		return op_read(silence->files[kind], silence->bytes[kind], 8, PROACTOR_CURRENT);
	case POLL: return op_poll(silence->files[kind], POLLIN);
	case TIMEOUT: return op_timeout(1000 * NSEC_PER_SEC);
	default: return op_accept(silence->files[kind], NULL);
	}
}

/* ---- at each moment ---- */

START_TEST(cancelled_before_the_first_poll)
{
	struct proactor *proactor = start();
	struct silence silence;

	silence_begin(proactor, &silence);
	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t key = launch(proactor, silent_op(&silence, kind));

		assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
		assert_result(await(proactor, key), -ECANCELED);
		assert_result(proactor_cancel(proactor, key), -ENOENT);
	}
	silence_end(proactor, &silence);
	stop(proactor);
}
END_TEST

START_TEST(cancelled_while_it_waits)
{
	struct proactor *proactor = start();
	struct silence silence;

	silence_begin(proactor, &silence);
	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t key = launch(proactor, silent_op(&silence, kind));

		expect_quiet(proactor);
		assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
		assert_result(await(proactor, key), -ECANCELED);
		expect_quiet(proactor);
	}
	silence_end(proactor, &silence);
	stop(proactor);
}
END_TEST

START_TEST(cancelled_twice_it_ends_once)
{
	struct proactor *proactor = start();
	struct silence silence;

	silence_begin(proactor, &silence);
	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t key = launch(proactor, silent_op(&silence, kind));

		assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
		/* by now it may have ended */
		must(proactor_cancel(proactor, key));
		must(proactor_cancel(proactor, key));
		assert_result(await(proactor, key), -ECANCELED);
		expect_quiet(proactor);
	}
	silence_end(proactor, &silence);
	stop(proactor);
}
END_TEST

START_TEST(cancelled_after_its_end_it_keeps_its_result)
{
	struct proactor *proactor = start();
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;

	key = launch(proactor, op_timeout(1));
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_DONE);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_DONE);
	must(proactor_pop(proactor, &entry, &completion));
	assert_result(completion.result, 0);
	assert_result(proactor_cancel(proactor, key), -ENOENT);
	expect_quiet(proactor);
	stop(proactor);
}
END_TEST

START_TEST(key_that_never_was_cannot_be_cancelled)
{
	struct proactor *proactor = start();

	assert_result(proactor_cancel(proactor, 0), -ENOENT);
	assert_result(proactor_cancel(proactor, 1), -ENOENT);
	assert_result(proactor_cancel(proactor, UINT64_MAX), -ENOENT);
	stop(proactor);
}
END_TEST

START_TEST(stale_key_hits_no_later_operation)
{
	struct proactor *proactor = start();
	uint64_t stale[50], fresh;

	for (int i = 0; i < 50; i++) {
		stale[i] = launch(proactor, op_nop());
		assert_result(await(proactor, stale[i]), 0);
	}
	fresh = launch(proactor, op_timeout(1000 * NSEC_PER_SEC));
	for (int i = 0; i < 50; i++) {
		ck_assert_uint_ne(stale[i], fresh);
		assert_result(proactor_cancel(proactor, stale[i]), -ENOENT);
	}
	expect_quiet(proactor);
	assert_result(proactor_cancel(proactor, fresh), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, fresh), -ECANCELED);
	stop(proactor);
}
END_TEST

START_TEST(only_the_one_that_was_meant_is_cancelled)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	char bytes[3][8] = {"", "", ""};
	uint64_t keys[3];

	for (int i = 0; i < 3; i++)
		keys[i] = launch(proactor, op_recv(file, bytes[i], 1, 0));
	expect_quiet(proactor);
	assert_result(proactor_cancel(proactor, keys[1]), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, keys[1]), -ECANCELED);
	expect_quiet(proactor);
	ck_assert_int_eq(send(peer, "ab", 2, 0), 2);
	assert_result(await(proactor, keys[0]), 1);
	assert_result(await(proactor, keys[2]), 1);
	ck_assert_str_eq(bytes[1], "");
	/* the file has not suffered */
	ck_assert_int_eq(send(peer, "c", 1, 0), 1);
	assert_result(run(proactor, op_recv(file, bytes[1], 1, 0)), 1);
	ck_assert_str_eq(bytes[1], "c");
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(buffer_of_a_cancelled_operation_stays_untouched)
{
	struct proactor *proactor = start();
	struct silence silence;
	char poison[8];

	silence_begin(proactor, &silence);
	memset(poison, 0xee, sizeof(poison));
	memset(silence.bytes, 0xee, sizeof(silence.bytes));
	for (int kind = RECV; kind <= READ_PIPE; kind++) {
		uint64_t key = launch(proactor, silent_op(&silence, kind));

		assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
		assert_result(await(proactor, key), -ECANCELED);
		ck_assert_int_eq(write(silence.peers[kind], "written!", 8), 8);
		expect_quiet(proactor);
		ck_assert_mem_eq(silence.bytes[kind], poison, 8);
	}
	silence_end(proactor, &silence);
	stop(proactor);
}
END_TEST

START_TEST(thousands_are_cancelled_at_once)
{
	enum { COUNT = 3000 };
	struct proactor *proactor = start_with_capacity(16);
	struct proactor_entry entries[COUNT];
	struct proactor_completion completion;
	static uint64_t keys[COUNT];
	struct silence silence;
	int ended = 0;

	silence_begin(proactor, &silence);
	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor, silent_op(&silence, i % KINDS));
	for (int i = 0; i < COUNT; i++)
		assert_result(proactor_cancel(proactor, keys[i]), PROACTOR_CANCEL_REQUESTED);
	while (ended < COUNT) {
		int count = must(proactor_poll(proactor, NULL, entries, COUNT));

		for (int i = 0; i < count; i++, ended++) {
			must(proactor_pop(proactor, &entries[i], &completion));
			assert_result(completion.result, -ECANCELED);
		}
	}
	expect_quiet(proactor);
	for (int i = 0; i < COUNT; i++)
		assert_result(proactor_cancel(proactor, keys[i]), -ENOENT);
	silence_end(proactor, &silence);
	stop(proactor);
}
END_TEST

/* ---- races ---- */

START_TEST(race_with_a_timeout_has_one_end)
{
	struct proactor *proactor = start();
	int rounds = is_slow() ? 1000 : 5000;

	for (int i = 0; i < rounds; i++) {
		uint64_t key = launch(proactor, op_timeout((uint64_t)(i % 60) * NSEC_PER_USEC));
		struct timespec pause = {.tv_nsec = i % 7 * 5000};
		struct proactor_entry entry;
		int64_t result;

		(void)proactor_poll(proactor, &no_time, &entry, 1);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		result = proactor_cancel(proactor, key);
		ck_assert_msg(result == PROACTOR_CANCEL_REQUESTED || result == PROACTOR_CANCEL_DONE,
			"%s", result_text(result));
		if (result == PROACTOR_CANCEL_DONE) {
			struct proactor_completion completion;

			must(proactor_pop(proactor, &entry, &completion));
			assert_result(completion.result, 0);
		} else {
			result = await(proactor, key);
			ck_assert_msg(result == 0 || result == -ECANCELED, "%s",
				result_text(result));
		}
		assert_result(proactor_cancel(proactor, key), -ENOENT);
	}
	expect_quiet(proactor);
	stop(proactor);
}
END_TEST

struct writer {
	int fd;
	int rounds;
};

/* Sends one byte each time it gets one. */
static void *write_on_demand(void *argument)
{
	struct writer *writer = argument;
	char byte;

	for (int i = 0; i < writer->rounds && recv(writer->fd, &byte, 1, 0) == 1; i++)
		(void)!send(writer->fd, "x", 1, 0);
	return NULL;
}

START_TEST(race_with_a_sender_loses_no_byte)
{
	struct proactor *proactor = start();
	int ours, theirs, rounds = is_slow() ? 500 : 4000, fds[2];
	struct writer writer;
	pthread_t thread;
	int64_t file;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	theirs = fds[1];
	ours = must(fcntl(fds[0], F_DUPFD_CLOEXEC, 0));
	file = attach(proactor, fds[0]);
	writer = (struct writer){.fd = theirs, .rounds = rounds};
	ck_assert_int_eq(pthread_create(&thread, NULL, write_on_demand, &writer), 0);
	for (int i = 0; i < rounds; i++) {
		char byte = 0;
		uint64_t key = launch(proactor, op_recv(file, &byte, 1, 0));
		int64_t result;

		ck_assert_int_eq(send(ours, "x", 1, 0), 1);
		for (int spin = i % 100; spin > 0; spin--)
			(void)sched_yield();
		must(proactor_cancel(proactor, key));
		result = await(proactor, key);
		/* cancelled means that the byte is still to be had; else it is here */
		if (result == -ECANCELED)
			result = run(proactor, op_recv(file, &byte, 1, 0));
		assert_result(result, 1);
		ck_assert_int_eq(byte, 'x');
	}
	pthread_join(thread, NULL);
	close(ours);
	close(theirs);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(nop_that_is_cancelled_ends_once)
{
	struct proactor *proactor = start();

	for (int i = 0; i < 1000; i++) {
		uint64_t key = launch(proactor, op_nop());
		int64_t result = must(proactor_cancel(proactor, key));

		result = await(proactor, key);
		ck_assert_msg(result == 0 || result == -ECANCELED, "%s", result_text(result));
	}
	expect_quiet(proactor);
	stop(proactor);
}
END_TEST

/* ---- in-process: an open that blocks, in a worker thread of the kernel because of O_CREAT ---- */

START_TEST(open_that_blocks_can_be_cancelled)
{
	struct proactor *proactor = start();
	struct timespec pause = {0};

	must(mkfifo("fifo", 0600));
	for (int i = 0; i < 300; i++) {
		uint64_t key = launch(proactor, op_open("fifo", O_RDONLY | O_CREAT));

		if (i % 2)
			(void)proactor_poll(proactor, &no_time, &(struct proactor_entry){0}, 1);
		pause.tv_nsec = i % 50 * 1000;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
		assert_result(await(proactor, key), -ECANCELED);
	}
	stop(proactor);
}
END_TEST

void add_cancel(Suite *suite)
{
	suite_add(suite, cancelled_before_the_first_poll);
	suite_add(suite, cancelled_while_it_waits);
	suite_add(suite, cancelled_twice_it_ends_once);
	suite_add(suite, cancelled_after_its_end_it_keeps_its_result);
	suite_add(suite, key_that_never_was_cannot_be_cancelled);
	suite_add(suite, stale_key_hits_no_later_operation);
	suite_add(suite, only_the_one_that_was_meant_is_cancelled);
	suite_add(suite, buffer_of_a_cancelled_operation_stays_untouched);
	suite_add(suite, thousands_are_cancelled_at_once);
	suite_add(suite, race_with_a_timeout_has_one_end);
	suite_add(suite, race_with_a_sender_loses_no_byte);
	suite_add(suite, nop_that_is_cancelled_ends_once);
	if (engine->in_process)
		suite_add(suite, open_that_blocks_can_be_cancelled);
}
