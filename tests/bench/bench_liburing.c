/*
 * The loop of who writes it by hand with liburing, and knows his kernel: one issuer, deferred task
 * work, no indirection array, a registered ring, a registered file; and the options with which our
 * driver makes a ring with queues of the same sizes.
 *
 * It is what a program that needs nothing but this could do; what a proactor costs beyond it are
 * keys, checks and the freedom to run on another engine.
 *
 * The ring is made by hand: io_uring_queue_init_params() of liburing 2.3 writes an indirection
 * array where there is none.
 */
#include <errno.h>
#include <unistd.h>

#include "tests/bench/bench_liburing.h"

enum { DATA_INDEX = 0 }; /* of the file, in the ring's table */

/* ---- the ring ---- */

enum { SETUP_NO_SQARRAY = 1 << 16, COMPLETIONS_PER_SUBMISSION = 4 };

const struct proactor_options bench_ring_options = {
	.size = sizeof(bench_ring_options),
	.driver = PROACTOR_DRIVER_IO_URING,
	.capacity = BENCH_RING_ENTRIES,
	.completion_capacity = COMPLETIONS_PER_SUBMISSION * BENCH_RING_ENTRIES,
};

int bench_ring_init(struct io_uring *ring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_SUBMIT_ALL | SETUP_NO_SQARRAY | IORING_SETUP_CQSIZE,
		.cq_entries = COMPLETIONS_PER_SUBMISSION * BENCH_RING_ENTRIES,
	};
	int fd = io_uring_setup(BENCH_RING_ENTRIES, &params), r;

	if (fd < 0)
		return fd;
	r = io_uring_queue_mmap(fd, &params, ring);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	ring->features = params.features;
	r = io_uring_register_ring_fd(ring);
	return r < 0 ? r : 0;
}

/* ---- the loop ---- */

static inline void prepare(struct bench_liburing *load, unsigned index)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&load->ring);

	if (load->operation == PROACTOR_NOP) {
		bench_blocks_started(&load->blocks, index);
		io_uring_prep_nop(sqe);
	} else {
		io_uring_prep_read(sqe, DATA_INDEX, bench_blocks_buffer(&load->blocks, index),
			(unsigned)load->blocks.shape.size, bench_blocks_next(&load->blocks, index));
		sqe->flags |= IOSQE_FIXED_FILE;
	}
	io_uring_sqe_set_data64(sqe, index);
}

static inline bool is_right(struct bench_liburing *load, const struct io_uring_cqe *cqe)
{
	if (load->operation == PROACTOR_NOP) {
		bench_blocks_ended(&load->blocks, (unsigned)cqe->user_data);
		return cqe->res == 0;
	}
	return bench_blocks_right(&load->blocks, (unsigned)cqe->user_data, cqe->res);
}

static int run(void *context, uint64_t op_count, uint64_t seed)
{
	struct bench_liburing *load = context;
	uint64_t started = 0, ended = 0;

	bench_blocks_begin(&load->blocks, seed);
	while (started < MIN(op_count, (uint64_t)load->depth))
		prepare(load, (unsigned)started++);
	while (ended < op_count) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;
		int r = io_uring_submit_and_wait(&load->ring, 1);

		if (r < 0)
			return r;
		io_uring_for_each_cqe(&load->ring, head, cqe)
		{
			if (unlikely(!is_right(load, cqe)))
				return -EIO;
			seen++;
			if (started < op_count) {
				prepare(load, (unsigned)cqe->user_data);
				started++;
			}
		}
		io_uring_cq_advance(&load->ring, seen);
		ended += seen;
	}
	return 0;
}

int bench_liburing_init(struct bench_liburing *load, int fd, const struct bench_shape *shape)
{
	int r;

	*load = (struct bench_liburing){.ring.ring_fd = -EBADF, .depth = 1};
	r = bench_blocks_init_shape(&load->blocks, shape, NULL);
	if (r >= 0)
		r = bench_ring_init(&load->ring);
	return r < 0 ? r : io_uring_register_files(&load->ring, &fd, 1);
}

void bench_liburing_deinit(struct bench_liburing *load)
{
	if (load->ring.ring_fd >= 0)
		io_uring_queue_exit(&load->ring);
	load->ring.ring_fd = -EBADF;
	bench_blocks_deinit(&load->blocks);
}

struct bench_side bench_liburing_side(struct bench_liburing *load)
{
	return (struct bench_side){.name = "liburing",
		.run = run,
		.context = load,
		.latencies = &load->blocks.latencies};
}
