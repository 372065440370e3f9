/* Waiting: time-outs, signals, and how entries are handed out. */
#include "tests/conformance/conformance.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>

START_TEST(zero_never_blocks)
{
	struct proactor *proactor = start();
	struct proactor_entry entry;
	uint64_t key;

	assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
	key = launch(proactor, op_timeout(1000 * NSEC_PER_SEC));
	for (int i = 0; i < 100; i++)
		assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
	must(proactor_cancel(proactor, key));
	assert_result(await(proactor, key), -ECANCELED);
	stop(proactor);
}
END_TEST

START_TEST(polling_with_zero_gets_there)
{
	struct proactor *proactor = start();
	struct proactor_completion completion;
	struct proactor_entry entry;
	int r;

	(void)launch(proactor, op_timeout(5 * NSEC_PER_MSEC));
	do
		r = proactor_poll(proactor, &no_time, &entry, 1);
	while (r == -ETIME);
	assert_result(r, 1);
	must(proactor_pop(proactor, &entry, &completion));
	stop(proactor);
}
END_TEST

START_TEST(time_is_over_when_it_is_over_and_not_before)
{
	struct proactor *proactor = start();
	static const long durations_ns[] = {1, 1000, 999999, 1500000, 20000000, 100000000};
	struct proactor_entry entry;
	uint64_t key = launch(proactor, op_timeout(1000 * NSEC_PER_SEC));

	for (size_t i = 0; i < ARRAY_SIZE(durations_ns); i++) {
		struct timespec timeout = {.tv_nsec = durations_ns[i]};
		uint64_t begin = clock_now_ns();

		assert_result(proactor_poll(proactor, &timeout, &entry, 1), -ETIME);
		ck_assert_uint_ge(clock_now_ns() - begin, (uint64_t)durations_ns[i]);
	}
	must(proactor_cancel(proactor, key));
	assert_result(await(proactor, key), -ECANCELED);
	stop(proactor);
}
END_TEST

START_TEST(null_waits_until_something_ends)
{
	struct proactor *proactor = start();
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t begin = clock_now_ns();

	(void)launch(proactor, op_timeout(50 * NSEC_PER_MSEC));
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	ck_assert_uint_ge(clock_now_ns() - begin, 50 * NSEC_PER_MSEC);
	must(proactor_pop(proactor, &entry, &completion));
	stop(proactor);
}
END_TEST

START_TEST(times_that_make_no_sense_are_refused)
{
	static const struct timespec senseless[] = {
		{-1, 0}, {0, -1}, {0, 1000000000}, {LONG_MIN, 0}, {5, LONG_MAX}};
	struct proactor *proactor = start();
	struct proactor_completion completion;
	struct proactor_entry entry;

	(void)launch(proactor, op_nop());
	for (size_t i = 0; i < ARRAY_SIZE(senseless); i++)
		assert_result(proactor_poll(proactor, &senseless[i], &entry, 1), -EINVAL);
	assert_result(proactor_poll(proactor, NULL, &entry, 0), -EINVAL);
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	must(proactor_pop(proactor, &entry, &completion));
	stop(proactor);
}
END_TEST

START_TEST(times_that_are_too_long_are_long)
{
	static const struct timespec ages[] = {
		{LONG_MAX, 999999999}, {1L << 34, 0}, {LONG_MAX / 1000000000, 0}};
	struct proactor *proactor = start();
	struct proactor_completion completion;
	struct proactor_entry entry;

	for (size_t i = 0; i < ARRAY_SIZE(ages); i++) {
		(void)launch(proactor, op_timeout(5 * NSEC_PER_MSEC));
		assert_result(proactor_poll(proactor, &ages[i], &entry, 1), 1);
		must(proactor_pop(proactor, &entry, &completion));
	}
	stop(proactor);
}
END_TEST

START_TEST(no_more_entries_come_than_there_is_room_for)
{
	enum { COUNT = 50 };
	struct proactor *proactor = start();
	struct proactor_entry entries[8];
	struct proactor_completion completion;
	bool seen[COUNT] = {0};
	int ended = 0;

	for (int i = 0; i < COUNT; i++) {
		struct proactor_op op = op_nop();

		op.context = &seen[i];
		(void)launch(proactor, op);
	}
	while (ended < COUNT) {
		int room = 1 + ended % 7, count;

		memset(entries, 0xee, sizeof(entries));
		count = must(proactor_poll(proactor, NULL, entries, (unsigned)room));
		ck_assert_int_le(count, room);
		ck_assert_uint_eq(entries[room].key, UINT64_C(0xeeeeeeeeeeeeeeee));
		for (int i = 0; i < count; i++, ended++) {
			must(proactor_pop(proactor, &entries[i], &completion));
			ck_assert(!*(bool *)completion.context);
			*(bool *)completion.context = true;
		}
	}
	expect_quiet(proactor);
	stop(proactor);
}
END_TEST

