/*
 * Operations that are kept: copies that outlive push, while they wait for readiness or are with a
 * thread.
 *
 * What an operation points to (a path, an address, an array of pieces) goes to a room of a slab, or
 * is allocated where that is too small; most need none.
 */
#pragma once

#include "base/slab.h"
#include "driver/op.h"

enum { KEPT_ROOM_SIZE = 256 }; /* an address, most paths, 16 pieces: for the slab of rooms */

struct kept {
	struct proactor_op op;
	void *room;      /* what @op points to; NULL: nothing */
	bool is_outsize; /* the room is from malloc() */
};

/* -ENOMEM. */
int kept_init(struct kept *kept, const struct proactor_op *op, struct slab *rooms);

/* @rooms as given to kept_init(). Idempotent, also on a zeroed one. */
void kept_deinit(struct kept *kept, struct slab *rooms);

/* How much a transfer is to transfer in all; 0: it is none of those that can be continued. */
uint64_t kept_size(const struct proactor_op *op);

/* The first @size bytes of the transfer are done: what is kept is the rest. */
void kept_advance(struct kept *kept, uint64_t size);
