/* Operations on the wire. See codec.h. */
#include "proto/codec.h"

#include <errno.h>
#include <string.h>

#include "proto/address.h"
#include "proto/codec_stat.h"

/* ---- names ---- */

const char *codec_param_name(const struct op_param *param)
{
	/* memory to fill is the caller's; what the other side must know is its size */
	return param->kind == OP_KIND_SPACE ? "size" : param->name;
}

const char *codec_param_type(const struct op_param *param)
{
	static const char *const types[OP_KIND_COUNT] = {
		[OP_KIND_FILE] = "file",
		[OP_KIND_DIR] = "dir",
		[OP_KIND_PATH] = "path",
		[OP_KIND_SPACE] = "size",
		[OP_KIND_DATA] = "bytes",
		[OP_KIND_OFFSET] = "offset",
		[OP_KIND_INT] = "integer",
		[OP_KIND_UINT] = "unsigned",
		[OP_KIND_DURATION] = "nanoseconds",
		[OP_KIND_ADDRESS] = "address",
		[OP_KIND_LENGTH] = "size",
		[OP_KIND_SPACES] = "[size, …]",
		[OP_KIND_PIECES] = "[bytes, …]",
		[OP_KIND_MESSAGE_SPACE] = "size",
		[OP_KIND_MESSAGE_DATA] = "[bytes, …]",
	};

	return types[param->kind];
}

const char *codec_result_type(enum op_result result)
{
	static const char *const types[OP_RESULT_KINDS] = {
		[OP_RESULT_NOTHING] = "nil",
		[OP_RESULT_COUNT] = "size",
		[OP_RESULT_BYTES] = "bytes",
		[OP_RESULT_FILE] = "file",
		[OP_RESULT_ACCEPTED] = "[file, address]",
		[OP_RESULT_EVENTS] = "unsigned",
		[OP_RESULT_STAT] = "stat",
		[OP_RESULT_DATAGRAM] = "[bytes, address]",
		[OP_RESULT_MESSAGE] = "[bytes, address, flags]",
		[OP_RESULT_VALUE] = "integer",
	};

	return types[result];
}

void codec_param_counts(const struct op_info *info, uint32_t *ret_count, uint32_t *ret_required)
{
	*ret_count = *ret_required = 0;
	for (const struct op_param *param = info->params; param->name; param++) {
		if (op_kind_is_local(param->kind))
			continue;
		++*ret_count;
		if (!param->optional)
			*ret_required = *ret_count;
	}
}

/* ---- parameters, in ---- */

static void *field_of(struct proactor_op *op, const struct op_param *param)
{
	return (uint8_t *)op + param->offset;
}

static const void *field_of_const(const struct proactor_op *op, const struct op_param *param)
{
	return (const uint8_t *)op + param->offset;
}

/* The memory parameters: a pointer and the size after it. */
static void set_memory(void *field, const void *data, size_t size)
{
	memcpy(field, &data, sizeof(data));
	memcpy((uint8_t *)field + sizeof(data), &size, sizeof(size));
}

static void set_fallback(void *field, const struct op_param *param)
{
	switch (param->kind) {
	case OP_KIND_INT: *(int32_t *)field = (int32_t)param->fallback; break;
	case OP_KIND_UINT: *(uint32_t *)field = (uint32_t)param->fallback; break;
	case OP_KIND_PATH: *(const char **)field = ""; break;
	default: *(int64_t *)field = param->fallback; break;
	}
}

static const char *read_path(const struct value *value, void *field, struct codec_scratch *scratch)
{
	size_t size = value->token.body_size;
	char *path;

	if (!value_is_bytes(value))
		return "a path: str or bin";
	if (size >= PATH_MAX || memchr(value->body, '\0', size))
		return "a path of at most 4095 bytes without NUL";
	assert(scratch->path_count < CODEC_PATHS_MAX);
	path = scratch->paths[scratch->path_count++];
	memcpy(path, value->body, size);
	path[size] = '\0';
	*(const char **)field = path;
	return NULL;
}

static const char *read_integer(const struct value *value, const struct op_param *param,
	void *field)
{
	int64_t number;

	switch (param->kind) {
	case OP_KIND_INT:
		if (!value_int(value, INT32_MIN, INT32_MAX, &number))
			return "an integer of 32 bits";
		*(int32_t *)field = (int32_t)number;
		return NULL;
	case OP_KIND_UINT:
		if (!value_int(value, 0, UINT32_MAX, &number))
			return "an unsigned integer of 32 bits";
		*(uint32_t *)field = (uint32_t)number;
		return NULL;
	case OP_KIND_OFFSET:
		if (!value_int(value, PROACTOR_CURRENT, INT64_MAX, &number))
			return "an offset from 0, or -1 or nil for the current position";
		break;
	case OP_KIND_DURATION:
		if (!value_int(value, 0, INT64_MAX, &number))
			return "a number of nanoseconds";
		break;
	case OP_KIND_LENGTH:
		if (!value_int(value, 0, INT64_MAX, &number))
			return "a number of bytes";
		break;
	default:
		if (!value_int(value, 0, INT64_MAX, &number))
			return "a file: an integer from open, accept, socket or attach";
		break;
	}
	*(int64_t *)field = number;
	return NULL;
}

