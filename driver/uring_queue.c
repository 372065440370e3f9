/*
 * The queues of the ring, and the one system call between them.
 *
 * The indices are ours, not liburing's: with one issuer the kernel moves the submission queue's
 * head during enter only, so it is known without reading shared memory. A push that finds the queue
 * full submits first; when the kernel will not take more just now (EBUSY while completions
 * overflow, EAGAIN for want of memory) the submission goes to the backlog, and so do those after
 * it, in order. Nothing is refused, nothing overtakes.
 *
 * Completion-queue overflow needs nothing here: with IORING_FEAT_NODROP (5.5) the kernel keeps what
 * does not fit and every enter with GETEVENTS moves it into the queue (io_uring_enter(2)).
 */
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/raw.h"
#include "driver/sigpipe.h"
#include "driver/syscall.h"
#include "driver/uring.h"

enum { NAP_NS = 1000000 };

/* io_uring_enter(2), in place where we know how (base/raw.h). */
static inline __attribute__((always_inline)) int call_enter(unsigned fd, unsigned to_submit,
	unsigned min_complete, unsigned flags, void *argument, size_t size)
{
#ifdef RAW_CALLS
	return (int)raw_call6(__NR_io_uring_enter, fd, to_submit, min_complete, flags,
		(uintptr_t)argument, size);
#else
	return io_uring_enter2(fd, to_submit, min_complete, flags, argument, size);
#endif
}

/*
 * io_uring_enter(2) that waits until @deadline_ns at most. The argument costs a copy into the
 * kernel: only where needed.
 */
static __attribute__((noinline)) int enter_until(struct uring *uring, unsigned to_submit,
	unsigned flags, uint64_t deadline_ns)
{
	uint64_t now_ns = clock_now_ns();
	struct timespec timeout = clock_timespec(deadline_ns > now_ns ? deadline_ns - now_ns : 0);
	struct io_uring_getevents_arg argument = {
		.sigmask_sz = _NSIG / 8, .ts = (uintptr_t)&timeout};

	return call_enter((unsigned)uring->enter_fd, to_submit, 1, flags | IORING_ENTER_EXT_ARG,
		(sigset_t *)&argument, sizeof(argument));
}

/*
 * A thread of the kernel takes the submissions, when it likes: it is only woken where it sleeps.
 * How far it is says the queue's head.
 */
static __attribute__((noinline)) unsigned sqpoll_flags(const struct uring *uring)
{
	/* our tail is to be seen before its flag is looked at: it does the reverse */
	atomic_thread_fence(memory_order_seq_cst);
	return IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_NEED_WAKEUP
		? IORING_ENTER_SQ_WAKEUP
		: 0;
}

/*
 * One io_uring_enter(2). Returns what it returns; what was submitted is accounted for. Inlined, as
 * are its callers where they can be: each return above a system call costs (base/raw.h).
 */
static inline __attribute__((always_inline)) int enter(struct uring *uring, bool waits,
	uint64_t deadline_ns)
{
	unsigned to_submit = uring->filled - uring->submitted, flags = uring->enter_flags;
	int r;

	if (waits)
		flags |= uring->wait_flags;
	io_uring_smp_store_release(uring->ring.sq.ktail, uring->filled);
	if (unlikely(uring->sqpoll))
		flags |= sqpoll_flags(uring);
	if (unlikely(uring->holds_sigpipe))
		sigpipe_hold(&uring->signals);
	if (waits && deadline_ns != CLOCK_NEVER)
		r = enter_until(uring, to_submit, flags, deadline_ns);
	else
		r = call_enter((unsigned)uring->enter_fd, to_submit, waits, flags, NULL, _NSIG / 8);
	if (unlikely(uring->holds_sigpipe))
		sigpipe_release(&uring->signals);
	uring->base.stats.enters++;
	if (unlikely(uring->sqpoll)) {
		uring->submitted = io_uring_smp_load_acquire(uring->ring.sq.khead);
	} else if (r > 0) {
		assert((unsigned)r <= to_submit);
		uring->submitted += (unsigned)r;
	}
	uring->posted_at_enter = io_uring_smp_load_acquire(uring->ring.cq.ktail);
	return r;
}

