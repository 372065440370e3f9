/*
 * Work: operations that threads do, for any driver.
 *
 * What blocks (an open on epoll, `call` everywhere) and what an engine lacks (an opcode that the
 * kernel has not) is handed to the pool (threads.h) as a copy of the operation, becomes a system
 * call there (syscall.h), and comes back through the proactor's mailbox:
 *
 *      work_push() ──▶ pool ──▶ a thread: syscall_run() ──▶ mailbox, wakes ──▶ work_collect()
 *                        │                                                       └▶ driver_end()
 *                        └──work_cancel()──▶ driver_end()
 *
 * While that lasts the slot is marked SLOT_AT_WORK, and the front, not the driver, cancels it: work
 * that waits for a thread ends at once; a system call that a thread has begun is interrupted, and
 * ends as it then does; a function of the caller's ends when it ends.
 *
 * Slots, keys and the proactor are its own thread's alone. The others see the copy, the mailbox and
 * the handle.
 */
#pragma once

#include <stdatomic.h>

#include "base/slab.h"
#include "driver/driver.h"

struct work;

struct mailbox {
	/* what is done and was not collected, the last first; each links to the one before it */
	_Atomic(struct work *) done;
	/* the proactor's thread's alone */
	struct slab works; /* as many in use as operations are at work */
	struct slab rooms; /* for what these keep */
};

/*
 * As a driver's push; makes the pool and the mailbox where they are missing. @op is copied, with
 * all that it points to but data buffers and messages. -ENOMEM, -EMFILE (no handle), -EAGAIN: no
 * thread could be made, and there is none.
 */
int work_push(struct proactor *proactor, const struct proactor_op *op, struct slot *slot,
	uint64_t *ret_key, struct proactor_completion *ret_ready);

/* As above, for a slot that is in flight already. Failure leaves it as it is. */
int work_start(struct proactor *proactor, const struct proactor_op *op, struct slot *slot);

/*
 * Of @slot, at work: @size bytes were transferred before, and are part of its result, unless it
 * fails with nothing done at all.
 */
void work_set_done(struct slot *slot, int64_t size);

/*
 * Has @function called with @context by the proactor's thread when @slot, at work, has ended. It
 * may push and end others.
 */
typedef void work_ended(struct proactor *proactor, uint64_t context);
void work_on_end(struct slot *slot, work_ended *function, uint64_t context);

/*
 * Asks @slot, at work, to end: with -ECANCELED at once where no thread has begun with it, or soon
 * where that can be interrupted.
 */
void work_cancel(struct proactor *proactor, struct slot *slot);

/* Ends the operations whose work is done: driver_end() for each. Only where work_is_done(). */
void work_collect(struct proactor *proactor);

/* Whether there is something to collect. No system call, no lock. Mailbox may be NULL. */
static inline bool work_is_done(const struct mailbox *mailbox)
{
	return mailbox && atomic_load_explicit(&mailbox->done, memory_order_relaxed) != NULL;
}

/*
 * Cancels what waits, waits for what runs, collects, and lets go of pool and mailbox. Idempotent.
 */
void work_stop(struct proactor *proactor);