static bool may_be_region(enum op_kind kind)
{
	return kind == OP_KIND_SPACE || kind == OP_KIND_DATA;
}

static const char *read_region(struct reader *reader, uint32_t count, void *field,
	struct codec_region *region)
{
	int64_t memory, offset, size;

	if (count != 3 || reader_int(reader, 1, INT64_MAX, &memory) < 0 ||
		reader_int(reader, 0, INT64_MAX, &offset) < 0 ||
		reader_int(reader, 0, INT64_MAX, &size) < 0)
		return "of shared memory [memory, offset, size]";
	*region = (struct codec_region){(uint64_t)memory, (uint64_t)offset};
	set_memory(field, NULL, (size_t)size);
	return NULL;
}

/* Reads one parameter. NULL, or what it wants. */
static const char *read_param(struct reader *reader, const struct op_param *param, void *field,
	struct codec_scratch *scratch)
{
	const char *wanted;
	struct value value;
	int64_t number;

	if (param->kind == OP_KIND_ADDRESS) {
		*(const struct proactor_address **)field = &scratch->address;
		return address_read(reader, &scratch->address, &wanted) < 0 ? wanted : NULL;
	}
	if (reader_next(reader, &value) < 0)
		return "a value";
	if (value.token.type == TOKEN_NIL &&
		(param->kind == OP_KIND_DIR || param->kind == OP_KIND_OFFSET)) {
		*(int64_t *)field = param->kind == OP_KIND_DIR ? PROACTOR_CWD : PROACTOR_CURRENT;
		return NULL;
	}
	if (value.token.type == TOKEN_NIL && param->optional) {
		set_fallback(field, param);
		return NULL;
	}
	if (value.token.type == TOKEN_ARRAY && may_be_region(param->kind))
		return read_region(reader, value.token.count, field, &scratch->region);
	switch (param->kind) {
	case OP_KIND_PATH: return read_path(&value, field, scratch);
	case OP_KIND_SPACE:
		if (!value_int(&value, 0, INT64_MAX, &number))
			return "a size in bytes";
		set_memory(field, NULL, (size_t)number);
		return NULL;
	case OP_KIND_DATA:
		if (!value_is_bytes(&value))
			return "bytes: bin or str";
		set_memory(field, value.body, value.token.body_size);
		return NULL;
	default: return read_integer(&value, param, field);
	}
}

/* The name of the parameter at @index on the wire, or NULL. */
static const char *name_at(const struct op_info *info, uint32_t index)
{
	for (const struct op_param *param = info->params; param->name; param++)
		if (!op_kind_is_local(param->kind) && index-- == 0)
			return codec_param_name(param);
	return NULL;
}

bool codec_read_params(const struct op_info *info, struct reader params, uint32_t count,
	struct proactor_op *op, struct codec_scratch *scratch, struct rpc_error *error)
{
	uint32_t index = 0, count_max, count_min;

	scratch->path_count = 0;
	scratch->region = (struct codec_region){0};
	codec_param_counts(info, &count_max, &count_min);
	if (!rpc_check_count(info->name, count_min, count_max, count, name_at(info, count), error))
		return false;
	for (const struct op_param *param = info->params; param->name; param++) {
		const char *wanted;

		if (op_kind_is_local(param->kind))
			continue;
		if (index++ >= count) {
			set_fallback(field_of(op, param), param);
			continue;
		}
		wanted = read_param(&params, param, field_of(op, param), scratch);
		if (wanted) {
			rpc_error_set(error, RPC_INVALID_PARAMS, "%s: parameter %u \"%s\" wants %s",
				info->name, index, codec_param_name(param), wanted);
			return false;
		}
	}
	return true;
}

/* ---- parameters, out ---- */

static int64_t number_of(const void *field, enum op_kind kind)
{
	switch (kind) {
	case OP_KIND_INT: return *(const int32_t *)field;
	case OP_KIND_UINT: return *(const uint32_t *)field;
	default: return *(const int64_t *)field;
	}
}

static bool has_fallback(const struct proactor_op *op, const struct op_param *param)
{
	const void *field = field_of_const(op, param);

	if (!param->optional)
		return false;
	if (param->kind == OP_KIND_PATH)
		return **(const char *const *)field == '\0';
	return number_of(field, param->kind) == param->fallback;
}

