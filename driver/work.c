/*
 * Operations that threads do. See work.h.
 *
 *  proactor's thread                    │ a thread of the pool
 *  work_start: takes a record, pushes ──┼─▶ run: syscall_run(&work->kept.op)
 *                                       │        work->result = …
 *  work_collect: ends the slot,       ◀─┼─ puts it into the mailbox, and wakes
 *      gives the record back            │  (the record is not touched any more)
 *
 * The mailbox is a stack that any number of threads push onto and the proactor takes as a whole;
 * turned over it gives the order in which they were done. Who pushes onto an empty one wakes the
 * proactor, the others come along. The last that a thread touches of all this is the handle, of
 * which each record has a reference: so the proactor may be gone as soon as it has collected all.
 *
 * What is asked to end while a thread has it: `is_cancelled` is set, then its system call is
 * interrupted (nudge.h). The thread looks before the call and after each EINTR. Three races
 * remain, and are harmless: a call that succeeds in spite of it gives its result (a file that it
 * made is not lost); one that was interrupted after a part of a transfer gives that part; and a
 * call that the kernel does not let be interrupted (a file system that waits for its disk) ends
 * when it ends, which proactor_free() waits for, since the kernel has the caller's memory until
 * then.
 */
#include "driver/work.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/kept.h"
#include "driver/syscall.h"
#include "driver/threads.h"

enum { STOP_RETRY_MS = 100 };

struct work {
	struct task task;
	struct work *next; /* in the mailbox */
	struct mailbox *mailbox;
	struct proactor_handle *handle; /* a reference, the thread's once there is one */
	struct kept kept;
	int64_t result;
	_Atomic bool is_cancelled;

	/* the proactor's thread's alone */
	struct slot *slot;
	int64_t done; /* bytes that were transferred before it came here */
	work_ended *on_end;
	uint64_t on_end_context;
};

/* ---- a thread ---- */

static int64_t do_work(struct work *work)
{
	int64_t r;

	/* a close is done whatever comes, and a function is its caller's business */
	if (work->kept.op.opcode == PROACTOR_CALL || work->kept.op.opcode == PROACTOR_CLOSE)
		return syscall_run(&work->kept.op);
	do {
		if (atomic_load(&work->is_cancelled))
			return -ECANCELED;
		r = syscall_run(&work->kept.op);
	} while (r == -EINTR);
	return r;
}

static void run(struct task *task)
{
	struct work *work = container_of(task, struct work, task);
	struct mailbox *mailbox = work->mailbox;
	struct proactor_handle *handle = work->handle;
	struct work *newest;

	work->result = do_work(work);
	newest = atomic_load_explicit(&mailbox->done, memory_order_relaxed);
	do
		work->next = newest;
	while (!atomic_compare_exchange_weak_explicit(&mailbox->done, &newest, work,
		memory_order_release, memory_order_relaxed));
	/* from here on work and mailbox may be gone */
	if (!newest)
		handle_wake(handle);
	proactor_handle_free(handle);
}

/* ---- starting ---- */

static int need_mailbox(struct proactor *proactor)
{
	struct mailbox *mailbox;

	if (proactor->mailbox)
		return 0;
	mailbox = calloc(1, sizeof(*mailbox));
	if (!mailbox)
		return -ENOMEM;
	slab_init(&mailbox->works, sizeof(struct work));
	slab_init(&mailbox->rooms, KEPT_ROOM_SIZE);
	proactor->mailbox = mailbox;
	return 0;
}

/* Makes what is missing. */
static int prepare(struct proactor *proactor)
{
	int r = driver_need_handle(proactor);

	if (r == 0)
		r = need_mailbox(proactor);
	if (r == 0 && !proactor->threads)
		r = proactor_threads_new(&proactor->threads, proactor->thread_count_max,
			proactor->thread_idle_ms);
	return r;
}

static struct work *work_new(struct proactor *proactor, const struct proactor_op *op)
{
	struct mailbox *mailbox = proactor->mailbox;
	struct work *work = slab_take(&mailbox->works);

	if (!work)
		return NULL;
	*work = (struct work){.task.run = run, .mailbox = mailbox};
	if (kept_init(&work->kept, op, &mailbox->rooms) < 0) {
		slab_give(&mailbox->works, work);
		return NULL;
	}
	return work;
}

/* But for the handle, which is the thread's. */
static void work_free(struct work *work)
{
	struct mailbox *mailbox = work->mailbox;

	kept_deinit(&work->kept, &mailbox->rooms);
	slab_give(&mailbox->works, work);
}

int work_start(struct proactor *proactor, const struct proactor_op *op, struct slot *slot)
{
	struct work *work;
	int r;

	assert(slot->state == SLOT_IN_FLIGHT && !(slot->marks & SLOT_AT_WORK));
	r = prepare(proactor);
	if (r < 0)
		return r;
	work = work_new(proactor, op);
	if (!work)
		return -ENOMEM;
	work->slot = slot;
	work->handle = handle_reference(proactor->handle);
	r = threads_push(proactor->threads, &work->task);
	if (r < 0) {
		proactor_handle_free(work->handle);
		work_free(work);
		return r;
	}
	slot->stash = work;
	slot->marks |= SLOT_AT_WORK;
	return 0;
}

