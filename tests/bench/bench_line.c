/*
 * How far the processors are from each other: how long a cache line takes to the servers' processor
 * and back.
 *
 * On a virtual machine that is no constant. The host moves its processors about, so that they share
 * a cache for some minutes and then do not; a line takes 100 ns or 400 ns, and what two processes
 * tell each other through shared memory takes two to four times as long.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "tests/bench/bench.h"

enum { ROUND_TRIPS = 2000, TRIES = 5 };

/* Written in turns: even by us, odd by the other; or the end. */
#define OVER UINT32_MAX

static _Atomic uint32_t line __attribute__((aligned(64)));

static void *answer(void *context)
{
	(void)context;
	for (uint32_t seen = 0; seen != OVER; seen = atomic_load(&line))
		if (seen % 2 == 1)
			atomic_store(&line, seen + 1);
	return NULL;
}

static double measure(void)
{
	uint64_t begin_ns = clock_now_ns();

	for (uint32_t i = 0; i < ROUND_TRIPS; i++) {
		uint32_t asked = atomic_load(&line) + 1;

		atomic_store(&line, asked);
		while (atomic_load(&line) == asked)
			;
	}
	return (double)(clock_now_ns() - begin_ns) / ROUND_TRIPS;
}

double bench_line_ns(void)
{
	bool was_pinned = bench_is_pinned(), is_there;
	double tries[TRIES];
	pthread_t thread;

	if (bench_cpu_count() < 2)
		return 0;
	atomic_store(&line, 0);
	/* it runs where we are when we make it, and from then on */
	bench_pin(BENCH_CPU_SERVER);
	is_there = pthread_create(&thread, NULL, answer, NULL) == 0;
	bench_pin(BENCH_CPU_SELF);
	for (unsigned i = 0; is_there && i < TRIES; i++)
		tries[i] = measure();
	atomic_store(&line, OVER);
	if (is_there)
		(void)pthread_join(thread, NULL);
	if (!was_pinned)
		bench_unpin();
	return is_there ? bench_quantile(tries, TRIES, 0.5) : 0;
}
