/*
 * Operations on the wire and back, for every row of the table: a row that is added is tested with
 * the others.
 */
#include "tests/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "proto/codec.h"

static struct buffer buffer;
static struct codec_scratch scratch;
static struct proactor_address address;

static void *field_of(struct proactor_op *op, const struct op_param *param)
{
	return (uint8_t *)op + param->offset;
}

static bool is_pieces(enum op_kind kind)
{
	return kind == OP_KIND_SPACES || kind == OP_KIND_PIECES;
}

static bool is_memory(enum op_kind kind)
{
	return kind == OP_KIND_SPACE || kind == OP_KIND_DATA || is_pieces(kind);
}

static size_t size_of_field(enum op_kind kind)
{
	return kind == OP_KIND_INT || kind == OP_KIND_UINT || kind == OP_KIND_MULTISHOT ? 4
		: is_memory(kind)                                                       ? 16
											: 8;
}

#define for_each_wire_op(opcode)                                                                   \
	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++)                        \
		if (op_table[opcode].where == OP_WHERE_WIRE)

#define for_each_wire_param(param, opcode)                                                         \
	for (const struct op_param *param = op_table[opcode].params; param->name; param++)         \
		if (!op_kind_is_local(param->kind))

/* ---- sample operations ---- */

static struct iovec sample_pieces[] = {
	{(void *)(uintptr_t) "a", 1}, {NULL, 0}, {(void *)(uintptr_t) "bcd", 3}};
static struct msghdr sample_message = {
	.msg_iov = sample_pieces,
	.msg_iovlen = 3,
	.msg_name = &address.storage,
	.msg_namelen = sizeof(struct sockaddr_in),
};

static void set_sample(struct proactor_op *op, const struct op_param *param)
{
	static const struct {
		const void *data;
		size_t size;
	} memory = {"da\0ta", 5}, vector = {sample_pieces, 3};
	static struct msghdr *const message_pointer = &sample_message;
	static const char *const path = "dir/name";
	const struct proactor_address *pointer = &address;
	struct sockaddr_in *inet = (struct sockaddr_in *)&address.storage;

	*inet = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(8080), .sin_addr = {htonl(0x7f000001)}};
	address.size = sizeof(*inet);
	switch (param->kind) {
	case OP_KIND_PATH: memcpy(field_of(op, param), &path, sizeof(path)); break;
	case OP_KIND_SPACE:
	case OP_KIND_DATA: memcpy(field_of(op, param), &memory, sizeof(memory)); break;
	case OP_KIND_SPACES:
	case OP_KIND_PIECES: memcpy(field_of(op, param), &vector, sizeof(vector)); break;
	case OP_KIND_MESSAGE_SPACE:
	case OP_KIND_MESSAGE_DATA:
		memcpy(field_of(op, param), &message_pointer, sizeof(message_pointer));
		break;
	case OP_KIND_MULTISHOT: op->flags |= PROACTOR_MULTISHOT; break;
	case OP_KIND_INT:
		memcpy(field_of(op, param), &(int32_t){INT32_MIN}, sizeof(int32_t));
		break;
	case OP_KIND_UINT:
		memcpy(field_of(op, param), &(uint32_t){UINT32_MAX}, sizeof(uint32_t));
		break;
	case OP_KIND_ADDRESS: memcpy(field_of(op, param), &pointer, sizeof(pointer)); break;
	default: memcpy(field_of(op, param), &(int64_t){INT64_MAX}, sizeof(int64_t)); break;
	}
}

static void set_fallback(struct proactor_op *op, const struct op_param *param)
{
	static const char *const nowhere = "";

	if (param->kind == OP_KIND_MULTISHOT)
		op->flags &= ~(uint32_t)PROACTOR_MULTISHOT;
	else if (param->kind == OP_KIND_PATH)
		memcpy(field_of(op, param), &nowhere, sizeof(nowhere));
	else if (size_of_field(param->kind) == 4)
		memcpy(field_of(op, param), &(int32_t){(int32_t)param->fallback}, sizeof(int32_t));
	else
		memcpy(field_of(op, param), &param->fallback, sizeof(param->fallback));
}

