/*
 * The front: everything of proactor.h that does not depend on where the I/O is done.
 *
 * The way of an operation: push checks it, takes a slot and hands both to the driver. Poll lets the
 * driver write entries, or takes them from the queue of slots that the driver has ended; when there
 * are none it sleeps in the driver's wait, in a loop that alone knows the deadline, so that neither
 * EINTR nor a spurious wake-up nor a full ring can end it early. Pop retires the key.
 */
#include <errno.h>

#include "base/clock.h"
#include "driver/buffers.h"
#include "driver/extra.h"
#include "driver/memory.h"
#include "driver/threads.h"
#include "driver/work.h"

/* As often may entries be taken in a row without a look at what else has happened. */
enum { UNWAITED_MAX = 16, DRAIN_BATCH = 64 };

#define FLUSH_RETRY_NS NSEC_PER_MSEC

/* They are kept whole (extra.h), so that both can be found. A bit each. */
#define OPS_OF_TWO_FILES                                                                           \
	(UINT64_C(1) << PROACTOR_SPLICE | UINT64_C(1) << PROACTOR_RENAME |                         \
		UINT64_C(1) << PROACTOR_LINK)

void driver_init(struct proactor *proactor, const struct driver *driver,
	const struct proactor_options *options)
{
	proactor->driver = driver;
	proactor->ended_first = SLOT_NONE;
	proactor->ended_last = SLOT_NONE;
	proactor->memories = LIST_INIT(proactor->memories);
	proactor->buffers = LIST_INIT(proactor->buffers);
	proactor->thread_count_max = options->thread_count_max;
	proactor->thread_idle_ms = options->thread_idle_ms;
	if (options->threads)
		proactor->threads = threads_reference(options->threads);
	proactor->plain_ops = ~(op_checked | OPS_OF_TWO_FILES);
	if (driver->lacks_timeout)
		proactor->plain_ops &= ~(UINT64_C(1) << PROACTOR_TIMEOUT);
	slots_init(&proactor->slots);
	shortcuts_init(&proactor->shortcuts, &proactor->plain_ops);
	proactor->shortcuts.shares_files = options->flags & PROACTOR_SHARED_FILES;
}

const char *proactor_driver_name(const struct proactor *proactor)
{
	return proactor->name;
}

const char *proactor_driver_reason(const struct proactor *proactor)
{
	return proactor->reason;
}

/* ---- files ---- */

int proactor_attach(struct proactor *proactor, int fd, int64_t *ret_file)
{
	return proactor->driver->attach(proactor, fd, ret_file);
}

int proactor_detach(struct proactor *proactor, int64_t file, int *ret_fd)
{
	return proactor->driver->detach(proactor, file, ret_fd);
}

/* ---- push, cancel, poll, pop ---- */

static inline int push_plain(struct proactor *proactor, const struct proactor_op *op,
	uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	struct slot *slot = driver_start(proactor, op);

	return slot ? proactor->driver->push(proactor, op, slot, ret_key, ret_ready) : -ENOMEM;
}

/* @op came to @result before it had a slot. Of a row of such the last ends in an entry. */
static inline int end_shortcut(struct proactor *proactor, const struct proactor_op *op,
	int64_t result, uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	struct slot *slot = NULL;

	if (unlikely(++proactor->shortcuts.count % SHORTCUT_ROW == 0))
		slot = driver_start(proactor, op);
	if (unlikely(slot != NULL)) {
		driver_end(proactor, slot, result);
		return driver_pending(slot, ret_key);
	}
	proactor->stats.pushed++;
	proactor->stats.completed++;
	*ret_ready = (struct proactor_completion){
		.result = result,
		.context = op->context,
		.opcode = op->opcode,
	};
	return PROACTOR_READY;
}

/* What shortcuts are not for, or not now. */
static __attribute__((noinline)) int push_looked_at(struct proactor *proactor,
	const struct proactor_op *op, uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	struct proactor_op patient;

	if (!shortcut_asks(&proactor->shortcuts, op))
		return push_plain(proactor, op, ret_key, ret_ready);
	patient = *op;
	patient.flags |= PROACTOR_MAY_BLOCK;
	return push_plain(proactor, &patient, ret_key, ret_ready);
}

