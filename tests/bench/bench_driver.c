/*
 * The io_uring driver against the loop that one would write by hand with liburing, in the same
 * process and thread.
 *
 * The yardstick is made with the same features as ours: one issuer, deferred task work, no
 * indirection array, a registered ring, queues of the same sizes. It is what a program that needs
 * nothing but this could do; what a proactor costs beyond it are keys, checks and the freedom to
 * run on another engine.
 */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <unistd.h>

#include "base/err.h"
#include "driver/proactor.h"
#include "tests/bench/bench.h"

enum { SETUP_NO_SQARRAY = 1 << 16, COMPLETIONS_PER_SUBMISSION = 4 };

struct yardstick {
	struct io_uring ring;
	enum bench_operation operation;
	unsigned depth;
	int fd;
	struct bench_reads reads;
};

/*
 * By hand: io_uring_queue_init_params() of liburing 2.3 writes an indirection array where there is
 * none.
 */
static int ring_init(struct io_uring *ring)
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
		close(fd);
		return r;
	}
	ring->features = params.features;
	r = io_uring_register_ring_fd(ring);
	return r < 0 ? r : 0;
}

static inline void prepare(struct yardstick *yardstick, unsigned index)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&yardstick->ring);

	if (yardstick->operation == BENCH_NOP)
		io_uring_prep_nop(sqe);
	else
		io_uring_prep_read(sqe, yardstick->fd, bench_reads_buffer(&yardstick->reads, index),
			BENCH_BLOCK_SIZE, bench_reads_next(&yardstick->reads, index));
	io_uring_sqe_set_data64(sqe, index);
}

static inline bool is_right(const struct yardstick *yardstick, const struct io_uring_cqe *cqe)
{
	if (yardstick->operation == BENCH_NOP)
		return cqe->res == 0;
	return bench_reads_right(&yardstick->reads, (unsigned)cqe->user_data, cqe->res);
}

static int yardstick_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct yardstick *yardstick = context;
	uint64_t started = 0, ended = 0;

	yardstick->reads.random = seed;
	while (started < MIN(op_count, (uint64_t)yardstick->depth))
		prepare(yardstick, (unsigned)started++);
	while (ended < op_count) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;
		int r = io_uring_submit_and_wait(&yardstick->ring, 1);

		if (r < 0)
			return r;
		io_uring_for_each_cqe(&yardstick->ring, head, cqe)
		{
			if (unlikely(!is_right(yardstick, cqe)))
				return -EIO;
			seen++;
			if (started < op_count) {
				prepare(yardstick, (unsigned)cqe->user_data);
				started++;
			}
		}
		io_uring_cq_advance(&yardstick->ring, seen);
		ended += seen;
	}
	return 0;
}

static int measure(struct bench *bench, struct bench_proactor *ours, struct yardstick *yardstick)
{
	static const struct {
		const char *name;
		enum bench_operation operation;
		unsigned depth;
	} rows[] = {
		{"nop.qd1.driver.vs_liburing", BENCH_NOP, 1},
		{"nop.qd32.driver.vs_liburing", BENCH_NOP, 32},
		{"read4k.qd1.driver.vs_liburing", BENCH_READ, 1},
		{"read4k.qd32.driver.vs_liburing", BENCH_READ, 32},
	};
	int r = 0;

	/* not beyond a failure: operations may be in flight still */
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(rows); i++) {
		ours->operation = yardstick->operation = rows[i].operation;
		ours->depth = yardstick->depth = rows[i].depth;
		r = bench_pair(bench, rows[i].name,
			&(struct bench_side){"libproactor", bench_proactor_run, ours},
			&(struct bench_side){"liburing", yardstick_run, yardstick}, NULL);
	}
	return r;
}

int bench_driver(struct bench *bench)
{
	const struct proactor_options options = {
		.size = sizeof(options),
		.driver = PROACTOR_DRIVER_IO_URING,
		.capacity = BENCH_RING_ENTRIES,
		.completion_capacity = COMPLETIONS_PER_SUBMISSION * BENCH_RING_ENTRIES,
	};
	struct yardstick yardstick = {.ring.ring_fd = -EBADF, .fd = bench->data_fd};
	struct bench_proactor ours = {0};
	int r;

	r = bench_proactor_init(&ours, &options, bench->data_fd);
	if (r >= 0)
		r = bench_reads_init(&yardstick.reads);
	if (r >= 0)
		r = ring_init(&yardstick.ring);
	if (r < 0)
		fprintf(stderr, "bench: no ring: %s\n", err_name(-r));
	else
		r = measure(bench, &ours, &yardstick);
	if (yardstick.ring.ring_fd >= 0)
		io_uring_queue_exit(&yardstick.ring);
	bench_reads_deinit(&yardstick.reads);
	bench_proactor_deinit(&ours);
	return r;
}
