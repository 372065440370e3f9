/* Responses. See reply.h. */
#include "daemon/reply.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/params.h"
#include "proto/brief.h"
#include "proto/codec.h"

struct pack reply_begin(struct session *session, uint32_t msgid)
{
	struct pack pack = pack_into(&session->shard->scratch);

	buffer_clear(&session->shard->scratch);
	rpc_pack_success(&pack, msgid);
	return pack;
}

/* Where a frame of @size bytes is to go: back where the request came from, as far as it fits. */
static bool goes_by_ring(const struct session *session, size_t size)
{
	return session->ring && session->ring->answers && size <= QUEUE_FRAME_SIZE_MAX;
}

static bool put_slot(struct ring *ring, const uint8_t *frame, size_t size)
{
	struct queue_slot response = {.size = (uint8_t)size};

	memcpy(response.frame, frame, size);
	return ring_put(ring, &response, /* is_paid= */ false);
}

static bool put(struct session *session, const struct buffer *frame)
{
	if (goes_by_ring(session, buffer_size(frame)))
		return put_slot(session->ring, buffer_bytes(frame), buffer_size(frame));
	return outbox_append(session, buffer_bytes(frame), buffer_size(frame));
}

void reply_end(struct session *session, struct pack *pack)
{
	/* an answer that cannot be given leaves the client waiting for ever: better to close */
	if (pack->failed || !put(session, pack->buffer))
		session_close(session);
}

void reply_nil(struct session *session, uint32_t msgid)
{
	struct pack pack = reply_begin(session, msgid);

	pack_nil(&pack);
	reply_end(session, &pack);
}

void reply_end_with_fds(struct session *session, struct pack *pack, const int *fds, unsigned count)
{
	struct chunk *chunk =
		pack->failed ? NULL : chunk_new(&session->shard->chunks, buffer_size(pack->buffer));

	if (!chunk) {
		for (unsigned i = 0; i < count; i++)
			session_give_fd(session, fds[i]);
		session_close(session);
		return;
	}
	/* as in outbox_append(): an answer has to go out */
	account_force(&session->account, session->user, RESOURCE_MEMORY, chunk->capacity);
	memcpy(chunk->bytes + chunk->tail, buffer_bytes(pack->buffer), buffer_size(pack->buffer));
	chunk->tail += buffer_size(pack->buffer);
	chunk->fd_count = count;
	memcpy(chunk->fds, fds, count * sizeof(fds[0]));
	outbox_append_chunk(session, chunk);
}

void reply_error(struct session *session, uint32_t msgid, const struct rpc_error *error)
{
	struct pack pack = pack_into(&session->shard->scratch);

	buffer_clear(&session->shard->scratch);
	rpc_pack_error(&pack, msgid, error);
	reply_end(session, &pack);
}

/*
 * The header goes into the room before the data, what follows it behind, and the chunk out as it
 * is.
 */
static void reply_bytes(struct operation *operation, struct pack *pack, int64_t result)
{
	struct chunk *chunk = TAKE_PTR(operation->chunk);
	size_t header_size = buffer_size(pack->buffer);

	/* one more for an array that the bytes are in */
	_Static_assert((int)RPC_BYTES_HEADER_MAX < (int)CHUNK_HEADROOM,
		"the header fits before the data");
	assert(header_size <= chunk->head && (size_t)result <= chunk_room(chunk));
	chunk->tail = chunk->head + (size_t)result;
	chunk->head -= header_size;
	memcpy(chunk->bytes + chunk->head, buffer_bytes(pack->buffer), header_size);
	buffer_clear(pack->buffer);
	codec_pack_trailer(pack, &operation->op);
	assert(buffer_size(pack->buffer) <= chunk_room(chunk));
	if (buffer_size(pack->buffer) > 0)
		memcpy(chunk->bytes + chunk->tail, buffer_bytes(pack->buffer),
			buffer_size(pack->buffer));
	chunk->tail += buffer_size(pack->buffer);
	if (!goes_by_ring(operation->session, chunk_size(chunk))) {
		outbox_append_chunk(operation->session, chunk);
		return;
	}
	if (!put_slot(operation->session->ring, chunk->bytes + chunk->head, chunk_size(chunk)))
		session_close(operation->session);
	session_give_chunk(operation->session, chunk);
}

static void set_error(const struct operation *operation, int code, struct rpc_error *error)
{
	const char *name = op_table[operation->op.opcode].name;
	const char *path = params_path(operation, 0), *other = params_path(operation, 1);

	if (other)
		rpc_error_set(error, code, "%s \"%s\", \"%s\"", name, path, other);
	else if (path)
		rpc_error_set(error, code, "%s \"%s\"", name, path);
	else
		rpc_error_set(error, code, "%s", name);
}

