/*
 * Our side of most rows: a load on a proactor, whatever the driver; and for the io_uring driver the
 * options and the ring that make both sides alike.
 */
#pragma once

#include "driver/proactor.h"
#include "tests/bench/bench_blocks.h"

/* Keeps @depth operations in flight through a proactor. */
struct bench_proactor {
	struct proactor *proactor;
	enum proactor_opcode operation; /* NOP, READ or WRITE */
	unsigned depth;
	uint32_t flags; /* of each operation */
	int64_t file;   /* what is read and written */
	int fd;         /* the same, to look at what was written; the caller's */
	struct bench_blocks blocks;
	/* of a run */
	uint64_t op_count, started, ended, seed;
	struct proactor_op ops[BENCH_DEPTH_MAX];
};

/*
 * On @fd, a file of @block_count blocks. -EOPNOTSUPP: no such driver is linked. Else as
 * proactor_new() and proactor_attach(); deinit is right after a failure too.
 */
int bench_proactor_init(struct bench_proactor *load, const struct proactor_options *options, int fd,
	uint64_t block_count);
void bench_proactor_deinit(struct bench_proactor *load);

/*
 * As that, with a proactor that there is, and is the load's from then on, also on failure. With
 * @memory the buffers are proactor_memory_new()'s.
 */
int bench_proactor_init_on(struct bench_proactor *load, struct proactor *proactor, int fd,
	const struct bench_shape *shape, bool memory);

/* A side's run; @context is a struct bench_proactor. */
int bench_proactor_run(void *context, uint64_t op_count, uint64_t seed);

/* The whole side. */
struct bench_side bench_proactor_side(struct bench_proactor *load, const char *name);

/* ---- bench_liburing.c ---- */

extern const struct proactor_options bench_ring_options; /* for a driver that is its equal */
