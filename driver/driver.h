/*
 * What is behind a proactor: the part that every driver shares, and the calls that each provides.
 *
 * The front (front.c) is the same for all: it checks what callers give, keeps the slots, makes and
 * retires keys, waits with its deadline, and consumes notifications. A driver starts operations,
 * says which have ended, and blocks until more might have. So the promises of proactor.h are kept
 * in one place.
 *
 * A driver ends an operation in one of two ways: it hands the slot to driver_end() at any time, or
 * writes the entry itself in its reap() (see driver_entry()), which is how an io_uring goes from a
 * completion queue to the caller without a stop.
 *
 * Chains, deadlines, further shots of a multishot operation and waiting for a buffer are the
 * front's as well (extra.h): a driver sees single operations, and may be given the same slot again.
 * What blocks and what a driver cannot do by itself goes to threads (work.h).
 */
#pragma once

#include <errno.h>

#include "base/def.h"
#include "base/list.h"
#include "driver/handle.h"
#include "driver/op.h"
#include "driver/proactor.h"
#include "driver/shortcut.h"
#include "driver/slot.h"

struct proactor_buffers;
struct extras;
struct mailbox;

enum { DRIVER_NAME_SIZE = 128, DRIVER_REASON_SIZE = 256 };

struct driver {
	/* TIMEOUT is never pushed: the front does it, with its deadlines. */
	bool lacks_timeout;

	/*
	 * Starts @op, which was checked, in @slot; ends with driver_pending(), driver_ready() or
	 * driver_refuse(). @op is gone afterwards. -ENOMEM, -EOPNOTSUPP.
	 */
	int (*push)(struct proactor *proactor, const struct proactor_op *op, struct slot *slot,
		uint64_t *ret_key, struct proactor_completion *ret_ready);

	/*
	 * Asks @slot, in flight and not at work, to end. It does: the driver repeats what the
	 * kernel missed. -ENOMEM.
	 */
	int (*cancel)(struct proactor *proactor, struct slot *slot);

	/*
	 * Writes entries of what has ended meanwhile. No system call. May be NULL where
	 * driver_end() does it all.
	 */
	unsigned (*reap)(struct proactor *proactor, struct proactor_entry *entries, unsigned count);

	/*
	 * Submits, then blocks until something might have ended, the handle's eventfd was written,
	 * or @deadline_ns has come (0: does not block). May return early for no reason. Negative:
	 * the driver is broken and poll says so.
	 */
	int (*wait)(struct proactor *proactor, uint64_t deadline_ns);

	/*
	 * Submits what there is since the last wait, as somebody else may wait on that of fd() now.
	 * -EAGAIN: not all, repeat it soon. NULL where nothing ever is.
	 */
	int (*flush)(struct proactor *proactor);

	/* As the public calls. */
	int (*attach)(struct proactor *proactor, int fd, int64_t *ret_file);
	int (*detach)(struct proactor *proactor, int64_t file, int *ret_fd);
	int (*fd)(struct proactor *proactor, int *ret_fd);

	/*
	 * From now on @fd, when it becomes readable, ends a wait and makes that of fd() readable.
	 */
	int (*watch)(struct proactor *proactor, int fd);

	/*
	 * The engine's side of memory and buffers of proactor.h; all may be NULL: then there is
	 * none. Failure to register is no failure.
	 */
	void (*memory_add)(struct proactor *proactor, void *memory, size_t size);
	void (*memory_remove)(struct proactor *proactor, void *memory);
	/*
	 * Takes all that are not lent. Negative: it does not, and they are taken with
	 * buffers_take() when data comes.
	 */
	int (*buffers_new)(struct proactor *proactor, struct proactor_buffers *buffers);
	void (*buffers_free)(struct proactor *proactor, struct proactor_buffers *buffers);
	void (*buffers_give)(struct proactor *proactor, struct proactor_buffers *buffers,
		uint32_t index);

	/*
	 * Frees the stash of @slot; called at pop where stash_kind is not 0. May be NULL where it
	 * never is.
	 */
	void (*forget)(struct proactor *proactor, struct slot *slot);

	/*
	 * All that is in flight was cancelled: waits a while for that. Repeated, with reaps in
	 * between, until nothing is.
	 */
	void (*stop)(struct proactor *proactor);

	/* Closes a file that nobody came to know of; after stop(). */
	void (*discard)(struct proactor *proactor, int64_t file);

	/* Frees the driver, the proactor with it. */
	void (*free)(struct proactor *proactor);
};

