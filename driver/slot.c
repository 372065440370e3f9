/* Growing and freeing the table of slots. See slot.h. */
#include "driver/slot.h"

#include <errno.h>
#include <stdlib.h>

void slots_init(struct slots *slots)
{
	*slots = (struct slots){0};
}

void slots_deinit(struct slots *slots)
{
	for (uint32_t i = 0; i < slots->block_count; i++)
		free(slots->blocks[i]);
	free(slots->blocks);
	slots_init(slots);
}

int slots_grow(struct slots *slots)
{
	struct slot **blocks, *block;
	uint32_t first = slots_count(slots);

	/* indices from 2^30 on would leave no room for what drivers put beside them */
	if (first >= UINT32_C(1) << 30)
		return -ENOMEM;
	blocks = realloc(slots->blocks, (slots->block_count + 1) * sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	slots->blocks = blocks;
	block = aligned_alloc(sizeof(struct slot), SLOTS_PER_BLOCK * sizeof(struct slot));
	if (!block)
		return -ENOMEM;
	for (uint32_t i = 0; i < SLOTS_PER_BLOCK; i++)
		block[i] = (struct slot){
			.key = SLOT_GENERATION_ONE | (first + i),
			.next_free = i + 1 < SLOTS_PER_BLOCK ? &block[i + 1] : slots->free,
		};
	slots->blocks[slots->block_count++] = block;
	slots->free = block;
	return 0;
}
