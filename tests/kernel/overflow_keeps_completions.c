/*
 * Promise: completions that do not fit into the completion queue are kept, in order, and come with
 * the enters that follow (IORING_FEAT_NODROP, 5.5, io_uring_enter(2)).
 *
 * uring_queue.c leans on it: it never looks at how many operations are in flight.
 */
#include "tests/kernel/kernel.h"

enum { COUNT = 1000 };

static void ask(struct io_uring *ring)
{
	for (uint64_t i = 0; i < COUNT; i++) {
		if (io_uring_sq_space_left(ring) == 0)
			promise(io_uring_submit(ring) > 0);
		io_uring_prep_nop(next_sqe(ring, i));
	}
	promise(io_uring_submit(ring) >= 0);
	for (uint64_t i = 0; i < COUNT; i++)
		promise(next_cqe(ring).user_data == i);
	promise(!has_cqe(ring));
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 4, modes[i]))
			continue;
		promise(ring.features & IORING_FEAT_NODROP);
		ask(&ring);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
