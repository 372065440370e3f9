/* Shots. See shots.h. */
#include "daemon/shots.h"

#include <errno.h>

#include "daemon/reply.h"

bool shots_fit_ring(const struct operation *operation)
{
	return operation->op.opcode != PROACTOR_RECV ||
		operation->op.recv.size <= QUEUE_FRAME_SIZE_MAX - RPC_SHOT_HEADER_MAX;
}

/* ---- room ---- */

/*
 * Whether what the client has not read leaves room for @size bytes more. What its operations in
 * flight hold does not count here: some of them may hold it for ever.
 */
static bool has_memory(const struct session *session, size_t size)
{
	uint64_t max = session->shard->limits.value[LIMIT_MEMORY] / 2;

	return session->outbox.capacity == 0 || session->outbox.capacity + size <= max;
}

/* Whether a shot with @size bytes may go out; else shots_resume() is called when it may. */
static bool finds_room(const struct operation *operation, size_t size)
{
	return operation->by_ring ? ring_takes_shot(operation->session->ring)
				  : has_memory(operation->session, chunk_footprint(size));
}

/* Finds what the next shot needs: for an accept room for a file, for a receive a chunk. */
static bool prepare(struct operation *operation)
{
	struct session *session = operation->session;
	size_t size = operation->op.opcode == PROACTOR_RECV ? operation->op.recv.size : 0;
	struct shortage shortage;

	if (!finds_room(operation, size))
		return false;
	if (operation->op.opcode == PROACTOR_ACCEPT) {
		if (!operation->file_charged)
			operation->file_charged = account_charge(&session->account, session->user,
				&session->shard->limits, RESOURCE_FILES, 1, &shortage);
		return operation->file_charged;
	}
	operation->chunk = session_take_chunk(session, size, &shortage);
	if (!operation->chunk)
		return false;
	operation->op.recv.data = operation->chunk->bytes + operation->chunk->head;
	return true;
}

/* ---- going on ---- */

static void pause_shots(struct operation *operation)
{
	if (list_linked(&operation->paused_link))
		return;
	operation->session->shard->stats.shots_paused++;
	list_append(&operation->session->shard->paused, &operation->paused_link);
}

static void push_again(struct operation *operation)
{
	if (prepare(operation))
		loop_push(session_loop(operation->session), &operation->task, &operation->op);
	else
		pause_shots(operation);
}

static void report_events(struct operation *operation)
{
	if (operation->events == 0)
		return;
	reply_shot(operation, operation->events);
	operation->events = 0;
}

static void take_events(struct operation *operation, int64_t result)
{
	operation->events |= result;
	if (finds_room(operation, 0))
		report_events(operation);
	else
		pause_shots(operation);
}

static bool is_shot(const struct operation *operation, int64_t result)
{
	switch (operation->op.opcode) {
	case PROACTOR_ACCEPT: return result >= 0;
	case PROACTOR_RECV: return result > 0;
	default: return false;
	}
}

/* The proactor goes on by itself. */
static void take_in_flight(struct operation *operation, int64_t result)
{
	if (operation->session->state == SESSION_CLOSING)
		return;
	if (operation->pool)
		reply_shot(operation, result);
	else
		take_events(operation, result);
}

bool shots_take(struct operation *operation, int64_t *result)
{
	bool closing = operation->session->state == SESSION_CLOSING;

	if (operation->task.more) {
		take_in_flight(operation, *result);
		return true;
	}
	if (operation->pool)
		return false;
	list_remove(&operation->paused_link);
	if (closing)
		return false;
	report_events(operation);
	if (!is_shot(operation, *result))
		return false;
	reply_shot(operation, *result);
	if (operation->cancelled || operation->session->state == SESSION_CLOSING) {
		*result = -ECANCELED;
		return false;
	}
	push_again(operation);
	return true;
}

void shots_resume(struct shard *shard)
{
	struct list paused, *link;

	/* what finds no room is paused again */
	list_steal(&paused, &shard->paused);
	while ((link = list_pop(&paused))) {
		struct operation *operation = list_entry(link, struct operation, paused_link);

		if (operation->op.opcode == PROACTOR_POLL)
			take_events(operation, 0);
		else
			push_again(operation);
	}
}

bool shots_cancel(struct operation *operation)
{
	if (!list_linked(&operation->paused_link) || operation->op.opcode == PROACTOR_POLL)
		return false;
	list_remove(&operation->paused_link);
	loop_post(session_loop(operation->session), &operation->task, -ECANCELED);
	return true;
}
