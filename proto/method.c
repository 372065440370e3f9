/* Methods, and the answer to `describe`. See method.h. */
#include "proto/method.h"

#include <errno.h>
#include <string.h>

#include "proto/codec.h"

enum { METHOD_PARAM_MAX = 4 };

static const struct method_info {
	const char *name;
	const char *result;
	const char *summary;
	struct {
		const char *name; /* NULL after the last */
		const char *type;
		bool optional;
	} params[METHOD_PARAM_MAX + 1];
} methods[METHOD_COUNT] = {
/* clang-format off */
#define REQUIRED false
#define OPTIONAL true
#define METHOD(method_name, NAME, method_result, method_summary) \
	[METHOD_##NAME] = { \
		.name = #method_name, .result = method_result, .summary = method_summary, \
		.params = {
#define PARAM(name, type, need) {name, type, need},
#define END }},
#include "proto/method.tbl"
#undef METHOD
#undef PARAM
#undef END
#undef REQUIRED
#undef OPTIONAL
	/* clang-format on */
};

/* What the types in a description mean on the wire. */
static const struct {
	const char *name;
	const char *meaning;
} types[] = {
	{"nil", "nil"},
	{"file", "integer: from open, accept, socket or attach; of this session only"},
	{"dir", "integer: the file of a directory; or nil: the path is absolute"},
	{"path", "str or bin without NUL, at most 4095 bytes"},
	{"size",
		"integer: bytes; of what is read or received also [memory, offset, size]; of recv also "
		"[pool]"},
	{"bytes", "bin (str is accepted); also [memory, offset, size]"},
	{"bin", "bin; of what went to a [memory, offset, size] its size, from a [pool] [size, buffer]"},
	{"sizes",
		"array of integers: bytes; at most 1024 of them; or of as many [memory, offset, size]"},
	{"pieces",
		"array of bin (str is accepted), or [memory, offset, size]; at most 1024 of them"},
	{"message", "[pieces, address or nil]; the address may be left out"},
	{"offset", "integer: bytes from the start; -1 or nil: the file's own position"},
	{"boolean", "true or false"},
	{"integer", "integer: 32 bits, signed; flags and constants have Linux's values"},
	{"unsigned", "integer: 32 bits, unsigned; flags and constants have Linux's values"},
	{"nanoseconds", "integer: a duration"},
	{"address",
		"[\"inet\", host, port], [\"inet6\", host, port, scope?] or [\"unix\", path]; hosts are numeric"},
	{"stat",
		"map: mode, nlink, uid, gid, ino, size, blocks, blksize, atime, mtime, ctime, btime (ns), dev, rdev "
		"(major << 32 | minor), mask, attributes, attributes_mask"},
};

enum method method_find(const char *name, size_t size)
{
	size_t i = 0;

	while (i < METHOD_COUNT &&
		(strlen(methods[i].name) != size || memcmp(methods[i].name, name, size) != 0))
		i++;
	return (enum method)i;
}

const char *method_name(enum method method)
{
	return methods[method].name;
}

bool method_check_count(enum method method, uint32_t count, struct rpc_error *error)
{
	uint32_t count_max = 0, count_min = 0;

	for (; methods[method].params[count_max].name; count_max++)
		count_min += !methods[method].params[count_max].optional;
	return rpc_check_count(methods[method].name, count_min, count_max, count,
		count < count_min ? methods[method].params[count].name : NULL, error);
}

void method_error_param(enum method method, unsigned index, const char *wanted,
	struct rpc_error *error)
{
	rpc_error_set(error, RPC_INVALID_PARAMS, "%s: parameter %u \"%s\" wants %s",
		methods[method].name, index + 1, methods[method].params[index].name, wanted);
}

/* ---- describe ---- */

static void describe_param(struct pack *pack, const char *name, const char *type, bool optional)
{
	pack_map(pack, 3);
	pack_pair_str(pack, "name", name);
	pack_pair_str(pack, "type", type);
	pack_str(pack, "optional");
	pack_bool(pack, optional);
}

/* All of a method but its params, whose array is to follow. */
static void describe_head(struct pack *pack, const char *name, const char *summary,
	const char *result)
{
	pack_map(pack, 5);
	pack_pair_str(pack, "name", name);
	pack_pair_str(pack, "summary", summary);
	pack_pair_str(pack, "result", result);
	pack_pair_uint(pack, "since", PROTOCOL_VERSION);
	pack_str(pack, "params");
}

static void describe_op(struct pack *pack, const struct op_info *info)
{
	uint32_t count, required;

	codec_param_counts(info, &count, &required);
	describe_head(pack, info->name, info->summary, codec_result_type(info->result));
	pack_array(pack, count);
	for (const struct op_param *param = info->params; param->name; param++)
		if (!op_kind_is_local(param->kind))
			describe_param(pack, codec_param_name(param), codec_param_type(param),
				param->optional);
}

static void describe_method(struct pack *pack, const struct method_info *info)
{
	size_t count = 0;

	while (info->params[count].name)
		count++;
	describe_head(pack, info->name, info->summary, info->result);
	pack_array(pack, count);
	for (size_t i = 0; i < count; i++)
		describe_param(pack, info->params[i].name, info->params[i].type,
			info->params[i].optional);
}

static void describe_methods(struct pack *pack)
{
	size_t count = METHOD_COUNT;

	for (size_t i = 0; i < PROACTOR_OPCODE_COUNT; i++)
		count += op_table[i].where == OP_WHERE_WIRE;
	pack_array(pack, count);
	for (size_t i = 0; i < METHOD_COUNT; i++)
		describe_method(pack, &methods[i]);
	for (size_t i = 0; i < PROACTOR_OPCODE_COUNT; i++)
		if (op_table[i].where == OP_WHERE_WIRE)
			describe_op(pack, &op_table[i]);
}

static void describe_errors(struct pack *pack)
{
	static const int codes[] = {RPC_PARSE_ERROR, RPC_INVALID_REQUEST, RPC_METHOD_NOT_FOUND,
		RPC_INVALID_PARAMS, RPC_INTERNAL_ERROR};

	/* all others are errno values; names are the keys, since many clients take no other */
	pack_map(pack, ARRAY_SIZE(codes));
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		pack_str(pack, rpc_error_name(codes[i]));
		pack_int(pack, codes[i]);
	}
}

void method_pack_limits(struct pack *pack, const struct limits *limits)
{
	pack_map(pack, LIMIT_COUNT);
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		pack_pair_uint(pack, limit_table[i].name, limits->value[i]);
}

void method_pack_describe(struct pack *pack, const struct limits *limits)
{
	pack_map(pack, 6);
	pack_pair_str(pack, "server", "proactord " VERSION);
	pack_pair_uint(pack, "version", PROTOCOL_VERSION);
	pack_str(pack, "methods");
	describe_methods(pack);
	pack_str(pack, "types");
	pack_map(pack, ARRAY_SIZE(types));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		pack_pair_str(pack, types[i].name, types[i].meaning);
	pack_str(pack, "errors");
	describe_errors(pack);
	pack_str(pack, "limits");
	method_pack_limits(pack, limits);
}
