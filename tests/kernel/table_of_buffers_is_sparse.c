/*
 * Promise: a table of registered buffers may be made empty and filled later, place by place
 * (IORING_RSRC_REGISTER_SPARSE 5.19, IORING_REGISTER_BUFFERS_UPDATE 5.13). READ_FIXED and
 * WRITE_FIXED use any part of what stands there and EFAULT what lies beyond; an empty place is
 * EFAULT too. A place may be emptied under a read that is in flight, which goes on and writes to
 * the pages it had.
 *
 * uring_memory.c leans on it.
 */
#include <sys/mman.h>

#include "tests/kernel/kernel.h"

enum { PLACES = 64, PLACE = 5, SIZE = 8192 };

static int update(struct io_uring *ring, void *memory, size_t size)
{
	struct iovec piece = {memory, size};
	__u64 tag = 0;

	return io_uring_register_buffers_update_tag(ring, PLACE, &piece, &tag, 1);
}

static int32_t read_fixed(struct io_uring *ring, int fd, void *data, unsigned size)
{
	io_uring_prep_read_fixed(next_sqe(ring, 1), fd, data, size, 0, PLACE);
	return next_cqe(ring).res;
}

static void ask_file(struct io_uring *ring, char *memory)
{
	char content[SIZE];
	int fd;

	for (int i = 0; i < SIZE; i++)
		content[i] = (char)(i * 3 + i / 256);
	fd = make_file(content, SIZE);
	promise(read_fixed(ring, fd, memory, SIZE) == -EFAULT);
	promise(update(ring, memory, SIZE) == 1);
	promise(read_fixed(ring, fd, memory, SIZE) == SIZE);
	promise(memcmp(memory, content, SIZE) == 0);
	promise(read_fixed(ring, fd, memory + 4000, 1000) == 1000);
	promise(memcmp(memory + 4000, content, 1000) == 0);
	promise(read_fixed(ring, fd, memory + SIZE - 1, 2) == -EFAULT);
	io_uring_prep_write_fixed(next_sqe(ring, 1), fd, memory + 4000, 1000, 0, PLACE);
	promise(next_cqe(ring).res == 1000);
	promise(update(ring, NULL, 0) == 1);
	promise(read_fixed(ring, fd, memory, SIZE) == -EFAULT);
	close(fd);
}

static void ask_in_flight(struct io_uring *ring, char *memory)
{
	int pipes[2];

	make_pipe(pipes);
	promise(update(ring, memory, SIZE) == 1);
	io_uring_prep_read_fixed(next_sqe(ring, 1), pipes[0], memory, 5, (uint64_t)-1, PLACE);
	promise(!has_cqe(ring));
	promise(update(ring, NULL, 0) == 1);
	promise(!has_cqe(ring));
	promise(write(pipes[1], "later", 5) == 5);
	promise(next_cqe(ring).res == 5);
	promise(memcmp(memory, "later", 5) == 0);
	close_both(pipes);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;
		void *memory;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		if (io_uring_register_buffers_sparse(&ring, PLACES) == -EINVAL)
			return EXIT_SKIPPED;
		memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);
		promise(memory != MAP_FAILED);
		ask_file(&ring, memory);
		ask_in_flight(&ring, memory);
		munmap(memory, SIZE);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
