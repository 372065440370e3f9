/* One call, and its answer. See call.h. */
#include "client/call.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

static bool is_error(struct reader error)
{
	struct value value;

	return reader_next(&error, &value) == 0 && value.token.type != TOKEN_NIL;
}

/* The daemon ends the session and says why: that answers every call. */
static bool is_closed(const struct rpc_message *message)
{
	static const char closed[] = "closed";

	return message->type == RPC_NOTIFICATION && message->method_size == sizeof(closed) - 1 &&
		memcmp(message->method, closed, sizeof(closed) - 1) == 0;
}

/* Looks at one frame. 1: it is the response to @msgid. 0: it is not. */
static int take_response(const uint8_t *frame, size_t size, uint32_t msgid,
	struct rpc_message *ret_response, struct rpc_error *ret_error)
{
	const char *reason;

	if (rpc_parse(frame, size, ret_response, &reason) < 0)
		return -ECONNRESET;
	if (is_closed(ret_response) && rpc_error_parse(ret_response->params, ret_error) == 0) {
		ret_response->error = ret_response->params;
		return 1;
	}
	if (ret_response->type != RPC_RESPONSE || ret_response->msgid != msgid)
		return 0;
	*ret_error = (struct rpc_error){0};
	if (is_error(ret_response->error) && rpc_error_parse(ret_response->error, ret_error) < 0)
		return -ECONNRESET;
	return 1;
}

static int await(struct connection *connection, uint32_t msgid, uint64_t deadline_ns,
	struct rpc_message *ret_response, struct rpc_error *ret_error)
{
	const uint8_t *frame;
	size_t size;
	int r;

	for (;;) {
		while ((r = connection_frame(connection, &frame, &size)) == 1) {
			r = take_response(frame, size, msgid, ret_response, ret_error);
			/* consumed is not overwritten: the bytes stay until the next receive */
			connection_consume(connection, size);
			if (r != 0)
				return r < 0 ? connection_fail(connection, r) : 0;
		}
		if (r < 0)
			return r;
		(void)connection_send(connection);
		if (deadline_ns != CLOCK_NEVER && clock_now_ns() >= deadline_ns)
			return -ETIME;
		r = connection_wait(connection, /* wake_fds= */ NULL, deadline_ns);
		if (r < 0)
			return r;
		/* an end is for the next round, after the frames that came before it */
		(void)connection_receive(connection, false);
	}
}

int call_run(struct connection *connection, const char *method, const struct buffer *params,
	uint32_t param_count, uint64_t deadline_ns, struct rpc_message *ret_response,
	struct rpc_error *ret_error)
{
	uint32_t msgid = ++connection->last_msgid;
	struct pack pack = pack_into(&connection->out);

	rpc_pack_request(&pack, msgid, method, param_count);
	if (pack.failed ||
		(params &&
			buffer_append(&connection->out, buffer_bytes(params), buffer_size(params)) <
				0))
		return connection_fail(connection, -ENOMEM);
	return await(connection, msgid, deadline_ns, ret_response, ret_error);
}
