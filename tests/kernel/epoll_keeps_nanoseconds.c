/*
 * Promise: epoll_pwait2(2) (5.11) waits at least the time that it is given, in nanoseconds and not
 * rounded to milliseconds: a hundred waits of 100 µs take less than a hundred of one millisecond.
 * Nothing to wait for is 0 at once; a time that is NULL is for ever.
 *
 * epoll.c leans on it for deadlines.
 */
#include "tests/kernel/epoll.h"

enum { COUNT = 100, TRIES = 5 };

static int wait_for(int epoll, const struct timespec *time)
{
	struct epoll_event event;

	return (int)syscall(SYS_epoll_pwait2, epoll, &event, 1, time, NULL, 0);
}

static uint64_t wait_often(int epoll)
{
	const struct timespec time = {.tv_nsec = 100000};
	uint64_t begin = clock_now_ns();

	for (int i = 0; i < COUNT; i++) {
		uint64_t before = clock_now_ns();

		promise(wait_for(epoll, &time) == 0);
		promise(clock_now_ns() - before >= 100 * NSEC_PER_USEC);
	}
	return clock_now_ns() - begin;
}

int main(void)
{
	int epoll = epoll_make(), event = eventfd(1, EFD_CLOEXEC);
	uint64_t shortest = UINT64_MAX;

	if (wait_for(epoll, &(struct timespec){0}) < 0 && errno == ENOSYS)
		return EXIT_SKIPPED;
	/* others may have the processor, but not each time */
	for (int i = 0; i < TRIES; i++)
		shortest = MIN(shortest, wait_often(epoll));
	promise(shortest < COUNT * NSEC_PER_MSEC);
	watch(epoll, event, EPOLLIN);
	promise(wait_for(epoll, NULL) == 1);
	promise(wait_for(epoll, &(struct timespec){0}) == 0);
	close(event);
	close(epoll);
	return EXIT_SUCCESS;
}
