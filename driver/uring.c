/*
 * The io_uring driver: the calls of struct driver on a ring.
 *
 * Cancelling is made reliable here. ASYNC_CANCEL finds what the kernel holds at that moment; an
 * operation that is just between two of its states can be missed (ENOENT), or a worker has it and
 * is signalled (EALREADY). Mostly that one ends then; but one that was about to hand it on to poll
 * does so all the same, and the signal is lost (tests/kernel/cancel_is_worth_repeating.c). So each
 * cancellation names the key it is for: where the operation's completion does not stand before the
 * answer, its slot is marked SLOT_MISSED, and asked again by the next wait (ENOENT), or after a
 * while (EALREADY), until it has ended.
 *
 * At the end the kernel must have let go of every buffer before the ring is closed, since closing
 * does not wait for workers: stop() cancels all and reaps until nothing is in flight.
 */
#include "driver/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cleanup.h"

#define STOP_RETRY_NS   (100 * NSEC_PER_MSEC)
#define MEMORY_RETRY_NS NSEC_PER_MSEC

/* How long a worker that was signalled has to end: the time-out of URING_RETRY. */
static const struct __kernel_timespec worker_time = {.tv_nsec = 10 * NSEC_PER_MSEC};

/* ---- starting and cancelling ---- */

static int submit_cancel(struct uring *uring, const struct slot *slot)
{
	struct io_uring_sqe *sqe = uring_sqe(uring);
	uint64_t target = slot_key(slot);

	if (!sqe)
		return -ENOMEM;
	if (op_makes_file(slot->opcode))
		target |= URING_MAKES_FILE;
	io_uring_prep_cancel64(sqe, target, 0);
	sqe->user_data = URING_CANCEL | slot_key(slot);
	return 0;
}

static int uring_cancel(struct proactor *proactor, struct slot *slot)
{
	return submit_cancel(uring_of(proactor), slot);
}

/* Asks those again that were missed. -ENOMEM: not all. */
static int repeat_cancels(struct uring *uring)
{
	struct slots *slots = &uring->base.slots;
	int r = 0;

	for (uint32_t i = 0; i < slots_count(slots) && r == 0; i++) {
		struct slot *slot = slots_at(slots, i);

		if (!slot_is_with_driver(slot) || !(slot->marks & SLOT_MISSED))
			continue;
		r = submit_cancel(uring, slot);
		if (r == 0)
			slot->marks &= (uint8_t)~SLOT_MISSED;
	}
	uring->missed_now = r < 0;
	return r;
}

static int arm_retry(struct uring *uring)
{
	struct io_uring_sqe *sqe = uring_sqe(uring);

	if (!sqe)
		return -ENOMEM;
	io_uring_prep_timeout(sqe, (struct __kernel_timespec *)&worker_time, 0, 0);
	sqe->user_data = URING_RETRY;
	uring->retry_armed = true;
	uring->missed_later = false;
	return 0;
}

/* ---- doorbells ---- */

static int arm_doorbell(struct uring *uring, uint8_t index)
{
	struct io_uring_sqe *sqe = uring_sqe(uring);

	if (!sqe)
		return -ENOMEM;
	io_uring_prep_poll_multishot(sqe, uring->doorbells[index].fd, POLLIN);
	sqe->user_data = URING_DOORBELL + index;
	uring->doorbells[index].armed = true;
	return 0;
}

static int uring_watch(struct proactor *proactor, int fd)
{
	struct uring *uring = uring_of(proactor);

	assert(uring->doorbell_count < URING_DOORBELLS_MAX);
	uring->doorbells[uring->doorbell_count++] = (struct uring_doorbell){.fd = fd};
	if (arm_doorbell(uring, uring->doorbell_count - 1) == 0)
		return 0;
	uring->doorbell_count--;
	return -ENOMEM;
}

/* Queues the submissions of ours that are due. -ENOMEM: not all, the next call goes on. */
static int queue_ours(struct uring *uring)
{
	int r = 0;

	for (uint8_t i = 0; i < uring->doorbell_count && r == 0; i++)
		if (!uring->doorbells[i].armed)
			r = arm_doorbell(uring, i);
	if (unlikely(uring->missed_now) && r == 0)
		r = repeat_cancels(uring);
	if (unlikely(uring->missed_later && !uring->retry_armed) && r == 0)
		r = arm_retry(uring);
	return r;
}

/* ---- reaping ---- */

