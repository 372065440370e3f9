/* Waking a proactor, and waiting for it from outside: notify, handles, proactor_fd. */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

static struct proactor_handle *handle_of(struct proactor *proactor)
{
	struct proactor_handle *handle = NULL;

	must(proactor_handle(proactor, &handle));
	ck_assert_ptr_nonnull(handle);
	return handle;
}

static int poll_forever(struct proactor *proactor)
{
	struct proactor_entry entry;

	return proactor_poll(proactor, NULL, &entry, 1);
}

START_TEST(notification_before_poll_ends_the_next_one)
{
	struct proactor *proactor = start();
	struct proactor_handle *handle = handle_of(proactor);

	for (int i = 0; i < 10; i++) {
		proactor_notify(handle);
		assert_result(poll_forever(proactor), 0);
		expect_quiet(proactor);
	}
	proactor_handle_free(handle);
	stop(proactor);
}
END_TEST

START_TEST(notifications_before_poll_count_once)
{
	struct proactor *proactor = start();
	struct proactor_handle *handle = handle_of(proactor), *other = handle_of(proactor);

	for (int i = 0; i < 1000; i++)
		proactor_notify(i % 2 ? handle : other);
	assert_result(poll_forever(proactor), 0);
	expect_quiet(proactor);
	proactor_handle_free(handle);
	proactor_notify(other);
	assert_result(poll_forever(proactor), 0);
	proactor_handle_free(other);
	stop(proactor);
}
END_TEST

START_TEST(notification_ends_a_poll_that_never_blocks)
{
	struct proactor *proactor = start();
	struct proactor_handle *handle = handle_of(proactor);
	struct proactor_entry entry;

	proactor_notify(handle);
	assert_result(proactor_poll(proactor, &no_time, &entry, 1), 0);
	assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
	proactor_handle_free(handle);
	stop(proactor);
}
END_TEST

START_TEST(notification_hides_no_entry)
{
	struct proactor *proactor = start();
	struct proactor_handle *handle = handle_of(proactor);

	for (int i = 0; i < 100; i++) {
		uint64_t key = launch(proactor, op_nop());

		proactor_notify(handle);
		assert_result(await(proactor, key), 0);
	}
	proactor_handle_free(handle);
	stop(proactor);
}
END_TEST

/* ---- from threads ---- */

struct caller {
	struct proactor_handle *handle;
	int rounds;
	_Atomic int asked, served;
};

/* Notifies again as soon as the last one was seen. */
static void *call(void *argument)
{
	struct caller *caller = argument;

	for (int i = 1; i <= caller->rounds; i++) {
		/* sometimes the proactor is given the time to fall asleep */
		if (i % 64 == 0)
			usleep(500);
		caller->asked = i;
		proactor_notify(caller->handle);
		while (caller->served != i)
			sched_yield();
	}
	return NULL;
}

START_TEST(no_notification_from_a_thread_is_lost)
{
	struct proactor *proactor = start();
	struct caller caller = {.handle = handle_of(proactor), .rounds = is_slow() ? 1000 : 20000};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, call, &caller), 0);
	while (caller.served != caller.rounds) {
		assert_result(poll_forever(proactor), 0);
		ck_assert_int_eq(caller.asked, caller.served + 1);
		caller.served++;
	}
	pthread_join(thread, NULL);
	expect_quiet(proactor);
	proactor_handle_free(caller.handle);
	stop(proactor);
}
END_TEST

static void *wake_late(void *handle)
{
	usleep(50000);
	proactor_notify(handle);
	return NULL;
}

START_TEST(sleeping_poll_is_woken)
{
	struct proactor *proactor = start();
	struct proactor_handle *handle = handle_of(proactor);
	uint64_t key = launch(proactor, op_timeout(1000 * NSEC_PER_SEC));
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, wake_late, handle), 0);
	assert_result(poll_forever(proactor), 0);
	pthread_join(thread, NULL);
	must(proactor_cancel(proactor, key));
	assert_result(await(proactor, key), -ECANCELED);
	proactor_handle_free(handle);
	stop(proactor);
}
END_TEST

/* ---- from signal handlers ---- */

static struct proactor_handle *volatile handle_for_signal;

static void on_alarm(int signal)
{
	(void)signal;
	proactor_notify(handle_for_signal);
}

