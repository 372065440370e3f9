/*
 * Promise: a multishot poll of an eventfd completes again with each write to it, though nobody
 * reads it (5.13).
 *
 * handle.h and uring.c lean on it: waking a proactor costs one write and no read.
 */
#include "tests/kernel/kernel.h"

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int event = eventfd(0, EFD_CLOEXEC);
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i])) {
			close(event);
			continue;
		}
		io_uring_prep_poll_multishot(next_sqe(&ring, 7), event, POLLIN);
		promise(!has_cqe(&ring));
		for (int round = 0; round < 100; round++) {
			struct completion completion;

			promise(write(event, &(uint64_t){1}, sizeof(uint64_t)) == sizeof(uint64_t));
			completion = next_cqe(&ring);
			promise(completion.user_data == 7 && completion.res == POLLIN);
			promise(completion.flags & IORING_CQE_F_MORE);
			promise(!has_cqe(&ring));
		}
		io_uring_queue_exit(&ring);
		close(event);
	}
	return EXIT_SUCCESS;
}