static void reap_missed(struct uring *uring, const struct io_uring_cqe *cqe)
{
	struct slot *slot = slots_find(&uring->base.slots, cqe->user_data & ~URING_INTERNAL);

	if (!slot || !slot_is_with_driver(slot))
		return;
	slot->marks |= SLOT_MISSED;
	if (cqe->res == -ENOENT)
		uring->missed_now = true;
	else
		uring->missed_later = true;
}

/* What this makes necessary does queue_ours(). */
static void reap_internal(struct uring *uring, const struct io_uring_cqe *cqe)
{
	if (cqe->user_data >= URING_DOORBELL) {
		/* a multishot poll ends when the completion queue overflows */
		uring->doorbells[cqe->user_data - URING_DOORBELL].armed =
			cqe->flags & IORING_CQE_F_MORE;
	} else if (cqe->user_data == URING_RETRY) {
		uring->retry_armed = false;
		uring->missed_now = true;
	} else if (cqe->res == -ENOENT || cqe->res == -EALREADY) {
		reap_missed(uring, cqe);
	}
}

/* Whether the completion is one of ours; else there is more to do about it than usual. */
static bool reap_special(struct uring *uring, const struct io_uring_cqe *cqe)
{
	if (cqe->user_data & URING_INTERNAL) {
		reap_internal(uring, cqe);
		return true;
	}
	if (cqe->res >= 0) {
		uint32_t index = (uint32_t)cqe->user_data & ~(uint32_t)URING_MAKES_FILE;

		uring_file_made(uring, slots_at(&uring->base.slots, index)->opcode, cqe->res);
	}
	return false;
}

/* A failure that the kernel reports, in the terms of proactor.h. */
static int64_t error_of(const struct slot *slot, int32_t res)
{
	if (slot->opcode == PROACTOR_TIMEOUT && res == -ETIME)
		return 0;
	/*
	 * a worker that was signalled out of its wait says EINTR, or one of the kernel's own names
	 * for it (ERESTARTSYS, …)
	 */
	if (res == -EINTR || (res <= -512 && res >= -516))
		return slot->marks & SLOT_CANCELLED ? -ECANCELED : -EINTR;
	return res;
}

_Static_assert(PROACTOR_BUFFER == IORING_CQE_F_BUFFER && PROACTOR_MORE == IORING_CQE_F_MORE &&
		IORING_CQE_BUFFER_SHIFT == 16,
	"flags of a completion are those of an entry");

/* Only where the front asked for what flags are about; other completions have some of their own. */
static __attribute__((noinline)) unsigned reap_extra(struct proactor *proactor, struct slot *slot,
	const struct io_uring_cqe *cqe, struct proactor_entry *ret_entry)
{
	uint32_t flags = cqe->flags & (uint32_t)(PROACTOR_BUFFER | PROACTOR_MORE | 0xffff0000);
	int64_t result = cqe->res;

	if (slot->stash_kind == STASH_BUFFER)
		result = uring_select(slot, cqe->res, &flags);
	if (cqe->res < 0)
		result = error_of(slot, cqe->res);
	return driver_entry(proactor, slot, result, flags, ret_entry);
}

static __attribute__((noinline)) unsigned reap_until(struct proactor *proactor,
	struct proactor_entry *entries, unsigned count, unsigned end)
{
	struct uring *uring = uring_of(proactor);
	unsigned taken = 0;

	while (taken < count && uring->reaped != end) {
		const struct io_uring_cqe *cqe =
			&uring->ring.cq.cqes[uring->reaped++ & uring->ring.cq.ring_mask];
		struct slot *slot;

		if (unlikely(cqe->user_data & (URING_INTERNAL | URING_MAKES_FILE)) &&
			reap_special(uring, cqe))
			continue;
		slot = slots_at(&proactor->slots,
			(uint32_t)cqe->user_data & ~(uint32_t)URING_MAKES_FILE);
		assert(slot_key(slot) == (cqe->user_data & ~URING_MAKES_FILE));
		if (unlikely(slot->extra))
			taken += reap_extra(proactor, slot, cqe, &entries[taken]);
		else
			taken += driver_entry(proactor, slot,
				likely(cqe->res >= 0) ? cqe->res : error_of(slot, cqe->res),
				/* flags= */ 0, &entries[taken]);
	}
	/* the kernel may use again what was taken */
	io_uring_smp_store_release(uring->ring.cq.khead, uring->reaped);
	return taken;
}

