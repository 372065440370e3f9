/*
 * Promise: with EPOLLET each write to an eventfd is an edge, though nobody reads it; and a timerfd
 * that is set again makes a new edge when it expires, though nobody read the first (epoll(7)).
 *
 * epoll.c leans on it: waking a proactor costs one write and no read, an alarm no read either.
 */
#include "tests/kernel/epoll.h"

#include <sys/timerfd.h>

static void ask_eventfd(int epoll)
{
	int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	watch(epoll, event, EPOLLIN);
	promise(edge(epoll, event) == 0);
	for (int round = 0; round < 100; round++) {
		promise(write(event, &(uint64_t){1}, sizeof(uint64_t)) == sizeof(uint64_t));
		promise(edge(epoll, event) == EPOLLIN);
		promise(edge(epoll, event) == 0);
	}
	close(event);
}

static void ask_timerfd(int epoll)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	promise(timer >= 0);
	watch(epoll, timer, EPOLLIN);
	for (int round = 0; round < 10; round++) {
		struct itimerspec soon = {
			.it_value = clock_timespec(clock_now_ns() + 2 * NSEC_PER_MSEC)};
		struct epoll_event event;

		promise(timerfd_settime(timer, TFD_TIMER_ABSTIME, &soon, NULL) == 0);
		promise(edge(epoll, timer) == 0);
		promise(epoll_wait(epoll, &event, 1, -1) == 1 && event.data.fd == timer);
		promise(edge(epoll, timer) == 0);
	}
	/* one in the past expires at once */
	promise(timerfd_settime(timer, TFD_TIMER_ABSTIME,
			&(struct itimerspec){.it_value.tv_nsec = 1}, NULL) == 0);
	promise(edge(epoll, timer) == EPOLLIN);
	close(timer);
}

int main(void)
{
	int epoll = epoll_make();

	ask_eventfd(epoll);
	ask_timerfd(epoll);
	close(epoll);
	return EXIT_SUCCESS;
}
