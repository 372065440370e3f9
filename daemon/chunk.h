/*
 * Chunks: the memory that data passes through, from an operation's buffer to the send that carries
 * it to the client.
 *
 * A read's chunk leaves room before the data, so that the response's header is put there and chunk
 * after chunk goes out as they are, without a copy:
 *
 *      bytes   head                     tail      capacity
 *        | room | header | data          | free     |
 *
 * Sizes are powers of two from 4 KiB, each with a little room for headers. Freed chunks are kept
 * for the next, up to a bound.
 */
#pragma once

#include "base/list.h"

enum { CHUNK_CLASS_COUNT = 15, CHUNK_SIZE_MIN = 4096, CHUNK_HEADROOM = 64, CHUNK_FDS_MAX = 3 };

struct chunk {
	struct list link;
	size_t capacity;
	size_t head;
	size_t tail;
	uint32_t size_class;
	/* ride on the first byte; taken off before the chunk is freed */
	int fds[CHUNK_FDS_MAX];
	unsigned fd_count;
	_Alignas(void *) uint8_t bytes[]; /* may begin with an array of pointers */
};

struct chunk_pool {
	struct list free[CHUNK_CLASS_COUNT];
	size_t used_bytes; /* handed out */
	size_t kept_bytes; /* on the free lists */
};

void chunk_pool_init(struct chunk_pool *pool);

/* All chunks must have come back. */
void chunk_pool_deinit(struct chunk_pool *pool);

/* Frees what is kept. */
void chunk_pool_trim(struct chunk_pool *pool);

/* What a chunk for @size bytes takes, for accounting. */
size_t chunk_footprint(size_t size);

/*
 * A chunk with room for @size bytes after CHUNK_HEADROOM, where head and tail stand. NULL when
 * memory is short.
 */
struct chunk *chunk_new(struct chunk_pool *pool, size_t size);

/* Accepts NULL. Always returns NULL. */
struct chunk *chunk_free(struct chunk_pool *pool, struct chunk *chunk);

static inline size_t chunk_size(const struct chunk *chunk)
{
	return chunk->tail - chunk->head;
}

static inline size_t chunk_room(const struct chunk *chunk)
{
	assert(chunk->tail <= chunk->capacity);
	return chunk->capacity - chunk->tail;
}