/* Fields that are not set are seen to be left alone. */
static struct proactor_op blank(uint32_t opcode)
{
	struct proactor_op op;

	memset(&op, 0xa5, sizeof(op));
	op.opcode = opcode;
	return op;
}

static void check_same_pieces(const void *field, bool is_space)
{
	struct {
		struct iovec *pieces;
		size_t count;
	} found;

	memcpy(&found, field, sizeof(found));
	ck_assert_uint_eq(found.count, 3);
	for (size_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(found.pieces[i].iov_len, sample_pieces[i].iov_len);
		if (is_space)
			ck_assert_ptr_null(found.pieces[i].iov_base);
		else if (sample_pieces[i].iov_len > 0)
			ck_assert_mem_eq(found.pieces[i].iov_base, sample_pieces[i].iov_base,
				sample_pieces[i].iov_len);
	}
}

/* Those of a message come in one piece. */
static void check_same_message(const struct msghdr *found, bool is_space)
{
	ck_assert_uint_eq(found->msg_iovlen, 1);
	ck_assert_uint_eq(found->msg_iov->iov_len, 4);
	ck_assert_uint_eq(found->msg_controllen, 0);
	if (is_space) {
		ck_assert_ptr_null(found->msg_iov->iov_base);
		ck_assert_ptr_null(found->msg_name);
		return;
	}
	ck_assert_mem_eq(found->msg_iov->iov_base, "abcd", 4);
	ck_assert_uint_eq(found->msg_namelen, address.size);
	ck_assert_mem_eq(found->msg_name, &address.storage, address.size);
}

static void check_same(struct proactor_op *op, struct proactor_op *expected,
	const struct op_param *param)
{
	const char *name = op_table[op->opcode].name;
	void *field = field_of(op, param), *wanted = field_of(expected, param);
	size_t size;

	switch (param->kind) {
	case OP_KIND_PATH:
		ck_assert_msg(strcmp(*(char **)field, *(char **)wanted) == 0, "%s: %s", name,
			param->name);
		break;
	case OP_KIND_ADDRESS:
		ck_assert_msg((*(struct proactor_address **)field)->size == address.size &&
				memcmp(&(*(struct proactor_address **)field)->storage,
					&address.storage, address.size) == 0,
			"%s: %s", name, param->name);
		break;
	case OP_KIND_SPACES:
	case OP_KIND_PIECES: check_same_pieces(field, param->kind == OP_KIND_SPACES); break;
	case OP_KIND_MESSAGE_SPACE:
	case OP_KIND_MESSAGE_DATA:
		check_same_message(*(struct msghdr **)field, param->kind == OP_KIND_MESSAGE_SPACE);
		break;
	case OP_KIND_SPACE:
		ck_assert_msg(*(void **)field == NULL, "%s: %s", name, param->name);
		__attribute__((fallthrough));
	case OP_KIND_DATA:
		memcpy(&size, (uint8_t *)wanted + 8, sizeof(size));
		ck_assert_msg(memcmp((uint8_t *)field + 8, &size, 8) == 0, "%s: size", name);
		ck_assert_msg(param->kind == OP_KIND_SPACE ||
				memcmp(*(void **)field, *(void **)wanted, size) == 0,
			"%s: %s", name, param->name);
		break;
	default:
		ck_assert_msg(memcmp(field, wanted, size_of_field(param->kind)) == 0, "%s: %s",
			name, param->name);
	}
}

/* ---- there and back ---- */

static struct rpc_message parse(void)
{
	struct rpc_message message;
	const char *reason;

	must(rpc_parse(buffer_bytes(&buffer), buffer_size(&buffer), &message, &reason));
	return message;
}

