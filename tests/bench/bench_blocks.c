/*
 * The data that is read and written: files of random bytes, larger than any processor cache, all of
 * them in the page cache.
 *
 * Each block begins with its own offset, so that every read of the benchmark is checked for a word:
 * a side that is fast because it reads something else, or nothing, fails. Both sides pay the same
 * few nanoseconds for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench_blocks.h"

enum {
	CHUNK_BLOCKS = 256,
	CHUNK_SIZE = CHUNK_BLOCKS * BENCH_BLOCK_SIZE,
};

static int write_chunk(int fd, uint8_t *bytes, uint64_t offset)
{
	for (unsigned i = 0; i < CHUNK_BLOCKS; i++) {
		uint64_t own_offset = offset + (uint64_t)i * BENCH_BLOCK_SIZE;

		memcpy(bytes + (size_t)i * BENCH_BLOCK_SIZE, &own_offset, sizeof(own_offset));
	}
	return pwrite(fd, bytes, CHUNK_SIZE, (off_t)offset) == CHUNK_SIZE ? 0 : -EIO;
}

static int fill_random(uint8_t *bytes)
{
	for (size_t done = 0; done < CHUNK_SIZE;) {
		ssize_t n = getrandom(bytes + done, CHUNK_SIZE - done, 0);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

static int write_all(int fd, uint64_t chunk_count)
{
	_cleanup_(freep) uint8_t *bytes = malloc(CHUNK_SIZE);
	int r;

	if (!bytes)
		return -ENOMEM;
	r = fill_random(bytes);
	for (uint64_t i = 0; r >= 0 && i < chunk_count; i++)
		r = write_chunk(fd, bytes, i * CHUNK_SIZE);
	return r < 0 || fsync(fd) == 0 ? r : -errno;
}

/* Written pages are cached already; reading them makes that true rather than likely. */
static int read_all(int fd, uint64_t chunk_count)
{
	_cleanup_(freep) uint8_t *bytes = malloc(CHUNK_SIZE);

	if (!bytes)
		return -ENOMEM;
	for (uint64_t i = 0; i < chunk_count; i++)
		if (pread(fd, bytes, CHUNK_SIZE, (off_t)(i * CHUNK_SIZE)) != CHUNK_SIZE)
			return -EIO;
	return 0;
}

int bench_blocks_fill(int fd, uint64_t block_count)
{
	int r;

	assert(block_count % CHUNK_BLOCKS == 0);
	r = write_all(fd, block_count / CHUNK_BLOCKS);
	return r < 0 ? r : read_all(fd, block_count / CHUNK_BLOCKS);
}

int bench_blocks_make_file(struct bench *bench)
{
	static char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/data", bench->options.folder) >= sizeof(path))
		return -ENAMETOOLONG;
	bench->data_path = path;
	bench_remove_later(path);
	bench->data_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (bench->data_fd < 0)
		return -errno;
	return bench_blocks_fill(bench->data_fd, BENCH_DATA_BLOCKS);
}

/* ---- blocks in flight ---- */

const struct bench_shape bench_shape_4k = {
	.size = BENCH_BLOCK_SIZE,
	.depth_max = BENCH_DEPTH_MAX,
	.block_count = BENCH_DATA_BLOCKS,
};

size_t bench_shape_memory(const struct bench_shape *shape)
{
	return shape->depth_max * shape->size;
}

int bench_blocks_init_shape(struct bench_blocks *blocks, const struct bench_shape *shape,
	void *memory)
{
	uint64_t file_size = shape->block_count * BENCH_BLOCK_SIZE;

	assert(shape->block_count > 0 && (shape->block_count & (shape->block_count - 1)) == 0);
	assert((shape->size & (shape->size - 1)) == 0 && shape->size >= BENCH_BLOCK_SIZE);
	assert(shape->depth_max <= BENCH_DEPTH_MAX && shape->size <= file_size);
	*blocks = (struct bench_blocks){
		.shape = *shape,
		.buffers = memory,
		.borrowed = memory != NULL,
		.offset_mask = (file_size - 1) & ~((uint64_t)shape->size - 1),
	};
	if (!memory)
		blocks->buffers = aligned_alloc(BENCH_BLOCK_SIZE, bench_shape_memory(shape));
	if (!blocks->buffers)
		return -ENOMEM;
	/* touched before it is measured, and no block's beginning */
	memset(blocks->buffers, 0xff, bench_shape_memory(shape));
	return 0;
}

int bench_blocks_init(struct bench_blocks *blocks, uint64_t block_count)
{
	const struct bench_shape shape = {
		.size = BENCH_BLOCK_SIZE, .depth_max = BENCH_DEPTH_MAX, .block_count = block_count};

	return bench_blocks_init_shape(blocks, &shape, NULL);
}

void bench_blocks_deinit(struct bench_blocks *blocks)
{
	if (!blocks->borrowed)
		free(blocks->buffers);
	blocks->buffers = NULL;
}

void bench_blocks_begin(struct bench_blocks *blocks, uint64_t seed)
{
	blocks->random = seed;
	blocks->turn = 0;
	for (unsigned i = 0; i < BENCH_DEPTH_MAX; i++)
		blocks->expected[i] = BENCH_NOWHERE;
}

bool bench_blocks_written(const struct bench_blocks *blocks, int fd, uint64_t seed)
{
	uint64_t stamp[2];

	for (unsigned i = 0; i < BENCH_DEPTH_MAX; i++) {
		uint64_t offset = blocks->expected[i];

		if (offset == BENCH_NOWHERE)
			continue;
		if (pread(fd, stamp, sizeof(stamp), (off_t)offset) != sizeof(stamp) ||
			stamp[0] != offset || stamp[1] != seed)
			return false;
	}
	return true;
}
