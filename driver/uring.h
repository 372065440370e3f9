/*
 * The io_uring driver: what its files share.
 *
 *      push ──▶ [backlog] ──▶ submissions ──enter──▶ kernel ──▶ completions ──reap──▶ entries
 *               only when the queue is full and the kernel does not take it
 *
 * user_data of a submission is the key of its slot, so that a completion finds its slot, and a
 * cancellation can never hit a later operation. Keys leave the highest bit free: with it set,
 * user_data is one of ours (see URING_INTERNAL).
 *
 *   uring_setup.c   makes the ring: asks for the best mode and takes what the kernel grants
 *   uring_queue.c   the two queues and the system call between them; the backlog
 *   uring_prep.c    an operation becomes a submission
 *   uring.c         the calls of struct driver
 */
#pragma once

#include <liburing.h>

#include "base/buffer.h"
#include "base/slab.h"
#include "driver/driver.h"

/*
 * What liburing 2.3 does not know yet. What the running kernel knows is found out when a ring is
 * made.
 */
enum {
	URING_OP_BIND = 56,                /* 6.11 */
	URING_OP_LISTEN = 57,              /* 6.11 */
	URING_SETUP_NO_SQARRAY = 1 << 16,  /* 6.6 */
	URING_FEATURE_NO_IOWAIT = 1 << 17, /* 6.15 */
	URING_ENTER_NO_IOWAIT = 1 << 7,    /* 6.15 */
};

/*
 * user_data that is not a key: the highest bit, what it is for, and for a cancellation the key that
 * it is after.
 */
#define URING_INTERNAL (UINT64_C(1) << 63)
#define URING_CANCEL   URING_INTERNAL
#define URING_DOORBELL (URING_INTERNAL | UINT64_C(0x7fffffff00000000) | 1)

struct uring {
	struct proactor base;
	struct io_uring ring; /* liburing's view of the mappings; its queue indices are not used */

	/* submission queue: [submitted, filled) is for the kernel to take */
	unsigned submitted;
	unsigned filled;
	struct buffer backlog; /* struct io_uring_sqe, in order, after all that is in the queue */

	/* completion queue */
	unsigned reaped;
	unsigned posted_at_enter; /* the queue's tail after the last enter */

	unsigned enter_flags; /* for each enter */
	int enter_fd;         /* the ring, or its index among the registered rings */
	unsigned wait_flags;  /* for each that waits */
	bool doorbell_armed;
	bool defers; /* completions are posted by our enters only */
	/* of which it was made; no pointers of it are looked at later */
	struct proactor_options options;
	/* by the kernel; the rest is done by system call when pushed */
	bool op_supported[PROACTOR_OPCODE_COUNT];

	struct slab addresses; /* copies of addresses and of short paths */
	struct slab paths;
};

enum uring_stash { STASH_NONE, STASH_SHORT, STASH_PATH };
enum { STASH_SHORT_SIZE = sizeof(struct proactor_address) };

static inline struct uring *uring_of(struct proactor *proactor)
{
	return container_of(proactor, struct uring, base);
}

/* ---- uring_setup.c ---- */

/* Makes the ring and finds out what it can do. On failure @reason says in a line why. */
int uring_setup(struct uring *uring, const struct proactor_options *options, char *reason);

/*
 * Makes another ring in its place, one whose descriptor may be polled. Nothing may be in flight. On
 * failure it stays.
 */
int uring_setup_again(struct uring *uring, char *reason);

/* Idempotent, also on a zeroed one. Nothing may be in flight. */
void uring_teardown(struct uring *uring);

/* ---- uring_queue.c ---- */

static inline unsigned uring_room(const struct uring *uring)
{
	return uring->ring.sq.ring_entries - (uring->filled - uring->submitted);
}

static inline struct io_uring_sqe *uring_sqe_next(struct uring *uring)
{
	return &uring->ring.sq.sqes[uring->filled++ & uring->ring.sq.ring_mask];
}

/* As uring_sqe(), where the queue is full. */
struct io_uring_sqe *uring_sqe_overflow(struct uring *uring);

/*
 * The next submission to fill in, in the queue or in the backlog. NULL when memory is short. Never
 * for lack of room.
 */
static inline struct io_uring_sqe *uring_sqe(struct uring *uring)
{
	if (likely(uring_room(uring) > 0 && buffer_size(&uring->backlog) == 0))
		return uring_sqe_next(uring);
	return uring_sqe_overflow(uring);
}

/* Takes the submission that uring_sqe() gave last back. */
void uring_sqe_undo(struct uring *uring);

/*
 * Submits everything; waits for a completion until @deadline_ns (0: does not wait). As struct
 * driver's wait.
 */
int uring_enter(struct uring *uring, uint64_t deadline_ns);

/*
 * Where the completions end that may be taken now; they begin at uring->reaped. Those posted since
 * the last enter wait for the next when there is something to submit: else a ring whose completions
 * come by themselves (without deferred task work) could be reaped for ever and never fed.
 */
static inline unsigned uring_cq_end(const struct uring *uring)
{
	unsigned posted = io_uring_smp_load_acquire(uring->ring.cq.ktail);

	if (likely(uring->filled == uring->submitted || posted == uring->posted_at_enter))
		return posted;
	return (int)(uring->posted_at_enter - uring->reaped) > 0 ? uring->posted_at_enter
								 : uring->reaped;
}

/* ---- uring_prep.c ---- */

/*
 * As struct driver's push: queues the submission, or does by system call what the kernel's io_uring
 * lacks.
 */
int uring_push(struct proactor *proactor, const struct proactor_op *op, uint64_t *ret_key,
	struct proactor_completion *ret_ready);

/* Frees what uring_push() kept. */
void uring_unstash(struct uring *uring, struct slot *slot);