/* The call is made before anything is taken for it: there is nothing to give back. */
static __attribute__((noinline)) int push_shortcut(struct proactor *proactor,
	const struct proactor_op *op, uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	int64_t r = shortcut_try(&proactor->shortcuts, op, proactor->stats.enters);

	return likely(r != SYSCALL_BLOCKS) ? end_shortcut(proactor, op, r, ret_key, ret_ready)
					   : push_looked_at(proactor, op, ret_key, ret_ready);
}

bool driver_shortcut(struct proactor *proactor, struct proactor_op *op, int64_t *ret_result)
{
	struct shortcuts *shortcuts = &proactor->shortcuts;

	if (!(shortcuts->ops >> op->opcode & 1))
		return false;
	*ret_result = shortcut_try(shortcuts, op, proactor->stats.enters);
	if (shortcut_asks(shortcuts, op))
		op->flags |= PROACTOR_MAY_BLOCK;
	return *ret_result != SYSCALL_BLOCKS;
}

/* What is to be looked at before a driver gets it, or is more than one push. */
static __attribute__((noinline)) int push_checked(struct proactor *proactor,
	const struct proactor_op *op, uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	int r = op_check(op);

	if (r < 0)
		return r;
	if ((op->flags & ~(uint32_t)PROACTOR_MAY_BLOCK) != 0 || op->timeout_ns > 0 ||
		proactor->chain || OPS_OF_TWO_FILES >> op->opcode & 1 ||
		(op->opcode == PROACTOR_TIMEOUT && proactor->driver->lacks_timeout))
		return extra_push(proactor, op, ret_key);
	if (proactor->shortcuts.ops >> op->opcode & 1)
		return push_shortcut(proactor, op, ret_key, ret_ready);
	return push_plain(proactor, op, ret_key, ret_ready);
}

int proactor_push(struct proactor *proactor, const struct proactor_op *op, uint64_t *ret_key,
	struct proactor_completion *ret_ready)
{
	/* so that what follows calls nothing but the driver, and needs no stack frame */
	if (unlikely(op->opcode >= PROACTOR_OPCODE_COUNT ||
		    !(proactor->plain_ops >> op->opcode & 1) ||
		    (op->flags | op->timeout_ns | (uintptr_t)proactor->chain) != 0 ||
		    !proactor->slots.free))
		return push_checked(proactor, op, ret_key, ret_ready);
	return proactor->driver->push(proactor, op, driver_start(proactor, op), ret_key, ret_ready);
}

int driver_ready(struct proactor *proactor, struct slot *slot, int64_t result, uint64_t *ret_key,
	struct proactor_completion *ret_ready)
{
	if (slot->extra) {
		driver_end(proactor, slot, result);
		return driver_pending(slot, ret_key);
	}
	proactor->stats.completed++;
	*ret_ready = (struct proactor_completion){
		.result = result,
		.context = slot->context,
		.opcode = slot->opcode,
	};
	slots_give(&proactor->slots, slot);
	return PROACTOR_READY;
}

int driver_refuse(struct proactor *proactor, struct slot *slot, int error)
{
	/* who pushed one that has an extra ends it */
	if (slot->extra)
		return error;
	proactor->stats.pushed--;
	slots_give(&proactor->slots, slot);
	return error;
}

static int cancel(struct proactor *proactor, struct slot *slot)
{
	int r = 0;

	if (slot->state == SLOT_ENDED)
		return PROACTOR_CANCEL_DONE;
	if (slot->marks & SLOT_CANCELLED)
		return PROACTOR_CANCEL_REQUESTED;
	if (slot->state == SLOT_QUEUED)
		return extra_cancel_queued(slot);
	if (slot->marks & SLOT_WAITS)
		extra_cancel(proactor, slot);
	else if (slot->marks & SLOT_AT_WORK)
		work_cancel(proactor, slot);
	else
		r = proactor->driver->cancel(proactor, slot);
	if (r < 0)
		return r;
	slot->marks |= SLOT_CANCELLED;
	return PROACTOR_CANCEL_REQUESTED;
}

int proactor_cancel(struct proactor *proactor, uint64_t key)
{
	struct slot *slot = slots_find(&proactor->slots, key);

	return slot ? cancel(proactor, slot) : -ENOENT;
}

/* That an operation of OPS_OF_TWO_FILES acts on beside its first; of others no file. */
static int64_t second_file(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_SPLICE: return op->splice.out;
	case PROACTOR_RENAME: return op->rename.new_dir;
	case PROACTOR_LINK: return op->link.new_dir;
	default: return INT64_MIN;
	}
}