/*
 * ThreadSanitizer runs a handler when its thread is in a call that it knows to block, and it knows
 * neither io_uring_enter(2) nor epoll_pwait2(2): who waits there would hear of the signal after the
 * wait. So there the signals are for a thread that sleeps in a way that it knows.
 */
#ifdef __SANITIZE_THREAD__
static _Atomic bool signals_are_over;

static void *take_signals(void *unused)
{
	while (!signals_are_over)
		usleep(10000);
	return unused;
}

static pthread_t begin_signals(void)
{
	pthread_t thread;
	sigset_t set;

	ck_assert_int_eq(pthread_create(&thread, NULL, take_signals, NULL), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	return thread;
}

static void end_signals(pthread_t thread)
{
	signals_are_over = true;
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
#else
static pthread_t begin_signals(void)
{
	return pthread_self();
}

static void end_signals(pthread_t thread)
{
	(void)thread;
}
#endif

START_TEST(no_notification_from_a_signal_handler_is_lost)
{
	struct proactor *proactor = start();
	pthread_t thread;

	handle_for_signal = handle_of(proactor);
	signal(SIGALRM, on_alarm);
	thread = begin_signals();
	for (int i = 0; i < 1000; i++) {
		struct itimerval once = {.it_value.tv_usec = 1 + i % 200};

		must(setitimer(ITIMER_REAL, &once, NULL));
		assert_result(poll_forever(proactor), 0);
	}
	end_signals(thread);
	proactor_handle_free(handle_for_signal);
	stop(proactor);
}
END_TEST

/* ---- after the end ---- */

START_TEST(handle_outlives_its_proactor)
{
	struct proactor *proactor = start();
	struct proactor_handle *handle = handle_of(proactor), *other = handle_of(proactor);
	int fd;

	/* as asleep as it can be */
	must(proactor_fd(proactor, &fd));
	expect_quiet(proactor);
	proactor_notify(handle);
	stop(proactor);
	proactor_notify(handle);
	ck_assert_ptr_null(proactor_handle_free(handle));
	proactor_notify(other);
	ck_assert_ptr_null(proactor_handle_free(other));
	ck_assert_ptr_null(proactor_handle_free(NULL));
}
END_TEST

static void *notify_for_a_while(void *argument)
{
	struct caller *caller = argument;

	while (!caller->served)
		proactor_notify(caller->handle);
	return NULL;
}

START_TEST(proactor_may_end_while_others_notify)
{
	for (int i = 0; i < 50; i++) {
		struct proactor *proactor = start();
		struct caller caller = {.handle = handle_of(proactor)};
		struct proactor_entry entry;
		pthread_t thread;

		ck_assert_int_eq(pthread_create(&thread, NULL, notify_for_a_while, &caller), 0);
		(void)proactor_poll(proactor, &no_time, &entry, 1);
		proactor_free(proactor);
		caller.served = 1;
		pthread_join(thread, NULL);
		proactor_handle_free(caller.handle);
	}
}
END_TEST

/* ---- proactor_fd ---- */

static bool readable(int fd, int timeout_ms)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};

	return must(poll(&pollfd, 1, timeout_ms)) == 1;
}

/* What the header asks for before each wait. Gives the number of entries, all popped. */
static int drain(struct proactor *proactor, int *ret_notifications)
{
	struct proactor_completion completion;
	struct proactor_entry entry;
	int r, entries = 0;

	*ret_notifications = 0;
	while ((r = proactor_poll(proactor, &no_time, &entry, 1)) != -ETIME) {
		if (must(r) == 0) {
			++*ret_notifications;
			continue;
		}
		must(proactor_pop(proactor, &entry, &completion));
		entries++;
	}
	return entries;
}

