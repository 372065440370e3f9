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
 */
#pragma once

#include <errno.h>

#include "base/def.h"
#include "driver/handle.h"
#include "driver/op.h"
#include "driver/proactor.h"
#include "driver/slot.h"

enum { DRIVER_NAME_SIZE = 128, DRIVER_REASON_SIZE = 256 };

struct driver {
	/*
	 * Starts @op, which was checked, in a slot of driver_start(). As proactor_push(). -ENOMEM,
	 * -EOPNOTSUPP.
	 */
	int (*push)(struct proactor *proactor, const struct proactor_op *op, uint64_t *ret_key,
		struct proactor_completion *ret_ready);

	/*
	 * Asks @slot, in flight, to end. It does: the driver repeats what the kernel missed.
	 * -ENOMEM.
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

	/* As the public calls. */
	int (*attach)(struct proactor *proactor, int fd, int64_t *ret_file);
	int (*detach)(struct proactor *proactor, int64_t file, int *ret_fd);
	int (*fd)(struct proactor *proactor, int *ret_fd);

	/* The handle was made: from now on its eventfd ends a wait. -ENOMEM. */
	int (*watch)(struct proactor *proactor);

	/*
	 * Frees the stash of @slot; called at pop where stash_kind is not 0. May be NULL where it
	 * never is.
	 */
	void (*forget)(struct proactor *proactor, struct slot *slot);

	/*
	 * Ends all that is in flight, however long that takes; then nothing refers to memory of the
	 * caller any more.
	 */
	void (*stop)(struct proactor *proactor);

	/* Closes a file that nobody came to know of; after stop(). */
	void (*discard)(struct proactor *proactor, int64_t file);

	/* Frees the driver, the proactor with it. */
	void (*free)(struct proactor *proactor);
};

struct proactor {
	const struct driver *driver;
	struct slots slots;
	/* queue of slots that driver_end() was given and no entry names yet */
	uint32_t ended_first;
	uint32_t ended_last;
	struct proactor_handle *handle; /* NULL until somebody asks */
	/* proactor_fd() was called: between two polls somebody else waits for us */
	bool external_loop;
	struct proactor_stats stats;
	char name[DRIVER_NAME_SIZE];
	char reason[DRIVER_REASON_SIZE];
};

/* The shared part of a new driver. */
void driver_init(struct proactor *proactor, const struct driver *driver);

/* The operation in @slot has ended: queues it for the next poll. */
void driver_end(struct proactor *proactor, struct slot *slot, int64_t result);

/* What a push begins with: a slot for @op. NULL when memory is short. */
static inline struct slot *driver_start(struct proactor *proactor, const struct proactor_op *op)
{
	struct slot *slot = slots_take(&proactor->slots);

	if (unlikely(!slot))
		return NULL;
	slot->opcode = (uint8_t)op->opcode;
	slot->context = op->context;
	return slot;
}

/* What a push ends with, one of three: it is in flight, */
static inline int driver_pending(struct proactor *proactor, const struct slot *slot,
	uint64_t *ret_key)
{
	proactor->stats.pushed++;
	*ret_key = slot_key(slot);
	return PROACTOR_PENDING;
}

/* it is done already, */
int driver_ready(struct proactor *proactor, struct slot *slot, int64_t result,
	struct proactor_completion *ret_ready);

/* or it cannot be started: @error. */
int driver_refuse(struct proactor *proactor, struct slot *slot, int error);

/* Marks @slot as ended and writes its entry. */
static inline void driver_entry(struct proactor *proactor, struct slot *slot, int64_t result,
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

/* Defined by libproactor-client: NULL where that is not linked. */
int remote_new(struct proactor **ret_proactor, const struct proactor_options *options, char *reason)
	__attribute__((weak));
