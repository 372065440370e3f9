/*
 * One call, and its answer: the blocking way to speak with the daemon, for command lines and tests.
 *
 * One call at a time on its connection; a response to anything else is passed over.
 */
#pragma once

#include "client/connection.h"
#include "proto/rpc.h"

/*
 * Calls @method with the @param_count values packed in @params, and waits for the response until
 * @deadline_ns. 0: there is one; @ret_response refers to the connection's memory, until the next
 * call on it. Then either @ret_error->code is 0 and the result counts, or it is the error. -ETIME,
 * -ECONNRESET, -ENOMEM.
 */
int call_run(struct connection *connection, const char *method, const struct buffer *params,
	uint32_t param_count, uint64_t deadline_ns, struct rpc_message *ret_response,
	struct rpc_error *ret_error);
