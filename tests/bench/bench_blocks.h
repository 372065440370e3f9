/*
 * Files of 4 KiB blocks, and the blocks that a side has in flight: where each is read from or
 * written to, and whether the right one came.
 */
#pragma once

#include "tests/bench/bench.h"

enum {
	BENCH_BLOCK_SIZE = 4096,
	BENCH_DATA_BLOCKS = 65536, /* of the data file: 256 MiB */
	BENCH_FILE_BLOCKS = 16384, /* of the files that are written to as well: 64 MiB */
};

/* Makes the data file, of real bytes, and reads it so that it is cached. */
int bench_blocks_make_file(struct bench *bench);

/* Fills @fd with @block_count blocks and reads them; a multiple of 256. */
int bench_blocks_fill(int fd, uint64_t block_count);

/* Reads or writes in flight, and what each is about. */
struct bench_blocks {
	uint8_t *buffers;     /* BENCH_DEPTH_MAX blocks */
	uint64_t block_count; /* of the file; a power of two */
	uint64_t random;
	/* offset that buffer i is being filled from or written to; BENCH_NOWHERE */
	uint64_t expected[BENCH_DEPTH_MAX];
};

#define BENCH_NOWHERE UINT64_MAX

int bench_blocks_init(struct bench_blocks *blocks, uint64_t block_count);
void bench_blocks_deinit(struct bench_blocks *blocks);

/* Forgets where the buffers belong, and begins with the random offsets of @seed. */
void bench_blocks_begin(struct bench_blocks *blocks, uint64_t seed);

/* The next random offset, for buffer @index. */
static inline uint64_t bench_blocks_next(struct bench_blocks *blocks, unsigned index)
{
	blocks->random ^= blocks->random << 13;
	blocks->random ^= blocks->random >> 7;
	blocks->random ^= blocks->random << 17;
	return blocks->expected[index] =
		       (blocks->random & (blocks->block_count - 1)) * BENCH_BLOCK_SIZE;
}

static inline uint8_t *bench_blocks_buffer(const struct bench_blocks *blocks, unsigned index)
{
	return blocks->buffers + (size_t)index * BENCH_BLOCK_SIZE;
}

/*
 * Whether buffer @index now has the block that it was to have: each block begins with its own
 * offset.
 */
static inline bool bench_blocks_right(const struct bench_blocks *blocks, unsigned index,
	int64_t result)
{
	const uint64_t *found = (const uint64_t *)bench_blocks_buffer(blocks, index);

	return result == BENCH_BLOCK_SIZE && *found == blocks->expected[index];
}

/*
 * The next random offset, for buffer @index to be written to: its block begins with that, then
 * with @seed.
 */
static inline uint64_t bench_blocks_stamp(struct bench_blocks *blocks, unsigned index,
	uint64_t seed)
{
	uint64_t *stamp = (uint64_t *)bench_blocks_buffer(blocks, index);

	stamp[0] = bench_blocks_next(blocks, index);
	stamp[1] = seed;
	return stamp[0];
}

/* Whether the last block written from each buffer stands in @fd with @seed. */
bool bench_blocks_written(const struct bench_blocks *blocks, int fd, uint64_t seed);