int work_push(struct proactor *proactor, const struct proactor_op *op, struct slot *slot,
	uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	int r = work_start(proactor, op, slot);

	(void)ret_ready;
	return r < 0 ? driver_refuse(proactor, slot, r) : driver_pending(slot, ret_key);
}

static struct work *work_of(const struct slot *slot)
{
	assert(slot->marks & SLOT_AT_WORK);
	return slot->stash;
}

void work_set_done(struct slot *slot, int64_t size)
{
	work_of(slot)->done = size;
}

void work_on_end(struct slot *slot, work_ended *function, uint64_t context)
{
	struct work *work = work_of(slot);

	assert(!work->on_end);
	work->on_end = function;
	work->on_end_context = context;
}

/* ---- ending ---- */

static void finish(struct proactor *proactor, struct work *work, int64_t result)
{
	struct slot *slot = work->slot;
	work_ended *on_end = work->on_end;
	uint64_t context = work->on_end_context;

	if (work->done > 0)
		result = work->done + MAX(result, (int64_t)0);
	slot->marks &= (uint8_t)~SLOT_AT_WORK;
	slot->stash = NULL;
	work_free(work);
	driver_end(proactor, slot, result);
	if (on_end)
		on_end(proactor, context);
}

static struct work *in_order(struct work *newest)
{
	struct work *oldest = NULL;

	while (newest) {
		struct work *before = newest->next;

		newest->next = oldest;
		oldest = newest;
		newest = before;
	}
	return oldest;
}

void work_collect(struct proactor *proactor)
{
	struct work *work, *following;

	/* first: a wake-up that comes from here on is about something that may be missed below */
	handle_settle(proactor->handle);
	work = in_order(atomic_exchange_explicit(&proactor->mailbox->done, NULL,
		memory_order_acquire));
	for (; work; work = following) {
		following = work->next;
		finish(proactor, work, work->result);
	}
}

/*
 * True: no thread had begun with it, and it has ended. A close is done whatever comes, by a thread
 * as long as there are any.
 */
static bool take_back(struct proactor *proactor, struct work *work)
{
	bool closes = work->kept.op.opcode == PROACTOR_CLOSE;

	if (closes && !proactor->stopping)
		return false;
	if (!threads_remove(proactor->threads, &work->task))
		return false;
	proactor_handle_free(work->handle);
	finish(proactor, work, closes ? syscall_run(&work->kept.op) : -ECANCELED);
	return true;
}

static void interrupt(struct proactor *proactor, struct work *work)
{
	atomic_store(&work->is_cancelled, true);
	if (work->kept.op.opcode != PROACTOR_CALL)
		threads_interrupt(proactor->threads, &work->task);
}

void work_cancel(struct proactor *proactor, struct slot *slot)
{
	/* it may be over, and known only when that is looked at */
	if (work_is_done(proactor->mailbox))
		work_collect(proactor);
	if (!(slot->marks & SLOT_AT_WORK) || take_back(proactor, work_of(slot)))
		return;
	/* at the end, work_stop() does so once nothing waits for the threads that this frees */
	if (!proactor->stopping)
		interrupt(proactor, work_of(slot));
}

/* ---- the end ---- */

static void for_each_work(struct proactor *proactor,
	void (*function)(struct proactor *, struct work *))
{
	for (uint32_t i = 0; i < slots_count(&proactor->slots); i++) {
		struct slot *slot = slots_at(&proactor->slots, i);

		if (slot->state == SLOT_IN_FLIGHT && slot->marks & SLOT_AT_WORK)
			function(proactor, work_of(slot));
	}
}

static void stop_waiting(struct proactor *proactor, struct work *work)
{
	(void)take_back(proactor, work);
}

/* As a driver waits, without one: the eventfd is read here, as nobody waits for its edge now. */
static void sleep_until_woken(struct proactor_handle *handle)
{
	struct pollfd pollfd = {.fd = handle->eventfd, .events = POLLIN};
	uint64_t count;

	if (handle_begin_sleep(handle) && poll(&pollfd, 1, STOP_RETRY_MS) > 0)
		(void)!read(handle->eventfd, &count, sizeof(count));
	(void)handle_end_sleep(handle);
}

static struct mailbox *mailbox_free(struct mailbox *mailbox)
{
	if (!mailbox)
		return NULL;
	slab_deinit(&mailbox->works);
	slab_deinit(&mailbox->rooms);
	free(mailbox);
	return NULL;
}

void work_stop(struct proactor *proactor)
{
	struct mailbox *mailbox = proactor->mailbox;

	/* time and again: where there is no memory for a timer, a signal may come too early */
	while (mailbox && mailbox->works.used_count > 0) {
		if (work_is_done(mailbox))
			work_collect(proactor);
		for_each_work(proactor, stop_waiting);
		for_each_work(proactor, interrupt);
		if (mailbox->works.used_count > 0)
			sleep_until_woken(proactor->handle);
	}
	proactor->mailbox = mailbox_free(mailbox);
	proactor->threads = proactor_threads_free(proactor->threads);
}
