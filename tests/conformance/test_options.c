/* What a proactor is made with. */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

/* Enough of everything to see that an engine made in some odd way is one. */
static void exercise(struct proactor *proactor)
{
	int64_t file = pattern_file(proactor, "file", 5000), socket_file;
	uint64_t begin = clock_now_ns(), keys[3];
	struct proactor_handle *handle;
	struct proactor_entry entry;
	uint8_t bytes[5000];
	int peer;

	assert_result(run(proactor, op_read(file, bytes, 5000, 0)), 5000);
	assert_pattern(bytes, 5000, 0);
	assert_result(run(proactor, op_timeout(5 * NSEC_PER_MSEC)), 0);
	ck_assert_uint_ge(clock_now_ns() - begin, 5 * NSEC_PER_MSEC);
	socket_file = stream(proactor, &peer);
	for (int i = 0; i < 3; i++)
		keys[i] = launch(proactor,
			within(op_recv(socket_file, bytes + i, 1, 0),
				i == 2 ? 5 * NSEC_PER_MSEC : 0));
	assert_result(await(proactor, keys[2]), -ETIME);
	assert_result(proactor_cancel(proactor, keys[1]), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, keys[1]), -ECANCELED);
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	assert_result(await(proactor, keys[0]), 1);
	must(proactor_handle(proactor, &handle));
	proactor_notify(handle);
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 0);
	proactor_handle_free(handle);
	for (int i = 0; i < 1000; i++)
		(void)launch(proactor, op_nop());
	for (int i = 0; i < 1000; i++)
		assert_result(next(proactor, &entry).result, 0);
	expect_quiet(proactor);
	close(peer);
	close_file(proactor, socket_file);
	close_file(proactor, file);
}

static void refuse_options(struct proactor_options options, int error)
{
	struct proactor *proactor = (struct proactor *)&proactor;

	assert_result(proactor_new(&proactor, &options), error);
	ck_assert_ptr_eq(proactor, &proactor);
}

START_TEST(every_option_that_makes_no_sense_is_refused)
{
	struct proactor_options options;

	assert_result(proactor_new(NULL, NULL), -EINVAL);
	options = options_for_engine();
	options.size = 1;
	refuse_options(options, -EINVAL);
	options = options_for_engine();
	options.driver = PROACTOR_DRIVER_EPOLL + 1;
	refuse_options(options, -EINVAL);
	for (uint32_t bit = PROACTOR_SHARED_FILES << 1; bit != 0; bit <<= 1) {
		options = options_for_engine();
		options.flags = bit;
		refuse_options(options, -EINVAL);
	}
	options = options_for_engine();
	options.taskrun = PROACTOR_TASKRUN_IMMEDIATE + 1;
	refuse_options(options, -EINVAL);
	options = options_for_engine();
	options.taskrun = UINT32_MAX;
	refuse_options(options, -EINVAL);
}
END_TEST

START_TEST(options_that_contradict_each_other_are_refused)
{
	struct proactor_options options = options_for_engine();

	options.sqpoll_idle_ms = 10;
	refuse_options(options, -EINVAL);
	options = options_for_engine();
	options.flags = PROACTOR_SQPOLL_CPU;
	refuse_options(options, -EINVAL);
	options = options_for_engine();
	options.flags = PROACTOR_SQPOLL;
	options.sqpoll_cpu = 1;
	refuse_options(options, -EINVAL);
	options = options_for_engine();
	options.flags = PROACTOR_SQPOLL;
	options.taskrun = PROACTOR_TASKRUN_DEFERRED;
	refuse_options(options, -EINVAL);
	options = options_for_engine();
	options.eventfd = 1;
	refuse_options(options, -EINVAL);
	options = options_for_engine();
	options.flags = PROACTOR_EVENTFD;
	options.eventfd = -1;
	refuse_options(options, -EINVAL);
}
END_TEST

START_TEST(operations_that_there_are_not_cannot_be_required)
{
	struct proactor_options options = options_for_engine();

	for (int bit = PROACTOR_OPCODE_COUNT; bit < 64; bit++) {
		options.required_ops = UINT64_C(1) << bit;
		refuse_options(options, -EOPNOTSUPP);
	}
	options.required_ops = UINT64_MAX;
	refuse_options(options, -EOPNOTSUPP);
}
END_TEST

START_TEST(all_operations_may_be_required)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;

	options.required_ops = (UINT64_C(1) << PROACTOR_OPCODE_COUNT) - 1;
	must(proactor_new(&proactor, &options));
	exercise(proactor);
	stop(proactor);
}
END_TEST