/* Moves the backlog into the queue as far as there is room. */
static void refill(struct uring *uring)
{
	while (buffer_size(&uring->backlog) > 0 && uring_room(uring) > 0) {
		memcpy(uring_sqe_next(uring), buffer_bytes(&uring->backlog),
			sizeof(struct io_uring_sqe));
		buffer_consume(&uring->backlog, sizeof(struct io_uring_sqe));
	}
}

static bool completions_wait(const struct uring *uring)
{
	return uring->reaped != io_uring_smp_load_acquire(uring->ring.cq.ktail);
}

static bool is_temporary(int r)
{
	return r == -EBUSY || r == -EAGAIN || r == -EINTR || r == -ETIME || r == -ENOMEM;
}

struct io_uring_sqe *uring_sqe_overflow(struct uring *uring)
{
	uring->base.stats.overflows++;
	/* what it could not take is still there, and any error will come again */
	(void)enter(uring, false, 0);
	refill(uring);
	if (uring_room(uring) > 0)
		return uring_sqe_next(uring);
	if (buffer_reserve(&uring->backlog, sizeof(struct io_uring_sqe)) < 0)
		return NULL;
	buffer_commit(&uring->backlog, sizeof(struct io_uring_sqe));
	return (struct io_uring_sqe *)(uring->backlog.data + uring->backlog.tail) - 1;
}

void uring_sqe_undo(struct uring *uring)
{
	if (buffer_size(&uring->backlog) > 0)
		uring->backlog.tail -= sizeof(struct io_uring_sqe);
	else
		uring->filled--;
}

/* All but the last queue-full must be in before it makes sense to wait. */
static __attribute__((noinline)) int submit_backlog(struct uring *uring)
{
	for (refill(uring); buffer_size(&uring->backlog) > 0; refill(uring)) {
		int r = enter(uring, false, 0);

		if (r < 0 && !is_temporary(r))
			return r;
		if (r <= 0)
			break;
	}
	return 0;
}

static __attribute__((noinline)) int enter_failed(struct uring *uring, int r, uint64_t deadline_ns)
{
	if (r == -EAGAIN && !completions_wait(uring) && deadline_ns != 0) {
		/*
		 * the kernel has no memory for a request and did not wait: let it find some instead
		 * of asking in a circle
		 */
		struct timespec nap = clock_timespec(NAP_NS);

		(void)nanosleep(&nap, NULL);
	}
	return is_temporary(r) ? 0 : r;
}

/*
 * Before Linux 6.18 the signal comes from within our enters, which have it held back from the first
 * write on that is not to a disk. (Without deferred task work a write that had to wait is done
 * whenever the kernel likes: that one is out of reach, and proactor.h says so.)
 */
void uring_hold_sigpipe(struct uring *uring, int fd)
{
	/* a thread of the kernel that submits takes no signals */
	if (!uring->holds_sigpipe && !uring->sqpoll && syscall_kind(fd) != SYSCALL_KIND_DISK)
		uring->holds_sigpipe = true;
}

void uring_submit(struct uring *uring)
{
	while (buffer_size(&uring->backlog) > 0 || uring->filled != uring->submitted) {
		unsigned submitted = uring->submitted;

		refill(uring);
		if (enter(uring, false, 0) < 0 || uring->submitted == submitted)
			break;
	}
}

/*
 * Whether an enter that does not wait would be for nothing: all is submitted, and the kernel has
 * neither completions to make nor some that did not fit the queue.
 */
static bool is_idle(const struct uring *uring)
{
	const unsigned news = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;

	return uring->filled == uring->submitted &&
		!(IO_URING_READ_ONCE(*uring->ring.sq.kflags) & news);
}

int uring_enter(struct uring *uring, uint64_t deadline_ns)
{
	int r;

	if (unlikely(buffer_size(&uring->backlog) > 0)) {
		r = submit_backlog(uring);
		if (r < 0)
			return r;
		/* what is left may be what those that are in wait for */
		if (buffer_size(&uring->backlog) > 0)
			deadline_ns = MIN(deadline_ns, clock_now_ns() + NAP_NS);
	}
	if (deadline_ns == 0 && is_idle(uring))
		return 0;
	r = enter(uring, deadline_ns != 0 && !completions_wait(uring), deadline_ns);
	return likely(r >= 0) ? 0 : enter_failed(uring, r, deadline_ns);
}
