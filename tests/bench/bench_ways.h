/*
 * The ways to do one operation, all at once: what a row of the matrix is made of.
 */
#pragma once

#include "tests/bench/bench_daemon.h"
#include "tests/bench/bench_liburing.h"
#include "tests/bench/bench_peers.h"
#include "tests/bench/bench_plain.h"

enum bench_way {
	BENCH_WAY_PREAD,
	BENCH_WAY_LIBURING,
	BENCH_WAY_LIBPROACTOR,
	BENCH_WAY_SOCKET,
	BENCH_WAY_MEMORY,
	BENCH_WAY_RING,
	BENCH_WAY_NBDKIT,
	BENCH_WAY_QEMU,
	BENCH_WAY_PINGPONG,
	BENCH_WAY_MEMCPY,
	BENCH_WAY_COUNT,
};

struct bench_way_info {
	const char *name;
	const char *summary; /* for people */
	bool flat;           /* has no depth */
	bool reads;          /* and nothing else */
};
extern const struct bench_way_info bench_ways[BENCH_WAY_COUNT];

enum { BENCH_DEPTHS_MAX = 8 };

/* What is done, and at which depths. */
struct bench_task {
	const char *name;
	enum proactor_opcode operation;
	const struct bench_shape *shape;
	size_t answer_size; /* of the ping-pong */
	unsigned depths[BENCH_DEPTHS_MAX + 1], quick_depths[BENCH_DEPTHS_MAX + 1];
};
enum { BENCH_TASK_COUNT = 3 };
extern const struct bench_task bench_tasks[BENCH_TASK_COUNT];

/* All that does it, ready. */
struct bench_field {
	struct bench *bench;
	const struct bench_task *task;
	const struct bench_daemon *daemon;
	struct bench_pread pread;
	struct bench_memcpy memcpy;
	struct bench_pingpong pingpong;
	struct bench_liburing liburing;
	struct bench_proactor loads[BENCH_WAY_RING - BENCH_WAY_LIBPROACTOR +
		1]; /* from BENCH_WAY_LIBPROACTOR on */
	struct bench_nbd *nbds[2];
	struct bench_side sides[BENCH_WAY_COUNT]; /* run is NULL where there is none */
	const char *absent[BENCH_WAY_COUNT];
};

/* field->bench, task and daemon are set; deinit is right after a failure too. */
int bench_field_init(struct bench_field *field);
void bench_field_deinit(struct bench_field *field);

/* For the runs that follow. */
void bench_field_set_depth(struct bench_field *field, unsigned depth);
void bench_field_pin(struct bench_field *field, bool pinned);