START_TEST(entry_tells_the_result_early)
{
	struct proactor *proactor = start();
	int writer, marker;
	int64_t file = silent_pipe(proactor, &writer);
	char bytes[8];
	struct proactor_op op = op_read(file, bytes, sizeof(bytes), PROACTOR_CURRENT);
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;

	op.context = &marker;
	key = launch(proactor, op);
	ck_assert_int_eq(write(writer, "abc", 3), 3);
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	ck_assert_uint_eq(entry.key, key);
	assert_result(entry.result, 3);
	ck_assert_ptr_eq(entry.context, &marker);
	ck_assert_uint_eq(entry.flags, 0);
	must(proactor_pop(proactor, &entry, &completion));
	assert_result(completion.result, 3);
	ck_assert_ptr_eq(completion.context, &marker);
	ck_assert_uint_eq(completion.opcode, PROACTOR_READ);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(entries_can_be_popped_in_any_order_and_late)
{
	enum { COUNT = 20 };
	struct proactor *proactor = start();
	struct proactor_entry entries[COUNT];
	struct proactor_completion completion;
	int ended = 0;

	for (int i = 0; i < COUNT; i++)
		(void)launch(proactor, op_nop());
	while (ended < COUNT)
		ended += must(proactor_poll(proactor, NULL, entries + ended,
			(unsigned)(COUNT - ended)));
	/* meanwhile others come and go */
	assert_result(run(proactor, op_timeout(1)), 0);
	for (int i = COUNT - 1; i >= 0; i--)
		must(proactor_pop(proactor, &entries[i], &completion));
	for (int i = 0; i < COUNT; i++)
		assert_result(proactor_pop(proactor, &entries[i], &completion), -ENOENT);
	stop(proactor);
}
END_TEST

START_TEST(what_is_no_entry_cannot_be_popped)
{
	struct proactor *proactor = start();
	struct proactor_completion completion = {.result = 42};
	struct proactor_entry forged = {0};
	uint64_t key = launch(proactor, op_timeout(1000 * NSEC_PER_SEC));

	assert_result(proactor_pop(proactor, &forged, &completion), -ENOENT);
	forged.key = UINT64_MAX;
	assert_result(proactor_pop(proactor, &forged, &completion), -ENOENT);
	forged.key = key;
	assert_result(proactor_pop(proactor, &forged, &completion), -ENOENT);
	ck_assert_int_eq(completion.result, 42);
	must(proactor_cancel(proactor, key));
	assert_result(await(proactor, key), -ECANCELED);
	stop(proactor);
}
END_TEST

/* ---- signals ---- */

static volatile sig_atomic_t signals;

static void on_alarm(int signal)
{
	(void)signal;
	signals++;
}

static void storm(long interval_us)
{
	struct itimerval timer = {
		.it_interval.tv_usec = interval_us, .it_value.tv_usec = interval_us};

	signal(SIGALRM, on_alarm);
	must(setitimer(ITIMER_REAL, &timer, NULL));
}

START_TEST(signals_end_no_wait_and_shorten_none)
{
	struct proactor *proactor = start();
	struct timespec timeout = ms(150);
	struct proactor_entry entry;
	uint64_t begin = clock_now_ns();

	storm(1000);
	assert_result(proactor_poll(proactor, &timeout, &entry, 1), -ETIME);
	ck_assert_uint_ge(clock_now_ns() - begin, 150 * NSEC_PER_MSEC);
	begin = clock_now_ns();
	assert_result(run(proactor, op_timeout(100 * NSEC_PER_MSEC)), 0);
	ck_assert_uint_ge(clock_now_ns() - begin, 100 * NSEC_PER_MSEC);
	ck_assert_int_gt(signals, 10);
	storm(0);
	stop(proactor);
}
END_TEST

START_TEST(signals_lose_no_operation)
{
	struct proactor *proactor = start_with_capacity(4);
	int writer, rounds = is_slow() ? 300 : 3000;
	int64_t file = silent_pipe(proactor, &writer);

	/* valgrind takes longer than that for each, and would do nothing else */
	storm(is_slow() ? 1000 : 50);
	for (int i = 0; i < rounds; i++) {
		char byte = 0, sent = (char)i;
		uint64_t key = launch(proactor, op_read(file, &byte, 1, PROACTOR_CURRENT));

		while (write(writer, &sent, 1) != 1)
			ck_assert_int_eq(errno, EINTR);
		assert_result(run(proactor, op_nop()), 0);
		assert_result(await(proactor, key), 1);
		ck_assert_int_eq(byte, sent);
	}
	storm(0);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

void add_poll(Suite *suite)
{
	suite_add(suite, zero_never_blocks);
	suite_add(suite, polling_with_zero_gets_there);
	suite_add(suite, time_is_over_when_it_is_over_and_not_before);
	suite_add(suite, null_waits_until_something_ends);
	suite_add(suite, times_that_make_no_sense_are_refused);
	suite_add(suite, times_that_are_too_long_are_long);
	suite_add(suite, no_more_entries_come_than_there_is_room_for);
	suite_add(suite, entry_tells_the_result_early);
	suite_add(suite, entries_can_be_popped_in_any_order_and_late);
	suite_add(suite, what_is_no_entry_cannot_be_popped);
	suite_add(suite, signals_end_no_wait_and_shorten_none);
	suite_add(suite, signals_lose_no_operation);
}
