/* The time that an operation is given (timeout_ns). */
#include "tests/conformance/conformance.h"

#include <poll.h>

/* How much later than asked for something may happen on a machine that does other things, too. */
#define LATE_NS (2 * NSEC_PER_SEC)

START_TEST(operation_that_is_out_of_time_says_so_and_not_before)
{
	static const uint64_t times_ns[] = {1, 1000, 999999, 5000000, 50000000};
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	char byte = 'n';

	for (size_t i = 0; i < ARRAY_SIZE(times_ns); i++) {
		uint64_t begin = clock_now_ns(), took;

		assert_result(run(proactor, within(op_recv(file, &byte, 1, 0), times_ns[i])),
			-ETIME);
		took = clock_now_ns() - begin;
		ck_assert_uint_ge(took, times_ns[i]);
		ck_assert_uint_lt(took, times_ns[i] + LATE_NS);
	}
	/* what comes later is for those that come later */
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	expect_quiet(proactor);
	ck_assert_int_eq(byte, 'n');
	assert_result(run(proactor, within(op_recv(file, &byte, 1, 0), NSEC_PER_SEC)), 1);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- each kind ---- */

static int64_t sleep_long(void *argument)
{
	(void)argument;
	usleep(300000);
	return 3;
}

START_TEST(every_operation_that_waits_can_run_out_of_time)
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

	must(proactor_buffers_new(proactor, 1, 8, &buffers));
	{
		const struct proactor_op ops[] = {
			op_recv(file, &byte, 1, 0),
			op_recvfrom(file, &byte, 1, 0, NULL),
			op_recvmsg(file, &message, 0),
			op_recv_select(file, buffers),
			op_poll(file, POLLIN),
			op_read(pipe_file, &byte, 1, PROACTOR_CURRENT),
			op_readv(pipe_file, &piece, 1, PROACTOR_CURRENT),
			op_accept(listening, NULL),
			op_timeout(1000 * NSEC_PER_SEC),
			op_timeout(UINT64_MAX),
			flagged(op_accept(listening, NULL), PROACTOR_MULTISHOT),
			flagged(op_recv_select(file, buffers), PROACTOR_MULTISHOT),
			flagged(op_poll(file, POLLIN), PROACTOR_MULTISHOT),
		};

		for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
			int64_t result = run(proactor, within(ops[i], 3 * NSEC_PER_MSEC));

			ck_assert_msg(result == -ETIME, "%zu: %s", i, result_text(result));
		}
	}
	/* a function that runs ends when it ends */
	assert_result(run(proactor, within(op_call(sleep_long, NULL), 50 * NSEC_PER_MSEC)), 3);
	proactor_buffers_free(buffers);
	close(peer);
	close(writer);
	close_file(proactor, listening);
	close_file(proactor, pipe_file);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(operation_that_ends_in_time_hears_nothing_of_it)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);
	struct timespec pause = ms(30);
	struct proactor_entry entry;
	uint8_t bytes[100];
	uint64_t key;

	for (int i = 0; i < 50; i++) {
		assert_result(run(proactor, within(op_nop(), 20 * NSEC_PER_MSEC)), 0);
		assert_result(run(proactor, within(op_read(file, bytes, 100, 0), NSEC_PER_SEC)),
			100);
		assert_result(run(proactor, within(op_timeout(1), NSEC_PER_SEC)), 0);
	}
	key = launch(proactor, within(op_nop(), 10 * NSEC_PER_MSEC));
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	/* nor when its time comes between entry and pop */
	assert_result(proactor_poll(proactor, &pause, &(struct proactor_entry){0}, 1), -ETIME);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_DONE);
	must(proactor_pop(proactor, &entry, &(struct proactor_completion){0}));
	expect_quiet(proactor);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(time_that_never_comes_never_comes)
{
	static const uint64_t ages_ns[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63,
		UINT64_C(1) << 62, 1000 * NSEC_PER_SEC};
	struct proactor *proactor = start();
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	uint64_t keys[ARRAY_SIZE(ages_ns)];
	char byte;

	for (size_t i = 0; i < ARRAY_SIZE(ages_ns); i++)
		keys[i] = launch(proactor,
			within(op_read(file, &byte, 1, PROACTOR_CURRENT), ages_ns[i]));
	expect_quiet(proactor);
	ck_assert_int_eq(write(writer, "xxxxx", 5), 5);
	for (size_t i = 0; i < ARRAY_SIZE(ages_ns); i++)
		assert_result(await(proactor, keys[i]), 1);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(timeout_with_a_time_ends_with_the_shorter)
{
	struct proactor *proactor = start();
	uint64_t begin = clock_now_ns();

	assert_result(run(proactor, within(op_timeout(NSEC_PER_MSEC), 50 * NSEC_PER_MSEC)), 0);
	assert_result(run(proactor, within(op_timeout(NSEC_PER_SEC * 50), 5 * NSEC_PER_MSEC)),
		-ETIME);
	ck_assert_uint_lt(clock_now_ns() - begin, 6 * NSEC_PER_MSEC + LATE_NS);
	stop(proactor);
}
END_TEST

START_TEST(cancelled_before_its_time_it_was_cancelled)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	struct timespec pause = ms(40);
	struct proactor_entry entry;
	char byte;
	uint64_t key;

	for (int i = 0; i < 20; i++) {
		key = launch(proactor, within(op_recv(file, &byte, 1, 0), 30 * NSEC_PER_MSEC));
		if (i % 2)
			(void)proactor_poll(proactor, &no_time, &entry, 1);
		assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
		assert_result(await(proactor, key), -ECANCELED);
	}
	/* also where the time comes before the entry is taken */
	key = launch(proactor, within(op_recv(file, &byte, 1, 0), 10 * NSEC_PER_MSEC));
	must(proactor_cancel(proactor, key));
	clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	assert_result(await(proactor, key), -ECANCELED);
	expect_quiet(proactor);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(earlier_ends_first)
{
	enum { COUNT = 200 };
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	static uint64_t due_ns[COUNT];
	struct proactor_entry entry;
	uint64_t before = 0;
	char byte;

	for (int i = 0; i < COUNT; i++) {
		uint64_t time_ns = (uint64_t)(1 + i * 37 % COUNT) * 200 * NSEC_PER_USEC;
		struct proactor_op op = within(op_recv(file, &byte, 1, 0), time_ns);

		op.context = &due_ns[i];
		due_ns[i] = clock_now_ns() + time_ns;
		(void)launch(proactor, op);
	}
	for (int i = 0; i < COUNT; i++) {
		uint64_t due = *(uint64_t *)next(proactor, &entry).context;

		assert_result(entry.result, -ETIME);
		ck_assert_uint_ge(clock_now_ns(), due);
		/* those of the same moment in any order */
		ck_assert_uint_ge(due + 20 * NSEC_PER_MSEC, before);
		before = MAX(before, due);
	}
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(thousands_have_a_time_and_most_end_early)
{
	enum { COUNT = 10000, LEFT = 100 };
	struct proactor *proactor = start();
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	static uint64_t keys[COUNT];
	static char bytes[COUNT];
	struct proactor_entry entry;
	int cancelled = 0, read = 0, late = 0;

	/* the long ones and the short ones mixed, as those that end early are */
	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor,
			within(op_read(file, &bytes[i], 1, PROACTOR_CURRENT),
				(i % (COUNT / LEFT) == 0 ? 2 : 1000) * NSEC_PER_SEC));
	(void)proactor_poll(proactor, &no_time, &entry, 1);
	for (int i = 0; i < COUNT; i++)
		if (i % (COUNT / LEFT) > 50)
			must(proactor_cancel(proactor, keys[i]));
	for (int i = 0; i < COUNT; i++)
		if (i % (COUNT / LEFT) > 50) {
			assert_result(next(proactor, &entry).result, -ECANCELED);
			cancelled++;
		}
	expect_quiet(proactor);
	ck_assert_int_eq(write(writer, bytes, 3000), 3000);
	while (read < 3000 || late == 0) {
		int64_t result = next(proactor, &entry).result;

		read += result == 1;
		late += result == -ETIME;
		ck_assert_msg(result == 1 || result == -ETIME, "%s", result_text(result));
	}
	must(proactor_cancel_all(proactor));
	while (cancelled + read + late < COUNT) {
		int64_t result = next(proactor, &entry).result;

		cancelled += result == -ECANCELED;
		late += result == -ETIME;
		ck_assert_msg(result == -ECANCELED || result == -ETIME, "%s", result_text(result));
	}
	ck_assert_int_le(late, LEFT);
	expect_quiet(proactor);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- whatever the caller does meanwhile ---- */

START_TEST(time_comes_while_the_caller_never_waits)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t begin = clock_now_ns(), key;
	struct proactor_completion completion;
	struct proactor_entry entry;
	char byte;
	int r;

	key = launch(proactor, within(op_recv(file, &byte, 1, 0), 20 * NSEC_PER_MSEC));
	do
		r = proactor_poll(proactor, &no_time, &entry, 1);
	while (r == -ETIME);
	assert_result(r, 1);
	ck_assert_uint_eq(entry.key, key);
	assert_result(entry.result, -ETIME);
	ck_assert_uint_ge(clock_now_ns() - begin, 20 * NSEC_PER_MSEC);
	ck_assert_uint_lt(clock_now_ns() - begin, LATE_NS);
	must(proactor_pop(proactor, &entry, &completion));
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(time_comes_while_others_are_busy)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t begin = clock_now_ns(), key;
	char byte;

	for (int kind = 0; kind < 3; kind++) {
		key = launch(proactor, within(op_recv(file, &byte, 1, 0), 20 * NSEC_PER_MSEC));
		/*
		 * what ends at once, what ends soon, and what is READY where there is such a thing
		 */
		while (!has_ended(proactor, key) && clock_now_ns() - begin < 30 * NSEC_PER_SEC) {
			(void)run(proactor,
				kind == 0           ? op_nop()
					: kind == 1 ? op_timeout(50 * NSEC_PER_USEC)
						    : op_poll(file, POLLOUT));
			/* where that was READY nobody has polled yet, and time passes in poll */
			(void)run(proactor, op_timeout(1));
		}
		assert_result(await(proactor, key), -ETIME);
		ck_assert_uint_lt(clock_now_ns() - begin, LATE_NS);
		begin = clock_now_ns();
	}
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(time_of_the_caller_and_of_an_operation_do_not_mix)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	struct timespec brief = ms(5), age = ms(10000);
	/* long enough not to be over before the first poll */
	uint64_t time_ns = (is_slow() ? 1000 : 50) * NSEC_PER_MSEC;
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t begin = clock_now_ns();
	char byte;

	(void)launch(proactor, within(op_recv(file, &byte, 1, 0), time_ns));
	/* the caller's is over, the operation's not */
	assert_result(proactor_poll(proactor, &brief, &entry, 1), -ETIME);
	ck_assert_uint_ge(clock_now_ns() - begin, 5 * NSEC_PER_MSEC);
	/* and the reverse */
	assert_result(proactor_poll(proactor, &age, &entry, 1), 1);
	assert_result(entry.result, -ETIME);
	ck_assert_uint_ge(clock_now_ns() - begin, time_ns);
	ck_assert_uint_lt(clock_now_ns() - begin, time_ns + LATE_NS);
	must(proactor_pop(proactor, &entry, &completion));
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- loops of others ---- */

START_TEST(descriptor_is_readable_when_a_time_comes)
{
	struct proactor *proactor = start();
	struct proactor_completion completion;
	struct proactor_entry entry;
	int peer, fd, r;
	int64_t file = stream(proactor, &peer);
	char byte;

	must(proactor_fd(proactor, &fd));
	for (int i = 0; i < 20; i++) {
		uint64_t begin = clock_now_ns(), time_ns = (uint64_t)(1 + i) * NSEC_PER_MSEC;
		struct pollfd pollfd = {.fd = fd, .events = POLLIN};

		(void)launch(proactor, within(op_recv(file, &byte, 1, 0), 1000 * NSEC_PER_SEC));
		(void)launch(proactor, within(op_recv(file, &byte, 1, 0), time_ns));
		for (;;) {
			r = proactor_poll(proactor, &no_time, &entry, 1);
			if (r != -ETIME)
				break;
			ck_assert_int_eq(must(poll(&pollfd, 1, 10000)), 1);
		}
		assert_result(r, 1);
		assert_result(entry.result, -ETIME);
		ck_assert_uint_ge(clock_now_ns() - begin, time_ns);
		must(proactor_pop(proactor, &entry, &completion));
	}
	/* with those that are far away alone, nobody is called */
	assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
	ck_assert_int_eq(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 50), 0);
	ck_assert_int_eq(proactor_cancel_all(proactor), 20);
	for (int i = 0; i < 20; i++)
		assert_result(next(proactor, &entry).result, -ECANCELED);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

void add_deadlines(Suite *suite)
{
	suite_add(suite, operation_that_is_out_of_time_says_so_and_not_before);
	if (engine->in_process)
		suite_add(suite, every_operation_that_waits_can_run_out_of_time);
	suite_add(suite, operation_that_ends_in_time_hears_nothing_of_it);
	suite_add(suite, time_that_never_comes_never_comes);
	suite_add(suite, timeout_with_a_time_ends_with_the_shorter);
	suite_add(suite, cancelled_before_its_time_it_was_cancelled);
	suite_add(suite, earlier_ends_first);
	suite_add(suite, thousands_have_a_time_and_most_end_early);
	suite_add(suite, time_comes_while_the_caller_never_waits);
	suite_add(suite, time_comes_while_others_are_busy);
	suite_add(suite, time_of_the_caller_and_of_an_operation_do_not_mix);
	suite_add(suite, descriptor_is_readable_when_a_time_comes);
}
