/* What parameters mean. See params.h. */
#include "daemon/params.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static void *field_of(struct proactor_op *op, const struct op_param *param)
{
	return (uint8_t *)op + param->offset;
}

static const void *field_of_const(const struct proactor_op *op, const struct op_param *param)
{
	return (const uint8_t *)op + param->offset;
}

#define for_each_param(param, operation)                                                           \
	for (const struct op_param *param = op_table[(operation)->op.opcode].params; param->name;  \
		param++)

/* ---- files ---- */

static bool translate_handle(struct operation *operation, int64_t *field, struct rpc_error *error)
{
	struct file *file = files_find(&operation->session->files, *field);

	if (!file) {
		rpc_error_set(error, EBADF, "%s: %" PRId64 " is not a file of this session",
			op_table[operation->op.opcode].name, *field);
		return false;
	}
	assert(operation->file_count < OPERATION_FILES_MAX);
	operation->files[operation->file_count++] = file;
	*field = file->file;
	return true;
}

/* Without a directory only what begins at the root means the same to both sides. */
static bool check_absolute(const struct operation *operation, const struct op_param *dir,
	struct rpc_error *error)
{
	const struct op_param *path = dir + 1;

	assert(path->name && path->kind == OP_KIND_PATH);
	if (**(const char *const *)field_of_const(&operation->op, path) == '/')
		return true;
	rpc_error_set(error, RPC_INVALID_PARAMS, "%s: %s must be absolute where %s is nil",
		op_table[operation->op.opcode].name, path->name, dir->name);
	return false;
}

bool params_translate(struct operation *operation, struct rpc_error *error)
{
	for_each_param(param, operation)
	{
		int64_t *field = field_of(&operation->op, param);
		bool fits = true;

		if (param->kind == OP_KIND_DIR && *field == PROACTOR_CWD)
			fits = check_absolute(operation, param, error);
		else if (param->kind == OP_KIND_DIR || param->kind == OP_KIND_FILE)
			fits = translate_handle(operation, field, error);
		if (!fits)
			return false;
	}
	return true;
}

const char *params_path(const struct operation *operation, unsigned index)
{
	for_each_param(param, operation) if (param->kind == OP_KIND_PATH &&
		index-- == 0) return *(const char *const *)field_of_const(&operation->op, param);
	return NULL;
}

/* ---- memory ---- */

static size_t pieces_size(const struct iovec *pieces, size_t count)
{
	size_t size = 0;

	/* the codec has looked that it does not overflow */
	for (size_t i = 0; i < count; i++)
		size += pieces[i].iov_len;
	return size;
}

/* What the parameter takes of a chunk. */
static size_t param_size(const struct op_param *param, const void *field)
{
	const struct msghdr *message;
	struct iovec memory;

	switch (param->kind) {
	case OP_KIND_PATH: return strlen(*(const char *const *)field) + 1;
	case OP_KIND_SPACE:
	case OP_KIND_DATA: memcpy(&memory, field, sizeof(memory)); return memory.iov_len;
	case OP_KIND_SPACES:
	case OP_KIND_PIECES:
		memcpy(&memory, field, sizeof(memory));
		return pieces_size(memory.iov_base, memory.iov_len);
	case OP_KIND_MESSAGE_SPACE:
	case OP_KIND_MESSAGE_DATA:
		message = *(const struct msghdr *const *)field;
		return pieces_size(message->msg_iov, message->msg_iovlen);
	default: return 0;
	}
}

static bool takes_memory(enum op_kind kind)
{
	switch (kind) {
	case OP_KIND_PATH:
	case OP_KIND_SPACE:
	case OP_KIND_DATA:
	case OP_KIND_SPACES:
	case OP_KIND_PIECES:
	case OP_KIND_MESSAGE_SPACE:
	case OP_KIND_MESSAGE_DATA: return true;
	default: return false;
	}
}

/* Data in shared memory takes none of ours. False: @error says what is wrong with it. */
static bool place_in_memory(struct operation *operation, const struct op_param *param,
	const struct codec_region *region, struct rpc_error *error)
{
	struct memory *memory = memories_find(&operation->session->memories, region->memory);
	void **field = field_of(&operation->op, param);
	size_t size = param_size(param, field);
	void *piece = memory ? memory_piece(memory, region->offset, size) : NULL;

	if (!piece) {
		rpc_error_set(error, memory ? EFAULT : EBADF, "%s: %" PRIu64 " %s",
			op_table[operation->op.opcode].name, region->memory,
			memory ? "does not have all of that" : "is no memory of this session");
		return false;
	}
	operation->memory = memory;
	*field = piece;
	return true;
}

/* What all of them take; -1: there are none. */
static int64_t data_size(const struct operation *operation)
{
	int64_t size = -1;

	/* no operation has two that can be large, so that the sum is one size and a path or two */
	for_each_param(param, operation) if (takes_memory(param->kind)) size =
		MAX(size, INT64_C(0)) +
		(int64_t)param_size(param, field_of_const(&operation->op, param));
	return size;
}

/* What is to follow the bytes of the answer, which are not to be copied for that. */
static size_t trailer_size(const struct operation *operation)
{
	enum op_result result = op_table[operation->op.opcode].result;

	return result == OP_RESULT_DATAGRAM || result == OP_RESULT_MESSAGE ? CODEC_TRAILER_MAX : 0;
}

