/*
 * Time. Everything is CLOCK_MONOTONIC in nanoseconds; CLOCK_NEVER is a deadline that does not come.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC  UINT64_C(1000000000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_USEC UINT64_C(1000)
#define CLOCK_NEVER   UINT64_MAX

static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/* As of the last tick, some milliseconds ago: an eighth of the price. */
static inline uint64_t clock_tick_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

/*
 * Counts beats of roughly CLOCK_BEAT_NS, 1 to 4 ms: for a few cycles, where a clock is a call. Not
 * to be compared between processors.
 */
#define CLOCK_BEAT_NS (2 * NSEC_PER_MSEC)

static inline uint64_t clock_beat(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc() >> 22;
#else
	return clock_tick_ns() / CLOCK_BEAT_NS;
#endif
}

static inline struct timespec clock_timespec(uint64_t duration_ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(duration_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(duration_ns % NSEC_PER_SEC),
	};
}

/*
 * The instant @duration from now; one too far away to be counted in nanoseconds (500 years) never
 * comes.
 */
static inline uint64_t clock_deadline_ns(const struct timespec *duration)
{
	uint64_t ns;

	if (__builtin_mul_overflow((uint64_t)duration->tv_sec, NSEC_PER_SEC, &ns) ||
		__builtin_add_overflow(ns, (uint64_t)duration->tv_nsec, &ns) ||
		__builtin_add_overflow(ns, clock_now_ns(), &ns))
		return CLOCK_NEVER;
	return ns;
}
