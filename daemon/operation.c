/* Operations, from frame to response. See operation.h. */
#include "daemon/operation.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "daemon/policy.h"
#include "daemon/reply.h"
#include "proto/codec.h"

static void ended(struct task *task, int64_t result);

/* ---- what the parameters mean here ---- */

static const struct op_param *find_param(const struct op_info *info, enum op_kind kind)
{
	for (const struct op_param *param = info->params; param->name; param++)
		if (param->kind == kind)
			return param;
	return NULL;
}

/* The parameter that takes memory: no operation has two. */
static const struct op_param *find_memory(const struct op_info *info)
{
	static const enum op_kind kinds[] = {OP_KIND_SPACE, OP_KIND_DATA, OP_KIND_PATH};
	const struct op_param *param = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !param; i++)
		param = find_param(info, kinds[i]);
	return param;
}

static void *field_of(struct proactor_op *op, const struct op_param *param)
{
	return (uint8_t *)op + param->offset;
}

static bool translate_handle(struct operation *operation, int64_t *field, struct rpc_error *error)
{
	struct file *file = files_find(&operation->session->files, *field);

	if (!file) {
		rpc_error_set(error, EBADF, "%s: %" PRId64 " is not a file of this session",
			op_table[operation->op.opcode].name, *field);
		return false;
	}
	operation->file = file;
	*field = file->file;
	return true;
}

/* Handles become files of the proactor; without a directory, a path has to be absolute. */
static bool translate(struct operation *operation, const struct op_info *info,
	struct rpc_error *error)
{
	const struct op_param *file = find_param(info, OP_KIND_FILE),
			      *dir = find_param(info, OP_KIND_DIR);
	const struct op_param *path = find_param(info, OP_KIND_PATH);

	if (file)
		return translate_handle(operation, field_of(&operation->op, file), error);
	if (!dir)
		return true;
	if (*(int64_t *)field_of(&operation->op, dir) != PROACTOR_CWD)
		return translate_handle(operation, field_of(&operation->op, dir), error);
	if (path && **(const char **)field_of(&operation->op, path) == '/')
		return true;
	rpc_error_set(error, RPC_INVALID_PARAMS, "%s: the path must be absolute where dir is nil",
		info->name);
	return false;
}

/* ---- memory ---- */

const char *operation_path(const struct operation *operation)
{
	const struct op_param *path = find_param(&op_table[operation->op.opcode], OP_KIND_PATH);

	return path ? *(const char *const *)((const uint8_t *)&operation->op + path->offset) : NULL;
}

/* The size of the data that comes with the call or is to come with the answer; -1: it has none. */
static int64_t data_size(const struct operation *operation, const struct op_param *memory)
{
	size_t size;

	if (!memory)
		return -1;
	if (memory->kind == OP_KIND_PATH)
		return (int64_t)strlen(operation_path(operation)) + 1;
	memcpy(&size, (const uint8_t *)&operation->op + memory->offset + sizeof(void *),
		sizeof(size));
	return (int64_t)size;
}

static bool size_allowed(struct operation *operation, const struct op_param *memory,
	struct rpc_error *error)
{
	const struct limits *limits = &operation->session->server->limits;
	uint64_t max = limits->value[LIMIT_TRANSFER_SIZE];
	int64_t size = data_size(operation, memory);
	struct shortage shortage;

	if (size < 0)
		return true;
	if ((uint64_t)size > max) {
		rpc_error_set_limit(error, EMSGSIZE, LIMIT_TRANSFER_SIZE, max, (uint64_t)size);
		return false;
	}
	if (account_fits_at_all(limits, RESOURCE_MEMORY, chunk_footprint((size_t)size), &shortage))
		return true;
	rpc_error_set_limit(error, EDQUOT, shortage.limit, shortage.max, shortage.wanted);
	return false;
}

/*
 * Finds memory for the data; what comes with the call, bytes or a path, is copied there: the
 * frame's memory is needed again, and the path for the message of an error.
 */
static enum operation_start take_memory(struct operation *operation, const struct op_param *memory,
	struct rpc_error *error)
{
	int64_t size = data_size(operation, memory);
	const void **field = memory ? field_of(&operation->op, memory) : NULL;
	struct shortage shortage;