/* What was begun in the scratch buffer gets its result. */
static void end_with_result(struct operation *operation, struct pack *pack, int64_t result)
{
	if (operation->pool)
		codec_pack_result_in_pool(pack, result, operation->task.buffer);
	else if (operation->memories)
		codec_pack_result_in_memory(pack, &operation->op, result);
	else
		codec_pack_result(pack, &operation->op, result);
	if (!pack->failed && !operation->memories && !operation->pool &&
		codec_result_has_bytes(op_table[operation->op.opcode].result))
		reply_bytes(operation, pack, result);
	else
		reply_end(operation->session, pack);
}

static void reply_completion(struct operation *operation, int64_t result)
{
	struct pack pack = pack_into(&operation->session->shard->scratch);

	buffer_clear(pack.buffer);
	rpc_pack_completion(&pack, (uint32_t)operation->node.key);
	end_with_result(operation, &pack, result);
}

/* Of an error, so that it fits a slot. */
enum { ERROR_IN_SLOT_MAX = QUEUE_FRAME_SIZE_MAX - RPC_ERROR_FRAME_MAX };

static void reply_outcome(struct operation *operation, int64_t result)
{
	uint32_t msgid = (uint32_t)operation->node.key;
	struct rpc_error error = {0};
	struct pack pack;

	if (result < 0) {
		set_error(operation, (int)-result, &error);
		/* by the socket it might overtake the shots; there is no path in the message */
		if (operation->multishot && operation->by_ring)
			error.message[MIN(strlen(error.message), (size_t)ERROR_IN_SLOT_MAX)] = '\0';
		reply_error(operation->session, msgid, &error);
		return;
	}
	pack = reply_begin(operation->session, msgid);
	end_with_result(operation, &pack, result);
}

/* ---- by the ring ---- */

static void put_brief(struct operation *operation, const struct queue_slot *slot)
{
	/* shots from a pool were paid for when that was made */
	if (!ring_put(operation->session->ring, slot, operation->pool != NULL))
		session_close(operation->session);
}

/* Whether the answer has a brief form: nothing, or a number. */
static bool is_brief(const struct operation *operation, int64_t result)
{
	enum op_result kind = op_table[operation->op.opcode].result;

	return result >= 0 && result <= UINT32_MAX &&
		(kind == OP_RESULT_NOTHING || kind == OP_RESULT_COUNT ||
			(kind == OP_RESULT_BYTES && operation->memories));
}

static void reply_brief(struct operation *operation, int64_t result)
{
	bool is_nil = op_table[operation->op.opcode].result == OP_RESULT_NOTHING;
	struct queue_slot response = {0}; /* what was on the stack is not for the client */

	brief_write_response(&response, (uint32_t)operation->node.key, is_nil, (uint32_t)result);
	put_brief(operation, &response);
}

static bool is_brief_shot(const struct operation *operation, int64_t result)
{
	return (operation->op.opcode != PROACTOR_RECV || operation->pool) && result <= UINT32_MAX;
}

static enum brief_kind kind_of_shot(const struct operation *operation)
{
	if (operation->pool)
		return BRIEF_BUFFER;
	return operation->op.opcode == PROACTOR_ACCEPT ? BRIEF_FILE : BRIEF_NUMBER;
}

static void reply_brief_shot(struct operation *operation, int64_t result)
{
	const struct brief_shot shot = {
		.kind = kind_of_shot(operation),
		.msgid = (uint32_t)operation->node.key,
		.result = (uint32_t)result,
		.buffer = (uint32_t)operation->task.buffer,
	};
	struct queue_slot slot = {0};

	brief_write_shot(&slot, &shot);
	put_brief(operation, &slot);
}

/* ---- whichever way ---- */

/* As @reply does, back where the operation came from. */
static void reply_back(struct operation *operation, int64_t result,
	void (*reply)(struct operation *operation, int64_t result))
{
	struct ring *ring = operation->session->ring;

	if (operation->by_ring)
		ring->answers = true;
	reply(operation, result);
	if (operation->by_ring)
		ring->answers = false;
}

void reply_operation(struct operation *operation, int64_t result)
{
	if (likely(operation->by_ring && is_brief(operation, result)))
		reply_brief(operation, result);
	else
		reply_back(operation, result, reply_outcome);
}

void reply_shot(struct operation *operation, int64_t result)
{
	if (likely(operation->by_ring && is_brief_shot(operation, result)))
		reply_brief_shot(operation, result);
	else
		reply_back(operation, result, reply_completion);
}
