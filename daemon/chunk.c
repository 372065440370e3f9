/* Chunks. See chunk.h. */
#include "daemon/chunk.h"

#include <stdlib.h>

#include "base/cleanup.h"

enum { KEPT_BYTES_MAX = 16 * 1024 * 1024 };

void chunk_pool_init(struct chunk_pool *pool)
{
	*pool = (struct chunk_pool){0};
	for (size_t i = 0; i < CHUNK_CLASS_COUNT; i++)
		pool->free[i] = LIST_INIT(pool->free[i]);
}

static uint32_t class_of(size_t size)
{
	uint32_t size_class = 0;

	while (((size_t)CHUNK_SIZE_MIN << size_class) < size)
		size_class++;
	assert(size_class < CHUNK_CLASS_COUNT);
	return size_class;
}

static size_t class_footprint(uint32_t size_class)
{
	return ((size_t)CHUNK_SIZE_MIN << size_class) + CHUNK_HEADROOM;
}

size_t chunk_footprint(size_t size)
{
	return class_footprint(class_of(size));
}

void chunk_pool_trim(struct chunk_pool *pool)
{
	for (size_t i = 0; i < CHUNK_CLASS_COUNT; i++) {
		struct list *link;

		while ((link = list_pop(&pool->free[i])))
			free(list_entry(link, struct chunk, link));
	}
	pool->kept_bytes = 0;
}

void chunk_pool_deinit(struct chunk_pool *pool)
{
	assert(pool->used_bytes == 0);
	chunk_pool_trim(pool);
}

struct chunk *chunk_new(struct chunk_pool *pool, size_t size)
{
	uint32_t size_class = class_of(size);
	size_t footprint = class_footprint(size_class);
	struct list *link = list_pop(&pool->free[size_class]);
	struct chunk *chunk =
		link ? list_entry(link, struct chunk, link) : malloc(sizeof(*chunk) + footprint);

	if (!chunk)
		return NULL;
	if (link)
		pool->kept_bytes -= footprint;
	pool->used_bytes += footprint;
	chunk->link = (struct list){0};
	chunk->capacity = footprint;
	chunk->head = chunk->tail = CHUNK_HEADROOM;
	chunk->size_class = size_class;
	chunk->fd_count = 0;
	return chunk;
}

struct chunk *chunk_free(struct chunk_pool *pool, struct chunk *chunk)
{
	size_t footprint;

	if (!chunk)
		return NULL;
	footprint = class_footprint(chunk->size_class);
	assert(!list_linked(&chunk->link) && pool->used_bytes >= footprint);
	assert(chunk->fd_count == 0);
	pool->used_bytes -= footprint;
	if (pool->kept_bytes + footprint > KEPT_BYTES_MAX) {
		free(chunk);
	} else {
		pool->kept_bytes += footprint;
		list_append(&pool->free[chunk->size_class], &chunk->link);
	}
	return NULL;
}
