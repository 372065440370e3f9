/*
 * Promise: an operation holds the open file it was submitted with. To close the descriptor, by
 * close(2) or by IORING_OP_CLOSE, does not end it; it completes when what it waits for comes, and
 * is found by a cancellation.
 *
 * proactor.h leans on it where it tells callers to cancel before they close.
 */
#include "tests/kernel/kernel.h"

static void close_by(struct io_uring *ring, int fd, bool by_ring)
{
	if (!by_ring) {
		close(fd);
		return;
	}
	io_uring_prep_close(next_sqe(ring, 8), fd);
	promise(next_cqe(ring).user_data == 8);
}

static void ask(struct io_uring *ring, bool by_ring)
{
	int fds[2];
	char byte;

	make_pipe(fds);
	io_uring_prep_read(next_sqe(ring, 1), fds[0], &byte, 1, (uint64_t)-1);
	promise(!has_cqe(ring));
	close_by(ring, fds[0], by_ring);
	promise(!has_cqe(ring));
	promise(write(fds[1], "x", 1) == 1);
	promise(next_cqe(ring).res == 1 && byte == 'x');
	close(fds[1]);

	make_pair(fds);
	io_uring_prep_recv(next_sqe(ring, 1), fds[0], &byte, 1, 0);
	promise(!has_cqe(ring));
	close_by(ring, fds[0], by_ring);
	promise(!has_cqe(ring));
	io_uring_prep_cancel64(next_sqe(ring, 1), 1, 0);
	promise(next_cqe(ring).res == -ECANCELED || next_cqe(ring).res == -ECANCELED);
	close(fds[1]);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		ask(&ring, /* by_ring= */ false);
		ask(&ring, /* by_ring= */ true);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
