/*
 * The epoll driver: what its files share.
 *
 *      push ──▶ the system call, without blocking ──▶ done: READY
 *                 │ not yet                    └────▶ only a thread can: work_push()
 *                 ▼
 *         a waiter, in a queue of its file ──epoll says ready──▶ the call again ──▶ driver_end()
 *
 * What is tried first needs no registration: most descriptors that are always ready are never seen
 * by epoll. Who has to wait has his file registered, edge-triggered and once, for all that can ever
 * be waited for; so a wait costs one system call and no more, however many wait.
 *
 * What edge-triggering asks for, and what the queues stand for: of those who wait in one queue the
 * first was tried, and told EAGAIN, after the last edge, and the others wait for the first. So an
 * edge has the first tried, and the next as long as that succeeds. (Where a thread has the first,
 * they wait for the thread.) And nobody is tried at push past
 * others who wait: operations on a stream are done in the order in which they were pushed.
 *
 *   epoll.c        the calls of struct driver
 *   epoll_file.c   the table of files, and what epoll is told about them
 *   epoll_push.c   how an operation begins
 *   epoll_wait.c   waiters: how it goes on
 *
 * Registrations belong to a number and an open file description, and outlive the number where the
 * description has another (epoll(7), "Questions and answers", 6). So each carries a generation, and
 * what comes for an earlier one is not for the file that has the number now.
 */
#pragma once

#include "base/slab.h"
#include "driver/driver.h"
#include "driver/kept.h"
#include "driver/syscall.h"

enum epoll_queue {
	EPOLL_QUEUE_IN,   /* what takes from the file: one after another */
	EPOLL_QUEUE_OUT,  /* what gives to it */
	EPOLL_QUEUE_PRI,  /* what takes what comes beside the stream */
	EPOLL_QUEUE_POLL, /* what only looks: all of them */
	EPOLL_QUEUE_COUNT
};

enum epoll_file_state {
	EPOLL_FILE_NEW,
	EPOLL_FILE_REGISTERED,
	EPOLL_FILE_REFUSED, /* by epoll: such files are always ready */
};

/* A file, by its number. What is not known of it is zero. */
struct epoll_file {
	struct list queues[EPOLL_QUEUE_COUNT]; /* of struct waiter */
	/* a thread is with the first: the others wait until that has ended */
	bool is_at_work[EPOLL_QUEUE_COUNT];
	uint32_t generation;
	/* operations at work that use the file's own position: see push_disk() */
	uint32_t position_user_count;
	uint8_t state; /* enum epoll_file_state */
	uint8_t kind;  /* enum syscall_kind */
};

enum { EPOLL_FILES_PER_BLOCK = 256 };

struct epoll {
	struct proactor base;
	int fd;
	bool lacks_pwait2;          /* waits in milliseconds only */
	struct epoll_file **blocks; /* NULL where there is no file yet; they never move */
	uint32_t block_count;
	struct slab waiters;
	struct slab rooms; /* for what waiters keep */
};

/* An operation that waits for readiness; its slot's stash. */
struct waiter {
	struct list link; /* in a queue of its file; unlinked once that is gone */
	struct slot *slot;
	struct kept kept; /* the rest of the operation */
	int64_t done;     /* bytes transferred before */
	uint8_t queue;    /* enum epoll_queue */
	uint8_t kind;     /* enum syscall_kind, of its file */
	bool has_begun;   /* a connect that goes on by itself */
};

/* What slot->stash is. */
enum epoll_stash { EPOLL_STASH_NONE, EPOLL_STASH_WAITER };

static inline struct epoll *epoll_of(struct proactor *proactor)
{
	return container_of(proactor, struct epoll, base);
}

/* ---- epoll_file.c ---- */

/* Names @file, which has the number @fd, as long as that stands for the same. */
static inline uint64_t epoll_file_data(const struct epoll_file *file, int fd)
{
	return (uint64_t)file->generation << 32 | (uint32_t)fd;
}

