/*
 * The io_uring driver against the loop that one would write by hand with liburing, in the same
 * process and thread.
 *
 * The yardstick's ring is made like ours (bench_ring.c), and its file is registered, as ours does
 * with what is attached. It is what a program that needs nothing but this could do; what a proactor
 * costs beyond it are keys, checks and the freedom to run on another engine.
 */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>

#include "base/err.h"
#include "tests/bench/bench_proactor.h"

enum { DATA_INDEX = 0 }; /* of the data file, in the table of the yardstick's ring */

struct yardstick {
	struct io_uring ring;
	enum bench_operation operation;
	unsigned depth;
	struct bench_blocks blocks;
};

static inline void prepare(struct yardstick *yardstick, unsigned index)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&yardstick->ring);

	if (yardstick->operation == BENCH_NOP) {
		io_uring_prep_nop(sqe);
	} else {
		io_uring_prep_read(sqe, DATA_INDEX, bench_blocks_buffer(&yardstick->blocks, index),
			BENCH_BLOCK_SIZE, bench_blocks_next(&yardstick->blocks, index));
		sqe->flags |= IOSQE_FIXED_FILE;
	}
	io_uring_sqe_set_data64(sqe, index);
}

static inline bool is_right(const struct yardstick *yardstick, const struct io_uring_cqe *cqe)
{
	if (yardstick->operation == BENCH_NOP)
		return cqe->res == 0;
	return bench_blocks_right(&yardstick->blocks, (unsigned)cqe->user_data, cqe->res);
}

static int yardstick_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct yardstick *yardstick = context;
	uint64_t started = 0, ended = 0;

	bench_blocks_begin(&yardstick->blocks, seed);
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
		{"read4k.qd8.driver.vs_liburing", BENCH_READ, 8},
		{"read4k.qd32.driver.vs_liburing", BENCH_READ, 32},
		{"read4k.qd128.driver.vs_liburing", BENCH_READ, 128},
	};
	int r = 0;

	/* not beyond a failure: operations may be in flight still */
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(rows); i++) {
		ours->operation = yardstick->operation = rows[i].operation;
		ours->depth = yardstick->depth = rows[i].depth;
		r = bench_pair(bench, rows[i].name,
			&(struct bench_side){
				.name = "libproactor", .run = bench_proactor_run, .context = ours},
			&(struct bench_side){
				.name = "liburing", .run = yardstick_run, .context = yardstick},
			NULL);
	}
	return r;
}

int bench_driver(struct bench *bench)
{
	struct yardstick yardstick = {.ring.ring_fd = -EBADF};
	struct bench_proactor ours = {0};
	int r;

	r = bench_proactor_init(&ours, &bench_ring_options, bench->data_fd, BENCH_DATA_BLOCKS);
	if (r >= 0)
		r = bench_blocks_init(&yardstick.blocks, BENCH_DATA_BLOCKS);
	if (r >= 0)
		r = bench_ring_init(&yardstick.ring);
	if (r >= 0)
		r = io_uring_register_files(&yardstick.ring, &bench->data_fd, 1);
	if (r < 0)
		fprintf(stderr, "bench: no ring: %s\n", err_name(-r));
	else
		r = measure(bench, &ours, &yardstick);
	if (yardstick.ring.ring_fd >= 0)
		io_uring_queue_exit(&yardstick.ring);
	bench_blocks_deinit(&yardstick.blocks);
	bench_proactor_deinit(&ours);
	return r;
}