START_TEST(engine_of_the_least_and_of_the_largest_capacity_is_as_good)
{
	static const uint32_t capacities[] = {1, 2, 33, 1u << 20, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(capacities); i++) {
		struct proactor *proactor = start_with_capacity(capacities[i]);

		exercise(proactor);
		stop(proactor);
	}
}
END_TEST

START_TEST(completions_may_be_fewer_than_submissions)
{
	static const uint32_t capacities[][2] = {{64, 1}, {1, 4096}, {4096, 1}, {1, UINT32_MAX}};

	for (size_t i = 0; i < ARRAY_SIZE(capacities); i++) {
		struct proactor_options options = options_for_engine();
		struct proactor *proactor;

		options.capacity = capacities[i][0];
		options.completion_capacity = capacities[i][1];
		must(proactor_new(&proactor, &options));
		exercise(proactor);
		stop(proactor);
	}
}
END_TEST

START_TEST(engine_runs_whenever_it_was_told_to)
{
	for (uint32_t taskrun = 0; taskrun <= PROACTOR_TASKRUN_IMMEDIATE; taskrun++) {
		struct proactor_options options = options_for_engine();
		struct proactor *proactor;
		int fd;

		options.taskrun = taskrun;
		for (int outside = 0; outside < 2; outside++) {
			must(proactor_new(&proactor, &options));
			if (outside)
				must(proactor_fd(proactor, &fd));
			exercise(proactor);
			stop(proactor);
		}
	}
}
END_TEST

/* Whether a thread of the kernel may take submissions: it may be forbidden, or not be there. */
static bool sqpoll_or_skip(struct proactor **ret_proactor, const struct proactor_options *options)
{
	int r = proactor_new(ret_proactor, options);

	if (r >= 0)
		return true;
	ck_assert_msg(r == -EPERM || r == -EINVAL || r == -ENOSYS, "%s", result_text(r));
	fprintf(stderr, "SQPOLL: SKIPPED, the kernel says %s\n", result_text(r));
	return false;
}

START_TEST(submissions_may_be_taken_by_a_thread_of_the_kernel)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;
	int fd;

	options.flags = PROACTOR_SQPOLL;
	options.sqpoll_idle_ms = 5;
	for (int i = 0; i < 6; i++) {
		if (i >= 2)
			options.capacity = i % 2 ? 1 : 16;
		if (i >= 4)
			options.flags |= PROACTOR_SQPOLL_CPU;
		if (!sqpoll_or_skip(&proactor, &options))
			return;
		if (i % 3 == 2)
			must(proactor_fd(proactor, &fd));
		exercise(proactor);
		/* asleep by now */
		usleep(20000);
		exercise(proactor);
		stop(proactor);
	}
}
END_TEST

/*
 * ---- in-process: the engine may be io_uring, whose completions can be heard of by an eventfd ----
 */

START_TEST(eventfd_is_written_at_completions)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;
	struct proactor_entry entry;
	int peer;
	char byte;
	uint64_t count;
	int64_t file;

	options.flags = PROACTOR_EVENTFD;
	options.eventfd = must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	must(proactor_new(&proactor, &options));
	file = stream(proactor, &peer);
	for (int i = 0; i < 10; i++) {
		struct pollfd pollfd = {.fd = options.eventfd, .events = POLLIN};

		(void)launch(proactor, op_recv(file, &byte, 1, 0));
		assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
		(void)!read(options.eventfd, &count, sizeof(count));
		ck_assert_int_eq(send(peer, "x", 1, 0), 1);
		if (strcmp(proactor_driver_name(proactor), "io_uring") == 0)
			ck_assert_int_eq(must(poll(&pollfd, 1, 5000)), 1);
		assert_result(next(proactor, &entry).result, 1);
	}
	exercise(proactor);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
	/* it is the caller's */
	must(fcntl(options.eventfd, F_GETFD));
	close(options.eventfd);
}
END_TEST

START_TEST(descriptor_that_is_no_eventfd_is_refused)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;
	int before = fd_count();

	options.flags = PROACTOR_EVENTFD;
	options.eventfd = 123456;
	/* others than io_uring take no notice of it */
	if (options.driver == PROACTOR_DRIVER_IO_URING) {
		refuse_options(options, -EBADF);
	} else {
		must(proactor_new(&proactor, &options));
		stop(proactor);
	}
	ck_assert_int_eq(fd_count(), before);
}
END_TEST

/* ---- which driver it is ---- */

START_TEST(driver_says_what_it_is)
{
	struct proactor *proactor = start();
	const char *name = proactor_driver_name(proactor);
	size_t prefix = strlen(engine->environment_prefix);

	ck_assert_msg(strncmp(name, engine->environment_prefix, prefix) == 0, "%s", name);
	if (!engine->denied)
		ck_assert_str_eq(proactor_driver_reason(proactor), "");
	stop(proactor);
}
END_TEST

