/*
 * A slab: objects of one size, handed out and taken back without touching the allocator.
 *
 * It grows by whole blocks when it runs out and gives them back only when it ends, so that a steady
 * load allocates nothing. Objects keep their address. What is handed out holds whatever the last
 * owner left in it.
 */
#pragma once

#include "base/def.h"

struct slab_block;

struct slab {
	struct slab_block *blocks;
	void *free;
	size_t object_size;
	size_t used_count;
};

/* @object_size is rounded up to a multiple of 16. Nothing is allocated yet. */
void slab_init(struct slab *slab, size_t object_size);

/* Frees every block; all objects must have come back. */
void slab_deinit(struct slab *slab);

/* NULL when memory is short. */
void *slab_take(struct slab *slab);

void slab_give(struct slab *slab, void *object);