static bool size_allowed(const struct operation *operation, uint64_t size, struct rpc_error *error)
{
	const struct limits *limits = &operation->session->shard->limits;
	uint64_t max = limits->value[LIMIT_TRANSFER_SIZE];
	struct shortage shortage;

	if (size > max) {
		rpc_error_set_limit(error, EMSGSIZE, LIMIT_TRANSFER_SIZE, max, size);
		return false;
	}
	size += trailer_size(operation);
	if (account_fits_at_all(limits, RESOURCE_MEMORY, chunk_footprint(size), &shortage))
		return true;
	rpc_error_set_limit(error, EDQUOT, shortage.limit, shortage.max, shortage.wanted);
	return false;
}

/* What has come in @pieces goes to @room, and so do they. */
static void place_pieces(struct iovec *pieces, size_t count, uint8_t *room)
{
	for (size_t i = 0; i < count; i++) {
		if (pieces[i].iov_base && pieces[i].iov_len > 0)
			memcpy(room, pieces[i].iov_base, pieces[i].iov_len);
		pieces[i].iov_base = room;
		room += pieces[i].iov_len;
	}
}

/* The message becomes the operation's own, in one piece of @size bytes. */
static struct msghdr *place_message(struct operation *operation, enum op_kind kind,
	struct msghdr *message, uint8_t *room, size_t size)
{
	place_pieces(message->msg_iov, message->msg_iovlen, room);
	operation->piece = (struct iovec){room, size};
	operation->message = (struct msghdr){.msg_iov = &operation->piece, .msg_iovlen = 1};
	if (kind == OP_KIND_MESSAGE_DATA && message->msg_namelen > 0) {
		operation->address = operation->session->shard->codec.address;
		operation->message.msg_namelen = operation->address.size;
	} else if (kind == OP_KIND_MESSAGE_SPACE) {
		operation->message.msg_namelen = sizeof(operation->address.storage);
	}
	if (operation->message.msg_namelen > 0)
		operation->message.msg_name = &operation->address.storage;
	return &operation->message;
}

static void place_param(struct operation *operation, const struct op_param *param, uint8_t *room,
	size_t size)
{
	void **field = field_of(&operation->op, param);
	size_t count;

	switch (param->kind) {
	case OP_KIND_SPACES:
	case OP_KIND_PIECES:
		/* in the shard's scratch, from where the push takes a copy */
		memcpy(&count, field + 1, sizeof(count));
		place_pieces(*field, count, room);
		break;
	case OP_KIND_MESSAGE_SPACE:
	case OP_KIND_MESSAGE_DATA:
		*field = place_message(operation, param->kind, *field, room, size);
		break;
	default:
		if (param->kind != OP_KIND_SPACE && size > 0)
			memcpy(room, *field, size);
		*field = room;
	}
}

/* Gives each parameter its part of the chunk, with what has come for it. */
static void place(struct operation *operation)
{
	uint8_t *room = operation->chunk->bytes + operation->chunk->head;

	for_each_param(param, operation)
	{
		size_t size;

		if (!takes_memory(param->kind))
			continue;
		size = param_size(param, field_of(&operation->op, param));
		place_param(operation, param, room, size);
		room += size;
	}
}

/* The data is in shared memory. */
static enum operation_start take_region(struct operation *operation,
	const struct codec_region *region, struct rpc_error *error)
{
	const struct limits *limits = &operation->session->shard->limits;
	uint64_t max = limits->value[LIMIT_TRANSFER_SIZE], size;

	/* the next shot would be written over one that was not looked at yet */
	if (operation->multishot) {
		rpc_error_set(error, EINVAL, "%s: shots go to no shared memory",
			op_table[operation->op.opcode].name);
		return OPERATION_REFUSED;
	}
	for_each_param(param, operation)
	{
		if (param->kind != OP_KIND_SPACE && param->kind != OP_KIND_DATA)
			continue;
		size = param_size(param, field_of(&operation->op, param));
		if (size <= max)
			return place_in_memory(operation, param, region, error) ? OPERATION_STARTED
										: OPERATION_REFUSED;
		rpc_error_set_limit(error, EMSGSIZE, LIMIT_TRANSFER_SIZE, max, size);
		return OPERATION_REFUSED;
	}
	assert(!"a region is read for such a parameter only");
}

enum operation_start params_take_memory(struct operation *operation, struct rpc_error *error)
{
	const struct codec_region *region = &operation->session->shard->codec.region;
	int64_t size;
	struct shortage shortage;

	if (region->memory != 0)
		return take_region(operation, region, error);
	size = data_size(operation);
	if (size < 0)
		return OPERATION_STARTED;
	if (!size_allowed(operation, (uint64_t)size, error))
		return OPERATION_REFUSED;
	operation->chunk = session_take_chunk(operation->session,
		(size_t)size + trailer_size(operation), &shortage);
	if (!operation->chunk && shortage.max > 0)
		return OPERATION_STALLED;
	if (!operation->chunk) {
		rpc_error_set(error, ENOMEM, "%s", op_table[operation->op.opcode].name);
		return OPERATION_REFUSED;
	}
	place(operation);
	return OPERATION_STARTED;
}