static bool acts_on(const struct slot *slot, int64_t file)
{
	if (!op_acts_on_file(slot->opcode) || slot->state == SLOT_ENDED)
		return false;
	/* once it is queued, or was, the result stands in the file's place */
	if (!slot->extra)
		return slot->state == SLOT_IN_FLIGHT && slot->file == file;
	return slot->extra->op.read.file == file || second_file(&slot->extra->op) == file;
}

static int cancel_many(struct proactor *proactor, bool all, int64_t file)
{
	int count = 0, error = 0;

	for (uint32_t i = 0; i < slots_count(&proactor->slots); i++) {
		struct slot *slot = slots_at(&proactor->slots, i);
		int r;

		if (slot->state == SLOT_FREE || !(all || acts_on(slot, file)))
			continue;
		r = cancel(proactor, slot);
		error = MIN(error, r);
		count += r == PROACTOR_CANCEL_REQUESTED;
	}
	return error < 0 ? error : count;
}

int proactor_cancel_file(struct proactor *proactor, int64_t file)
{
	return cancel_many(proactor, false, file);
}

int proactor_cancel_all(struct proactor *proactor)
{
	return cancel_many(proactor, true, -1);
}

void driver_end(struct proactor *proactor, struct slot *slot, int64_t result)
{
	assert(slot->state == SLOT_IN_FLIGHT);
	slot->state = SLOT_QUEUED;
	slot->result = result;
	slot->next = SLOT_NONE;
	if (proactor->ended_first == SLOT_NONE)
		proactor->ended_first = slot_index(slot);
	else
		slots_at(&proactor->slots, proactor->ended_last)->next = slot_index(slot);
	proactor->ended_last = slot_index(slot);
}

void driver_end_flagged(struct proactor *proactor, struct slot *slot, int64_t result,
	uint32_t flags)
{
	assert(slot->extra);
	slot->extra->flags = flags;
	driver_end(proactor, slot, result);
}

static unsigned take_ended(struct proactor *proactor, struct proactor_entry *entries,
	unsigned count)
{
	unsigned taken = 0;

	while (taken < count && proactor->ended_first != SLOT_NONE) {
		struct slot *slot = slots_at(&proactor->slots, proactor->ended_first);

		proactor->ended_first = slot->next;
		taken += driver_entry(proactor, slot, slot->result,
			slot->extra ? slot->extra->flags : 0, &entries[taken]);
	}
	return taken;
}

/* What threads have done and what driver_end() was given, then what the driver has. */
static __attribute__((noinline)) unsigned reap_ended(struct proactor *proactor,
	struct proactor_entry *entries, unsigned count)
{
	unsigned taken;

	if (work_is_done(proactor->mailbox))
		work_collect(proactor);
	taken = take_ended(proactor, entries, count);
	if (proactor->driver->reap && taken < count)
		taken += proactor->driver->reap(proactor, entries + taken, count - taken);
	return taken;
}

static inline unsigned reap(struct proactor *proactor, struct proactor_entry *entries,
	unsigned count)
{
	if (likely(proactor->ended_first == SLOT_NONE && !proactor->mailbox &&
		    proactor->driver->reap))
		return proactor->driver->reap(proactor, entries, count);
	/* operations that are done as soon as they are pushed must not hold up those that wait */
	if (++proactor->unwaited_count > UNWAITED_MAX) {
		proactor->unwaited_count = 0;
		(void)proactor->driver->wait(proactor, 0);
	}
	return reap_ended(proactor, entries, count);
}

static bool timeout_valid(const struct timespec *timeout)
{
	return !timeout ||
		(timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 &&
			timeout->tv_nsec < (long)NSEC_PER_SEC);
}

/*
 * Sleeps once, unless there is or comes a notification. 1: there was one. Negative: the driver is
 * broken.
 */
static int sleep_once(struct proactor *proactor, uint64_t deadline_ns)
{
	bool notified;
	int r;

	/* one that could not be started again has ended meanwhile */
	if (unlikely(proactor->ended_first != SLOT_NONE))
		deadline_ns = 0;
	if (!proactor->handle)
		return proactor->driver->wait(proactor, deadline_ns);
	r = proactor->driver->wait(proactor,
		handle_begin_sleep(proactor->handle) ? deadline_ns : 0);
	notified = handle_end_sleep(proactor->handle);
	return r < 0 ? r : notified;
}