/* Half of the calls find nothing: for these there is no stack frame. */
static unsigned uring_reap(struct proactor *proactor, struct proactor_entry *entries,
	unsigned count)
{
	unsigned end = uring_cq_end(uring_of(proactor));

	return uring_of(proactor)->reaped == end ? 0 : reap_until(proactor, entries, count, end);
}

static int uring_wait(struct proactor *proactor, uint64_t deadline_ns)
{
	struct uring *uring = uring_of(proactor);

	/* there will be memory, or room in the queue, soon */
	if (unlikely(queue_ours(uring) < 0))
		deadline_ns = MIN(deadline_ns, clock_now_ns() + MEMORY_RETRY_NS);
	return uring_enter(uring, deadline_ns);
}

static int uring_flush(struct proactor *proactor)
{
	struct uring *uring = uring_of(proactor);
	int r = queue_ours(uring);

	uring_submit(uring);
	if (r < 0 || buffer_size(&uring->backlog) > 0)
		return -EAGAIN;
	/* what a thread of the kernel can see it will take */
	return uring->filled == uring->submitted || uring->sqpoll ? 0 : -EAGAIN;
}

/* ---- files ---- */

/*
 * With deferred task work nothing is posted until this thread enters, and who polls the ring's
 * descriptor meanwhile sleeps on: a ring that is to be polled is made without
 * (tests/kernel/ring_fd_wakes_poll.c).
 */
static int uring_fd(struct proactor *proactor, int *ret_fd)
{
	struct uring *uring = uring_of(proactor);
	char reason[DRIVER_REASON_SIZE];
	int r;

	if (uring->defers) {
		if (driver_in_flight(proactor) > 0)
			return -EBUSY;
		r = uring_setup_again(uring, reason);
		if (r < 0)
			return r;
	}
	*ret_fd = uring->ring.ring_fd;
	return 0;
}

/* ---- the end ---- */

/* Whether the kernel has something. What has ended stays so: nothing is started any more. */
static bool has_in_flight(struct uring *uring)
{
	struct slots *slots = &uring->base.slots;

	while (uring->stopped < slots_count(slots) &&
		!slot_is_with_driver(slots_at(slots, uring->stopped)))
		uring->stopped++;
	return uring->stopped < slots_count(slots);
}

/* All were cancelled; those that were missed are asked again by the wait. */
static void uring_stop(struct proactor *proactor)
{
	if (has_in_flight(uring_of(proactor)))
		(void)uring_wait(proactor, clock_now_ns() + STOP_RETRY_NS);
}

static void uring_forget(struct proactor *proactor, struct slot *slot)
{
	if (unlikely(slot->stash_kind != STASH_NONE))
		uring_unstash(uring_of(proactor), slot);
}

static void uring_free(struct proactor *proactor)
{
	struct uring *uring = uring_of(proactor);

	uring_teardown(uring);
	slab_deinit(&uring->shorts);
	slab_deinit(&uring->paths);
	free(uring);
}

static const struct driver uring_driver = {
	.push = uring_push,
	.cancel = uring_cancel,
	.reap = uring_reap,
	.wait = uring_wait,
	.flush = uring_flush,
	.attach = uring_attach,
	.detach = uring_detach,
	.fd = uring_fd,
	.watch = uring_watch,
	.memory_add = uring_memory_add,
	.memory_remove = uring_memory_remove,
	.buffers_new = uring_buffers_new,
	.buffers_free = uring_buffers_free,
	.buffers_give = uring_buffers_give,
	.forget = uring_forget,
	.stop = uring_stop,
	.discard = uring_discard,
	.free = uring_free,
};

int uring_new(struct proactor **ret_proactor, const struct proactor_options *options, char *reason)
{
	struct uring *uring = aligned_alloc(_Alignof(struct uring), sizeof(*uring));
	int r;

	if (!uring) {
		snprintf(reason, DRIVER_REASON_SIZE, "io_uring: no memory");
		return -ENOMEM;
	}
	memset(uring, 0, sizeof(*uring));
	driver_init(&uring->base, &uring_driver, options);
	slab_init(&uring->shorts, STASH_SHORT_SIZE);
	slab_init(&uring->paths, PATH_MAX);
	r = uring_setup(uring, options, reason);
	if (r < 0) {
		proactor_threads_free(uring->base.threads);
		uring_free(&uring->base);
		return r;
	}
	snprintf(uring->base.name, sizeof(uring->base.name), "io_uring");
	*ret_proactor = &uring->base;
	return 0;
}
