/*
 * The table of operations (op.tbl) as data: what the front checks, what the wire codec walks, what
 * `describe` tells.
 *
 * A parameter is a kind and a place in struct proactor_op, so that one loop over the parameters
 * serves every operation.
 */
#pragma once

#include <errno.h>

#include "base/def.h"
#include "driver/proactor.h"

enum op_kind {
	OP_KIND_FILE,
	OP_KIND_DIR,
	OP_KIND_PATH,
	OP_KIND_SPACE,
	OP_KIND_DATA,
	OP_KIND_OFFSET,
	OP_KIND_INT,
	OP_KIND_UINT,
	OP_KIND_DURATION,
	OP_KIND_ADDRESS,
	OP_KIND_LENGTH,
	OP_KIND_SPACES,
	OP_KIND_PIECES,
	OP_KIND_MESSAGE_SPACE,
	OP_KIND_MESSAGE_DATA,
	OP_KIND_MULTISHOT,
	OP_KIND_MAYBE_ADDRESS, /* from here on the caller's own: see op_kind_is_local() */
	OP_KIND_STAT_OUT,
	OP_KIND_BUFFERS,
	OP_KIND_FUNCTION,
	OP_KIND_ARGUMENT,
	OP_KIND_COUNT
};

enum op_result {
	OP_RESULT_NOTHING,
	OP_RESULT_COUNT,
	OP_RESULT_BYTES,
	OP_RESULT_FILE,
	OP_RESULT_ACCEPTED,
	OP_RESULT_EVENTS,
	OP_RESULT_STAT,
	OP_RESULT_DATAGRAM,
	OP_RESULT_MESSAGE,
	OP_RESULT_VALUE,
	OP_RESULT_KINDS
};

enum op_where { OP_WHERE_WIRE, OP_WHERE_LOCAL };

struct op_param {
	const char *name; /* NULL after the last */
	enum op_kind kind;
	uint16_t offset; /* of the field in struct proactor_op, in bytes */
	bool optional;
	int64_t fallback; /* the value of an optional one that is left out */
};

enum { OP_PARAM_MAX = 6, OP_NAME_SIZE_MAX = 16 };

struct op_info {
	const char *name;
	const char *summary;
	enum op_result result;
	enum op_where where;
	struct op_param params[OP_PARAM_MAX + 1];
};

/* Indexed by opcode; PROACTOR_OPCODE_COUNT of them. */
extern const struct op_info op_table[];

/* The operation called by the @size bytes at @name, or NULL. */
const struct op_info *op_find(const char *name, size_t size);

/*
 * Whether this kind of parameter is something the caller's process fills in or keeps: such have no
 * place on the wire.
 */
static inline bool op_kind_is_local(enum op_kind kind)
{
	return kind >= OP_KIND_MAYBE_ADDRESS;
}

/* Whether success makes a file. */
static inline bool op_makes_file(uint32_t opcode)
{
	enum op_result result = op_table[opcode].result;

	return result == OP_RESULT_FILE || result == OP_RESULT_ACCEPTED;
}

#define OP_FLAGS                                                                                   \
	((uint32_t)(PROACTOR_MAY_BLOCK | PROACTOR_CHAIN | PROACTOR_MULTISHOT |                     \
		PROACTOR_BUFFER_SELECT))

/*
 * A copy of @op that the caller's may go after: op_copy_size() says how much @room that takes
 * beside @ret_copy for what @op points to, 0 for most. Data, and what is filled in, is not copied.
 * @room is aligned for a pointer.
 */
size_t op_copy_size(const struct proactor_op *op);
void op_copy(struct proactor_op *ret_copy, const struct proactor_op *op, void *room);

/* Whether the first parameter is a file, or a directory's. */
static inline bool op_acts_on_file(uint32_t opcode)
{
	const struct op_param *first = op_table[opcode].params;

	return first->name && (first->kind == OP_KIND_FILE || first->kind == OP_KIND_DIR);
}

/* The operations with a parameter that op_check_params() looks at, a bit each. */
extern const uint64_t op_checked;

/* As op_check(), for one of op_checked. */
int op_check_params(const struct proactor_op *op);

/*
 * Whether the operation can be handed to a driver: a known opcode, no unknown flags, and all that
 * it points to there and within its limits. 0 or -EINVAL. What a number means is left to the
 * kernel.
 */
static inline int op_check(const struct proactor_op *op)
{
	if (unlikely(op->opcode >= PROACTOR_OPCODE_COUNT || op->flags & ~OP_FLAGS))
		return -EINVAL;
	return likely(!(op_checked >> op->opcode & 1)) ? 0 : op_check_params(op);
}
