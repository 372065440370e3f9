/*
 * Promise: with IORING_SETUP_DEFER_TASKRUN completions of what had to wait appear in the queue only
 * when its thread enters with IORING_ENTER_GETEVENTS: not by themselves, not by another system
 * call, not by an enter that only submits (6.1, io_uring_setup(2)).
 *
 * uring.h leans on it: the queue's end does not move between two enters.
 */
#include "tests/kernel/kernel.h"

int main(void)
{
	struct io_uring ring;
	int pipes[2];
	char byte;

	if (!ring_init(&ring, 8, MODE_DEFERRED))
		return EXIT_SKIPPED;
	make_pipe(pipes);
	for (int round = 0; round < 20; round++) {
		io_uring_prep_read(next_sqe(&ring, 1), pipes[0], &byte, 1, (uint64_t)-1);
		promise(!has_cqe(&ring));
		promise(write(pipes[1], "x", 1) == 1);
		usleep(1000);
		promise(io_uring_cq_ready(&ring) == 0);
		io_uring_prep_read(next_sqe(&ring, 2), pipes[0], &byte, 1, (uint64_t)-1);
		promise(io_uring_submit(&ring) == 1);
		/* that one took the byte, or it did not: the first is not there in either case */
		for (unsigned i = 0; i < io_uring_cq_ready(&ring); i++)
			promise(ring.cq.cqes[(*ring.cq.khead + i) & *ring.cq.kring_mask]
					.user_data == 2);
		promise(io_uring_get_events(&ring) >= 0);
		promise(io_uring_cq_ready(&ring) == 1);
		promise(write(pipes[1], "y", 1) == 1);
		promise(next_cqe(&ring).res == 1 && next_cqe(&ring).res == 1);
	}
	io_uring_queue_exit(&ring);
	return EXIT_SUCCESS;
}
