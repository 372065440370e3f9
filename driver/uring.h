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
 *   uring_setup.c     makes the ring: asks for the best mode and takes what the kernel grants
 *   uring_probe.c     which operations the kernel has
 *   uring_reason.c    why there is no ring
 *   uring_queue.c     the two queues and the system call between them; the backlog
 *   uring_prep.c      an operation becomes a submission
 *   uring_keep.c      … one that points to what has to be kept: paths, addresses, arrays
 *   uring_files.c     descriptors, and the table of registered ones
 *   uring_memory.c    registered memory and rings of buffers
 *   uring.c           the calls of struct driver
 */
#pragma once

#include <liburing.h>
#include <signal.h>

#include "base/buffer.h"
#include "base/slab.h"
#include "driver/driver.h"

/*
 * What liburing 2.3 does not know yet. What the running kernel knows is found out when a ring is
 * made.
 */
enum {
	URING_OP_FTRUNCATE = 55,           /* 6.9 */
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
/* of a time-out, after which cancellations are repeated */
#define URING_RETRY (URING_INTERNAL | UINT64_C(0x7fffffff00000000))
/* of the first of uring->doorbells; the others follow */
#define URING_DOORBELL (URING_RETRY + 1)

/*
 * Beside a key, in a place that no index reaches (slot.c): success makes a file, whose number must
 * not be registered.
 */
#define URING_MAKES_FILE (UINT64_C(1) << 31)

/* A descriptor that ends a wait when it becomes readable, by a multishot poll. */
struct uring_doorbell {
	int fd;
	bool armed;
};

/* The handle's eventfd and the alarm for deadlines. */
enum { URING_DOORBELLS_MAX = 2 };

/* A registered buffer, by its index in the table. */
struct uring_region {
	uint8_t *start; /* NULL: the place is free */
	size_t size;
};

enum { URING_REGIONS_MAX = 64, URING_FIXED_MAX = 4096, URING_GROUPS = 65536 };

/* Why pushing an operation is more than to queue its submission. */
enum uring_special {
	URING_LACKS = 1,     /* the kernel has it not: it is done by system call */
	URING_ENDS_FILE = 2, /* its file leaves the tables */
	URING_REGIONS = 4,   /* there is registered memory, which it may name */
	URING_SIGPIPE = 8,   /* it may raise that, and the kernel has no flag against it */
	URING_RARE = 16,     /* its preparation calls something, or keeps something */
};

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
	int write_rwf;        /* for each write: sigpipe_rwf() */
	bool holds_sigpipe;   /* that is 0, and what an enter does may raise SIGPIPE */
	sigset_t signals;     /* of the caller, meanwhile */
	bool sqpoll;          /* a thread of the kernel moves the submission queue's head */
	bool defers;          /* completions are posted by our enters only */
	uint8_t doorbell_count;
	struct uring_doorbell doorbells[URING_DOORBELLS_MAX];
	/* slots are marked SLOT_MISSED: to be asked again by the next wait, */
	bool missed_now;
	/* or by that after a while, */
	bool missed_later;
	/* for which a time-out is in flight */
	bool retry_armed;
	/* of which it was made; no pointers of it are looked at later */
	struct proactor_options options;
	uint8_t op_special[PROACTOR_OPCODE_COUNT]; /* of enum uring_special; most are 0 */

	bool multishot_accept, multishot_recv, multishot_poll;

	unsigned fixed_count; /* places in the table of files; 0: none was made */
	bool fixed_refused;
	uint64_t fixed[URING_FIXED_MAX / 64]; /* which of them have a file: that of their number */

	uint32_t region_count; /* places used in @regions, those that are free again included */
	bool regions_refused;  /* the kernel takes no table */
	struct uring_region regions[URING_REGIONS_MAX];
	uint16_t last_group;                /* of buffers, that was made */
	uint64_t groups[URING_GROUPS / 64]; /* which of them there are */

	uint32_t stopped; /* at the end: slots before this one have nothing in flight */

	struct slab shorts; /* copies of addresses, message headers and short paths */
	struct slab paths;
} __attribute__((aligned(64))); /* as cache lines are: see struct proactor */

/* What slot->stash is. */
enum uring_stash {
	STASH_NONE,
	STASH_SHORT,     /* of uring->shorts */
	STASH_PATH,      /* of uring->paths */
	STASH_ALLOCATED, /* by malloc() */
	STASH_BUFFER,    /* nothing, but that a buffer is to be taken when data has come */
};
enum { STASH_SHORT_SIZE = 256 }; /* an address with a message header, and most paths */

