/*
 * The table of operations, built from op.tbl, and the one check that every driver relies on.
 *
 * Each row is checked against struct proactor_op when this is compiled: a parameter whose field has
 * not the type of its kind does not build.
 */
#include "driver/op.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* The type that the field of each kind has. */
typedef int64_t TYPE_FILE;
typedef int64_t TYPE_DIR;
typedef const char *TYPE_PATH;
typedef void *TYPE_SPACE;
typedef const void *TYPE_DATA;
typedef int64_t TYPE_OFFSET;
typedef int32_t TYPE_INT;
typedef uint32_t TYPE_UINT;
typedef uint64_t TYPE_DURATION;
typedef const struct proactor_address *TYPE_ADDRESS;
typedef struct proactor_address *TYPE_MAYBE_ADDRESS;
typedef struct statx *TYPE_STAT_OUT;
typedef int64_t TYPE_LENGTH;
typedef const struct iovec *TYPE_SPACES;
typedef const struct iovec *TYPE_PIECES;
typedef struct msghdr *TYPE_MESSAGE_SPACE;
typedef struct msghdr *TYPE_MESSAGE_DATA;
typedef struct proactor_buffers *TYPE_BUFFERS;
typedef int64_t (*TYPE_FUNCTION)(void *);
typedef void *TYPE_ARGUMENT;

