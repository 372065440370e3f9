/* Deadlines. See deadlines.h. */
#include "driver/deadlines.h"

#include <errno.h>
#include <stdlib.h>

enum { CAPACITY_FIRST = 64 };

void deadlines_deinit(struct deadlines *deadlines)
{
	assert(deadlines->count == 0);
	free(deadlines->heap);
	*deadlines = (struct deadlines){0};
}

static void put(struct deadlines *deadlines, uint32_t place, struct deadline *deadline)
{
	deadlines->heap[place] = deadline;
	deadline->place = place;
}

/* Moves @deadline from @place towards the top as far as it is earlier than those above. */
static void rise(struct deadlines *deadlines, uint32_t place, struct deadline *deadline)
{
	while (place > 1 && deadlines->heap[place / 2]->at_ns > deadline->at_ns) {
		put(deadlines, place, deadlines->heap[place / 2]);
		place /= 2;
	}
	put(deadlines, place, deadline);
}

static void sink(struct deadlines *deadlines, uint32_t place, struct deadline *deadline)
{
	for (;;) {
		uint32_t below = 2 * place;

		if (below + 1 <= deadlines->count &&
			deadlines->heap[below + 1]->at_ns < deadlines->heap[below]->at_ns)
			below++;
		if (below > deadlines->count || deadlines->heap[below]->at_ns >= deadline->at_ns)
			break;
		put(deadlines, place, deadlines->heap[below]);
		place = below;
	}
	put(deadlines, place, deadline);
}

static int grow(struct deadlines *deadlines)
{
	uint32_t capacity = MAX(deadlines->capacity * 2, (uint32_t)CAPACITY_FIRST);
	struct deadline **heap = realloc(deadlines->heap, (capacity + 1) * sizeof(*heap));

	if (!heap)
		return -ENOMEM;
	deadlines->heap = heap;
	deadlines->capacity = capacity;
	return 0;
}

int deadlines_add(struct deadlines *deadlines, struct deadline *deadline, uint64_t at_ns)
{
	assert(deadline->place == 0);
	if (deadlines->count == deadlines->capacity && grow(deadlines) < 0)
		return -ENOMEM;
	deadline->at_ns = at_ns;
	rise(deadlines, ++deadlines->count, deadline);
	return 0;
}

void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline)
{
	uint32_t place = deadline->place;
	struct deadline *last;

	if (place == 0)
		return;
	assert(place <= deadlines->count && deadlines->heap[place] == deadline);
	last = deadlines->heap[deadlines->count--];
	deadline->place = 0;
	if (last == deadline)
		return;
	if (place > 1 && last->at_ns < deadlines->heap[place / 2]->at_ns)
		rise(deadlines, place, last);
	else
		sink(deadlines, place, last);
}

struct deadline *deadlines_pop(struct deadlines *deadlines, uint64_t now_ns)
{
	struct deadline *first = deadlines->count > 0 ? deadlines->heap[1] : NULL;

	if (!first || first->at_ns > now_ns)
		return NULL;
	deadlines_remove(deadlines, first);
	return first;
}