	if (size < 0)
		return OPERATION_STARTED;
	operation->chunk = session_take_chunk(operation->session, (size_t)size, &shortage);
	if (!operation->chunk && shortage.max > 0)
		return OPERATION_STALLED;
	if (!operation->chunk) {
		rpc_error_set(error, ENOMEM, "%s", op_table[operation->op.opcode].name);
		return OPERATION_REFUSED;
	}
	if (memory->kind != OP_KIND_SPACE)
		memcpy(operation->chunk->bytes + operation->chunk->head, *field, (size_t)size);
	*field = operation->chunk->bytes + operation->chunk->head;
	return OPERATION_STARTED;
}

/* ---- charging ---- */

static enum operation_start charge(struct operation *operation, struct rpc_error *error)
{
	struct session *session = operation->session;
	struct shortage shortage;

	if (op_makes_file(operation->op.opcode)) {
		if (!account_charge(&session->account, session->user, &session->server->limits,
			    RESOURCE_FILES, 1, &shortage)) {
			rpc_error_set_limit(error, EDQUOT, shortage.limit, shortage.max,
				shortage.wanted);
			return OPERATION_REFUSED;
		}
		operation->file_charged = true;
	}
	if (!account_charge(&session->account, session->user, &session->server->limits,
		    RESOURCE_OPERATIONS, 1, &shortage))
		return OPERATION_STALLED;
	return OPERATION_STARTED;
}

static void release_file_charge(struct operation *operation)
{
	if (!operation->file_charged)
		return;
	account_release(&operation->session->account, operation->session->user, RESOURCE_FILES, 1);
	operation->file_charged = false;
}

/* Undoes all of a preparation that did not come to a start. */
static void abandon(struct operation *operation)
{
	operation->chunk = session_give_chunk(operation->session, operation->chunk);
	release_file_charge(operation);
	slab_give(&operation->session->server->operations, operation);
}

/* ---- starting ---- */

static void set_outputs(struct operation *operation)
{
	switch (operation->op.opcode) {
	case PROACTOR_ACCEPT: operation->op.accept.address = &operation->address; break;
	case PROACTOR_STAT: operation->op.stat.stat = &operation->stat; break;
	default: break;
	}
}

static enum operation_start prepare(struct operation *operation, const struct op_info *info,
	const struct rpc_message *message, struct rpc_error *error)
{
	struct server *server = operation->session->server;
	const struct op_param *memory = find_memory(info);
	enum operation_start start;

	if (!codec_read_params(info, message->params, message->param_count, &operation->op,
		    &server->codec, error) ||
		!policy_allows(operation->session, &operation->op, error) ||
		!translate(operation, info, error) || !size_allowed(operation, memory, error))
		return OPERATION_REFUSED;
	set_outputs(operation);
	start = take_memory(operation, memory, error);
	return start == OPERATION_STARTED ? charge(operation, error) : start;
}

/*
 * A file that is closed loses its handle now, and its other operations; its descriptor when they
 * have ended.
 */
static void start_close(struct operation *operation)
{
	struct session *session = operation->session;
	struct file *file = operation->file;
	struct operation *other;

	files_leave(&session->files, file);
	operation->op.flags = PROACTOR_MAY_BLOCK;
	list_for_each_entry (other, &session->operations, link)
		if (other != operation && other->file == file)
			loop_cancel(session_loop(session), &other->task);
	if (file->use_count == 0)
		loop_push(session_loop(session), &operation->task, &operation->op);
	else
		file->closer = operation;
}

static void start(struct operation *operation)
{
	struct session *session = operation->session;

	list_append(&session->operations, &operation->link);
	session->submitted++;
	session->server->stats.operations_submitted++;
	session->server->stats.by_op[operation->op.opcode]++;
	if (operation->op.opcode == PROACTOR_CLOSE) {
		start_close(operation);
		return;
	}
	if (operation->file)
		operation->file->use_count++;
	loop_push(session_loop(session), &operation->task, &operation->op);
}

