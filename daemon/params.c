/* What parameters mean. See params.h. */
#include "daemon/params.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/pieces.h"

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

/* What the parameter takes of a chunk: the codec has looked that no sum overflows. */
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

static bool transfer_allowed(const struct operation *operation, uint64_t size,
	struct rpc_error *error)
{
	uint64_t max = operation->session->shard->limits.value[LIMIT_TRANSFER_SIZE];

	if (size <= max)
		return true;
	rpc_error_set_limit(error, EMSGSIZE, LIMIT_TRANSFER_SIZE, max, size);
	return false;
}

static enum operation_start take_chunk(struct operation *operation, size_t size,
	struct rpc_error *error)
{
	struct session *session = operation->session;
	struct shortage shortage;

	if (!account_fits_at_all(&session->shard->limits, RESOURCE_MEMORY, chunk_footprint(size),
		    &shortage)) {
		rpc_error_set_limit(error, EDQUOT, shortage.limit, shortage.max, shortage.wanted);
		return OPERATION_REFUSED;
	}
	operation->chunk = session_take_chunk(session, size, &shortage);
	if (!operation->chunk && shortage.max > 0)
		return OPERATION_STALLED;
	if (!operation->chunk) {
		rpc_error_set(error, ENOMEM, "%s", op_table[operation->op.opcode].name);
		return OPERATION_REFUSED;
	}
	return OPERATION_STARTED;
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

/* The message becomes the operation's own, with @pieces, which are. */
static struct msghdr *set_message(struct operation *operation, enum op_kind kind,
	const struct msghdr *message, struct iovec *pieces, size_t count)
{
	operation->message = (struct msghdr){.msg_iov = pieces, .msg_iovlen = count};
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

/* In one piece of @size bytes. */
static struct msghdr *place_message(struct operation *operation, enum op_kind kind,
	struct msghdr *message, uint8_t *room, size_t size)
{
	place_pieces(message->msg_iov, message->msg_iovlen, room);
	operation->pieces[0] = (struct iovec){room, size};
	return set_message(operation, kind, message, operation->pieces, 1);
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

/* ---- shared memory ---- */

/* Where @region is. NULL: @error says what is wrong with it. */
static void *find_region(struct operation *operation, const struct codec_region *region,
	size_t size, struct rpc_error *error)
{
	struct memory *memory = memories_find(&operation->session->memories, region->memory);
	void *place = memory ? memory_piece(memory, region->offset, size) : NULL;

	if (!place) {
		rpc_error_set(error, memory ? EFAULT : EBADF, "%s: %" PRIu64 " %s",
			op_table[operation->op.opcode].name, region->memory,
			memory ? "does not have all of that" : "is no memory of this session");
		return NULL;
	}
	operation->memories |= memory_set_of(memory);
	return place;
}

/* All of @pieces; @ret_carried is how many bytes are in those that are no regions. */
static bool find_regions(struct operation *operation, struct iovec *pieces, size_t count,
	size_t *ret_carried, struct rpc_error *error)
{
	const struct codec_region *regions = operation->session->shard->codec.regions;
	size_t carried = 0;

	for (size_t i = 0; i < count; i++) {
		if (regions[i].memory == 0) {
			carried += pieces[i].iov_len;
			continue;
		}
		pieces[i].iov_base = find_region(operation, &regions[i], pieces[i].iov_len, error);
		if (!pieces[i].iov_base)
			return false;
	}
	*ret_carried = carried;
	return true;
}

/*
 * The pieces become the operation's own: where they are many in its chunk, and behind them what is
 * carried:
 *
 *      chunk   | piece, piece, …  | bytes of one | bytes of another |
 */
static enum operation_start keep_pieces(struct operation *operation, const struct iovec *pieces,
	size_t count, size_t carried, struct iovec **ret_kept, struct rpc_error *error)
{
	const struct codec_region *regions = operation->session->shard->codec.regions;
	size_t array_size = count > OPERATION_PIECES ? count * sizeof(*pieces) : 0;
	struct iovec *kept = operation->pieces;
	enum operation_start start;
	uint8_t *room = NULL; /* where nothing is carried, and few pieces */

	if (array_size + carried > 0) {
		start = take_chunk(operation, array_size + carried, error);
		if (start != OPERATION_STARTED)
			return start;
		room = operation->chunk->bytes + operation->chunk->head;
		if (array_size > 0)
			kept = (struct iovec *)room;
		room += array_size;
	}
	for (size_t i = 0; i < count; i++) {
		kept[i] = pieces[i];
		if (regions[i].memory != 0 || pieces[i].iov_len == 0)
			continue;
		kept[i].iov_base = memcpy(room, pieces[i].iov_base, pieces[i].iov_len);
		room += pieces[i].iov_len;
	}
	*ret_kept = kept;
	return OPERATION_STARTED;
}

static enum operation_start take_pieces(struct operation *operation, const struct op_param *param,
	struct rpc_error *error)
{
	bool is_message =
		param->kind == OP_KIND_MESSAGE_SPACE || param->kind == OP_KIND_MESSAGE_DATA;
	void **field = field_of(&operation->op, param);
	struct msghdr *message = is_message ? *field : NULL;
	struct iovec *pieces = message ? message->msg_iov : *field, *kept;
	enum operation_start start;
	size_t count, carried;

	if (message)
		count = message->msg_iovlen;
	else
		memcpy(&count, field + 1, sizeof(count));
	if (!find_regions(operation, pieces, count, &carried, error))
		return OPERATION_REFUSED;
	start = keep_pieces(operation, pieces, count, carried, &kept, error);
	if (start != OPERATION_STARTED)
		return start;
	if (message)
		*field = set_message(operation, param->kind, message, kept, count);
	else
		*field = kept;
	return OPERATION_STARTED;
}

static enum operation_start take_pool(struct operation *operation, uint64_t id,
	struct rpc_error *error)
{
	const char *name = op_table[operation->op.opcode].name;
	struct pool *pool = pools_find(&operation->session->pools, id);

	if (operation->op.opcode != PROACTOR_RECV) {
		rpc_error_set(error, RPC_INVALID_PARAMS, "%s: \"size\": only recv takes a pool",
			name);
		return OPERATION_REFUSED;
	}
	if (!pool) {
		rpc_error_set(error, EBADF, "%s: %" PRIu64 " is no pool of this session", name, id);
		return OPERATION_REFUSED;
	}
	operation->pool = pool;
	operation->op.flags |= PROACTOR_BUFFER_SELECT;
	operation->op.recv.buffers = pool->buffers;
	return OPERATION_STARTED;
}

/* The data is in shared memory, or some of it. */
static enum operation_start take_regions(struct operation *operation, struct rpc_error *error)
{
	const struct codec_region *regions = operation->session->shard->codec.regions;

	if (regions->is_pool)
		return take_pool(operation, regions->memory, error);
	if (operation->multishot) {
		rpc_error_set(error, RPC_INVALID_PARAMS,
			"%s: multishot takes a size or a pool, no memory",
			op_table[operation->op.opcode].name);
		return OPERATION_REFUSED;
	}
	for_each_param(param, operation)
	{
		void **field = field_of(&operation->op, param);
		size_t size = param_size(param, field);

		if (!takes_memory(param->kind) || param->kind == OP_KIND_PATH)
			continue;
		if (!transfer_allowed(operation, size, error))
			return OPERATION_REFUSED;
		if (param->kind != OP_KIND_SPACE && param->kind != OP_KIND_DATA)
			return take_pieces(operation, param, error);
		*field = find_region(operation, regions, size, error);
		return *field ? OPERATION_STARTED : OPERATION_REFUSED;
	}
	assert(!"a region is read for such a parameter only");
}

enum operation_start params_take_memory(struct operation *operation, struct rpc_error *error)
{
	enum operation_start start;
	int64_t size;

	if (operation->session->shard->codec.region_count > 0)
		return take_regions(operation, error);
	size = data_size(operation);
	if (size < 0)
		return OPERATION_STARTED;
	if (!transfer_allowed(operation, (uint64_t)size, error))
		return OPERATION_REFUSED;
	start = take_chunk(operation, (size_t)size + trailer_size(operation), error);
	if (start == OPERATION_STARTED)
		place(operation);
	return start;
}
