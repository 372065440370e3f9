/*
 * Where answers go: what the remote driver remembers of an operation from push to pop, beside its
 * slot, and how it is cut to what the daemon takes.
 *
 * One piece of memory stands in the slot. What has more (several pieces, an address besides) has a
 * struct room, from a slab, in the slot's stash. Pieces that all are in memory that the daemon
 * shares need none: they are filled when the answer comes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/remote.h"

enum { ROOM_PIECES = 8 };

struct room {
	struct proactor_address *address;
	struct msghdr *message;
	struct iovec *pieces; /* @few, or from malloc(); NULL: the slot has the one piece */
	size_t count;
	struct iovec few[ROOM_PIECES];
};

void remote_rooms_init(struct remote *remote)
{
	slab_init(&remote->rooms, sizeof(struct room));
}

static struct room *room_new(struct remote *remote, struct slot *slot)
{
	struct room *room = slab_take(&remote->rooms);

	if (!room)
		return NULL;
	room->address = NULL;
	room->message = NULL;
	room->pieces = NULL;
	room->count = 0;
	slot->stash = room;
	slot->stash_kind = REMOTE_STASH_ROOM;
	return room;
}

void remote_forget(struct proactor *proactor, struct slot *slot)
{
	struct remote *remote = container_of(proactor, struct remote, base);
	struct room *room = slot->stash_kind == REMOTE_STASH_ROOM ? slot->stash : NULL;

	slot->stash_kind = 0;
	if (!room)
		return;
	if (room->pieces != room->few)
		free(room->pieces);
	slab_give(&remote->rooms, room);
	slot->stash = NULL;
}

/* ---- cutting ---- */

/* What a piece takes of a message besides itself. */
enum { PIECE_HEADER_SIZE = 5 };

/*
 * As much of @pieces as the daemon takes, in the driver's own array. Returns how many, and
 * @ret_size how many bytes.
 */
static size_t cut(struct remote *remote, const struct iovec *pieces, size_t count, size_t *ret_size)
{
	size_t kept = MIN(count, remote->piece_count_max), size = 0,
	       max = MIN(remote->transfer_size, remote->frame_room - kept * PIECE_HEADER_SIZE);

	for (size_t i = 0; i < kept; i++) {
		size_t part = MIN(pieces[i].iov_len, max - size);

		remote->pieces[i] = (struct iovec){pieces[i].iov_base, part};
		size += part;
	}
	*ret_size = size;
	return kept;
}

/* ---- keeping ---- */

/* One piece of memory: they all have it, and its size, at the same place. */
_Static_assert(offsetof(struct proactor_op, read.size) ==
			offsetof(struct proactor_op, write.size) &&
		offsetof(struct proactor_op, read.size) ==
			offsetof(struct proactor_op, recv.size) &&
		offsetof(struct proactor_op, read.size) ==
			offsetof(struct proactor_op, send.size) &&
		offsetof(struct proactor_op, read.size) ==
			offsetof(struct proactor_op, recvfrom.size) &&
		offsetof(struct proactor_op, read.size) ==
			offsetof(struct proactor_op, sendto.size),
	"keep_memory() takes them together");

static void keep_memory(const struct remote *remote, struct proactor_op *op, struct slot *slot)
{
	op->read.size = MIN(op->read.size, remote->transfer_size);
	slot->space.data = op->read.data;
	slot->space.size = op->read.size;
}

static int keep_address(struct remote *remote, struct proactor_op *op, struct slot *slot)
{
	struct room *room;

	keep_memory(remote, op, slot);
	if (!op->recvfrom.address)
		return 0;
	room = room_new(remote, slot);
	if (!room)
		return -ENOMEM;
	room->address = op->recvfrom.address;
	return 0;
}

/* Keeps a copy of @count pieces of the driver's array. */
static int keep_pieces(struct remote *remote, struct slot *slot, size_t count)
{
	struct room *room = room_new(remote, slot);

	if (!room)
		return -ENOMEM;
	room->pieces = count <= ROOM_PIECES ? room->few : malloc(count * sizeof(*room->pieces));
	if (!room->pieces)
		return -ENOMEM;
	room->count = count;
	memcpy(room->pieces, remote->pieces, count * sizeof(*room->pieces));
	return 0;
}