/* What was packed, read as a call of its operation. */
static void check_reads_as(struct proactor_op *expected)
{
	struct rpc_message message = parse();
	const struct op_info *info = op_find(message.method, message.method_size);
	struct proactor_op op = blank(expected->opcode);
	struct rpc_error error = {0};

	ck_assert_ptr_eq(info, &op_table[expected->opcode]);
	ck_assert_msg(codec_read_params(info, message.params, message.param_count, &op, &scratch,
			      &error),
		"%s", error.message);
	for_each_wire_param(param, expected->opcode) check_same(&op, expected, param);
	/* what is not on the wire is the caller's */
	for (const struct op_param *param = info->params; param->name; param++)
		if (op_kind_is_local(param->kind))
			ck_assert_int_eq(*(uint8_t *)field_of(&op, param), 0xa5);
	buffer_clear(&buffer);
}

START_TEST(every_operation_comes_back_from_the_wire)
{
	struct pack pack = pack_into(&buffer);

	for_each_wire_op(opcode)
	{
		struct proactor_op op = blank(opcode);

		for_each_wire_param(param, opcode) set_sample(&op, param);
		codec_pack_request(&pack, 7, &op);
		check_reads_as(&op);
	}
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(trailing_parameters_with_their_default_do_not_travel)
{
	struct pack pack = pack_into(&buffer);

	for_each_wire_op(opcode)
	{
		struct proactor_op op = blank(opcode);
		uint32_t count, required;

		for_each_wire_param(param, opcode)
		{
			set_sample(&op, param);
			if (param->optional)
				set_fallback(&op, param);
		}
		codec_pack_request(&pack, 7, &op);
		codec_param_counts(&op_table[opcode], &count, &required);
		ck_assert_msg(parse().param_count == required, "%s", op_table[opcode].name);
		check_reads_as(&op);
	}
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(default_before_a_parameter_that_travels_is_written_out)
{
	struct proactor_op op = {.opcode = PROACTOR_STAT};
	struct pack pack = pack_into(&buffer);

	op.stat.dir = 3;
	op.stat.path = "";
	op.stat.flags = 0;
	op.stat.mask = 1;
	codec_pack_request(&pack, 7, &op);
	ck_assert_uint_eq(parse().param_count, 4);
	check_reads_as(&op);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(working_directory_is_nil_on_the_wire)
{
	struct proactor_op op = {.opcode = PROACTOR_OPEN};
	struct pack pack = pack_into(&buffer);
	struct rpc_message message;
	struct value value;

	op.open.dir = PROACTOR_CWD;
	op.open.path = "/x";
	codec_pack_request(&pack, 7, &op);
	message = parse();
	must(reader_next(&message.params, &value));
	ck_assert_int_eq(value.token.type, TOKEN_NIL);
	check_reads_as(&op);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(nil_is_the_current_position_also_where_an_offset_is_required)
{
	struct pack pack = pack_into(&buffer);
	struct rpc_error error = {0};
	struct proactor_op op = {.opcode = PROACTOR_SPLICE};
	struct reader reader;

	pack_uint(&pack, 1);
	pack_nil(&pack);
	pack_uint(&pack, 2);
	pack_nil(&pack);
	pack_uint(&pack, 5);
	reader = reader_of(buffer_bytes(&buffer), buffer_size(&buffer));
	ck_assert(codec_read_params(&op_table[op.opcode], reader, 5, &op, &scratch, &error));
	ck_assert_int_eq(op.splice.in_offset, PROACTOR_CURRENT);
	ck_assert_int_eq(op.splice.out_offset, PROACTOR_CURRENT);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(each_of_two_paths_has_its_own_place)
{
	struct proactor_op op = {.opcode = PROACTOR_RENAME};
	struct pack pack = pack_into(&buffer);
	struct rpc_message message;
	struct rpc_error error = {0};

	op.rename.old_path = "old";
	op.rename.new_path = "new";
	codec_pack_request(&pack, 7, &op);
	message = parse();
	ck_assert(codec_read_params(&op_table[op.opcode], message.params, message.param_count, &op,
		&scratch, &error));
	ck_assert_str_eq(op.rename.old_path, "old");
	ck_assert_str_eq(op.rename.new_path, "new");
	buffer_deinit(&buffer);
}
END_TEST

/* ---- what is refused ---- */

static void pack_sample(struct pack *pack, const struct op_param *param)
{
	switch (param->kind) {
	case OP_KIND_PATH: pack_str(pack, "x"); break;
	case OP_KIND_DATA: pack_bin(pack, "x", 1); break;
	case OP_KIND_MULTISHOT: pack_bool(pack, true); break;
	case OP_KIND_SPACES:
	case OP_KIND_PIECES: pack_array(pack, 0); break;
	case OP_KIND_MESSAGE_DATA:
		pack_array(pack, 1);
		pack_array(pack, 0);
		break;
	case OP_KIND_ADDRESS:
		pack_array(pack, 2);
		pack_str(pack, "unix");
		pack_str(pack, "/x");
		break;
	default: pack_uint(pack, 1);
	}
}

/* Packs parameters that are right, but for the one at @index, which the caller packs. */
static void pack_up_to(struct pack *pack, uint32_t opcode, uint32_t index)
{
	for_each_wire_param(param, opcode)
	{
		if (index-- == 0)
			return;
		pack_sample(pack, param);
	}
}

static bool read(uint32_t opcode, uint32_t count, struct proactor_op *op, struct rpc_error *error)
{
	struct reader reader = reader_of(buffer_bytes(&buffer), buffer_size(&buffer));
	bool done;

	*op = blank(opcode);
	*error = (struct rpc_error){0};
	done = codec_read_params(&op_table[opcode], reader, count, op, &scratch, error);
	buffer_clear(&buffer);
	return done;
}

enum wrong {
	WRONG_NIL,
	WRONG_BOOL,
	WRONG_FLOAT,
	WRONG_MAP,
	WRONG_ARRAY,
	WRONG_EXT,
	WRONG_OTHER,
	WRONG_COUNT
};

/* Packs something that @param cannot be. False: it can. */
static bool pack_wrong(struct pack *pack, const struct op_param *param, enum wrong wrong)
{
	bool wants_integer = param->kind != OP_KIND_PATH && param->kind != OP_KIND_DATA &&
		param->kind != OP_KIND_ADDRESS && !is_pieces(param->kind) &&
		param->kind != OP_KIND_MESSAGE_DATA && param->kind != OP_KIND_MULTISHOT;

	switch (wrong) {
	case WRONG_NIL:
		if (param->optional || param->kind == OP_KIND_DIR || param->kind == OP_KIND_OFFSET)
			return false;
		pack_nil(pack);
		break;
	case WRONG_BOOL:
		if (param->kind == OP_KIND_MULTISHOT)
			return false;
		pack_bool(pack, true);
		break;
	case WRONG_FLOAT: pack_double(pack, 1.0); break;
	case WRONG_MAP: pack_map(pack, 0); break;
	case WRONG_ARRAY:
		if (is_pieces(param->kind)) {
			pack_array(pack, 1);
			pack_nil(pack);
		} else {
			pack_array(pack, 0);
		}
		break;
	case WRONG_EXT: must(buffer_append(&buffer, "\xd4\x01\x01", 3)); break;
	default:
		if (wants_integer)
			pack_str(pack, "1");
		else
			pack_uint(pack, 1);
	}
	return true;
}

/* What was packed has something wrong at @index, which is @param; @what says what in a failure. */
static void check_refused(uint32_t opcode, const struct op_param *param, uint32_t index, int what)
{
	uint32_t count, required;
	struct rpc_error error;
	struct proactor_op op;
	char named[64];

	codec_param_counts(&op_table[opcode], &count, &required);
	snprintf(named, sizeof(named), "%s: parameter %u \"%s\" wants ", op_table[opcode].name,
		index + 1, codec_param_name(param));
	ck_assert_msg(!read(opcode, MAX(index + 1, required), &op, &error), "%s… takes %d", named,
		what);
	ck_assert_int_eq(error.code, RPC_INVALID_PARAMS);
	ck_assert_msg(strstr(error.message, named), "\"%s\" does not say %s", error.message, named);
	ck_assert_uint_gt(strlen(strstr(error.message, "wants ")), strlen("wants "));
}

START_TEST(parameter_of_the_wrong_type_is_named_with_what_it_wants)
{
	struct pack pack = pack_into(&buffer);
	unsigned refused = 0;

	for_each_wire_op(opcode)
	{
		uint32_t index = 0;

		for_each_wire_param(param, opcode)
		{
			for (int wrong = 0; wrong < WRONG_COUNT; wrong++) {
				pack_up_to(&pack, opcode, index);
				if (pack_wrong(&pack, param, (enum wrong)wrong)) {
					check_refused(opcode, param, index, wrong);
					refused++;
				}
				buffer_clear(&buffer);
			}
			index++;
		}
	}
	ck_assert_uint_gt(refused, 100);
	buffer_deinit(&buffer);
}
END_TEST

/* The numbers just beyond what each kind takes, and the last ones that it does. */
START_TEST(number_out_of_range_is_refused_at_the_exact_boundary)
{
	static const struct {
		uint32_t opcode;
		uint32_t index;
		enum op_kind kind;
		int64_t min;
		uint64_t max;
	} rows[] = {
		{PROACTOR_CLOSE, 0, OP_KIND_FILE, 0, INT64_MAX},
		{PROACTOR_STAT, 0, OP_KIND_DIR, 0, INT64_MAX},
		{PROACTOR_READ, 1, OP_KIND_SPACE, 0, INT64_MAX},
		{PROACTOR_READ, 2, OP_KIND_OFFSET, PROACTOR_CURRENT, INT64_MAX},
		{PROACTOR_LISTEN, 1, OP_KIND_INT, INT32_MIN, INT32_MAX},
		{PROACTOR_POLL, 1, OP_KIND_UINT, 0, UINT32_MAX},
		{PROACTOR_TIMEOUT, 0, OP_KIND_DURATION, 0, INT64_MAX},
	};
	struct pack pack = pack_into(&buffer);
	struct rpc_error error;
	struct proactor_op op;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t opcode = rows[i].opcode, index = rows[i].index;
		const struct op_param *param = &op_table[opcode].params[index];

		ck_assert_int_eq(param->kind, rows[i].kind);
		pack_up_to(&pack, opcode, index);
		pack_int(&pack, rows[i].min);
		ck_assert_msg(read(opcode, index + 1, &op, &error), "%s", error.message);
		pack_up_to(&pack, opcode, index);
		pack_uint(&pack, rows[i].max);
		ck_assert_msg(read(opcode, index + 1, &op, &error), "%s", error.message);
		pack_up_to(&pack, opcode, index);
		pack_int(&pack, rows[i].min - 1);
		check_refused(opcode, param, index, -1);
		pack_up_to(&pack, opcode, index);
		pack_uint(&pack, rows[i].max + 1);
		check_refused(opcode, param, index, 1);
	}
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(optional_parameter_that_is_nil_has_its_default)
{
	struct pack pack = pack_into(&buffer);

	for_each_wire_op(opcode)
	{
		struct proactor_op op, expected = blank(opcode);
		struct rpc_error error;
		uint32_t count = 0;

		for_each_wire_param(param, opcode)
		{
			count++;
			if (param->optional) {
				pack_nil(&pack);
				set_fallback(&expected, param);
			} else {
				pack_sample(&pack, param);
			}
		}
		ck_assert_msg(read(opcode, count, &op, &error), "%s", error.message);
		for_each_wire_param(param, opcode) if (param->optional)
			check_same(&op, &expected, param);
	}
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(missing_and_extra_parameters_are_refused)
{
	for_each_wire_op(opcode)
	{
		struct rpc_error error;
		struct proactor_op op;
		uint32_t count, required;

		codec_param_counts(&op_table[opcode], &count, &required);
		ck_assert(!read(opcode, count + 1, &op, &error));
		ck_assert_ptr_nonnull(strstr(error.message, op_table[opcode].name));
		if (required > 0)
			ck_assert(!read(opcode, required - 1, &op, &error));
		ck_assert_int_eq(error.code, RPC_INVALID_PARAMS);
	}
}
END_TEST

START_TEST(parameters_that_end_too_soon_are_refused)
{
	struct rpc_error error;
	struct proactor_op op;

	ck_assert(!read(PROACTOR_CLOSE, 1, &op, &error));
	ck_assert_str_eq(error.message,
		"INVALID_PARAMS: close: parameter 1 \"file\" wants a value");
	ck_assert(!read(PROACTOR_CONNECT, 2, &op, &error));
}
END_TEST

START_TEST(bytes_may_come_as_str_and_paths_as_bin)
{
	struct pack pack = pack_into(&buffer);
	struct rpc_error error;
	struct proactor_op op;

	pack_uint(&pack, 1);
	pack_str(&pack, "abc");
	ck_assert(codec_read_params(&op_table[PROACTOR_WRITE],
		reader_of(buffer_bytes(&buffer), buffer_size(&buffer)), 2, &op, &scratch, &error));
	ck_assert_uint_eq(op.write.size, 3);
	ck_assert_mem_eq(op.write.data, "abc", 3);
	buffer_clear(&buffer);
	pack_nil(&pack);
	pack_bin(&pack, "/\xff", 2);
	ck_assert_msg(read(PROACTOR_OPEN, 2, &op, &error), "%s", error.message);
	ck_assert_str_eq(op.open.path, "/\xff");
	ck_assert_int_eq(op.open.dir, PROACTOR_CWD);
	buffer_deinit(&buffer);
}
END_TEST

static bool read_path_of(const char *path, size_t size, struct proactor_op *op,
	struct rpc_error *error)
{
	struct pack pack = pack_into(&buffer);

	pack_nil(&pack);
	pack_str_sized(&pack, path, size);
	return read(PROACTOR_OPEN, 2, op, error);
}

START_TEST(path_with_a_nul_or_too_long_is_refused)
{
	static char path[PATH_MAX];
	struct rpc_error error;
	struct proactor_op op;

	memset(path, 'p', sizeof(path));
	ck_assert(read_path_of(path, PATH_MAX - 1, &op, &error));
	ck_assert_uint_eq(strlen(op.open.path), PATH_MAX - 1);
	ck_assert(!read_path_of(path, PATH_MAX, &op, &error));
	ck_assert_ptr_nonnull(strstr(error.message,
		"\"path\" wants a path of at most 4095 bytes without NUL"));
	ck_assert(!read_path_of("a\0b", 3, &op, &error));
	ck_assert(!read_path_of("a", 2, &op, &error));
	ck_assert(read_path_of("", 0, &op, &error));
	buffer_deinit(&buffer);
}
END_TEST

/* ---- results ---- */

static const uint8_t bytes[300] = {1, 2, 3};

static int result_of(struct proactor_op *op, int64_t number, struct codec_result *result)
{
	struct pack pack = pack_into(&buffer);
	int r;

	codec_pack_result(&pack, op, number);
	if (codec_result_has_bytes(op_table[op->opcode].result)) {
		must(buffer_append(&buffer, bytes, (size_t)number));
		codec_pack_trailer(&pack, op);
	}
	r = codec_read_result(op->opcode, reader_of(buffer_bytes(&buffer), buffer_size(&buffer)),
		result);
	buffer_clear(&buffer);
	return r;
}

START_TEST(every_result_comes_back_from_the_wire)
{
	static uint8_t room[300];
	struct proactor_address from = {.size = sizeof(struct sockaddr_in)}, to;
	struct statx stat = {.stx_mask = STATX_BASIC_STATS, .stx_size = 12}, stat_room;

	((struct sockaddr_in *)&from.storage)->sin_family = AF_INET;
	for_each_wire_op(opcode)
	{
		struct codec_result result = {.result = -7,
			.data = room,
			.size = sizeof(room),
			.address = &to,
			.stat = &stat_room};
		bool counts = op_table[opcode].result != OP_RESULT_NOTHING &&
			op_table[opcode].result != OP_RESULT_STAT;
		struct proactor_op op = {.opcode = opcode};

		memset(room, 0, sizeof(room));
		if (opcode == PROACTOR_RECVFROM)
			op.recvfrom.address = &from;
		if (opcode == PROACTOR_RECVMSG)
			op.recvmsg.message = &sample_message;
		if (opcode == PROACTOR_ACCEPT)
			op.accept.address = &from;
		if (opcode == PROACTOR_STAT)
			op.stat.stat = &stat;
		must(result_of(&op, counts ? 300 : 0, &result));
		ck_assert_msg(result.result == (counts ? 300 : 0), "%s", op_table[opcode].name);
		if (codec_result_has_bytes(op_table[opcode].result))
			ck_assert_mem_eq(room, bytes, sizeof(room));
	}
	ck_assert_uint_eq(to.size, from.size);
	ck_assert_int_eq(to.any.sa_family, AF_INET);
	ck_assert_uint_eq(stat_room.stx_size, 12);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(result_that_is_more_than_was_asked_for_is_refused)
{
	uint8_t room[4] = {0};
	struct codec_result result = {.data = room, .size = 3};
	struct proactor_op op = {.opcode = PROACTOR_READ};

	assert_result(result_of(&op, 3, &result), 0);
	assert_result(result_of(&op, 4, &result), -EBADMSG);
	op.opcode = PROACTOR_WRITE;
	assert_result(result_of(&op, 3, &result), 0);
	assert_result(result_of(&op, 4, &result), -EBADMSG);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(result_of_another_type_is_refused)
{
	for_each_wire_op(opcode)
	{
		struct codec_result result = {0};
		const uint8_t boolean[] = {0xc3}, negative[] = {0xff};
		bool nothing = op_table[opcode].result == OP_RESULT_NOTHING;

		assert_result(codec_read_result(opcode, reader_of(boolean, 1), &result),
			nothing ? 0 : -EBADMSG);
		assert_result(codec_read_result(opcode, reader_of(negative, 1), &result),
			nothing ? 0 : -EBADMSG);
		assert_result(codec_read_result(opcode, reader_of(boolean, 0), &result),
			nothing ? 0 : -EBADMSG);
	}
}
END_TEST

START_TEST(nobody_asked_for_the_peer_s_address_and_it_is_passed_over)
{
	struct proactor_address from = {.size = sizeof(sa_family_t), .any = {.sa_family = AF_UNIX}};
	struct proactor_op op = {.opcode = PROACTOR_ACCEPT, .accept = {.address = &from}};
	struct codec_result result = {0};

	must(result_of(&op, 9, &result));
	ck_assert_int_eq(result.result, 9);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(peer_of_a_family_without_a_form_has_an_empty_address)
{
	struct proactor_address from = {.size = 12, .any = {.sa_family = AF_NETLINK}},
				to = {.size = 77};
	struct proactor_op op = {.opcode = PROACTOR_ACCEPT, .accept = {.address = &from}};
	struct codec_result result = {.address = &to};

	must(result_of(&op, 9, &result));
	ck_assert_int_eq(result.result, 9);
	ck_assert_uint_eq(to.size, 0);
	buffer_deinit(&buffer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("codec");

	suite_add(suite, every_operation_comes_back_from_the_wire);
	suite_add(suite, trailing_parameters_with_their_default_do_not_travel);
	suite_add(suite, default_before_a_parameter_that_travels_is_written_out);
	suite_add(suite, working_directory_is_nil_on_the_wire);
	suite_add(suite, nil_is_the_current_position_also_where_an_offset_is_required);
	suite_add(suite, each_of_two_paths_has_its_own_place);
	suite_add(suite, parameter_of_the_wrong_type_is_named_with_what_it_wants);
	suite_add(suite, number_out_of_range_is_refused_at_the_exact_boundary);
	suite_add(suite, optional_parameter_that_is_nil_has_its_default);
	suite_add(suite, missing_and_extra_parameters_are_refused);
	suite_add(suite, parameters_that_end_too_soon_are_refused);
	suite_add(suite, bytes_may_come_as_str_and_paths_as_bin);
	suite_add(suite, path_with_a_nul_or_too_long_is_refused);
	suite_add(suite, every_result_comes_back_from_the_wire);
	suite_add(suite, result_that_is_more_than_was_asked_for_is_refused);
	suite_add(suite, result_of_another_type_is_refused);
	suite_add(suite, nobody_asked_for_the_peer_s_address_and_it_is_passed_over);
	suite_add(suite, peer_of_a_family_without_a_form_has_an_empty_address);
	return suite_main(suite);
}
