/* Operations on the wire. See codec.h. */
#include "proto/codec.h"

#include <errno.h>
#include <string.h>

#include "proto/address.h"
#include "proto/codec_stat.h"

/* Of a message that was received: what its reader may learn. */
#define MESSAGE_FLAGS ((uint32_t)(MSG_EOR | MSG_TRUNC | MSG_CTRUNC | MSG_OOB))

/* ---- names ---- */

const char *codec_param_name(const struct op_param *param)
{
	/* memory to fill is the caller's; what the other side must know is its size */
	switch (param->kind) {
	case OP_KIND_SPACE:
	case OP_KIND_MESSAGE_SPACE: return "size";
	case OP_KIND_SPACES: return "sizes";
	default: return param->name;
	}
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
		[OP_KIND_SPACES] = "sizes",
		[OP_KIND_PIECES] = "pieces",
		[OP_KIND_MESSAGE_SPACE] = "size",
		[OP_KIND_MESSAGE_DATA] = "message",
		[OP_KIND_MULTISHOT] = "boolean",
	};

	return types[param->kind];
}

const char *codec_result_type(enum op_result result)
{
	static const char *const types[OP_RESULT_KINDS] = {
		[OP_RESULT_NOTHING] = "nil",
		[OP_RESULT_COUNT] = "size",
		[OP_RESULT_BYTES] = "bin",
		[OP_RESULT_FILE] = "file",
		[OP_RESULT_ACCEPTED] = "[file, address]",
		[OP_RESULT_EVENTS] = "unsigned",
		[OP_RESULT_STAT] = "stat",
		[OP_RESULT_DATAGRAM] = "[bytes, address or nil]",
		[OP_RESULT_MESSAGE] = "[bytes, address or nil, flags]",
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

/* One of the flags of the operation. */
static void set_multishot(void *field, bool multishot)
{
	*(uint32_t *)field &= ~(uint32_t)PROACTOR_MULTISHOT;
	if (multishot)
		*(uint32_t *)field |= PROACTOR_MULTISHOT;
}

static bool is_multishot(const void *field)
{
	return *(const uint32_t *)field & PROACTOR_MULTISHOT;
}

static void set_fallback(void *field, const struct op_param *param)
{
	switch (param->kind) {
	case OP_KIND_MULTISHOT: set_multishot(field, false); break;
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
	return kind == OP_KIND_SPACE || kind == OP_KIND_DATA || kind == OP_KIND_MESSAGE_SPACE;
}

/* The @count values of a region. */
static bool read_region(struct reader *reader, uint32_t count, struct codec_region *region,
	int64_t *ret_size)
{
	int64_t memory, offset;

	if (count != 3 || reader_int(reader, 1, INT64_MAX, &memory) < 0 ||
		reader_int(reader, 0, INT64_MAX, &offset) < 0 ||
		reader_int(reader, 0, INT64_MAX, ret_size) < 0)
		return false;
	*region = (struct codec_region){.memory = (uint64_t)memory, .offset = (uint64_t)offset};
	return true;
}

/* One size, or piece of bytes, or a region in its place. */
static bool read_piece(struct reader *reader, enum op_kind kind, struct codec_scratch *scratch,
	uint32_t index, int64_t *ret_size)
{
	struct codec_region *region = &scratch->regions[index];
	struct iovec *piece = &scratch->pieces[index];
	struct value value;

	*piece = (struct iovec){0};
	*region = (struct codec_region){0};
	if (reader_next(reader, &value) < 0)
		return false;
	if (value.token.type == TOKEN_ARRAY) {
		if (!read_region(reader, value.token.count, region, ret_size))
			return false;
		scratch->region_count++;
	} else if (kind == OP_KIND_SPACES) {
		if (!value_int(&value, 0, INT64_MAX, ret_size))
			return false;
	} else {
		if (!value_is_bytes(&value))
			return false;
		piece->iov_base = (void *)(uintptr_t)value.body;
		*ret_size = value.token.body_size;
	}
	piece->iov_len = (size_t)*ret_size;
	return true;
}

/* Several of them, to @scratch; @field is the array and the count after it. */
static const char *read_pieces(struct reader *reader, enum op_kind kind, void *field,
	struct codec_scratch *scratch)
{
	const char *wanted = kind == OP_KIND_SPACES
		? "an array of at most 1024 sizes, or of as many [memory, offset, size], in all less than 2^63"
		: "an array of at most 1024 pieces: bytes (bin or str), or [memory, offset, size], in all less than 2^63";
	int64_t size, sum = 0;
	uint32_t count;

	if (reader_array(reader, &count) < 0 || count > IOV_MAX)
		return wanted;
	for (uint32_t i = 0; i < count; i++)
		if (!read_piece(reader, kind, scratch, i, &size) ||
			__builtin_add_overflow(sum, size, &sum))
			return wanted;
	/* the answer has the bytes, or says how many they are */
	if (kind == OP_KIND_SPACES && scratch->region_count > 0 && scratch->region_count < count)
		return wanted;
	set_memory(field, scratch->pieces, count);
	return NULL;
}

/* [pieces, address or nil]; the address may be left out. */
static const char *read_message(struct reader *reader, void *field, struct codec_scratch *scratch)
{
	struct {
		struct iovec *pieces;
		size_t count;
	} memory;
	struct reader ahead;
	struct value value;
	const char *wanted;
	uint32_t count;

	if (reader_array(reader, &count) < 0 || count < 1 || count > 2)
		return "[pieces, address or nil]";
	wanted = read_pieces(reader, OP_KIND_PIECES, &memory, scratch);
	if (wanted)
		return wanted;
	scratch->message = (struct msghdr){.msg_iov = memory.pieces, .msg_iovlen = memory.count};
	*(struct msghdr **)field = &scratch->message;
	ahead = *reader;
	if (count == 2 && reader_next(&ahead, &value) == 0 && value.token.type == TOKEN_NIL) {
		*reader = ahead;
	} else if (count == 2) {
		if (address_read(reader, &scratch->address, &wanted) < 0)
			return wanted;
		scratch->message.msg_name = &scratch->address.storage;
		scratch->message.msg_namelen = scratch->address.size;
	}
	return NULL;
}

/* Reads a parameter that is more than one value. False: it is none of those. */
static bool read_compound(struct reader *reader, const struct op_param *param, void *field,
	struct codec_scratch *scratch, const char **ret_wanted)
{
	const char *wanted;

	switch (param->kind) {
	case OP_KIND_ADDRESS:
		*(const struct proactor_address **)field = &scratch->address;
		*ret_wanted = address_read(reader, &scratch->address, &wanted) < 0 ? wanted : NULL;
		return true;
	case OP_KIND_SPACES:
	case OP_KIND_PIECES:
		*ret_wanted = read_pieces(reader, param->kind, field, scratch);
		return true;
	case OP_KIND_MESSAGE_DATA: *ret_wanted = read_message(reader, field, scratch); return true;
	default: return false;
	}
}

/* Memory without bytes: a SPACE, a MESSAGE_SPACE, or what a region stands for. */
static void set_space(enum op_kind kind, void *field, int64_t size, struct codec_scratch *scratch)
{
	if (kind != OP_KIND_MESSAGE_SPACE) {
		set_memory(field, NULL, (size_t)size);
		return;
	}
	scratch->pieces[0] = (struct iovec){.iov_len = (size_t)size};
	scratch->message = (struct msghdr){.msg_iov = scratch->pieces, .msg_iovlen = 1};
	*(struct msghdr **)field = &scratch->message;
}

static const char *read_space(const struct value *value, enum op_kind kind, void *field,
	struct codec_scratch *scratch)
{
	int64_t size;

	if (!value_int(value, 0, INT64_MAX, &size))
		return "a size in bytes";
	set_space(kind, field, size, scratch);
	return NULL;
}

static bool read_pool(struct reader *reader, struct codec_region *region)
{
	int64_t pool;

	if (reader_int(reader, 1, INT64_MAX, &pool) < 0)
		return false;
	*region = (struct codec_region){.memory = (uint64_t)pool, .is_pool = true};
	return true;
}

static const char *read_only_region(struct reader *reader, uint32_t count, enum op_kind kind,
	void *field, struct codec_scratch *scratch)
{
	int64_t size = 0;

	if (kind == OP_KIND_SPACE && count == 1) {
		if (!read_pool(reader, &scratch->regions[0]))
			return "of a pool [pool]";
	} else if (!read_region(reader, count, &scratch->regions[0], &size)) {
		return "of shared memory [memory, offset, size]";
	}
	scratch->region_count = 1;
	set_space(kind, field, size, scratch);
	return NULL;
}

/* Reads one parameter. NULL, or what it wants. */
static const char *read_param(struct reader *reader, const struct op_param *param, void *field,
	struct codec_scratch *scratch)
{
	const char *wanted;
	struct value value;

	if (read_compound(reader, param, field, scratch, &wanted))
		return wanted;
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
		return read_only_region(reader, value.token.count, param->kind, field, scratch);
	switch (param->kind) {
	case OP_KIND_PATH: return read_path(&value, field, scratch);
	case OP_KIND_SPACE:
	case OP_KIND_MESSAGE_SPACE: return read_space(&value, param->kind, field, scratch);
	case OP_KIND_MULTISHOT:
		if (value.token.type != TOKEN_BOOL)
			return "true or false";
		set_multishot(field, value.token.boolean);
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
	scratch->region_count = 0;
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

static void pack_maybe_address(struct pack *pack, const struct proactor_address *address)
{
	if (address->size > 0)
		address_pack(pack, address);
	else
		pack_nil(pack);
}

/* Whom a message names; its size is 0 where that is nobody. */
static void address_of(const struct msghdr *message, struct proactor_address *ret_address)
{
	size_t size = message->msg_name
		? MIN((size_t)message->msg_namelen, sizeof(ret_address->storage))
		: 0;

	*ret_address = (struct proactor_address){.size = (socklen_t)size};
	if (size > 0)
		memcpy(&ret_address->storage, message->msg_name, size);
}

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
	if (param->kind == OP_KIND_MULTISHOT)
		return !is_multishot(field);
	if (param->kind == OP_KIND_PATH)
		return **(const char *const *)field == '\0';
	return number_of(field, param->kind) == param->fallback;
}

static size_t sum_of(const struct iovec *pieces, size_t count)
{
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += pieces[i].iov_len;
	return sum;
}

static void pack_region(struct pack *pack, const struct codec_region *region, size_t size)
{
	pack_array(pack, region->is_pool ? 1 : 3);
	pack_uint(pack, region->memory);
	if (region->is_pool)
		return;
	pack_uint(pack, region->offset);
	pack_uint(pack, size);
}

/* @regions as with codec_pack_request_in(). */
static void pack_pieces(struct pack *pack, const struct iovec *pieces, size_t count, bool is_space,
	const struct codec_region *regions)
{
	for (size_t i = 0; i < count; i++) {
		if (regions && regions[i].memory != 0)
			pack_region(pack, &regions[i], pieces[i].iov_len);
		else if (is_space)
			pack_uint(pack, pieces[i].iov_len);
		else
			pack_bin(pack, pieces[i].iov_base, pieces[i].iov_len);
	}
}

/* How it is divided means nothing to a socket, so that of bytes one piece will do. */
static void pack_message(struct pack *pack, const struct msghdr *message,
	const struct codec_region *regions)
{
	const struct iovec *pieces = message->msg_iov;
	size_t count = message->msg_iovlen;
	struct proactor_address address;

	pack_array(pack, 2);
	if (regions) {
		pack_array(pack, count);
		pack_pieces(pack, pieces, count, /* is_space= */ false, regions);
	} else {
		pack_array(pack, 1);
		pack_bin_header(pack, sum_of(pieces, count));
		for (size_t i = 0; i < count; i++)
			pack_body(pack, pieces[i].iov_base, pieces[i].iov_len);
	}
	address_of(message, &address);
	pack_maybe_address(pack, &address);
}

/* Memory, or several pieces of it: a pointer, and a size or a count after it. */
static void pack_memory(struct pack *pack, enum op_kind kind, const void *field,
	const struct codec_region *regions)
{
	bool is_space = kind == OP_KIND_SPACE || kind == OP_KIND_SPACES;
	struct iovec single, *pieces = &single;
	size_t count = 1;

	memcpy(&single, field, sizeof(single));
	if (kind == OP_KIND_SPACES || kind == OP_KIND_PIECES) {
		pieces = single.iov_base;
		count = single.iov_len;
		pack_array(pack, count);
	}
	pack_pieces(pack, pieces, count, is_space, regions);
}

/* It takes one piece, all that a message has. */
static void pack_message_space(struct pack *pack, const struct msghdr *message,
	const struct codec_region *regions)
{
	size_t size = sum_of(message->msg_iov, message->msg_iovlen);

	if (regions)
		pack_region(pack, regions, size);
	else
		pack_uint(pack, size);
}

static void pack_param(struct pack *pack, const struct op_param *param, const void *field,
	const struct codec_region *regions)
{

	switch (param->kind) {
	case OP_KIND_PATH: pack_str(pack, *(const char *const *)field); break;
	case OP_KIND_SPACE:
	case OP_KIND_DATA:
	case OP_KIND_SPACES:
	case OP_KIND_PIECES: pack_memory(pack, param->kind, field, regions); break;
	case OP_KIND_MULTISHOT: pack_bool(pack, is_multishot(field)); break;
	case OP_KIND_MESSAGE_SPACE:
		pack_message_space(pack, *(const struct msghdr *const *)field, regions);
		break;
	case OP_KIND_MESSAGE_DATA:
		pack_message(pack, *(const struct msghdr *const *)field, regions);
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

void codec_pack_request(struct pack *pack, uint32_t msgid, const struct proactor_op *op)
{
	codec_pack_request_in(pack, msgid, op, /* regions= */ NULL);
}

void codec_pack_request_in(struct pack *pack, uint32_t msgid, const struct proactor_op *op,
	const struct codec_region *regions)
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
		pack_param(pack, param, field_of_const(op, param), regions);
	}
}

/* ---- results ---- */

void codec_pack_result(struct pack *pack, const struct proactor_op *op, int64_t result)
{
	assert(result >= 0);
	switch (op_table[op->opcode].result) {
	case OP_RESULT_NOTHING: pack_nil(pack); break;
	case OP_RESULT_BYTES: pack_bin_header(pack, (size_t)result); break;
	case OP_RESULT_DATAGRAM:
	case OP_RESULT_MESSAGE:
		pack_array(pack, op_table[op->opcode].result == OP_RESULT_MESSAGE ? 3 : 2);
		pack_bin_header(pack, (size_t)result);
		break;
	case OP_RESULT_ACCEPTED:
		pack_array(pack, 2);
		pack_int(pack, result);
		if (op->accept.address)
			address_pack(pack, op->accept.address);
		else
			pack_nil(pack);
		break;
	case OP_RESULT_STAT: codec_stat_pack(pack, op->stat.stat); break;
	default: pack_int(pack, result); break;
	}
}

void codec_pack_result_in_memory(struct pack *pack, const struct proactor_op *op, int64_t result)
{
	enum op_result kind = op_table[op->opcode].result;

	if (kind == OP_RESULT_DATAGRAM || kind == OP_RESULT_MESSAGE)
		pack_array(pack, kind == OP_RESULT_MESSAGE ? 3 : 2);
	pack_int(pack, result);
	codec_pack_trailer(pack, op);
}

void codec_pack_result_in_pool(struct pack *pack, int64_t result, int32_t buffer)
{
	pack_array(pack, 2);
	pack_int(pack, result);
	if (buffer >= 0)
		pack_int(pack, buffer);
	else
		pack_nil(pack);
}

bool codec_result_has_bytes(enum op_result result)
{
	return result == OP_RESULT_BYTES || result == OP_RESULT_DATAGRAM ||
		result == OP_RESULT_MESSAGE;
}

void codec_pack_trailer(struct pack *pack, const struct proactor_op *op)
{
	const struct msghdr *message = op->recvmsg.message;
	struct proactor_address address;

	switch (op_table[op->opcode].result) {
	case OP_RESULT_DATAGRAM: pack_maybe_address(pack, op->recvfrom.address); break;
	case OP_RESULT_MESSAGE:
		address_of(message, &address);
		pack_maybe_address(pack, &address);
		pack_uint(pack, (uint32_t)message->msg_flags & MESSAGE_FLAGS);
		break;
	default: break;
	}
}

/*
 * An address of a family that has no form on the wire leaves the caller with an empty one, as nil
 * does. What is not even a value is found by who reads on.
 */
static void read_address(struct reader *reader, struct proactor_address *ret_address)
{
	struct reader ahead = *reader;
	const char *wanted;

	(void)reader_skip(reader);
	if (ret_address && address_read(&ahead, ret_address, &wanted) < 0)
		*ret_address = (struct proactor_address){0};
}

static int read_accepted(struct reader *reader, struct codec_result *result)
{
	uint32_t count;

	if (reader_array(reader, &count) < 0 || count != 2 ||
		reader_int(reader, 0, INT64_MAX, &result->result) < 0)
		return -EBADMSG;
	read_address(reader, result->address);
	return 0;
}

/* @size bytes, no more than there is room for. */
static void spread(const uint8_t *bytes, size_t size, const struct codec_result *result)
{
	const struct iovec *piece = result->pieces;

	if (!piece) {
		memcpy(result->data, bytes, size);
		return;
	}
	for (; size > 0; piece++) {
		size_t part = MIN(size, piece->iov_len);

		if (part > 0)
			memcpy(piece->iov_base, bytes, part);
		bytes += part;
		size -= part;
	}
}

/* [size, buffer or nil]; of what size the buffer is, is for the caller to know. */
static int read_in_pool(struct reader *reader, struct codec_result *result)
{
	int64_t buffer = -1;
	struct value value;
	uint32_t count;

	if (reader_array(reader, &count) < 0 || count != 2 ||
		reader_int(reader, 0, INT64_MAX, &result->result) < 0 ||
		reader_next(reader, &value) < 0 ||
		(value.token.type != TOKEN_NIL && !value_int(&value, 0, UINT16_MAX, &buffer)) ||
		(buffer < 0) != (result->result == 0))
		return -EBADMSG;
	result->buffer = (int32_t)buffer;
	return 0;
}

static int read_bytes(struct reader *reader, struct codec_result *result)
{
	const uint8_t *bytes;
	size_t size;

	if (result->is_in_pool)
		return read_in_pool(reader, result);
	if (result->is_in_memory)
		return reader_int(reader, 0, (int64_t)result->size, &result->result) < 0 ? -EBADMSG
											 : 0;
	if (reader_bytes(reader, &bytes, &size) < 0 || size > result->size)
		return -EBADMSG;
	if (size > 0)
		spread(bytes, size, result);
	result->result = (int64_t)size;
	return 0;
}

/* [bytes, address or nil], and for a message its flags. */
static int read_message_result(struct reader *reader, uint32_t expected_count,
	struct codec_result *result)
{
	uint64_t flags = 0;
	uint32_t count;

	if (reader_array(reader, &count) < 0 || count != expected_count ||
		read_bytes(reader, result) < 0)
		return -EBADMSG;
	read_address(reader, result->address);
	if (count == 3 && reader_uint(reader, INT32_MAX, &flags) < 0)
		return -EBADMSG;
	result->message_flags = (uint32_t)flags;
	return 0;
}

int codec_read_result(uint32_t opcode, struct reader reader, struct codec_result *result)
{
	result->result = 0;
	switch (op_table[opcode].result) {
	case OP_RESULT_NOTHING: return 0;
	case OP_RESULT_BYTES: return read_bytes(&reader, result);
	case OP_RESULT_ACCEPTED: return read_accepted(&reader, result);
	case OP_RESULT_DATAGRAM: return read_message_result(&reader, 2, result);
	case OP_RESULT_MESSAGE: return read_message_result(&reader, 3, result);
	case OP_RESULT_STAT: return codec_stat_read(&reader, result->stat);
	case OP_RESULT_COUNT:
		return reader_int(&reader, 0, (int64_t)result->size, &result->result) < 0 ? -EBADMSG
											  : 0;
	default: return reader_int(&reader, 0, INT64_MAX, &result->result) < 0 ? -EBADMSG : 0;
	}
}
