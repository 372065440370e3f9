/* Heavy operations. See heavy.h. */
#include "daemon/heavy.h"

#include <errno.h>

#include "base/pieces.h"
#include "daemon/operation.h"
#include "daemon/session.h"

/* ---- which ---- */

static bool is_vector(const struct proactor_op *op)
{
	return op->opcode == PROACTOR_READV || op->opcode == PROACTOR_WRITEV;
}

static bool is_transfer(const struct proactor_op *op)
{
	return op->opcode == PROACTOR_READ || op->opcode == PROACTOR_WRITE || is_vector(op);
}

static uint64_t size_of(const struct proactor_op *op)
{
	return is_vector(op) ? pieces_size(op->readv.pieces, op->readv.count) : op->read.size;
}

/*
 * The pieces of a readv and writev that are all bytes lie in the chunk one after another: it is a
 * read or write.
 */
static void join_pieces(struct operation *operation)
{
	struct proactor_op *op = &operation->op;

	*op = (struct proactor_op){
		.opcode = op->opcode == PROACTOR_READV ? PROACTOR_READ : PROACTOR_WRITE,
		.read = {.file = op->readv.file,
			.data = operation->chunk->bytes + operation->chunk->head,
			.size = size_of(op),
			.offset = op->readv.offset},
	};
}

/*
 * What waits for somebody (a pipe, a socket) copies nothing when it is submitted; nobody can tell
 * that of a file that has a position, so that only those count that are known to be on a disk.
 */
static bool is_on_disk(const struct operation *operation)
{
	return operation->op.read.offset >= 0 || operation->files[0]->is_on_disk;
}

/* all that is a transfer has its offset at the same place */
_Static_assert(offsetof(struct proactor_op, read.offset) ==
			offsetof(struct proactor_op, readv.offset) &&
		offsetof(struct proactor_op, write.offset) ==
			offsetof(struct proactor_op, writev.offset) &&
		offsetof(struct proactor_op, read.offset) ==
			offsetof(struct proactor_op, write.offset),
	"one goes on as the other");

/* ---- waiting ---- */

static void wait_for_turn(struct operation *operation)
{
	struct session *session = operation->session;

	list_append(&session->heavy, &operation->heavy_link);
	if (!list_linked(&session->heavy_link))
		list_append(&session->shard->heavy, &session->heavy_link);
}

bool heavy_takes(struct operation *operation)
{
	struct proactor_op *op = &operation->op;
	uint64_t size;

	if (!is_transfer(op))
		return false;
	size = size_of(op);
	if (size <= HEAVY_SIZE || !is_on_disk(operation))
		return false;
	if (is_vector(op) && operation->memories == 0)
		join_pieces(operation);
	operation->is_heavy = true;
	operation->left = size;
	operation->done = 0;
	wait_for_turn(operation);
	return true;
}

bool heavy_cancel(struct operation *operation)
{
	if (!list_linked(&operation->heavy_link))
		return false;
	list_remove(&operation->heavy_link);
	if (list_empty(&operation->session->heavy))
		list_remove(&operation->session->heavy_link);
	loop_post(session_loop(operation->session), &operation->task, -ECANCELED);
	return true;
}

/* ---- going on ---- */

bool heavy_goes_on(struct operation *operation, int64_t result, int64_t *ret_result)
{
	struct proactor_op *op = &operation->op;
	uint64_t moved = (uint64_t)MAX(result, INT64_C(0));
	bool is_whole = moved == operation->under_way && moved > 0;

	operation->done += moved;
	operation->left -= moved;
	if (is_whole && operation->left > 0 && !operation->cancelled &&
		operation->session->state != SESSION_CLOSING) {
		if (is_vector(op))
			/* the array is the operation's own, see params.c */
			pieces_advance(&op->readv.pieces, &op->readv.count, moved);
		else
			op->read.data = (uint8_t *)op->read.data + moved;
		op->read.offset += (int64_t)moved;
		wait_for_turn(operation);
		return true;
	}
	/* what was moved was moved, as with a transfer that a signal ends */
	*ret_result = operation->done > 0 ? (int64_t)operation->done : result;
	return false;
}

/* As much of the pieces as @size, in @room, from where the push takes a copy. */
static void cut_pieces(struct proactor_op *op, uint64_t size, struct iovec room[IOV_MAX])
{
	size_t count = 0;

	for (; size > 0; count++) {
		room[count] = op->readv.pieces[count];
		room[count].iov_len = MIN(room[count].iov_len, size);
		size -= room[count].iov_len;
	}
	op->readv.pieces = room;
	op->readv.count = count;
}

/* Submits the next piece of @session's first, which had the longest wait. Returns its size. */
static size_t start_piece(struct session *session)
{
	struct list *link = list_pop(&session->heavy);
	struct operation *operation = list_entry(link, struct operation, heavy_link);
	struct proactor_op op = operation->op;

	/* at the file's own position others may come in between: one piece it stays */
	operation->under_way = op.read.offset >= 0
		? MIN(operation->left, (uint64_t)HEAVY_PIECE_SIZE)
		: operation->left;
	if (is_vector(&op))
		cut_pieces(&op, operation->under_way, session->shard->codec.pieces);
	else
		op.read.size = operation->under_way;
	loop_push(session_loop(session), &operation->task, &op);
	return operation->under_way;
}

void heavy_turn(struct shard *shard)
{
	uint64_t submitted = 0;
	struct list *link;

	if (list_empty(&shard->heavy))
		return;
	if (shard->light_count > 0 && !shard->heavy_waited) {
		shard->light_count = 0;
		shard->heavy_waited = true;
		return;
	}
	shard->light_count = 0;
	shard->heavy_waited = false;
	while (submitted < HEAVY_TURN_SIZE && (link = list_pop(&shard->heavy))) {
		struct session *session = list_entry(link, struct session, heavy_link);

		submitted += start_piece(session);
		if (!list_empty(&session->heavy))
			list_append(&shard->heavy, &session->heavy_link);
	}
}