/* What each operation touches comes first, in as few cache lines as it fits. */
struct proactor {
	const struct driver *driver;
	struct slots slots;
	/* queue of slots that driver_end() was given and no entry names yet */
	uint32_t ended_first;
	uint32_t ended_last;
	struct slot *chain; /* the last operation pushed, where it was flagged CHAIN */
	/* bit 1 << opcode: a push without flags can be handed to the driver unseen */
	uint64_t plain_ops;
	struct extras *extras;          /* NULL until an operation has one */
	struct proactor_handle *handle; /* NULL until somebody asks */
	struct mailbox *mailbox;        /* NULL until something went to the threads */
	/* polls since the driver's wait() that found entries without it */
	uint32_t unwaited_count;
	/* proactor_fd() was called: between two polls somebody else waits for us */
	bool external_loop;
	bool stopping; /* being freed: nothing is started any more */
	struct proactor_stats stats;
	struct shortcuts shortcuts;
	struct proactor_threads *threads; /* NULL until they are needed, or given */
	uint32_t thread_count_max;        /* of a pool of its own */
	uint32_t thread_idle_ms;
	struct list memories; /* of struct memory */
	struct list buffers;  /* of struct proactor_buffers */
	char name[DRIVER_NAME_SIZE];
	char reason[DRIVER_REASON_SIZE];
};

/* The shared part of a new driver. */
void driver_init(struct proactor *proactor, const struct driver *driver,
	const struct proactor_options *options);

/* Makes @proactor's handle where there is none. -ENOMEM, -EMFILE. */
int driver_need_handle(struct proactor *proactor);

/* The operation in @slot has ended: queues it for the next poll. */
void driver_end(struct proactor *proactor, struct slot *slot, int64_t result);

/* As above; @flags as in an entry. With PROACTOR_MORE it goes on, and may end again once reaped. */
void driver_end_flagged(struct proactor *proactor, struct slot *slot, int64_t result,
	uint32_t flags);

/* What a push begins with: a slot for @op. NULL when memory is short. */
static inline struct slot *driver_start(struct proactor *proactor, const struct proactor_op *op)
{
	struct slot *slot = slots_take(&proactor->slots);

	if (unlikely(!slot))
		return NULL;
	proactor->stats.pushed++;
	slot->opcode = (uint8_t)op->opcode;
	slot->context = op->context;
	/* the first parameter, whatever it is: see proactor_cancel_file() */
	slot->file = op->read.file;
	return slot;
}

/*
 * Does @op at once, without the driver, where there is a way. False: there is none, and @op is
 * flagged where it may block.
 */
bool driver_shortcut(struct proactor *proactor, struct proactor_op *op, int64_t *ret_result);

/* What a push ends with, one of three: it is in flight, */
static inline int driver_pending(const struct slot *slot, uint64_t *ret_key)
{
	*ret_key = slot_key(slot);
	return PROACTOR_PENDING;
}

/* it is done already (PENDING where it has an extra: these end in entries alone), */
int driver_ready(struct proactor *proactor, struct slot *slot, int64_t result, uint64_t *ret_key,
	struct proactor_completion *ret_ready);

/* or it cannot be started: @error. */
int driver_refuse(struct proactor *proactor, struct slot *slot, int error);

/* Marks @slot as ended and writes its entry. */
static inline void driver_entry_final(struct proactor *proactor, struct slot *slot, int64_t result,
	struct proactor_entry *ret_entry)
{
	assert(slot->state == SLOT_IN_FLIGHT || slot->state == SLOT_QUEUED);
	slot->state = SLOT_ENDED;
	slot->result = result;
	if (unlikely(result == -ECANCELED))
		proactor->stats.cancelled++;
	else
		proactor->stats.completed++;
	*ret_entry = (struct proactor_entry){
		.key = slot_key(slot),
		.result = result,
		.context = slot->context,
	};
}

/* As driver_entry(), for a slot with an extra. Defined by extra.c. */
unsigned driver_entry_extra(struct proactor *proactor, struct slot *slot, int64_t result,
	uint32_t flags, struct proactor_entry *ret_entry);

/*
 * The operation in @slot has come to @result; @flags as in an entry. Writes what the caller is to
 * see of that: @ret_entry, or nothing. Returns how many entries.
 */
static inline unsigned driver_entry(struct proactor *proactor, struct slot *slot, int64_t result,
	uint32_t flags, struct proactor_entry *ret_entry)
{
	if (unlikely(slot->extra != NULL))
		return driver_entry_extra(proactor, slot, result, flags, ret_entry);
	driver_entry_final(proactor, slot, result, ret_entry);
	return 1;
}

static inline uint64_t driver_in_flight(const struct proactor *proactor)
{
	const struct proactor_stats *stats = &proactor->stats;

	return stats->pushed - stats->completed - stats->cancelled;
}

/*
 * The drivers. Each refuses what it cannot do; @reason, of DRIVER_REASON_SIZE bytes, then says why
 * in one line.
 */
int uring_new(struct proactor **ret_proactor, const struct proactor_options *options, char *reason);
int epoll_new(struct proactor **ret_proactor, const struct proactor_options *options, char *reason);

/* Defined by libproactor-client: NULL where that is not linked. */
int remote_new(struct proactor **ret_proactor, const struct proactor_options *options, char *reason)
	__attribute__((weak));
