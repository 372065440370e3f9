/* Operations, from frame to response. See operation.h. */
#include "daemon/operation.h"

#include <errno.h>
#include <netinet/in.h>

#include "daemon/heavy.h"
#include "daemon/params.h"
#include "daemon/policy.h"
#include "daemon/reply.h"
#include "daemon/shots.h"
#include "daemon/survey.h"
#include "proto/brief.h"
#include "proto/codec.h"

static void ended(struct task *task, int64_t result);

/* ---- charging ---- */

static enum operation_start charge(struct operation *operation, struct rpc_error *error)
{
	struct session *session = operation->session;
	struct shortage shortage;

	if (op_makes_file(operation->op.opcode)) {
		if (!account_charge(&session->account, session->user, &session->shard->limits,
			    RESOURCE_FILES, 1, &shortage)) {
			rpc_error_set_limit(error, EDQUOT, shortage.limit, shortage.max,
				shortage.wanted);
			return OPERATION_REFUSED;
		}
		operation->file_charged = true;
	}
	if (!account_charge(&session->account, session->user, &session->shard->limits,
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
	slab_give(&operation->session->shard->operations, operation);
}

/* ---- starting ---- */

static void set_outputs(struct operation *operation)
{
	switch (operation->op.opcode) {
	case PROACTOR_ACCEPT:
		/* it would not fit a slot */
		if (!operation->multishot || !operation->by_ring)
			operation->op.accept.address = &operation->address;
		break;
	case PROACTOR_RECVFROM: operation->op.recvfrom.address = &operation->address; break;
	case PROACTOR_STAT: operation->op.stat.stat = &operation->stat; break;
	default: break;
	}
}

static enum operation_start prepare(struct operation *operation, const struct op_info *info,
	const struct rpc_message *message, struct rpc_error *error)
{
	struct shard *shard = operation->session->shard;
	enum operation_start start;

	if (!codec_read_params(info, message->params, message->param_count, &operation->op,
		    &shard->codec, error) ||
		!policy_allows(operation->session, &operation->op, error) ||
		!params_translate(operation, error))
		return OPERATION_REFUSED;
	operation->multishot = operation->op.flags & PROACTOR_MULTISHOT;
	if (operation->multishot && !shots_fit_ring(operation))
		operation->by_ring = false;
	set_outputs(operation);
	/* first of all, so that what is held back takes nothing and gives nothing back */
	if (!session_has_operations(operation->session))
		return OPERATION_STALLED;
	start = params_take_memory(operation, error);
	/* of these the daemon makes single ones, for each of which there has to be room */
	if (operation->op.opcode != PROACTOR_POLL && !operation->pool)
		operation->op.flags = 0;
	return start == OPERATION_STARTED ? charge(operation, error) : start;
}

/* A descriptor whose close was stopped would be open for ever. */
static void cancel(struct operation *operation)
{
	if (operation->op.opcode == PROACTOR_CLOSE)
		return;
	operation->cancelled = true;
	if (!shots_cancel(operation) && !heavy_cancel(operation))
		loop_cancel(session_loop(operation->session), &operation->task);
}

static bool holds(const struct operation *operation, const struct file *file)
{
	for (unsigned i = 0; i < operation->file_count; i++)
		if (operation->files[i] == file)
			return true;
	return false;
}

/*
 * Closes @file, which nobody uses, for @operation. What can block goes to a thread, and that costs
 * more than the close of a connection. One that this session accepted nobody else has ever had: it
 * does not begin to linger after it was asked.
 */
static void close_file(struct operation *operation, struct file *file)
{
	struct loop *loop = session_loop(operation->session);

	if (file->is_accepted && file->is_tcp && loop_close_now(loop, file->file))
		loop_post(loop, &operation->task, 0);
	else
		loop_close_for(loop, &operation->task, file->file);
}

/*
 * A file that is closed loses its handle now, and its other operations; its descriptor when they
 * have ended.
 */
static void start_close(struct operation *operation)
{
	struct session *session = operation->session;
	struct file *file = operation->files[0];
	struct operation *other;

	files_leave(&session->files, file);
	list_for_each_entry (other, &session->operations, link)
		if (other != operation && holds(other, file))
			cancel(other);
	if (file->use_count == 0)
		close_file(operation, file);
	else
		file->closer = operation;
}

static void start(struct operation *operation)
{
	struct session *session = operation->session;

	list_append(&session->operations, &operation->link);
	session->submitted++;
	session->shard->stats.operations_submitted++;
	session->shard->stats.by_op[operation->op.opcode]++;
	if (operation->op.opcode == PROACTOR_CLOSE) {
		start_close(operation);
		return;
	}
	for (unsigned i = 0; i < operation->file_count; i++)
		operation->files[i]->use_count++;
	memories_hold(&session->memories, operation->memories);
	pool_hold(operation->pool);
	if (heavy_takes(operation))
		return;
	session->shard->light_count++;
	loop_push(session_loop(session), &operation->task, &operation->op);
}

/* One that is about @op, of which the parameters are still to be read. NULL: no memory. */
static struct operation *operation_new(struct session *session, const struct proactor_op *op)
{
	struct operation *operation = slab_take(&session->shard->operations);

	if (unlikely(!operation))
		return NULL;
	operation->task = (struct task){.complete = ended};
	operation->link = (struct list){0};
	operation->session = session;
	operation->file_count = 0;
	operation->chunk = NULL;
	operation->memories = 0;
	operation->pool = NULL;
	operation->file_charged = false;
	operation->is_heavy = operation->multishot = operation->cancelled = false;
	operation->events = 0;
	operation->paused_link = (struct list){0};
	operation->heavy_link = (struct list){0};
	operation->by_ring = session->ring && session->ring->answers;
	operation->op = *op;
	return operation;
}

enum operation_start operation_start(struct session *session, const struct op_info *info,
	const struct rpc_message *message, struct rpc_error *error)
{
	const struct proactor_op op = {.opcode = (uint32_t)(info - op_table)};
	struct operation *operation = operation_new(session, &op);
	enum operation_start result;

	if (!operation) {
		rpc_error_set(error, ENOMEM, "%s", info->name);
		return OPERATION_REFUSED;
	}
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

/* What prepare() does, of a nop, a close, and operations whose bytes are in shared memory. */
static bool prepare_brief(struct operation *operation, const struct brief *brief)
{
	struct session *session = operation->session;
	struct proactor_op *op = &operation->op;
	struct memory *memory;
	struct rpc_error error;

	if (op->opcode == PROACTOR_NOP)
		return true;
	operation->files[0] = files_find(&session->files, op->read.file);
	operation->file_count = 1;
	if (op->opcode == PROACTOR_CLOSE) {
		op->close.file = operation->files[0] ? operation->files[0]->file : -1;
		return operation->files[0] != NULL;
	}
	memory = memories_find(&session->memories, brief->region.memory);
	if (unlikely(!operation->files[0] || !memory ||
		    op->read.size > session->shard->limits.value[LIMIT_TRANSFER_SIZE]))
		return false;
	if ((op->opcode == PROACTOR_RECV || op->opcode == PROACTOR_SEND) &&
		!policy_allows(session, op, &error))
		return false;
	op->read.file = operation->files[0]->file;
	op->read.data = memory_piece(memory, brief->region.offset, op->read.size);
	operation->memories = memory_set_of(memory);
	return op->read.data != NULL;
}

bool operation_start_brief(struct session *session, const struct brief *brief)
{
	struct operation *operation;
	struct rpc_error error;

	if (unlikely(session->state != SESSION_OPEN || !session_has_memory(session)))
		return false;
	operation = operation_new(session, &brief->op);
	if (unlikely(!operation))
		return false;
	if (unlikely(!prepare_brief(operation, brief) ||
		    charge(operation, &error) != OPERATION_STARTED)) {
		abandon(operation);
		return false;
	}
	if (unlikely(map_insert(&session->operations_by_msgid, brief->msgid, &operation->node) <
		    0)) {
		account_release(&session->account, session->user, RESOURCE_OPERATIONS, 1);
		abandon(operation);
		return false;
	}
	session->shard->stats.requests++;
	start(operation);
	return true;
}

bool operation_cancel(struct session *session, uint32_t msgid)
{
	struct map_node *node = map_find(&session->operations_by_msgid, msgid);

	if (node && !survey_is(session->survey, node))
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

static bool makes_tcp(const struct operation *operation)
{
	const struct proactor_op *op = &operation->op;

	switch (op->opcode) {
	case PROACTOR_ACCEPT: return operation->files[0]->is_tcp;
	case PROACTOR_SOCKET:
		return (op->socket.domain == AF_INET || op->socket.domain == AF_INET6) &&
			(op->socket.type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM &&
			(op->socket.protocol == 0 || op->socket.protocol == IPPROTO_TCP);
	default: return false;
	}
}

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
	made->is_tcp = makes_tcp(operation);
	made->is_accepted = operation->op.opcode == PROACTOR_ACCEPT;
	session->shard->stats.files_opened++;
	return made->handle;
}

/* Whatever close(2) came to, it has closed. */
static void release_closed(struct operation *operation)
{
	struct session *session = operation->session;
	struct file *file = operation->files[0];

	files_remove(file);
	account_release(&session->account, session->user, RESOURCE_FILES, 1);
	session->shard->stats.files_closed++;
}

static void release_file(struct file *file)
{
	assert(file->use_count > 0);
	if (--file->use_count == 0 && file->closer) {
		struct operation *closer = file->closer;

		file->closer = NULL;
		close_file(closer, file);
	}
}

/* The operation has ended, and does not need its files any more. */
static void release_files(struct operation *operation)
{
	if (operation->op.opcode == PROACTOR_CLOSE) {
		release_closed(operation);
		return;
	}
	for (unsigned i = 0; i < operation->file_count; i++)
		release_file(operation->files[i]);
}

static void count(struct operation *operation, int64_t result)
{
	struct stats *stats = &operation->session->shard->stats;

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

	if (unlikely(operation->is_heavy) && heavy_goes_on(operation, result, &result))
		return;
	if (op_makes_file(operation->op.opcode) && result >= 0)
		result = adopt_file(operation, result);
	if (operation->multishot && shots_take(operation, &result)) {
		/* what could not be delivered has closed the session */
		session_progress(session);
		return;
	}
	count(operation, result);
	list_remove(&operation->link);
	map_remove(&session->operations_by_msgid, &operation->node);
	release_files(operation);
	release_file_charge(operation);
	account_release(&session->account, session->user, RESOURCE_OPERATIONS, 1);
	session->shard->room_made = true;
	if (session->state != SESSION_CLOSING)
		reply_operation(operation, result);
	session_give_chunk(session, operation->chunk);
	memories_release(&session->memories, operation->memories);
	pool_unhold(operation->pool);
	slab_give(&session->shard->operations, operation);
	session_progress(session);
}
