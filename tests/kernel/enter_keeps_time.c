/*
 * Promise: an enter with a time (IORING_ENTER_EXT_ARG, 5.11) waits at least that long, says ETIME,
 * and EINTR when a signal handler ran; with completions there it does not wait. What it submitted
 * before is submitted either way. A time of nothing, as for a deadline that is past, is ETIME at
 * once, or the completions that are there.
 *
 * uring_queue.c leans on it: no timeout operation is spent on a wait.
 */
#include "tests/kernel/kernel.h"

#include <signal.h>
#include <sys/time.h>

static void on_alarm(int signal)
{
	(void)signal;
}

static int enter(struct io_uring *ring, unsigned to_submit, struct __kernel_timespec time)
{
	struct io_uring_getevents_arg argument = {.sigmask_sz = _NSIG / 8, .ts = (uintptr_t)&time};

	return io_uring_enter2((unsigned)ring->ring_fd, to_submit, 1,
		IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, (sigset_t *)&argument,
		sizeof(argument));
}

static void ask(struct io_uring *ring)
{
	struct itimerval soon = {.it_value.tv_usec = 20000};
	uint64_t begin = clock_now_ns();

	promise(enter(ring, 0, (struct __kernel_timespec){.tv_nsec = 30000000}) == -ETIME);
	promise(clock_now_ns() - begin >= 30 * NSEC_PER_MSEC);
	promise(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	promise(enter(ring, 0, (struct __kernel_timespec){.tv_sec = 1000}) == -EINTR);
	io_uring_prep_nop(next_sqe(ring, 5));
	io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
	for (unsigned i = 0; i < ring->sq.ring_entries; i++)
		ring->sq.array[i] = i;
	promise(enter(ring, 1, (struct __kernel_timespec){.tv_sec = 1000}) == 1);
	promise(io_uring_cq_ready(ring) == 1);
	promise(enter(ring, 0, (struct __kernel_timespec){.tv_sec = 1000}) == 0);
	promise(enter(ring, 0, (struct __kernel_timespec){0}) == 0);
	io_uring_cq_advance(ring, 1);
}

/* It is ETIME only where nothing was submitted; else the number says more. */
static void ask_past(struct io_uring *ring)
{
	struct __kernel_timespec never = {.tv_sec = 1000};

	promise(enter(ring, 0, (struct __kernel_timespec){0}) == -ETIME);
	io_uring_prep_timeout(next_sqe(ring, 6), &never, 0, 0);
	io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
	promise(enter(ring, 1, (struct __kernel_timespec){0}) == 1);
	promise(io_uring_smp_load_acquire(ring->sq.khead) == ring->sq.sqe_tail);
	promise(io_uring_cq_ready(ring) == 0);
	promise(enter(ring, 0, (struct __kernel_timespec){0}) == -ETIME);
}

int main(void)
{
	signal(SIGALRM, on_alarm);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		promise(ring.features & IORING_FEAT_EXT_ARG);
		ask(&ring);
		ask_past(&ring);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
