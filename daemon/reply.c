/* Responses. See reply.h. */
#include "daemon/reply.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/params.h"
#include "proto/codec.h"

struct pack reply_begin(struct session *session, uint32_t msgid)
{
	struct pack pack = pack_into(&session->server->scratch);

	buffer_clear(&session->server->scratch);
	rpc_pack_success(&pack, msgid);
	return pack;
}

void reply_end(struct session *session, struct pack *pack)
{
	/* an answer that cannot be given leaves the client waiting for ever: better to close */
	if (pack->failed)
		session_close(session);
	else
		(void)outbox_append(session, buffer_bytes(pack->buffer), buffer_size(pack->buffer));
}

void reply_nil(struct session *session, uint32_t msgid)
{
	struct pack pack = reply_begin(session, msgid);

	pack_nil(&pack);
	reply_end(session, &pack);
}

void reply_end_with_fd(struct session *session, struct pack *pack, int fd)
{
	struct chunk *chunk = pack->failed
		? NULL
		: chunk_new(&session->server->chunks, buffer_size(pack->buffer));

	if (!chunk) {
		session_give_fd(session, fd);
		session_close(session);
		return;
	}
	/* as in outbox_append(): an answer has to go out */
	account_force(&session->account, session->user, RESOURCE_MEMORY, chunk->capacity);
	memcpy(chunk->bytes + chunk->tail, buffer_bytes(pack->buffer), buffer_size(pack->buffer));
	chunk->tail += buffer_size(pack->buffer);
	chunk->fd = fd;
	outbox_append_chunk(session, chunk);
}

void reply_error(struct session *session, uint32_t msgid, const struct rpc_error *error)
{
	struct pack pack = pack_into(&session->server->scratch);

	buffer_clear(&session->server->scratch);
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
	outbox_append_chunk(operation->session, chunk);
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
	codec_pack_result(pack, &operation->op, result);
	if (!pack->failed && codec_result_has_bytes(op_table[operation->op.opcode].result))
		reply_bytes(operation, pack, result);
	else
		reply_end(operation->session, pack);
}

void reply_shot(struct operation *operation, int64_t result)
{
	struct pack pack = pack_into(&operation->session->server->scratch);

	buffer_clear(pack.buffer);
	rpc_pack_completion(&pack, (uint32_t)operation->node.key);
	end_with_result(operation, &pack, result);
}

void reply_operation(struct operation *operation, int64_t result)
{
	uint32_t msgid = (uint32_t)operation->node.key;
	struct rpc_error error = {0};
	struct pack pack;

	if (result < 0) {
		set_error(operation, (int)-result, &error);
		reply_error(operation->session, msgid, &error);
		return;
	}
	pack = reply_begin(operation->session, msgid);
	end_with_result(operation, &pack, result);
}
