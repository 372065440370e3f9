/*
 * The handle: notifications from threads and signal handlers, and the eventfd that only a sleeper
 * needs.
 */
#include "tests/harness.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/time.h>

#include "driver/handle.h"

static struct proactor_handle *handle;

static bool eventfd_readable(void)
{
	struct pollfd pollfd = {.fd = handle->eventfd, .events = POLLIN};

	return must(poll(&pollfd, 1, 0)) == 1;
}

START_TEST(awake_proactor_costs_no_system_call)
{
	must(handle_new(&handle));
	proactor_notify(handle);
	proactor_notify(handle);
	ck_assert(!eventfd_readable());
	ck_assert(!handle_begin_sleep(handle));
	ck_assert(handle_end_sleep(handle));
	ck_assert(!handle_end_sleep(handle));
	proactor_handle_free(handle);
}
END_TEST

START_TEST(sleeper_is_woken_through_the_eventfd_once)
{
	uint64_t count;

	must(handle_new(&handle));
	ck_assert(handle_begin_sleep(handle));
	ck_assert(handle_begin_sleep(handle));
	ck_assert(!eventfd_readable());
	for (int i = 0; i < 5; i++)
		proactor_notify(handle);
	ck_assert_int_eq(read(handle->eventfd, &count, sizeof(count)), sizeof(count));
	ck_assert_uint_eq(count, 1);
	ck_assert(handle_end_sleep(handle));
	proactor_handle_free(handle);
}
END_TEST

START_TEST(sleep_that_nobody_ended_was_not_notified)
{
	must(handle_new(&handle));
	ck_assert(handle_begin_sleep(handle));
	ck_assert(!handle_end_sleep(handle));
	ck_assert(!eventfd_readable());
	proactor_handle_free(handle);
}
END_TEST

START_TEST(errno_survives_in_a_signal_handler)
{
	must(handle_new(&handle));
	ck_assert(handle_begin_sleep(handle));
	/* the largest value an eventfd holds: the write in notify fails with EAGAIN */
	ck_assert_int_eq(write(handle->eventfd, &(uint64_t){UINT64_MAX - 1}, sizeof(uint64_t)),
		sizeof(uint64_t));
	errno = ENOSPC;
	proactor_notify(handle);
	ck_assert_int_eq(errno, ENOSPC);
	ck_assert(handle_end_sleep(handle));
	proactor_handle_free(handle);
}
END_TEST

START_TEST(eventfd_lives_as_long_as_the_last_reference)
{
	must(handle_new(&handle));
	ck_assert_ptr_eq(handle_reference(handle), handle);
	ck_assert_ptr_null(proactor_handle_free(handle));
	ck_assert(handle_begin_sleep(handle));
	proactor_notify(handle);
	ck_assert(eventfd_readable());
	ck_assert_ptr_null(proactor_handle_free(handle));
	ck_assert_ptr_null(proactor_handle_free(NULL));
	proactor_notify(NULL);
}
END_TEST

/* ---- nothing is lost ---- */

static _Atomic uint32_t asked, served;

/* Asks again as soon as it was served. */
static void *ask(void *argument)
{
	(void)argument;
	for (uint32_t i = 1; i <= (is_slow() ? 5000 : 100000); i++) {
		asked = i;
		proactor_notify(handle);
		while (served != i)
			sched_yield();
	}
	return NULL;
}

/* As a driver does it: sleeps edge-triggered, here by reading the eventfd empty. */
static void sleep_until_notified(void)
{
	for (;;) {
		struct pollfd pollfd = {.fd = handle->eventfd, .events = POLLIN};
		uint64_t count;

		if (handle_begin_sleep(handle) && poll(&pollfd, 1, -1) == 1)
			(void)!read(handle->eventfd, &count, sizeof(count));
		if (handle_end_sleep(handle))
			return;
	}
}

START_TEST(no_notification_from_a_thread_is_lost)
{
	uint32_t rounds = is_slow() ? 5000 : 100000;
	pthread_t thread;

	must(handle_new(&handle));
	ck_assert_int_eq(pthread_create(&thread, NULL, ask, NULL), 0);
	while (served != rounds) {
		sleep_until_notified();
		served = asked;
	}
	pthread_join(thread, NULL);
	proactor_handle_free(handle);
}
END_TEST

static void on_alarm(int signal)
{
	(void)signal;
	proactor_notify(handle);
}

START_TEST(no_notification_from_a_signal_handler_is_lost)
{
	must(handle_new(&handle));
	signal(SIGALRM, on_alarm);
	/*
	 * one signal a round, at any point of falling asleep: a lost one would end this test by its
	 * time limit
	 */
	for (int round = 0; round < 2000; round++) {
		struct itimerval once = {.it_value.tv_usec = 1 + round % 100};

		must(setitimer(ITIMER_REAL, &once, NULL));
		sleep_until_notified();
	}
	proactor_handle_free(handle);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("handle");

	suite_add(suite, awake_proactor_costs_no_system_call);
	suite_add(suite, sleeper_is_woken_through_the_eventfd_once);
	suite_add(suite, sleep_that_nobody_ended_was_not_notified);
	suite_add(suite, errno_survives_in_a_signal_handler);
	suite_add(suite, eventfd_lives_as_long_as_the_last_reference);
	suite_add(suite, no_notification_from_a_thread_is_lost);
	suite_add(suite, no_notification_from_a_signal_handler_is_lost);
	return suite_main(suite);
}