enum operation_start operation_start(struct session *session, const struct op_info *info,
	const struct rpc_message *message, struct rpc_error *error)
{
	struct operation *operation = slab_take(&session->server->operations);
	enum operation_start result;

	if (!operation) {
		rpc_error_set(error, ENOMEM, "%s", info->name);
		return OPERATION_REFUSED;
	}
	operation->task = (struct task){.complete = ended};
	operation->link = (struct list){0};
	operation->session = session;
	operation->file = NULL;
	operation->chunk = NULL;
	operation->file_charged = false;
	operation->by_ring = session->ring && session->ring->answers;
	operation->op = (struct proactor_op){.opcode = (uint32_t)(info - op_table)};
	result = prepare(operation, info, message, error);
	if (result == OPERATION_STARTED &&
		map_insert(&session->operations_by_msgid, message->msgid, &operation->node) < 0) {
		account_release(&session->account, session->user, RESOURCE_OPERATIONS, 1);
		rpc_error_set(error, ENOMEM, "%s", info->name);
		result = OPERATION_REFUSED;
	}
	if (result == OPERATION_STARTED)
		start(operation);
	else
		abandon(operation);
	return result;
}

/* A descriptor whose close was stopped would be open for ever. */
static void cancel(struct operation *operation)
{
	if (operation->op.opcode != PROACTOR_CLOSE)
		loop_cancel(session_loop(operation->session), &operation->task);
}

bool operation_cancel(struct session *session, uint32_t msgid)
{
	struct map_node *node = map_find(&session->operations_by_msgid, msgid);

	if (node)
		cancel(container_of(node, struct operation, node));
	return node != NULL;
}

void operation_cancel_all(struct session *session)
{
	struct operation *operation;

	list_for_each_entry (operation, &session->operations, link)
		cancel(operation);
}

/* ---- ending ---- */

/* Gives the file that was made its handle, which becomes the result. */
static int64_t adopt_file(struct operation *operation, int64_t file)
{
	struct session *session = operation->session;
	struct file *made =
		session->state == SESSION_CLOSING ? NULL : files_add(&session->files, file);

	if (!made) {
		loop_close(session_loop(session), file);
		return session->state == SESSION_CLOSING ? -ECANCELED : -ENOMEM;
	}
	operation->file_charged = false; /* the file has it from here on */
	session->server->stats.files_opened++;
	return made->handle;
}

/* The operation, which ended with @result, does not need its file any more. */
static void release_file(struct operation *operation, int64_t result)
{
	struct session *session = operation->session;
	struct file *file = operation->file;

	if (!file)
		return;
	if (operation->op.opcode == PROACTOR_CLOSE) {
		/* it never began; any other failure of close(2) has closed */
		if (result == -ENOMEM)
			loop_close(session_loop(session), file->file);
		files_remove(file);
		account_release(&session->account, session->user, RESOURCE_FILES, 1);
		session->server->stats.files_closed++;
		return;
	}
	assert(file->use_count > 0);
	if (--file->use_count == 0 && file->closer) {
		struct operation *closer = file->closer;

		file->closer = NULL;
		loop_push(session_loop(session), &closer->task, &closer->op);
	}
}

static void count(struct operation *operation, int64_t result)
{
	struct stats *stats = &operation->session->server->stats;

	operation->session->completed++;
	if (result == -ECANCELED) {
		stats->operations_cancelled++;
		return;
	}
	stats->operations_completed++;
	stats->operations_failed += result < 0;
}

static void ended(struct task *task, int64_t result)
{
	struct operation *operation = container_of(task, struct operation, task);
	struct session *session = operation->session;

	count(operation, result);
	if (op_makes_file(operation->op.opcode) && result >= 0)
		result = adopt_file(operation, result);
	list_remove(&operation->link);
	map_remove(&session->operations_by_msgid, &operation->node);
	release_file(operation, result);
	release_file_charge(operation);
	account_release(&session->account, session->user, RESOURCE_OPERATIONS, 1);
	session->server->room_made = true;
	if (session->state != SESSION_CLOSING)
		reply_operation(operation, result);
	session_give_chunk(session, operation->chunk);
	slab_give(&session->server->operations, operation);
	session_progress(session);
}
