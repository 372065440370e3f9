/*
 * Promise: where a probe says so, operation 55 is IORING_OP_FTRUNCATE (6.9): the descriptor in fd,
 * the size in off, all else 0. Negative sizes and files that have none are EINVAL, as by
 * ftruncate(2).
 *
 * uring_prep.c leans on it: the number is not in older headers.
 */
#include <sys/stat.h>

#include "tests/kernel/kernel.h"

enum { OP_FTRUNCATE = 55 };

static int32_t truncate_to(struct io_uring *ring, int fd, int64_t size)
{
	io_uring_prep_rw(OP_FTRUNCATE, next_sqe(ring, 1), fd, NULL, 0, (uint64_t)size);
	return next_cqe(ring).res;
}

static void ask(struct io_uring *ring)
{
	int fd = make_file("content", 7), pipes[2];
	struct stat stat;

	make_pipe(pipes);
	promise(truncate_to(ring, fd, 100000) == 0);
	promise(fstat(fd, &stat) == 0 && stat.st_size == 100000);
	promise(truncate_to(ring, fd, 3) == 0);
	promise(fstat(fd, &stat) == 0 && stat.st_size == 3);
	promise(truncate_to(ring, fd, -1) == -EINVAL);
	promise(truncate_to(ring, pipes[1], 3) == -EINVAL);
	promise(truncate_to(ring, -1, 3) == -EBADF);
	close_both(pipes);
	close(fd);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring_probe *probe;
		struct io_uring ring;
		bool known;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		probe = io_uring_get_probe_ring(&ring);
		promise(probe);
		known = io_uring_opcode_supported(probe, OP_FTRUNCATE);
		io_uring_free_probe(probe);
		if (!known)
			return EXIT_SKIPPED;
		ask(&ring);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