static void pack_param(struct pack *pack, const struct op_param *param, const void *field)
{
	const void *data;
	size_t size;

	switch (param->kind) {
	case OP_KIND_PATH: pack_str(pack, *(const char *const *)field); break;
	case OP_KIND_SPACE:
	case OP_KIND_DATA:
		memcpy(&data, field, sizeof(data));
		memcpy(&size, (const uint8_t *)field + sizeof(data), sizeof(size));
		if (param->kind == OP_KIND_SPACE)
			pack_uint(pack, size);
		else
			pack_bin(pack, data, size);
		break;
	case OP_KIND_DURATION:
		/* what is over 292 years is as good as 292 years */
		pack_uint(pack, MIN(*(const uint64_t *)field, (uint64_t)INT64_MAX));
		break;
	case OP_KIND_ADDRESS:
		address_pack(pack, *(const struct proactor_address *const *)field);
		break;
	case OP_KIND_DIR:
		if (*(const int64_t *)field == PROACTOR_CWD) {
			pack_nil(pack);
			break;
		}
		__attribute__((fallthrough));
	default: pack_int(pack, number_of(field, param->kind)); break;
	}
}

static void pack_region(struct pack *pack, const struct codec_region *region, const void *field)
{
	size_t size;

	memcpy(&size, (const uint8_t *)field + sizeof(void *), sizeof(size));
	pack_array(pack, 3);
	pack_uint(pack, region->memory);
	pack_uint(pack, region->offset);
	pack_uint(pack, size);
}

void codec_pack_request(struct pack *pack, uint32_t msgid, const struct proactor_op *op)
{
	codec_pack_request_in(pack, msgid, op, /* region= */ NULL);
}

void codec_pack_request_in(struct pack *pack, uint32_t msgid, const struct proactor_op *op,
	const struct codec_region *region)
{
	const struct op_info *info = &op_table[op->opcode];
	uint32_t count = 0, needed = 0;

	for (const struct op_param *param = info->params; param->name; param++) {
		if (op_kind_is_local(param->kind))
			continue;
		count++;
		if (!has_fallback(op, param))
			needed = count;
	}
	rpc_pack_request(pack, msgid, info->name, needed);
	count = 0;
	for (const struct op_param *param = info->params; param->name && count < needed; param++) {
		if (op_kind_is_local(param->kind))
			continue;
		count++;
		if (region && may_be_region(param->kind))
			pack_region(pack, region, field_of_const(op, param));
		else
			pack_param(pack, param, field_of_const(op, param));
	}
}

/* ---- results ---- */

void codec_pack_result(struct pack *pack, const struct proactor_op *op, int64_t result)
{
	assert(result >= 0);
	switch (op_table[op->opcode].result) {
	case OP_RESULT_NOTHING: pack_nil(pack); break;
	case OP_RESULT_BYTES: pack_bin_header(pack, (size_t)result); break;
	case OP_RESULT_ACCEPTED:
		pack_array(pack, 2);
		pack_int(pack, result);
		address_pack(pack, op->accept.address);
		break;
	case OP_RESULT_STAT: codec_stat_pack(pack, op->stat.stat); break;
	default: pack_int(pack, result); break;
	}
}

static int read_accepted(struct reader *reader, struct codec_result *result)
{
	struct proactor_address address;
	const char *wanted;
	uint32_t count;

	if (reader_array(reader, &count) < 0 || count != 2 ||
		reader_int(reader, 0, INT64_MAX, &result->result) < 0)
		return -EBADMSG;
	if (!result->address)
		return 0;
	/*
	 * an address of a family that has no form on the wire leaves the caller with an empty one
	 */
	if (address_read(reader, &address, &wanted) < 0)
		address = (struct proactor_address){0};
	*result->address = address;
	return 0;
}

static int read_bytes(struct reader *reader, struct codec_result *result)
{
	const uint8_t *bytes;
	size_t size;

	if (result->is_in_memory)
		return reader_int(reader, 0, (int64_t)result->size, &result->result) < 0 ? -EBADMSG
											 : 0;
	if (reader_bytes(reader, &bytes, &size) < 0 || size > result->size)
		return -EBADMSG;
	if (size > 0)
		memcpy(result->data, bytes, size);
	result->result = (int64_t)size;
	return 0;
}

int codec_read_result(uint32_t opcode, struct reader reader, struct codec_result *result)
{
	result->result = 0;
	switch (op_table[opcode].result) {
	case OP_RESULT_NOTHING: return 0;
	case OP_RESULT_BYTES: return read_bytes(&reader, result);
	case OP_RESULT_ACCEPTED: return read_accepted(&reader, result);
	case OP_RESULT_STAT: return codec_stat_read(&reader, result->stat);
	case OP_RESULT_COUNT:
		return reader_int(&reader, 0, (int64_t)result->size, &result->result) < 0 ? -EBADMSG
											  : 0;
	default: return reader_int(&reader, 0, INT64_MAX, &result->result) < 0 ? -EBADMSG : 0;
	}
}
