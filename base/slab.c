/* Objects of one size. See slab.h. */
#include "base/slab.h"

#include <stdlib.h>

struct slab_block {
	struct slab_block *next;
	_Alignas(16) uint8_t objects[];
};

enum { BLOCK_SIZE = 32 * 1024, ALIGNMENT = 16 };

void slab_init(struct slab *slab, size_t object_size)
{
	assert(object_size > 0);
	*slab = (struct slab){
		.object_size = (object_size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1)};
}

void slab_deinit(struct slab *slab)
{
	struct slab_block *block;

	assert(slab->used_count == 0);
	while ((block = slab->blocks)) {
		slab->blocks = block->next;
		free(block);
	}
	slab->free = NULL;
}

static void push_free(struct slab *slab, void *object)
{
	*(void **)object = slab->free;
	slab->free = object;
}

static bool grow(struct slab *slab)
{
	size_t count = MAX((size_t)BLOCK_SIZE / slab->object_size, (size_t)1);
	struct slab_block *block = malloc(sizeof(*block) + count * slab->object_size);

	if (!block)
		return false;
	block->next = slab->blocks;
	slab->blocks = block;
	/* from the end, so that the first taken is the first in memory */
	while (count-- > 0)
		push_free(slab, block->objects + count * slab->object_size);
	return true;
}

void *slab_take(struct slab *slab)
{
	void *object;

	if (unlikely(!slab->free) && !grow(slab))
		return NULL;
	object = slab->free;
	slab->free = *(void **)object;
	slab->used_count++;
	return object;
}

void slab_give(struct slab *slab, void *object)
{
	assert(slab->used_count > 0);
	slab->used_count--;
	push_free(slab, object);
}