#define OP(op_name, NAME, op_result, op_where, op_summary)
#define PARAM(op_name, field, op_kind, need)                                                       \
	_Static_assert(__builtin_types_compatible_p(TYPE_##op_kind,                                \
			       __typeof__(((struct proactor_op *)0)->op_name.field)),              \
		"op.tbl: " #op_name "." #field " is not of the kind " #op_kind);
#define MULTISHOT
#define END
#include "driver/op.tbl"
#undef OP
#undef PARAM
#undef MULTISHOT
#undef END

/* clang-format off */
#define REQUIRED        false, 0
#define OPTIONAL(value) true, value
#define OP(op_name, NAME, op_result, op_where, op_summary)                                                             \
	[PROACTOR_##NAME] = {                                                                                          \
		.name = #op_name,                                                                                      \
		.summary = op_summary,                                                                                 \
		.result = OP_RESULT_##op_result,                                                                       \
		.where = OP_WHERE_##op_where,                                                                          \
		.params = {
#define PARAM(op_name, field, op_kind, need) {#field, OP_KIND_##op_kind, offsetof(struct proactor_op, op_name.field), need},
#define MULTISHOT {"multishot", OP_KIND_MULTISHOT, offsetof(struct proactor_op, flags), OPTIONAL(0)},
#define END                                                                                                            \
	}                                                                                                              \
	}                                                                                                              \
	,
const struct op_info op_table[] = {
#include "driver/op.tbl"
};
#undef OP
#undef PARAM
#undef MULTISHOT
#undef END
/* clang-format on */

_Static_assert(ARRAY_SIZE(op_table) == PROACTOR_OPCODE_COUNT,
	"op.tbl and enum proactor_opcode differ");
_Static_assert(offsetof(struct proactor_op, readv.pieces) ==
			offsetof(struct proactor_op, writev.pieces) &&
		offsetof(struct proactor_op, readv.count) ==
			offsetof(struct proactor_op, writev.count) &&
		offsetof(struct proactor_op, readv.count) ==
			offsetof(struct proactor_op, readv.pieces) + sizeof(void *),
	"readv and writev are alike, and a count follows its array");
_Static_assert(offsetof(struct proactor_op, read.size) ==
		offsetof(struct proactor_op, read.data) + sizeof(void *),
	"a size follows its memory");

const struct op_info *op_find(const char *name, size_t size)
{
	for (size_t i = 0; i < PROACTOR_OPCODE_COUNT; i++)
		if (strlen(op_table[i].name) == size && memcmp(op_table[i].name, name, size) == 0)
			return &op_table[i];
	return NULL;
}

static bool address_fits(const struct proactor_address *address)
{
	return address && address->size >= sizeof(sa_family_t) &&
		address->size <= sizeof(address->storage);
}

static bool path_fits(const char *path)
{
	return path && strnlen(path, PATH_MAX) < PATH_MAX;
}

/* An array and the number of its elements. */
static bool pieces_fit(const void *field)
{
	const struct iovec *pieces = *(const struct iovec *const *)field;
	size_t count = *(const size_t *)((const uint8_t *)field + sizeof(pieces));

	return count <= IOV_MAX && (pieces || count == 0);
}

static bool param_fits(const struct op_param *param, const struct proactor_op *op)
{
	const void *field = (const uint8_t *)op + param->offset;

	switch (param->kind) {
	case OP_KIND_PATH: return path_fits(*(const char *const *)field);
	case OP_KIND_ADDRESS: return address_fits(*(const struct proactor_address *const *)field);
	case OP_KIND_LENGTH: return *(const int64_t *)field >= 0;
	case OP_KIND_SPACES:
	case OP_KIND_PIECES: return pieces_fit(field);
	case OP_KIND_STAT_OUT:
	case OP_KIND_FUNCTION:
	case OP_KIND_MESSAGE_SPACE:
	case OP_KIND_MESSAGE_DATA: return *(void *const *)field != NULL;
	default: return true;
	}
}

/*
 * Which parameters param_fits() looks at; the operations without one are not gone over at each
 * push. A row of op.tbl becomes `(0 | its bit) * !!(0 + CHECKED of each parameter)`.
 */
enum {
	CHECKED_FILE = 0,
	CHECKED_DIR = 0,
	CHECKED_PATH = 1,
	CHECKED_SPACE = 0,
	CHECKED_DATA = 0,
	CHECKED_OFFSET = 0,
	CHECKED_INT = 0,
	CHECKED_UINT = 0,
	CHECKED_DURATION = 0,
	CHECKED_ADDRESS = 1,
	CHECKED_MAYBE_ADDRESS = 0,
	CHECKED_STAT_OUT = 1,
	CHECKED_LENGTH = 1,
	CHECKED_SPACES = 1,
	CHECKED_PIECES = 1,
	CHECKED_MESSAGE_SPACE = 1,
	CHECKED_MESSAGE_DATA = 1,
	CHECKED_BUFFERS = 0,
	CHECKED_FUNCTION = 1,
	CHECKED_ARGUMENT = 0,
};

/* clang-format off */
#define OP(op_name, NAME, op_result, op_where, op_summary) | UINT64_C(1) << PROACTOR_##NAME) * !!(0
#define PARAM(op_name, field, op_kind, need) + CHECKED_##op_kind
#define MULTISHOT
#define END ) | (0
const uint64_t op_checked = (0
#include "driver/op.tbl"
	);
#undef OP
#undef PARAM
#undef MULTISHOT
#undef END
/* clang-format on */

/* How many bytes the parameter points to that are copied with the operation. */
static size_t copied_size(const struct op_param *param, const void *field)
{
	switch (param->kind) {
	case OP_KIND_PATH: return strlen(*(const char *const *)field) + 1;
	case OP_KIND_ADDRESS: return sizeof(struct proactor_address);
	case OP_KIND_SPACES:
	case OP_KIND_PIECES:
		return *(const size_t *)((const uint8_t *)field + sizeof(struct iovec *)) *
			sizeof(struct iovec);
	default: return 0;
	}
}

/* Each begins where a pointer may stand. */
static size_t aligned(size_t size)
{
	return (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
}

size_t op_copy_size(const struct proactor_op *op)
{
	size_t size = 0;

	for (const struct op_param *param = op_table[op->opcode].params; param->name; param++)
		size += aligned(copied_size(param, (const uint8_t *)op + param->offset));
	return size;
}

void op_copy(struct proactor_op *ret_copy, const struct proactor_op *op, void *room)
{
	*ret_copy = *op;
	for (const struct op_param *param = op_table[op->opcode].params; param->name; param++) {
		const void *field = (const uint8_t *)op + param->offset;
		size_t size = copied_size(param, field);

		if (size == 0)
			continue;
		memcpy(room, *(const void *const *)field, size);
		*(void **)((uint8_t *)ret_copy + param->offset) = room;
		room = (uint8_t *)room + aligned(size);
	}
}

int op_check_params(const struct proactor_op *op)
{
	for (const struct op_param *param = op_table[op->opcode].params; param->name; param++)
		if (!param_fits(param, op))
			return -EINVAL;
	return 0;
}
