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

/* What the parameter takes of a chunk. */
static size_t param_size(const struct op_param *param, const void *field)
{
	size_t size;

	switch (param->kind) {
	case OP_KIND_PATH: return strlen(*(const char *const *)field) + 1;
	case OP_KIND_SPACE:
	case OP_KIND_DATA:
		memcpy(&size, (const uint8_t *)field + sizeof(void *), sizeof(size));
		return size;
	default: return 0;
	}
}

static bool takes_memory(enum op_kind kind)
{
	return kind == OP_KIND_PATH || kind == OP_KIND_SPACE || kind == OP_KIND_DATA;
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

static bool size_allowed(const struct operation *operation, uint64_t size, struct rpc_error *error)
{
	const struct limits *limits = &operation->session->server->limits;
	uint64_t max = limits->value[LIMIT_TRANSFER_SIZE];
	struct shortage shortage;

	if (size > max) {
		rpc_error_set_limit(error, EMSGSIZE, LIMIT_TRANSFER_SIZE, max, size);
		return false;
	}
	if (account_fits_at_all(limits, RESOURCE_MEMORY, chunk_footprint(size), &shortage))
		return true;
	rpc_error_set_limit(error, EDQUOT, shortage.limit, shortage.max, shortage.wanted);
	return false;
}

/* Gives each parameter its part of the chunk, with what has come for it. */
static void place(struct operation *operation)
{
	uint8_t *room = operation->chunk->bytes + operation->chunk->head;

	for_each_param(param, operation)
	{
		const void **field = field_of(&operation->op, param);
		size_t size = param_size(param, field);

		if (!takes_memory(param->kind))
			continue;
		if (param->kind != OP_KIND_SPACE && size > 0)
			memcpy(room, *field, size);
		*field = room;
		room += size;
	}
}

/* The data is in shared memory. */
static enum operation_start take_region(struct operation *operation,
	const struct codec_region *region, struct rpc_error *error)
{
	const struct limits *limits = &operation->session->server->limits;
	uint64_t max = limits->value[LIMIT_TRANSFER_SIZE], size;

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
	const struct codec_region *region = &operation->session->server->codec.region;
	int64_t size;
	struct shortage shortage;

	if (region->memory != 0)
		return take_region(operation, region, error);
	size = data_size(operation);
	if (size < 0)
		return OPERATION_STARTED;
	if (!size_allowed(operation, (uint64_t)size, error))
		return OPERATION_REFUSED;
	operation->chunk = session_take_chunk(operation->session, (size_t)size, &shortage);
	if (!operation->chunk && shortage.max > 0)
		return OPERATION_STALLED;
	if (!operation->chunk) {
		rpc_error_set(error, ENOMEM, "%s", op_table[operation->op.opcode].name);
		return OPERATION_REFUSED;
	}
	place(operation);
	return OPERATION_STARTED;
}
