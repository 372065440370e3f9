/*
 * Spinning: to look again for a while before going to sleep, where what is waited for comes from
 * another processor.
 *
 * A sleep and a wake-up cost more than many looks, and far more latency. But a look that finds
 * nothing is a processor wasted, so: no longer than @window_ns since something was last found; and
 * not more of the time than one part in SPIN_DUTY, counting what was spun for nothing, beside as
 * much as was spun for something. The part is small: where three threads share two processors, what
 * one spins for nothing is missing to the others, and to what it waits for itself.
 *
 * Nor is a processor kept from who is ready to run on it: it may be who is waited for, or whom that
 * waits for in turn. So who has looked for a little while gives way between two looks.
 *
 * On one processor the other side cannot run meanwhile: then never, see spin_pays().
 */
#pragma once

#include <sys/types.h>

#include "base/clock.h"
#include "base/def.h"

enum { SPIN_DUTY = 32, SPIN_US_DEFAULT = 50 };

/* How long before others are given way. */
#define SPIN_ALONE_NS (2 * NSEC_PER_USEC)

/* What may be spun in one go, having saved for it. */
#define SPIN_SAVED_NS_MAX NSEC_PER_MSEC

struct spin {
	uint64_t window_ns; /* 0: never */
	uint64_t found_ns;  /* when something was found last, or the window began */
	uint64_t saved_ns;  /* may still be wasted */
	uint64_t earned_ns; /* up to when it was saved */
};

void spin_init(struct spin *spin, uint64_t window_ns);

/*
 * Whether this thread and process @peer can run at the same time: they have more than one processor
 * between them, as far as can be seen.
 */
bool spin_pays(pid_t peer);

/* Somebody begins to wait: the window begins. */
static inline void spin_begin(struct spin *spin, uint64_t now_ns)
{
	spin->found_ns = now_ns;
}

/*
 * Something was found: the window begins anew. Within the last one, as much as was spun for it (or
 * would have been) may be wasted.
 */
static inline void spin_found(struct spin *spin, uint64_t now_ns)
{
	uint64_t spun_ns = now_ns - MIN(now_ns, spin->found_ns);

	if (spun_ns < spin->window_ns)
		spin->saved_ns = MIN(spin->saved_ns + spun_ns, SPIN_SAVED_NS_MAX);
	spin->found_ns = now_ns;
}

/* Whether to look again. False: go to sleep, and begin anew after it. */
bool spin_continues(struct spin *spin, uint64_t now_ns);

/*
 * Between two looks: has whoever is ready to run on this processor run first. With nobody there it
 * costs a system call, so not in the first moments, in which most is found.
 */
void spin_give_way(const struct spin *spin, uint64_t now_ns);

/* Lets the processor breathe between two looks. */
static inline void spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}
