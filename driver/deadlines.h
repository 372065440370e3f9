/*
 * Deadlines: a binary heap, the earliest on top.
 *
 * Intrusive: who has a deadline knows its place in the heap, so that it leaves in logarithmic time
 * when it ends early, which is what nearly all do.
 */
#pragma once

#include "base/clock.h"
#include "base/def.h"

struct deadline {
	uint64_t at_ns;
	uint32_t place; /* in the heap, from 1; 0: not in it */
};

struct deadlines {
	struct deadline **heap; /* [1, count] */
	uint32_t count;
	uint32_t capacity;
};

/* Everything must have left. Idempotent, also on a zeroed one. */
void deadlines_deinit(struct deadlines *deadlines);

/* @deadline, not in a heap, comes at @at_ns. -ENOMEM. */
int deadlines_add(struct deadlines *deadlines, struct deadline *deadline, uint64_t at_ns);

/* Does nothing where it is not in. */
void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline);

/* When the earliest comes; CLOCK_NEVER where there is none. */
static inline uint64_t deadlines_next_ns(const struct deadlines *deadlines)
{
	return deadlines->count > 0 ? deadlines->heap[1]->at_ns : CLOCK_NEVER;
}

/* Takes one that has come at @now_ns, or NULL. */
struct deadline *deadlines_pop(struct deadlines *deadlines, uint64_t now_ns);
