/* Copies of operations. See kept.h. */
#include "driver/kept.h"

#include <errno.h>
#include <stdlib.h>

#include "base/pieces.h"

int kept_init(struct kept *kept, const struct proactor_op *op, struct slab *rooms)
{
	size_t size = op_copy_size(op);

	kept->is_outsize = size > KEPT_ROOM_SIZE;
	kept->room = size == 0 ? NULL : kept->is_outsize ? malloc(size) : slab_take(rooms);
	if (size > 0 && !kept->room)
		return -ENOMEM;
	op_copy(&kept->op, op, kept->room);
	return 0;
}

void kept_deinit(struct kept *kept, struct slab *rooms)
{
	if (kept->is_outsize)
		free(kept->room);
	else if (kept->room)
		slab_give(rooms, kept->room);
	kept->room = NULL;
	kept->is_outsize = false;
}

uint64_t kept_size(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_READ: return op->read.size;
	case PROACTOR_WRITE: return op->write.size;
	case PROACTOR_RECV: return op->recv.size;
	case PROACTOR_SEND: return op->send.size;
	case PROACTOR_READV: return pieces_size(op->readv.pieces, op->readv.count);
	case PROACTOR_WRITEV: return pieces_size(op->writev.pieces, op->writev.count);
	default: return 0;
	}
}

/* read, write, recv and send have their memory in one place, */
_Static_assert(offsetof(struct proactor_op, read.data) == offsetof(struct proactor_op, recv.data) &&
		offsetof(struct proactor_op, read.data) ==
			offsetof(struct proactor_op, send.data) &&
		offsetof(struct proactor_op, read.data) ==
			offsetof(struct proactor_op, write.data) &&
		offsetof(struct proactor_op, read.size) ==
			offsetof(struct proactor_op, recv.size) &&
		offsetof(struct proactor_op, read.size) ==
			offsetof(struct proactor_op, send.size) &&
		offsetof(struct proactor_op, read.size) == offsetof(struct proactor_op, write.size),
	"one advances as the other");
/* and the offset of those that have one stands behind it, */
_Static_assert(offsetof(struct proactor_op, read.offset) ==
			offsetof(struct proactor_op, write.offset) &&
		offsetof(struct proactor_op, read.offset) ==
			offsetof(struct proactor_op, readv.offset) &&
		offsetof(struct proactor_op, read.offset) ==
			offsetof(struct proactor_op, writev.offset),
	"one advances as the other");

static void advance_offset(struct proactor_op *op, uint64_t size)
{
	if (op->opcode == PROACTOR_RECV || op->opcode == PROACTOR_SEND)
		return;
	if (op->read.offset >= 0)
		op->read.offset += (int64_t)size;
}

void kept_advance(struct kept *kept, uint64_t size)
{
	struct proactor_op *op = &kept->op;

	assert(size <= kept_size(op));
	advance_offset(op, size);
	if (op->opcode == PROACTOR_READV || op->opcode == PROACTOR_WRITEV) {
		/* the array is ours */
		pieces_advance(&op->readv.pieces, &op->readv.count, size);
		return;
	}
	op->read.data = (uint8_t *)op->read.data + size;
	op->read.size -= size;
}