START_TEST(descriptor_is_readable_when_something_has_ended)
{
	struct proactor *proactor = start();
	int writer, fd, again, notifications;
	int64_t file = silent_pipe(proactor, &writer);
	char byte;

	must(proactor_fd(proactor, &fd));
	must(proactor_fd(proactor, &again));
	ck_assert_int_eq(fd, again);
	for (int i = 0; i < 100; i++) {
		(void)launch(proactor, op_read(file, &byte, 1, PROACTOR_CURRENT));
		ck_assert_int_eq(drain(proactor, &notifications), 0);
		ck_assert(!readable(fd, i == 0 ? 20 : 0));
		ck_assert_int_eq(write(writer, "x", 1), 1);
		ck_assert(readable(fd, -1));
		/*
		 * readable is a hint that may come early; nothing more is promised than that poll
		 * gets it in the end
		 */
		while (drain(proactor, &notifications) == 0)
			ck_assert(readable(fd, -1));
		ck_assert_int_eq(notifications, 0);
	}
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(descriptor_is_readable_after_a_notification)
{
	struct proactor *proactor = start();
	struct proactor_handle *handle = handle_of(proactor);
	int fd, notifications;

	must(proactor_fd(proactor, &fd));
	for (int i = 0; i < 100; i++) {
		(void)drain(proactor, &notifications);
		ck_assert(!readable(fd, 0));
		proactor_notify(handle);
		ck_assert(readable(fd, -1));
		ck_assert_int_eq(drain(proactor, &notifications), 0);
		ck_assert_int_eq(notifications, 1);
	}
	proactor_handle_free(handle);
	stop(proactor);
}
END_TEST

static void *write_late(void *fd)
{
	usleep(50000);
	(void)!write(*(int *)fd, "x", 1);
	return NULL;
}

START_TEST(descriptor_wakes_who_waits_on_it_already)
{
	struct proactor *proactor = start();
	struct proactor_handle *handle = handle_of(proactor);
	int writer, fd, notifications;
	int64_t file = silent_pipe(proactor, &writer);
	pthread_t threads[2];
	char byte;

	must(proactor_fd(proactor, &fd));
	(void)launch(proactor, op_read(file, &byte, 1, PROACTOR_CURRENT));
	ck_assert_int_eq(drain(proactor, &notifications), 0);
	ck_assert_int_eq(pthread_create(&threads[0], NULL, write_late, &writer), 0);
	do
		ck_assert(readable(fd, -1));
	while (drain(proactor, &notifications) == 0);
	ck_assert_int_eq(pthread_create(&threads[1], NULL, wake_late, handle), 0);
	do {
		ck_assert(readable(fd, -1));
		ck_assert_int_eq(drain(proactor, &notifications), 0);
	} while (notifications == 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	proactor_handle_free(handle);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(external_loop_misses_neither)
{
	struct proactor *proactor = start_with_capacity(2);
	struct caller caller = {.handle = handle_of(proactor), .rounds = is_slow() ? 500 : 2000};
	int fd, notifications, ended = 0, pushed = 0, now;
	pthread_t thread;

	must(proactor_fd(proactor, &fd));
	(void)drain(proactor, &notifications);
	ck_assert_int_eq(pthread_create(&thread, NULL, call, &caller), 0);
	while (caller.served != caller.rounds || ended != pushed) {
		for (int i = caller.served % 20; i > 0 && caller.served != caller.rounds;
			i--, pushed++)
			(void)launch(proactor, op_timeout(20 * NSEC_PER_USEC));
		now = drain(proactor, &notifications);
		ended += now;
		/* a poll that brings entries may have been ended by a notification as well */
		if (now > 0 || notifications > 0)
			caller.served = caller.asked;
		else
			ck_assert(readable(fd, -1));
	}
	pthread_join(thread, NULL);
	proactor_handle_free(caller.handle);
	stop(proactor);
}
END_TEST

void add_notify(Suite *suite)
{
	suite_add(suite, notification_before_poll_ends_the_next_one);
	suite_add(suite, notifications_before_poll_count_once);
	suite_add(suite, notification_ends_a_poll_that_never_blocks);
	suite_add(suite, notification_hides_no_entry);
	suite_add(suite, no_notification_from_a_thread_is_lost);
	suite_add(suite, sleeping_poll_is_woken);
	suite_add(suite, no_notification_from_a_signal_handler_is_lost);
	suite_add(suite, handle_outlives_its_proactor);
	suite_add(suite, proactor_may_end_while_others_notify);
	suite_add(suite, descriptor_is_readable_when_something_has_ended);
	suite_add(suite, descriptor_is_readable_after_a_notification);
	suite_add(suite, descriptor_wakes_who_waits_on_it_already);
	suite_add(suite, external_loop_misses_neither);
}
