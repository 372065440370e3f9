/*
 * Files of 4 KiB blocks, and the blocks that a side has in flight: where each is read from or
 * written to, and whether the right one came.
 */
#pragma once

#include "base/clock.h"
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

/* What is read or written at a time, and where. */
struct bench_shape {
	size_t size;          /* a power of two, of BENCH_BLOCK_SIZE and more */
	unsigned depth_max;   /* so many buffers */
	uint64_t block_count; /* of BENCH_BLOCK_SIZE in the file; a power of two */
	bool sequential;      /* one after the other, not at random */
};

/* Single blocks of the data file, at random. */
extern const struct bench_shape bench_shape_4k;

/* Reads or writes in flight, and what each is about. */
struct bench_blocks {
	struct bench_shape shape;
	uint8_t *buffers;
	bool borrowed; /* the buffers are somebody else's */
	uint64_t offset_mask;
	uint64_t random, turn;
	/* offset that buffer i is being filled from or written to; BENCH_NOWHERE */
	uint64_t expected[BENCH_DEPTH_MAX];
	/* where the time of each operation is counted, when it is */
	struct histogram *latencies;
	uint64_t began_ns[BENCH_DEPTH_MAX];
};

#define BENCH_NOWHERE UINT64_MAX

/* For blocks of BENCH_BLOCK_SIZE at random. */
int bench_blocks_init(struct bench_blocks *blocks, uint64_t block_count);

/* For @shape, in @memory of bench_shape_memory() bytes, or NULL: in its own. */
int bench_blocks_init_shape(struct bench_blocks *blocks, const struct bench_shape *shape,
	void *memory);
size_t bench_shape_memory(const struct bench_shape *shape);
void bench_blocks_deinit(struct bench_blocks *blocks);

/* An operation with buffer @index begins, and ends. Of those that have blocks nobody need tell. */
static inline void bench_blocks_started(struct bench_blocks *blocks, unsigned index)
{
	if (unlikely(blocks->latencies))
		blocks->began_ns[index] = clock_now_ns();
}

static inline void bench_blocks_ended(struct bench_blocks *blocks, unsigned index)
{
	if (unlikely(blocks->latencies))
		histogram_add(blocks->latencies, clock_now_ns() - blocks->began_ns[index]);
}

/* Forgets where the buffers belong, and begins with the random offsets of @seed. */
void bench_blocks_begin(struct bench_blocks *blocks, uint64_t seed);

/* The next offset, for buffer @index. */
static inline uint64_t bench_blocks_next(struct bench_blocks *blocks, unsigned index)
{
	bench_blocks_started(blocks, index);
	if (blocks->shape.sequential)
		return blocks->expected[index] =
			       (blocks->turn++ * blocks->shape.size) & blocks->offset_mask;
	blocks->random ^= blocks->random << 13;
	blocks->random ^= blocks->random >> 7;
	blocks->random ^= blocks->random << 17;
	return blocks->expected[index] = (blocks->random * BENCH_BLOCK_SIZE) & blocks->offset_mask;
}

static inline uint8_t *bench_blocks_buffer(const struct bench_blocks *blocks, unsigned index)
{
	return blocks->buffers + (size_t)index * blocks->shape.size;
}

/*
 * Whether buffer @index now has what it was to have: each block begins with its own offset. Of a
 * larger piece the first and the last are looked at.
 */
static inline bool bench_blocks_right(struct bench_blocks *blocks, unsigned index, int64_t result)
{
	const uint8_t *first = bench_blocks_buffer(blocks, index);
	size_t last = blocks->shape.size - BENCH_BLOCK_SIZE;

	bench_blocks_ended(blocks, index);
	return result == (int64_t)blocks->shape.size &&
		*(const uint64_t *)first == blocks->expected[index] &&
		*(const uint64_t *)(first + last) == blocks->expected[index] + last;
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
