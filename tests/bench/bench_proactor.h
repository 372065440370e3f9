/*
 * Our side of most rows: a load on a proactor, whatever the driver; and for the io_uring driver the
 * options and the ring that make both sides alike.
 */
#pragma once

#include "driver/proactor.h"
#include "tests/bench/bench_blocks.h"

enum bench_operation { BENCH_NOP, BENCH_READ, BENCH_WRITE };

/* Keeps @depth operations in flight through a proactor. */
struct bench_proactor {
	struct proactor *proactor;
	enum bench_operation operation;
	unsigned depth;
	uint32_t flags; /* of each operation */
	int64_t file;   /* what is read and written */
	int fd;         /* the same, to look at what was written; the caller's */
	struct bench_blocks blocks;
	/* of a run */
	uint64_t op_count, started, ended, seed;
};

/*
 * On @fd, a file of @block_count blocks. -EOPNOTSUPP: no such driver is linked. Else as
 * proactor_new() and proactor_attach(); deinit is right after a failure too.
 */
int bench_proactor_init(struct bench_proactor *load, const struct proactor_options *options, int fd,
	uint64_t block_count);
void bench_proactor_deinit(struct bench_proactor *load);

/* A side's run; @context is a struct bench_proactor. */
int bench_proactor_run(void *context, uint64_t op_count, uint64_t seed);

/* ---- bench_ring.c ---- */

struct io_uring;
extern const struct proactor_options bench_ring_options; /* for a driver that is its equal */

int bench_ring_init(struct io_uring *ring);