static int keep_vector(struct remote *remote, struct proactor_op *op, struct slot *slot)
{
	/* readv and writev are alike */
	op->readv.count = cut(remote, op->readv.pieces, op->readv.count, &slot->space.size);
	op->readv.pieces = remote->pieces;
	if (remote_name_pieces(remote, op->readv.count)) {
		slot->marks |= SLOT_IN_MEMORY;
		return 0;
	}
	return op->opcode == PROACTOR_READV ? keep_pieces(remote, slot, op->readv.count) : 0;
}

/* What is sent, or the size of what may come, is that of the driver's own message. */
static int keep_message(struct remote *remote, struct proactor_op *op, struct slot *slot)
{
	struct msghdr *message = op->recvmsg.message;
	size_t count = cut(remote, message->msg_iov, message->msg_iovlen, &slot->space.size);
	int r;

	remote->message = *message;
	remote->message.msg_iov = remote->pieces;
	remote->message.msg_iovlen = count;
	op->recvmsg.message = &remote->message;
	/* what is received is in one piece */
	if ((op->opcode == PROACTOR_SENDMSG || count == 1) && remote_name_pieces(remote, count))
		slot->marks |= SLOT_IN_MEMORY;
	if (op->opcode == PROACTOR_SENDMSG)
		return 0;
	r = keep_pieces(remote, slot, count);
	if (r == 0)
		((struct room *)slot->stash)->message = message;
	return r;
}

int remote_keep(struct remote *remote, struct proactor_op *op, struct slot *slot)
{
	if (op->flags & PROACTOR_MULTISHOT)
		slot->stash_kind = REMOTE_STASH_SHOOTS;
	switch (op->opcode) {
	case PROACTOR_READ:
	case PROACTOR_RECV:
	case PROACTOR_WRITE:
	case PROACTOR_SEND:
	case PROACTOR_SENDTO: keep_memory(remote, op, slot); return 0;
	case PROACTOR_RECVFROM: return keep_address(remote, op, slot);
	case PROACTOR_READV:
	case PROACTOR_WRITEV: return keep_vector(remote, op, slot);
	case PROACTOR_RECVMSG:
	case PROACTOR_SENDMSG: return keep_message(remote, op, slot);
	case PROACTOR_ACCEPT: slot->address = op->accept.address; return 0;
	case PROACTOR_STAT: slot->stat = op->stat.stat; return 0;
	case PROACTOR_SPLICE: slot->space.size = (size_t)op->splice.size; return 0;
	case PROACTOR_RENAME:
	case PROACTOR_LINK: slot->lent = -1; return 0;
	default: return 0;
	}
}

/* ---- filling ---- */

void remote_room_of(const struct remote *remote, const struct slot *slot,
	struct codec_result *ret_result)
{
	const struct room *room = slot->stash_kind == REMOTE_STASH_ROOM ? slot->stash : NULL;

	if (remote_selects(slot)) {
		remote_select_room(remote, slot, ret_result);
		return;
	}
	*ret_result = (struct codec_result){0};
	if (remote_pools(slot))
		return;
	switch (op_table[slot->opcode].result) {
	case OP_RESULT_BYTES:
	case OP_RESULT_COUNT:
	case OP_RESULT_DATAGRAM:
	case OP_RESULT_MESSAGE:
		ret_result->data = slot->space.data;
		ret_result->size = slot->space.size;
		break;
	case OP_RESULT_ACCEPTED: ret_result->address = slot->address; break;
	case OP_RESULT_STAT: ret_result->stat = slot->stat; break;
	default: break;
	}
	if (room) {
		ret_result->pieces = room->pieces;
		ret_result->address = room->address;
	}
}

/* As recvmsg(2) does with the name: cut to its room, in its whole size. */
void remote_fill_message(const struct slot *slot, const struct codec_result *result,
	const struct proactor_address *address)
{
	const struct room *room = slot->stash_kind == REMOTE_STASH_ROOM ? slot->stash : NULL;
	struct msghdr *message = room ? room->message : NULL;

	if (!message || result->result < 0)
		return;
	if (message->msg_name) {
		memcpy(message->msg_name, &address->storage,
			MIN((size_t)message->msg_namelen, (size_t)address->size));
		message->msg_namelen = address->size;
	}
	message->msg_controllen = 0;
	message->msg_flags = (int)result->message_flags;
}
