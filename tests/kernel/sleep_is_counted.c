/*
 * Promise: each time a thread sleeps in a system call its voluntary context switches
 * (getrusage(2), RUSAGE_THREAD) grow, and not while it computes; and the coarse clock
 * (clock_gettime(2)) has ticked wherever more time went by than its resolution, of 10 ms at most.
 *
 * shortcut.c leans on it, to tell a call that was held up from one that was quick.
 */
#include "tests/kernel/kernel.h"

#include <sys/resource.h>

static long switches(void)
{
	struct rusage usage;

	promise(getrusage(RUSAGE_THREAD, &usage) == 0);
	return usage.ru_nvcsw;
}

static void ask_sleep(const int fds[2])
{
	struct timespec time = {.tv_nsec = 1000000};
	struct pollfd pollfd = {.fd = fds[0], .events = POLLIN};
	long before = switches();

	promise(nanosleep(&time, NULL) == 0);
	promise(switches() > before);
	before = switches();
	promise(poll(&pollfd, 1, 1) == 0);
	promise(switches() > before);
}

/* A page that has to be fetched first may be the exception. */
static void ask_work(void)
{
	for (int i = 0; i < 10; i++) {
		uint64_t end_ns = clock_now_ns() + 5 * NSEC_PER_MSEC;
		long before = switches();

		while (clock_now_ns() < end_ns)
			;
		if (switches() == before)
			return;
	}
	promise(!"it slept");
}

static void ask_ticks(void)
{
	struct timespec resolution;
	uint64_t size_ns, before_ns, ticked_ns;

	promise(clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) == 0);
	promise(resolution.tv_sec == 0 && resolution.tv_nsec <= 10000000);
	size_ns = (uint64_t)resolution.tv_nsec;
	before_ns = clock_now_ns();
	ticked_ns = clock_tick_ns();
	promise(ticked_ns <= clock_now_ns());
	while (clock_now_ns() <= before_ns + 2 * size_ns)
		;
	promise(clock_tick_ns() > ticked_ns);
}

int main(void)
{
	int fds[2];

	alarm(60);
	make_pipe(fds);
	ask_sleep(fds);
	ask_work();
	ask_ticks();
	close_both(fds);
	return EXIT_SUCCESS;
}
