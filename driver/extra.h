/*
 * Extras: what an operation has beyond the one call that a driver makes of it.
 *
 *   chain       it starts when another has succeeded, or another waits for it
 *   deadline    it ends with -ETIME when its time is over
 *   multishot   it is pushed again when a shot has brought something and the engine stops there
 *   buffer      it waits for one of its buffers to be released
 *   second file splice acts on two, and either may be what proactor_cancel_file() names
 *   timeout     it is nothing but time, on a driver that has no timers
 *
 * All this is done here, once, over single operations of any driver; most operations have no extra
 * and pay one test for it. One that has keeps a copy of itself, since it may have to be pushed
 * later, or again, and ends in entries only: it is never READY.
 *
 *      push ──▶ SLOT_WAITS ──predecessor, buffer──▶ with the driver ──entry──▶ goes on, or over:
 *        └──────────────────────────────────────────────▲                     the next in the chain
 */
#pragma once

#include "base/slab.h"
#include "driver/deadlines.h"
#include "driver/driver.h"

struct extra {
	struct proactor_op op; /* pushed with this each time */
	struct slot *slot;
	void *room;    /* what @op points to; NULL: nothing */
	uint64_t next; /* key of the operation chained to this one; 0: none */
	struct deadline deadline;
	struct list starved; /* of buffers->starved */
	/* of the entry: as driver_end_flagged() said, then as the last entry had them */
	uint32_t flags;
	bool timed_out;  /* cancelled because @deadline came */
	bool is_in_time; /* a TIMEOUT of ours: when @deadline comes, it has done what it was to */
};

struct extras {
	struct slab slab;
	struct deadlines deadlines;
	/* for who waits outside of poll: a timerfd set to @alarm_ns; -EBADF where nobody does */
	int alarm_fd;
	uint64_t alarm_ns;
};

/* As proactor_push(), for an operation with an extra. */
int extra_push(struct proactor *proactor, const struct proactor_op *op, uint64_t *ret_key);

/* @slot, which waits, ends with -ECANCELED. */
void extra_cancel(struct proactor *proactor, struct slot *slot);

/*
 * As proactor_cancel(), for @slot that is queued: a shot may be taken yet, the next is not to come.
 */
int extra_cancel_queued(struct slot *slot);

/*
 * A buffer was released: the operations that wait for one go on. All, since it is taken by who has
 * data first.
 */
void extra_feed(struct proactor_buffers *buffers);

/* Ends what is out of time. */
void extra_expire(struct proactor *proactor);

/* When something will be; CLOCK_NEVER: nothing. */
static inline uint64_t extra_deadline_ns(const struct proactor *proactor)
{
	return proactor->extras ? deadlines_next_ns(&proactor->extras->deadlines) : CLOCK_NEVER;
}

/* Makes what wakes who waits on proactor_fd() for deadlines. Idempotent. -ENOMEM, -EMFILE. */
int extra_need_alarm(struct proactor *proactor);

/* Sets that to @next_ns. */
void extra_set_alarm(struct proactor *proactor, uint64_t next_ns);

/* The operation of @slot was popped, or refused. */
void extra_forget(struct proactor *proactor, struct slot *slot);

/* At the end of @proactor. */
void extra_free_all(struct proactor *proactor);
