/*
 * A ring of provided buffers, for the programs that ask about these.
 */
#pragma once

#include <sys/mman.h>

#include "tests/kernel/kernel.h"

enum { GROUP = 3, BUFFER_COUNT = 4, BUFFER_SIZE = 8 };

struct buffers {
	struct io_uring_buf_ring *ring;
	char bytes[BUFFER_COUNT][BUFFER_SIZE];
};

static inline void buffers_give(struct buffers *buffers, unsigned index)
{
	io_uring_buf_ring_add(buffers->ring, buffers->bytes[index], BUFFER_SIZE,
		(unsigned short)index, io_uring_buf_ring_mask(BUFFER_COUNT), 0);
	io_uring_buf_ring_advance(buffers->ring, 1);
}

/* With all of them given. Skips the program where the kernel has no such rings (before 5.19). */
static inline void buffers_init(struct buffers *buffers, struct io_uring *ring)
{
	struct io_uring_buf_reg request = {.ring_entries = BUFFER_COUNT, .bgid = GROUP};
	int r;

	*buffers = (struct buffers){
		.ring = mmap(NULL, BUFFER_COUNT * sizeof(struct io_uring_buf),
			PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};
	promise(buffers->ring != MAP_FAILED);
	request.ring_addr = (uintptr_t)buffers->ring;
	r = io_uring_register_buf_ring(ring, &request, 0);
	if (r == -EINVAL)
		exit(EXIT_SKIPPED);
	promise(r == 0);
	io_uring_buf_ring_init(buffers->ring);
	for (unsigned i = 0; i < BUFFER_COUNT; i++)
		buffers_give(buffers, i);
}

static inline void buffers_deinit(struct buffers *buffers, struct io_uring *ring)
{
	promise(io_uring_unregister_buf_ring(ring, GROUP) == 0);
	munmap(buffers->ring, BUFFER_COUNT * sizeof(struct io_uring_buf));
}

/* A receive of @fd with one of them; @flags as IORING_RECV_MULTISHOT. */
static inline void prep_select(struct io_uring *ring, uint64_t user_data, int fd, uint16_t flags)
{
	struct io_uring_sqe *sqe = next_sqe(ring, user_data);

	io_uring_prep_recv(sqe, fd, NULL, 0, 0);
	sqe->user_data = user_data;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	sqe->ioprio |= flags;
}

/* Which one @completion names. */
static inline unsigned buffer_of(struct completion completion)
{
	unsigned index = completion.flags >> IORING_CQE_BUFFER_SHIFT;

	promise(completion.flags & IORING_CQE_F_BUFFER);
	promise(index < BUFFER_COUNT);
	return index;
}