/* What is known of @fd; NULL: nothing. */
static inline struct epoll_file *epoll_file_find(const struct epoll *epoll, int fd)
{
	uint32_t block = (uint32_t)fd / EPOLL_FILES_PER_BLOCK;

	if (fd < 0 || block >= epoll->block_count || !epoll->blocks[block])
		return NULL;
	return &epoll->blocks[block][(uint32_t)fd % EPOLL_FILES_PER_BLOCK];
}

/* What epoll_file_data() names, or NULL where the number stands for something else now. */
static inline struct epoll_file *epoll_file_named(const struct epoll *epoll, uint64_t data)
{
	struct epoll_file *file = epoll_file_find(epoll, (int)(uint32_t)data);

	return file && file->generation == (uint32_t)(data >> 32) ? file : NULL;
}

/* As epoll_file_find(), making room for it. @fd is open. -ENOMEM. */
int epoll_file_need(struct epoll *epoll, int fd, struct epoll_file **ret_file);

/* Finds out, once, what kind of file @fd is: enum syscall_kind. -EBADF, -ENOMEM. */
int epoll_file_kind(struct epoll *epoll, int fd);

/*
 * From now on events for @fd come. -EPERM: never, as it is always ready. Others: epoll is at its
 * limits.
 */
int epoll_file_register(struct epoll *epoll, struct epoll_file *file, int fd);

/*
 * The number @fd stands for something else from now on, or for nothing: who waits ends with
 * -ECANCELED.
 */
void epoll_file_end(struct epoll *epoll, int fd);

/* As struct driver's watch. */
int epoll_watch(struct proactor *proactor, int fd);

/* An event that epoll gave. */
void epoll_file_dispatch(struct epoll *epoll, uint64_t data, uint32_t events);

void epoll_files_deinit(struct epoll *epoll);

/* ---- epoll_push.c ---- */

/* As struct driver's push. */
int epoll_push(struct proactor *proactor, const struct proactor_op *op, struct slot *slot,
	uint64_t *ret_key, struct proactor_completion *ret_ready);

/* ---- epoll_wait.c ---- */

enum epoll_outcome {
	EPOLL_ENDED,  /* with the result */
	EPOLL_WAITS,  /* nothing was done */
	EPOLL_BEGUN,  /* it goes on by itself, and waits for its end */
	EPOLL_PARTLY, /* the result is a part of what it is to transfer */
	EPOLL_BLOCKS, /* only a thread can */
};

/*
 * Tries @op, of which @has_begun says whether it was EPOLL_BEGUN before. @ret_flags as in an entry;
 * untouched where there are none.
 */
enum epoll_outcome epoll_try(const struct proactor_op *op, enum syscall_kind kind, bool has_begun,
	int64_t *ret_result, uint32_t *ret_flags);

/* Which queue of its file @op waits in. */
enum epoll_queue epoll_queue_of(const struct proactor_op *op);

/* Has @slot wait behind the others in @op's queue of @file. -ENOMEM. */
int epoll_wait_for(struct epoll *epoll, const struct proactor_op *op, struct slot *slot,
	struct epoll_file *file, struct waiter **ret_waiter);

/* The first @size bytes of what @waiter transfers are done. */
void epoll_waiter_advance(struct waiter *waiter, int64_t size);

/* A shot of @slot's multishot poll: @events have come. */
void epoll_report(struct epoll *epoll, struct slot *slot, int64_t events);

/*
 * @slot, with @op, is with a thread: those in the queue wait for it, where their order is of
 * importance.
 */
void epoll_wait_for_work(struct epoll *epoll, const struct proactor_op *op, struct slot *slot);

/* Whether somebody is before @op in its queue of @file, which may be NULL. */
bool epoll_is_queued(const struct epoll_file *file, const struct proactor_op *op);

/* Tries those in @queue of @file, as far as they get. */
void epoll_serve(struct epoll *epoll, struct epoll_file *file, enum epoll_queue queue);

/* All who wait in @queue of @file end with -ECANCELED. */
void epoll_retire(struct epoll *epoll, struct epoll_file *file, enum epoll_queue queue);

/* As struct driver's cancel. */
int epoll_cancel(struct proactor *proactor, struct slot *slot);
