/* What the epoll driver has to endure. */
#include "tests/fault/suite.h"

#include <limits.h>

START_TEST(epoll_that_is_refused_says_why)
{
	struct proactor_options options = {.size = sizeof(options), .driver = driver};
	struct proactor *proactor;

	for (int i = 0; fault_errors[FAULT_EPOLL_CREATE][i] != 0; i++) {
		int error = fault_errors[FAULT_EPOLL_CREATE][i];

		fault_plan(&(struct fault){FAULT_EPOLL_CREATE, 1, 1, error}, 1);
		assert_result(IN_DRIVER(proactor_new(&proactor, &options)), -error);
	}
	fault_stop();
}
END_TEST

START_TEST(files_need_not_be_watched)
{
	struct load_options options = options_for(FAULT_BIT(EPOLL_CTL));

	sweep(&options, FAULT_EPOLL_CTL, 1, 40);
	sweep(&options, FAULT_EPOLL_CTL, 5, 16);
	options.by_fd = true;
	sweep(&options, FAULT_EPOLL_CTL, 1, 12);
}
END_TEST

START_TEST(wait_may_be_interrupted)
{
	struct load_options options = options_for(0);

	sweep(&options, FAULT_EPOLL_WAIT, 1, 32);
	sweep(&options, FAULT_EPOLL_WAIT, 9, 16);
}
END_TEST

START_TEST(wait_in_milliseconds_does)
{
	static const int errors[] = {ENOSYS, EPERM};
	struct load_options options = options_for(0);

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		fault_plan(&(struct fault){FAULT_EPOLL_WAIT, 1, 1, errors[i]}, 1);
		ck_assert_int_eq(load_run(&options), LOAD_DONE);
	}
}
END_TEST

START_TEST(calls_may_do_half_or_have_to_wait)
{
	struct load_options options = options_for(0);

	sweep(&options, FAULT_TRANSFER, 1, 40);
	sweep(&options, FAULT_TRANSFER, UINT_MAX, 1);
}
END_TEST

START_TEST(accept_and_poll_may_fail)
{
	struct load_options options = options_for(FAULT_BIT(ACCEPT) | FAULT_BIT(POLL));

	sweep(&options, FAULT_ACCEPT, 1, 10);
	sweep(&options, FAULT_ACCEPT, 4, 6);
	sweep(&options, FAULT_POLL, 1, 20);
}
END_TEST

/* Without it a signal may come too early, and is sent again. */
START_TEST(timers_may_be_short)
{
	struct load_options options = options_for(FAULT_BIT(TIMER));

	sweep(&options, FAULT_TIMER, 1, 4);
	sweep(&options, FAULT_TIMER, UINT_MAX, 1);
}
END_TEST

void add_epoll(Suite *suite)
{
	suite_add(suite, epoll_that_is_refused_says_why);
	suite_add(suite, files_need_not_be_watched);
	suite_add(suite, wait_may_be_interrupted);
	suite_add(suite, wait_in_milliseconds_does);
	suite_add(suite, calls_may_do_half_or_have_to_wait);
	suite_add(suite, accept_and_poll_may_fail);
	suite_add(suite, timers_may_be_short);
}