/* ---- on the daemon: operations go by a ring or by the socket ---- */

static bool goes_by_ring(const struct proactor *proactor)
{
	return strstr(proactor_driver_name(proactor), " (ring)") != NULL;
}

START_TEST(transport_is_the_one_that_was_asked_for)
{
	static const char *const names[] = {"ring", "socket", ""};
	struct proactor *proactor = start();

	ck_assert_int_eq(goes_by_ring(proactor),
		!engine->transport || strcmp(engine->transport, "ring") == 0);
	stop(proactor);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		setenv("PROACTOR_TRANSPORT", names[i], 1);
		proactor = start();
		ck_assert_int_eq(goes_by_ring(proactor), strcmp(names[i], "socket") != 0);
		exercise(proactor);
		stop(proactor);
	}
	unsetenv("PROACTOR_TRANSPORT");
	proactor = start();
	ck_assert(goes_by_ring(proactor));
	stop(proactor);
}
END_TEST

START_TEST(transport_that_there_is_not_is_refused)
{
	static const char *const names[] = {"pigeon", "Ring", "ring ", "ring,socket", " "};
	int before = fd_count();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		setenv("PROACTOR_TRANSPORT", names[i], 1);
		refuse_options(options_for_engine(), -EINVAL);
	}
	ck_assert_int_eq(fd_count(), before);
}
END_TEST

START_TEST(engine_that_never_spins_is_as_good)
{
	static const uint32_t microseconds[] = {PROACTOR_SPIN_NEVER, 1, 1000000};

	for (size_t i = 0; i < ARRAY_SIZE(microseconds); i++) {
		struct proactor_options options = options_for_engine();
		struct proactor *proactor;

		options.spin_us = microseconds[i];
		must(proactor_new(&proactor, &options));
		exercise(proactor);
		stop(proactor);
	}
}
END_TEST

START_TEST(epoll_can_be_had_everywhere_by_the_environment)
{
	struct proactor *proactor;

	setenv("PROACTOR_DRIVER", "epoll", 1);
	must(proactor_new(&proactor, NULL));
	ck_assert_str_eq(proactor_driver_name(proactor), "epoll");
	ck_assert_str_eq(proactor_driver_reason(proactor), "");
	exercise(proactor);
	stop(proactor);
	setenv("PROACTOR_DRIVER", "", 1);
	must(proactor_new(&proactor, NULL));
	stop(proactor);
}
END_TEST

START_TEST(without_io_uring_the_next_best_is_taken_and_says_why)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;
	const char *reason;

	must(proactor_new(&proactor, NULL));
	ck_assert_str_eq(proactor_driver_name(proactor), "epoll");
	reason = proactor_driver_reason(proactor);
	ck_assert_msg(strstr(reason, "EPERM") && strstr(reason, "seccomp"), "%s", reason);
	ck_assert_msg(strstr(reason, "daemon") || strstr(reason, "socket"), "%s", reason);
	ck_assert_ptr_null(strchr(reason, '\n'));
	exercise(proactor);
	stop(proactor);
	options.driver = PROACTOR_DRIVER_IO_URING;
	refuse_options(options, -EPERM);
}
END_TEST

void add_options(Suite *suite)
{
	suite_add(suite, every_option_that_makes_no_sense_is_refused);
	suite_add(suite, options_that_contradict_each_other_are_refused);
	suite_add(suite, operations_that_there_are_not_cannot_be_required);
	if (engine->in_process)
		suite_add(suite, all_operations_may_be_required);
	suite_add(suite, engine_of_the_least_and_of_the_largest_capacity_is_as_good);
	suite_add(suite, completions_may_be_fewer_than_submissions);
	suite_add(suite, engine_runs_whenever_it_was_told_to);
	suite_add(suite, submissions_may_be_taken_by_a_thread_of_the_kernel);
	suite_add(suite, driver_says_what_it_is);
	suite_add(suite, engine_that_never_spins_is_as_good);
	suite_add(suite, epoll_can_be_had_everywhere_by_the_environment);
	if (engine->driver == PROACTOR_DRIVER_REMOTE) {
		suite_add(suite, transport_is_the_one_that_was_asked_for);
		suite_add(suite, transport_that_there_is_not_is_refused);
	}
	if (engine->in_process) {
		suite_add(suite, eventfd_is_written_at_completions);
		suite_add(suite, descriptor_that_is_no_eventfd_is_refused);
	}
	if (engine->denied)
		suite_add(suite, without_io_uring_the_next_best_is_taken_and_says_why);
}
