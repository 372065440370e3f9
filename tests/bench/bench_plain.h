/*
 * What is done without a server, and the barest of servers: the floor and the ceiling of the rows.
 */
#pragma once

#include "tests/bench/bench_blocks.h"

/* One thread's pread(2) calls. */
struct bench_pread {
	int fd;
	struct bench_blocks blocks;
};
int bench_pread_init(struct bench_pread *load, int fd, const struct bench_shape *shape);
void bench_pread_deinit(struct bench_pread *load);
struct bench_side bench_pread_side(struct bench_pread *load);

/* memcpy(3) out of a mapping of the file: what moving the bytes costs, and nothing else. */
struct bench_memcpy {
	const uint8_t *file;
	size_t file_size;
	struct bench_blocks blocks;
};
int bench_memcpy_init(struct bench_memcpy *load, int fd, const struct bench_shape *shape);
void bench_memcpy_deinit(struct bench_memcpy *load);
struct bench_side bench_memcpy_side(struct bench_memcpy *load);

/*
 * Two processes with a Unix socket between them and blocking calls: a request as short as they
 * come, and an answer of @answer_size bytes. No protocol over such a socket can answer one call at
 * a time faster.
 */
enum { BENCH_PING_SIZE = 16 };
struct bench_pingpong {
	struct bench_child child;
	size_t answer_size;
	uint8_t *bytes;
	struct histogram *latencies;
};
int bench_pingpong_init(struct bench_pingpong *load, size_t answer_size);
void bench_pingpong_deinit(struct bench_pingpong *load);
struct bench_side bench_pingpong_side(struct bench_pingpong *load);