/* When to wake up: for the caller, or for an operation that is out of time then. */
static uint64_t wake_ns(const struct proactor *proactor, uint64_t deadline_ns)
{
	return unlikely(proactor->extras != NULL) ? MIN(deadline_ns, extra_deadline_ns(proactor))
						  : deadline_ns;
}

/* Called last by poll: each return above a system call is a branch mispredicted. */
static __attribute__((noinline)) int poll_asleep(struct proactor *proactor,
	const struct timespec *timeout, struct proactor_entry *entries, unsigned count)
{
	bool never_blocks = timeout && timeout->tv_sec == 0 && timeout->tv_nsec == 0;
	uint64_t deadline_ns = never_blocks ? 0
		: timeout                   ? clock_deadline_ns(timeout)
					    : CLOCK_NEVER;

	for (;;) {
		int notified = sleep_once(proactor, wake_ns(proactor, deadline_ns));
		unsigned taken;

		proactor->unwaited_count = 0;
		if (proactor->extras)
			extra_expire(proactor);
		taken = reap(proactor, entries, count);
		if (taken > 0)
			return (int)taken;
		if (notified != 0)
			return MIN(notified, 0);
		if (deadline_ns != CLOCK_NEVER && proactor->ended_first == SLOT_NONE &&
			(never_blocks || clock_now_ns() >= deadline_ns))
			return -ETIME;
	}
}

/* Submits what was queued, where poll said that there is nothing, and sets the alarm. */
static void leave_nothing_behind(struct proactor *proactor, int r)
{
	uint64_t next_ns = extra_deadline_ns(proactor);

	if (r == -ETIME && proactor->driver->flush && proactor->driver->flush(proactor) < 0)
		next_ns = MIN(next_ns, clock_now_ns() + FLUSH_RETRY_NS);
	extra_set_alarm(proactor, next_ns);
}

/*
 * From here on the caller may wait on proactor_fd(), after poll said @r: what was queued meanwhile
 * is submitted, and deadlines and notifications reach him there. Returns what poll says.
 */
static __attribute__((noinline)) int leave_to_loop(struct proactor *proactor, int r,
	struct proactor_entry *entries, unsigned count)
{
	leave_nothing_behind(proactor, r);
	/* what just came is taken: a notification, or work that a thread has done */
	while (proactor->handle && !handle_begin_sleep(proactor->handle) && r == -ETIME) {
		bool notified = handle_end_sleep(proactor->handle);
		unsigned taken = reap(proactor, entries, count);

		if (taken > 0 || notified)
			return (int)taken;
		/* what came may have begun anew: a receive that finds a buffer now */
		leave_nothing_behind(proactor, r);
	}
	return r;
}

int proactor_poll(struct proactor *proactor, const struct timespec *timeout,
	struct proactor_entry *entries, unsigned count)
{
	unsigned taken;

	if (unlikely(count == 0 || count > INT32_MAX || !timeout_valid(timeout)))
		return -EINVAL;
	proactor->chain = NULL;
	if (unlikely(proactor->extras != NULL))
		extra_expire(proactor);
	taken = reap(proactor, entries, count);
	if (taken > 0)
		return (int)taken;
	if (likely(!proactor->external_loop))
		return poll_asleep(proactor, timeout, entries, count);
	return leave_to_loop(proactor, poll_asleep(proactor, timeout, entries, count), entries,
		count);
}

/* Out of line, so that most pops need no stack frame. */
static __attribute__((noinline)) int pop_kept(struct proactor *proactor, struct slot *slot,
	struct proactor_completion *ret_completion)
{
	if (slot->extra) {
		ret_completion->flags = slot->extra->flags;
		extra_forget(proactor, slot);
	}
	if (slot->stash_kind != 0)
		proactor->driver->forget(proactor, slot);
	slots_give(&proactor->slots, slot);
	return 0;
}

/* A shot: all there is to know is in its entry. */
static __attribute__((noinline)) int pop_shot(const struct slot *slot,
	const struct proactor_entry *entry, struct proactor_completion *ret_completion)
{
	*ret_completion = (struct proactor_completion){
		.result = entry->result,
		.context = entry->context,
		.opcode = slot->opcode,
		.flags = entry->flags,
	};
	return 0;
}

