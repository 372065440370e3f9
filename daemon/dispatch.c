/*
 * From bytes to calls. See dispatch.h.
 *
 * A malformed frame, which cannot be followed, ends the session with a reason; a malformed call is
 * answered, and so is one that comes too late. What is over a limit that time mends is held back:
 * the client is not read from, which in the end makes its own sends wait.
 */
#include "daemon/dispatch.h"

#include <errno.h>

#include "daemon/methods.h"
#include "daemon/operation.h"
#include "daemon/reply.h"
#include "daemon/survey.h"
#include "proto/brief.h"
#include "proto/method.h"

enum outcome { FRAME_DONE, FRAME_STALLED };

/*
 * Calls of one session in one turn. Others wait no longer than that, and the client has its first
 * answers while the daemon is at the next: with all of a batch in one turn, each would sleep while
 * the other works. 4 was best of 1, 2, 3, 4, 8, 16 and 64 for reads of 4 KiB, 32 in flight.
 */
enum { CALLS_PER_TURN = 4 };

static enum outcome refuse(struct session *session, uint32_t msgid, const struct rpc_error *error)
{
	session->shard->stats.requests_refused++;
	reply_error(session, msgid, error);
	return FRAME_DONE;
}

static enum outcome call_operation(struct session *session, const struct op_info *info,
	const struct rpc_message *message)
{
	struct rpc_error error = {0};

	switch (operation_start(session, info, message, &error)) {
	case OPERATION_STARTED: return FRAME_DONE;
	case OPERATION_STALLED: return FRAME_STALLED;
	default: return refuse(session, message->msgid, &error);
	}
}

static enum outcome call_method(struct session *session, enum method method,
	const struct rpc_message *message)
{
	struct rpc_error error = {0};

	/* one report at a time: what it takes is not charged */
	if (session->survey && survey_does(method))
		return FRAME_STALLED;
	session->shard->stats.by_method[method]++;
	if (!method_check_count(method, message->param_count, &error) ||
		!methods_call(session, method, message, &error))
		return refuse(session, message->msgid, &error);
	return FRAME_DONE;
}

static enum outcome request(struct session *session, const struct rpc_message *message)
{
	const struct op_info *info = op_find(message->method, message->method_size);
	enum method method = method_find(message->method, message->method_size);
	struct rpc_error error = {0};

	if (session->state == SESSION_DRAINING && method != METHOD_CANCEL) {
		rpc_error_set(&error, ESHUTDOWN,
			"proactord is shutting down and takes no more calls");
	} else if (map_find(&session->operations_by_msgid, message->msgid)) {
		rpc_error_set(&error, RPC_INVALID_REQUEST, "msgid %u is in flight already",
			message->msgid);
	} else if (info && info->where == OP_WHERE_WIRE) {
		return call_operation(session, info, message);
	} else if (method < METHOD_COUNT) {
		return call_method(session, method, message);
	} else {
		rpc_error_set(&error, RPC_METHOD_NOT_FOUND, "%.*s; `describe` lists the methods",
			(int)MIN(message->method_size, (size_t)64), message->method);
	}
	return refuse(session, message->msgid, &error);
}

static enum outcome broken(struct session *session, const struct rpc_message *message,
	const char *reason)
{
	struct rpc_error error = {0};

	rpc_error_set(&error, RPC_INVALID_REQUEST, "%s", reason);
	if (message->type == RPC_REQUEST)
		return refuse(session, message->msgid, &error);
	session->shard->stats.sessions_failed++;
	session_fail(session, &error);
	return FRAME_DONE;
}

static enum outcome frame(struct session *session, const uint8_t *bytes, size_t size)
{
	struct rpc_message message;
	const char *reason;
	enum outcome outcome;

	if (!session_has_memory(session))
		return FRAME_STALLED;
	if (rpc_parse(bytes, size, &message, &reason) < 0)
		return broken(session, &message, reason);
	if (message.type == RPC_NOTIFICATION) {
		session->shard->stats.notifications_ignored += !methods_notify(session, &message);
		return FRAME_DONE;
	}
	if (message.type == RPC_RESPONSE)
		return broken(session, &(struct rpc_message){.type = RPC_NOTIFICATION},
			"a response, where nothing was asked");
	outcome = request(session, &message);
	session->shard->stats.requests += outcome == FRAME_DONE;
	return outcome;
}

void dispatch_fail(struct session *session, const char *reason)
{
	struct rpc_error error = {0};

	rpc_error_set(&error, RPC_PARSE_ERROR, "%s", reason);
	session->shard->stats.sessions_failed++;
	session_fail(session, &error);
}

bool dispatch_frame(struct session *session, const uint8_t *bytes, size_t size)
{
	struct scan scan;

	scan_reset(&scan);
	switch (scan_frame(&scan, bytes, size, &session->shard->limits)) {
	case SCAN_FRAME: break;
	case SCAN_MORE: dispatch_fail(session, "a frame does not end in its slot"); return false;
	case SCAN_BAD: dispatch_fail(session, scan.reason); return false;
	}
	if (frame(session, bytes, scan.size) == FRAME_DONE)
		return true;
	session_stall(session);
	return false;
}

/* The next frame, where it is a brief one and nothing of it was scanned. */
static bool take_brief(struct session *session)
{
	struct inbox *inbox = &session->inbox;
	struct brief brief;
	size_t size;

	if (inbox->scan.size > 0)
		return false;
	size = brief_read_stream(buffer_bytes(&inbox->bytes), buffer_size(&inbox->bytes), &brief);
	if (size == 0 || !operation_start_brief(session, &brief))
		return false;
	buffer_consume(&inbox->bytes, size);
	return true;
}

/* The next frame. False: it is not all there, or there is no room for it, or it is none. */
static bool take_frame(struct session *session)
{
	struct inbox *inbox = &session->inbox;
	const uint8_t *bytes = buffer_bytes(&inbox->bytes);

	switch (scan_frame(&inbox->scan, bytes, buffer_size(&inbox->bytes),
		&session->shard->limits)) {
	case SCAN_FRAME: break;
	case SCAN_MORE: return false;
	case SCAN_BAD: dispatch_fail(session, inbox->scan.reason); return false;
	}
	if (frame(session, bytes, inbox->scan.size) == FRAME_STALLED) {
		session_stall(session);
		return false;
	}
	buffer_consume(&inbox->bytes, inbox->scan.size);
	scan_reset(&inbox->scan);
	return true;
}

/* Whether that were enough calls for this turn; the session goes on in the next. */
static bool is_turn_over(struct session *session, unsigned count)
{
	/* one that its last call has ended is on no list any more */
	if (count < CALLS_PER_TURN || buffer_size(&session->inbox.bytes) == 0 ||
		session->state == SESSION_CLOSING)
		return false;
	if (!list_linked(&session->turn_link))
		list_append(&session->shard->waiting, &session->turn_link);
	return true;
}

void dispatch(struct session *session)
{
	struct inbox *inbox = &session->inbox;
	unsigned count = 0;

	if (buffer_size(&inbox->bytes) > 0)
		session_spins(session);
	while (session->state != SESSION_CLOSING && !session->outbox.hurry &&
		buffer_size(&inbox->bytes) > 0)
		if ((!take_brief(session) && !take_frame(session)) ||
			is_turn_over(session, ++count))
			return;
	if (buffer_size(&inbox->bytes) == 0)
		inbox_drop_fds(session);
}
