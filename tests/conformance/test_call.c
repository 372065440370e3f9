/* Functions on threads: call. In this process with every driver. */
#include "tests/conformance/conformance.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

static int64_t give_back(void *argument)
{
	return (int64_t)(intptr_t)argument;
}

START_TEST(call_gives_back_what_its_function_returns)
{
	static const int64_t values[] = {0, 1, 114514, -1, -ENOENT, INT64_MAX, INT64_MIN};
	struct proactor *proactor = start();

	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		assert_result(run(proactor, op_call(give_back, (void *)(intptr_t)values[i])),
			values[i]);
	refuse(proactor, op_call(NULL, NULL), -EINVAL);
	stop(proactor);
}
END_TEST

static int64_t is_this_thread(void *thread)
{
	return pthread_equal(pthread_self(), *(pthread_t *)thread) != 0;
}

START_TEST(call_is_done_by_another_thread)
{
	struct proactor *proactor = start();
	pthread_t self = pthread_self();

	for (int i = 0; i < 10; i++)
		assert_result(run(proactor, op_call(is_this_thread, &self)), 0);
	stop(proactor);
}
END_TEST

/* ---- a gate: calls that wait until they are let through ---- */

struct gate {
	_Atomic int inside;
	_Atomic bool open;
};

static int64_t pass(void *argument)
{
	struct gate *gate = argument;
	int number = ++gate->inside;

	while (!gate->open)
		usleep(200);
	return number;
}

static void wait_inside(struct gate *gate, int count)
{
	while (gate->inside < count)
		sched_yield();
}

START_TEST(call_that_blocks_holds_up_nobody)
{
	struct proactor *proactor = start();
	struct gate gate = {0};
	uint64_t keys[3];

	for (int i = 0; i < 3; i++)
		keys[i] = launch(proactor, op_call(pass, &gate));
	wait_inside(&gate, 3);
	assert_result(run(proactor, op_nop()), 0);
	assert_result(run(proactor, op_timeout(NSEC_PER_MSEC)), 0);
	assert_result(run(proactor, op_call(give_back, NULL)), 0);
	expect_quiet(proactor);
	gate.open = true;
	for (int i = 0; i < 3; i++)
		ck_assert_int_gt(await(proactor, keys[i]), 0);
	stop(proactor);
}
END_TEST

START_TEST(sleeping_poll_hears_of_a_call_that_ends)
{
	struct proactor *proactor = start();
	struct gate gate = {0};
	uint64_t key, begin;

	for (int i = 0; i < 5; i++) {
		gate = (struct gate){0};
		key = launch(proactor, op_call(pass, &gate));
		wait_inside(&gate, 1);
		begin = clock_now_ns();
		expect_quiet(proactor);
		ck_assert_uint_ge(clock_now_ns() - begin, 10 * NSEC_PER_MSEC);
		gate.open = true;
		assert_result(await(proactor, key), 1);
	}
	stop(proactor);
}
END_TEST

START_TEST(call_that_waits_for_a_thread_can_be_cancelled)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;
	struct gate gate = {0}, other = {.open = true};
	uint64_t running, waiting[2];

	options.thread_count_max = 1;
	must(proactor_new(&proactor, &options));
	running = launch(proactor, op_call(pass, &gate));
	wait_inside(&gate, 1);
	for (int i = 0; i < 2; i++)
		waiting[i] = launch(proactor, op_call(pass, &other));
	assert_result(proactor_cancel(proactor, waiting[0]), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, waiting[0]), -ECANCELED);
	gate.open = true;
	assert_result(await(proactor, running), 1);
	assert_result(await(proactor, waiting[1]), 1);
	ck_assert_int_eq(other.inside, 1);
	stop(proactor);
}
END_TEST

START_TEST(call_that_runs_ends_by_itself_alone)
{
	struct proactor *proactor = start();
	struct gate gate = {0};
	uint64_t key = launch(proactor, op_call(pass, &gate)), begin = clock_now_ns();

	wait_inside(&gate, 1);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
	expect_quiet(proactor);
	gate.open = true;
	assert_result(await(proactor, key), 1);
	/* nor does its time end it */
	gate = (struct gate){0};
	key = launch(proactor, within(op_call(pass, &gate), NSEC_PER_MSEC));
	wait_inside(&gate, 1);
	expect_quiet(proactor);
	ck_assert_uint_gt(clock_now_ns() - begin, NSEC_PER_MSEC);
	gate.open = true;
	assert_result(await(proactor, key), 1);
	stop(proactor);
}
END_TEST