int proactor_pop(struct proactor *proactor, const struct proactor_entry *entry,
	struct proactor_completion *ret_completion)
{
	struct slot *slot = slots_find(&proactor->slots, entry->key);

	if (unlikely(slot && entry->flags & PROACTOR_MORE))
		return pop_shot(slot, entry, ret_completion);
	if (unlikely(!slot || slot->state != SLOT_ENDED))
		return -ENOENT;
	*ret_completion = (struct proactor_completion){
		.result = slot->result,
		.context = slot->context,
		.opcode = slot->opcode,
	};
	if (unlikely(slot->stash_kind != 0 || slot->extra))
		return pop_kept(proactor, slot, ret_completion);
	slots_give(&proactor->slots, slot);
	return 0;
}

/* ---- the end ---- */

/* Files that ended up in results which nobody popped would stay open without a name. */
static void discard_unpopped(struct proactor *proactor)
{
	for (uint32_t i = 0; i < slots_count(&proactor->slots); i++) {
		struct slot *slot = slots_at(&proactor->slots, i);

		assert(slot->state != SLOT_IN_FLIGHT);
		if (slot->state == SLOT_FREE)
			continue;
		if (op_makes_file(slot->opcode) && slot->result >= 0)
			proactor->driver->discard(proactor, slot->result);
		if (slot->stash_kind != 0)
			proactor->driver->forget(proactor, slot);
		if (slot->extra)
			extra_forget(proactor, slot);
	}
}

/* Takes what has ended. A shot is nobody's any more, where the others are still in their slots. */
static void drain_entries(struct proactor *proactor)
{
	struct proactor_entry entries[DRAIN_BATCH];
	unsigned count;

	while ((count = reap_ended(proactor, entries, DRAIN_BATCH)) > 0)
		for (unsigned i = 0; i < count; i++) {
			struct slot *slot = slots_find(&proactor->slots, entries[i].key);

			if (entries[i].flags & PROACTOR_MORE && op_makes_file(slot->opcode))
				proactor->driver->discard(proactor, entries[i].result);
		}
}

static void drain(struct proactor *proactor)
{
	int r;

	proactor->stopping = true;
	r = proactor_cancel_all(proactor);
	for (drain_entries(proactor); driver_in_flight(proactor) > 0; drain_entries(proactor)) {
		/* those for which there was no memory before */
		if (r < 0)
			r = proactor_cancel_all(proactor);
		proactor->driver->stop(proactor);
		work_stop(proactor);
	}
	work_stop(proactor);
}

struct proactor *proactor_free(struct proactor *proactor)
{
	if (!proactor)
		return NULL;
	drain(proactor);
	discard_unpopped(proactor);
	buffers_free_all(proactor);
	memory_free_all(proactor);
	extra_free_all(proactor);
	slots_deinit(&proactor->slots);
	shortcuts_deinit(&proactor->shortcuts);
	proactor_handle_free(proactor->handle);
	proactor_threads_free(proactor->threads);
	proactor->driver->free(proactor);
	return NULL;
}

/* ---- waking, waiting from outside, counting ---- */

int driver_need_handle(struct proactor *proactor)
{
	int r;

	if (proactor->handle)
		return 0;
	r = handle_new(&proactor->handle);
	if (r < 0)
		return r;
	r = proactor->driver->watch(proactor, proactor->handle->eventfd);
	if (r < 0)
		proactor->handle = proactor_handle_free(proactor->handle);
	return r;
}

int proactor_handle(struct proactor *proactor, struct proactor_handle **ret_handle)
{
	int r = driver_need_handle(proactor);

	if (r < 0)
		return r;
	*ret_handle = handle_reference(proactor->handle);
	return 0;
}

int proactor_fd(struct proactor *proactor, int *ret_fd)
{
	int fd, r = proactor->driver->fd(proactor, &fd);

	if (r >= 0)
		r = extra_need_alarm(proactor);
	if (r < 0)
		return r;
	proactor->external_loop = true;
	*ret_fd = fd;
	return 0;
}

void proactor_stats(const struct proactor *proactor, struct proactor_stats *ret_stats)
{
	*ret_stats = proactor->stats;
	ret_stats->in_flight = driver_in_flight(proactor);
}
