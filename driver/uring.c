/*
 * The io_uring driver: the calls of struct driver on a ring.
 *
 * Cancelling is made reliable here. ASYNC_CANCEL finds what the kernel holds at that moment; an
 * operation that is just between two of its states can be missed (ENOENT) or be too far to stop
 * (EALREADY). So a cancellation reports its failure only, and names the key in it: ENOENT for an
 * operation whose completion does not follow is asked again. EALREADY needs nothing: a worker has
 * it, was signalled, and ends.
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

enum { REAP_BATCH = 64 };
#define STOP_RETRY_NS (100 * NSEC_PER_MSEC)

/* ---- starting and cancelling ---- */

static int submit_cancel(struct uring *uring, uint64_t key)
{
	struct io_uring_sqe *sqe = uring_sqe(uring);

	if (!sqe)
		return -ENOMEM;
	io_uring_prep_cancel64(sqe, key, 0);
	sqe->user_data = URING_CANCEL | key;
	return 0;
}

static int uring_cancel(struct proactor *proactor, struct slot *slot)
{
	return submit_cancel(uring_of(proactor), slot_key(slot));
}

/* ---- the doorbell: a multishot poll of the handle's eventfd ---- */

static int arm_doorbell(struct uring *uring)
{
	struct io_uring_sqe *sqe = uring_sqe(uring);

	if (!sqe)
		return -ENOMEM;
	io_uring_prep_poll_multishot(sqe, uring->base.handle->eventfd, POLLIN);
	sqe->user_data = URING_DOORBELL;
	uring->doorbell_armed = true;
	return 0;
}

static int uring_watch(struct proactor *proactor)
{
	return arm_doorbell(uring_of(proactor));
}

/* ---- reaping ---- */

static void reap_internal(struct uring *uring, const struct io_uring_cqe *cqe)
{
	struct slot *slot;

	if (cqe->user_data == URING_DOORBELL) {
		/*
		 * a multishot poll ends when the completion queue overflows; wait() arms it again
		 */
		uring->doorbell_armed = cqe->flags & IORING_CQE_F_MORE;
		return;
	}
	if (cqe->res != -ENOENT)
		return;
	slot = slots_find(&uring->base.slots, cqe->user_data & ~URING_INTERNAL);
	/*
	 * not found, and its completion does not stand before this one: it was between two states,
	 * so ask again
	 */
	if (slot && slot->state == SLOT_IN_FLIGHT)
		(void)submit_cancel(uring, slot_key(slot));
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
		return slot->cancelled ? -ECANCELED : -EINTR;
	return res;
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

		if (unlikely(cqe->user_data & URING_INTERNAL)) {
			reap_internal(uring, cqe);
			continue;
		}
		slot = slots_at(&proactor->slots, (uint32_t)cqe->user_data);
		assert(slot_key(slot) == cqe->user_data);
		driver_entry(proactor, slot,
			likely(cqe->res >= 0) ? cqe->res : error_of(slot, cqe->res),
			&entries[taken++]);
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
	int r;

	if (proactor->handle && !uring->doorbell_armed) {
		r = arm_doorbell(uring);
		if (r < 0)
			return r;
	}
	return uring_enter(uring, deadline_ns);
}

/* ---- files ---- */

static int uring_attach(struct proactor *proactor, int fd, int64_t *ret_file)
{
	(void)proactor;
	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	*ret_file = fd;
	return 0;
}

static int uring_detach(struct proactor *proactor, int64_t file, int *ret_fd)
{
	(void)proactor;
	if (file < 0 || file > INT32_MAX || fcntl((int)file, F_GETFD) < 0)
		return -EBADF;
	*ret_fd = (int)file;
	return 0;
}

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

static void uring_discard(struct proactor *proactor, int64_t file)
{
	(void)proactor;
	(void)close((int)file);
}

/* ---- the end ---- */

static void cancel_all(struct uring *uring)
{
	struct slots *slots = &uring->base.slots;

	for (uint32_t i = 0; i < slots_count(slots); i++) {
		struct slot *slot = slots_at(slots, i);

		/* memory that is short now will not be for ever: stop() comes round again */
		if (slot->state == SLOT_IN_FLIGHT && submit_cancel(uring, slot_key(slot)) == 0)
			slot->cancelled = true;
	}
}

static void uring_stop(struct proactor *proactor)
{
	struct uring *uring = uring_of(proactor);
	struct proactor_entry entries[REAP_BATCH];

	while (driver_in_flight(proactor) > 0) {
		cancel_all(uring);
		(void)uring_enter(uring, clock_now_ns() + STOP_RETRY_NS);
		while (uring_reap(proactor, entries, REAP_BATCH) > 0)
			continue;
	}
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
	slab_deinit(&uring->addresses);
	slab_deinit(&uring->paths);
	free(uring);
}

static const struct driver uring_driver = {
	.push = uring_push,
	.cancel = uring_cancel,
	.reap = uring_reap,
	.wait = uring_wait,
	.attach = uring_attach,
	.detach = uring_detach,
	.fd = uring_fd,
	.watch = uring_watch,
	.forget = uring_forget,
	.stop = uring_stop,
	.discard = uring_discard,
	.free = uring_free,
};

int uring_new(struct proactor **ret_proactor, const struct proactor_options *options, char *reason)
{
	struct uring *uring = calloc(1, sizeof(*uring));
	int r;

	if (!uring)
		return -ENOMEM;
	driver_init(&uring->base, &uring_driver);
	slab_init(&uring->addresses, STASH_SHORT_SIZE);
	slab_init(&uring->paths, PATH_MAX);
	r = uring_setup(uring, options, reason);
	if (r < 0) {
		uring_free(&uring->base);
		return r;
	}
	snprintf(uring->base.name, sizeof(uring->base.name), "io_uring");
	*ret_proactor = &uring->base;
	return 0;
}
