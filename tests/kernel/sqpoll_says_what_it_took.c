/*
 * Promise: with IORING_SETUP_SQPOLL the queue's head says which submissions were taken; the thread
 * that takes them sleeps after its idle time, says so with IORING_SQ_NEED_WAKEUP before it does,
 * and an enter with IORING_ENTER_SQ_WAKEUP starts it again. Without the flag no enter is needed
 * (io_uring_setup(2)).
 *
 * uring_queue.c leans on it.
 */
#include "tests/kernel/kernel.h"

#include <stdatomic.h>

enum { IDLE_MS = 20, COUNT = 200 };

static unsigned head(struct io_uring *ring)
{
	return io_uring_smp_load_acquire(ring->sq.khead);
}

static bool sleeps(struct io_uring *ring)
{
	atomic_thread_fence(memory_order_seq_cst);
	return IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_NEED_WAKEUP;
}

static void publish(struct io_uring *ring, unsigned index)
{
	io_uring_prep_nop(&ring->sq.sqes[index & *ring->sq.kring_mask]);
	io_uring_smp_store_release(ring->sq.ktail, index + 1);
}

static void wake(struct io_uring *ring)
{
	if (sleeps(ring))
		promise(io_uring_enter((unsigned)ring->ring_fd, 0, 0, IORING_ENTER_SQ_WAKEUP,
				NULL) >= 0);
}

static void wait_until_taken(struct io_uring *ring, unsigned tail)
{
	while (head(ring) != tail)
		usleep(100);
}

int main(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SQPOLL | IORING_SETUP_SUBMIT_ALL,
		.sq_thread_idle = IDLE_MS,
	};
	struct io_uring ring;
	int r = io_uring_queue_init_params(4, &ring, &params);

	if (r < 0)
		return EXIT_SKIPPED; /* forbidden here, or not for ordinary users (before 5.11) */
	alarm(60);
	for (unsigned i = 0; i < *ring.sq.kring_entries; i++)
		ring.sq.array[i] = i;
	for (unsigned i = 0; i < COUNT; i++) {
		publish(&ring, i);
		wake(&ring);
		wait_until_taken(&ring, i + 1);
		while (io_uring_cq_ready(&ring) == 0)
			usleep(100);
		io_uring_cq_advance(&ring, 1);
	}
	/* asleep it takes nothing, until it is woken */
	while (!sleeps(&ring))
		usleep(1000);
	publish(&ring, COUNT);
	usleep(2 * IDLE_MS * 1000);
	promise(head(&ring) == COUNT && sleeps(&ring));
	wake(&ring);
	wait_until_taken(&ring, COUNT + 1);
	io_uring_queue_exit(&ring);
	return EXIT_SUCCESS;
}
