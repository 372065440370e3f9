/*
 * Promise: READ and WRITE with an offset on a pipe do as without one, where pread(2) says ESPIPE. A
 * socket takes 0 for none, and says ESPIPE to any other (seen on 6.18).
 *
 * proactor.h leans on nothing of this: PROACTOR_CURRENT is the only choice for what cannot seek.
 * Here it is pinned what a caller meets who chooses otherwise.
 */
#include "tests/kernel/kernel.h"

static int32_t write_at(struct io_uring *ring, int fd, uint64_t offset)
{
	io_uring_prep_write(next_sqe(ring, 1), fd, "abc", 3, offset);
	return next_cqe(ring).res;
}

static int32_t read_at(struct io_uring *ring, int fd, uint64_t offset)
{
	char bytes[3];

	io_uring_prep_read(next_sqe(ring, 1), fd, bytes, sizeof(bytes), offset);
	return next_cqe(ring).res;
}

static void ask(struct io_uring *ring, const int fds[2], int32_t expected)
{
	char byte;

	promise(write_at(ring, fds[1], 0) == 3);
	promise(read_at(ring, fds[0], 0) == 3);
	promise(write_at(ring, fds[1], (uint64_t)-1) == 3);
	promise(read_at(ring, fds[0], 1000) == expected);
	promise(write_at(ring, fds[1], 1000) == expected);
	promise(pread(fds[0], &byte, 1, 1000) == -1 && errno == ESPIPE);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;
		int fds[2];

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		make_pipe(fds);
		ask(&ring, fds, 3);
		close_both(fds);
		make_pair(fds);
		ask(&ring, fds, -ESPIPE);
		close_both(fds);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