static int64_t nap(void *argument)
{
	usleep(20000);
	*(_Atomic bool *)argument = true;
	return 0;
}

START_TEST(free_waits_for_calls_that_run)
{
	struct proactor *proactor = start();
	_Atomic bool done[4] = {false};

	for (int i = 0; i < 4; i++)
		(void)launch(proactor, op_call(nap, &done[i]));
	/* those that nobody has begun with do not run any more; the others are waited for */
	usleep(5000);
	proactor_free(proactor);
	for (int i = 0; i < 4; i++) {
		bool at_free = done[i];

		usleep(30000);
		ck_assert(done[i] == at_free);
	}
}
END_TEST

static int64_t count_up(void *argument)
{
	return ++*(_Atomic int *)argument;
}

START_TEST(thousands_of_calls_are_all_done_once)
{
	enum { COUNT = 5000 };
	struct proactor *proactor = start_with_capacity(1);
	struct proactor_entry entry;
	static bool seen[COUNT + 1];
	_Atomic int calls = 0;

	for (int i = 0; i < COUNT; i++)
		(void)launch(proactor, op_call(count_up, &calls));
	for (int i = 0; i < COUNT; i++) {
		int64_t result = next(proactor, &entry).result;

		ck_assert(result >= 1 && result <= COUNT && !seen[result]);
		seen[result] = true;
	}
	expect_quiet(proactor);
	ck_assert_int_eq(calls, COUNT);
	stop(proactor);
}
END_TEST

static int64_t signals_blocked(void *argument)
{
	sigset_t blocked;

	(void)argument;
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	return sigismember(&blocked, SIGALRM) && sigismember(&blocked, SIGTERM) &&
		sigismember(&blocked, SIGUSR1) && sigismember(&blocked, SIGCHLD);
}

START_TEST(threads_take_no_signals_of_the_program)
{
	struct proactor *proactor = start();

	assert_result(run(proactor, op_call(signals_blocked, NULL)), 1);
	stop(proactor);
}
END_TEST

START_TEST(call_counts_as_cancelled_when_it_says_so)
{
	struct proactor *proactor = start();
	struct proactor_stats stats;

	assert_result(run(proactor, op_call(give_back, (void *)(intptr_t)-ECANCELED)), -ECANCELED);
	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.cancelled, 1);
	stop(proactor);
}
END_TEST

/* With no thread left for it. */
START_TEST(close_is_done_whatever_becomes_of_it)
{
	for (int way = 0; way < 3; way++) {
		struct proactor_options options = options_for_engine();
		struct proactor_op closing = {
			.opcode = PROACTOR_CLOSE, .flags = PROACTOR_MAY_BLOCK};
		struct gate gate = {0};
		struct proactor *proactor;
		uint64_t call, key;
		char byte;
		int peer;

		options.thread_count_max = 1;
		must(proactor_new(&proactor, &options));
		closing.close.file = stream(proactor, &peer);
		closing.timeout_ns = way == 1 ? NSEC_PER_MSEC : 0;
		call = launch(proactor, op_call(pass, &gate));
		wait_inside(&gate, 1);
		key = launch(proactor, closing);
		if (way == 0)
			must(proactor_cancel(proactor, key));
		if (way == 1)
			usleep(2000);
		gate.open = true;
		if (way < 2) {
			(void)await(proactor, key);
			assert_result(await(proactor, call), 1);
			stop(proactor);
		} else {
			proactor_free(proactor);
		}
		ck_assert_int_eq(recv(peer, &byte, 1, 0), 0);
		close(peer);
	}
}
END_TEST

void add_call(Suite *suite)
{
	suite_add(suite, call_gives_back_what_its_function_returns);
	suite_add(suite, call_is_done_by_another_thread);
	suite_add(suite, call_that_blocks_holds_up_nobody);
	suite_add(suite, close_is_done_whatever_becomes_of_it);
	suite_add(suite, sleeping_poll_hears_of_a_call_that_ends);
	suite_add(suite, call_that_waits_for_a_thread_can_be_cancelled);
	suite_add(suite, call_that_runs_ends_by_itself_alone);
	suite_add(suite, free_waits_for_calls_that_run);
	suite_add(suite, thousands_of_calls_are_all_done_once);
	suite_add(suite, threads_take_no_signals_of_the_program);
	suite_add(suite, call_counts_as_cancelled_when_it_says_so);
}