static inline struct uring *uring_of(struct proactor *proactor)
{
	return container_of(proactor, struct uring, base);
}

/* ---- uring_setup.c ---- */

/* Makes the ring and finds out what it can do. On failure @reason says in a line why. */
int uring_setup(struct uring *uring, const struct proactor_options *options, char *reason);

/* That @call failed with @error (a negative errno), and why: one line, to @reason. */
void uring_explain(const char *call, int error, char *reason);

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

/* Whether a submission may go into the queue now, after all that were pushed before. */
static inline bool uring_has_room(const struct uring *uring)
{
	return uring_room(uring) > 0 && buffer_size(&uring->backlog) == 0;
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
	if (likely(uring_has_room(uring)))
		return uring_sqe_next(uring);
	return uring_sqe_overflow(uring);
}

/* Takes the submission that uring_sqe() gave last back. */
void uring_sqe_undo(struct uring *uring);

/*
 * Submits what was pushed. Does not wait, and does not fail: what remains goes with the next enter.
 */
void uring_submit(struct uring *uring);

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

/*
 * That nobody reads what a write to @fd writes to is to be said by the result, and by no signal:
 * where the kernel has no flag for that.
 */
void uring_hold_sigpipe(struct uring *uring, int fd);

/* ---- uring_probe.c ---- */

/*
 * Finds out which operations the kernel has. -EOPNOTSUPP where one is missing that the caller
 * needs, or without which there is no driver. Others: it could not be asked. @reason says why.
 */
int uring_probe(struct uring *uring, const struct io_uring_params *params, char *reason);

/* ---- uring_keep.c ---- */

/* As prep() in uring_prep.c, for operations that point to something. */
int uring_prep_kept(struct uring *uring, struct io_uring_sqe *sqe, const struct proactor_op *op,
	struct slot *slot);

/* Frees what is kept for @slot, which was popped: the address it learned is written before. */
void uring_unstash(struct uring *uring, struct slot *slot);

/* ---- uring_files.c ---- */

/* As the calls of struct driver. */
int uring_attach(struct proactor *proactor, int fd, int64_t *ret_file);
int uring_detach(struct proactor *proactor, int64_t file, int *ret_fd);
void uring_discard(struct proactor *proactor, int64_t file);

/* @file leaves the tables, if it is there. */
void uring_file_end(struct uring *uring, int64_t file);

/* @file was made by an operation with @opcode. */
void uring_file_made(struct uring *uring, uint32_t opcode, int64_t file);

/* Whether submissions on @fd may say IOSQE_FIXED_FILE. */
static inline bool uring_is_fixed(const struct uring *uring, int fd)
{
	return (unsigned)fd < uring->fixed_count &&
		uring->fixed[(unsigned)fd / 64] >> ((unsigned)fd % 64) & 1;
}

/* ---- uring_memory.c ---- */

/* As the calls of struct driver. */
void uring_memory_add(struct proactor *proactor, void *memory, size_t size);
void uring_memory_remove(struct proactor *proactor, void *memory);
int uring_buffers_new(struct proactor *proactor, struct proactor_buffers *buffers);
void uring_buffers_free(struct proactor *proactor, struct proactor_buffers *buffers);
void uring_buffers_give(struct proactor *proactor, struct proactor_buffers *buffers,
	uint32_t index);

/* Tells a new ring of what the one before it knew. */
void uring_memory_again(struct uring *uring);

/* Which registered buffer has all of these bytes; -1: none. */
int uring_region_of(const struct uring *uring, const void *data, size_t size);

/* Prepares the receive, with a buffer of those that @op names; or the wait for data to come. */
void uring_prep_select(struct uring *uring, struct io_uring_sqe *sqe, const struct proactor_op *op,
	struct slot *slot);

/* That wait, of STASH_BUFFER, ended with @res: receives. The result, and the flags of the entry. */
int64_t uring_select(struct slot *slot, int32_t res, uint32_t *ret_flags);

/* ---- uring_prep.c ---- */

/*
 * As struct driver's push: queues the submission, or does by system call what the kernel's io_uring
 * lacks.
 */
int uring_push(struct proactor *proactor, const struct proactor_op *op, struct slot *slot,
	uint64_t *ret_key, struct proactor_completion *ret_ready);
