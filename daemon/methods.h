/* The methods that are not operations: answered at once. */
#pragma once

#include "daemon/session.h"
#include "proto/method.h"

/*
 * Answers @message, a call of @method with a count of parameters that fits. False: @error says why
 * not.
 */
bool methods_call(struct session *session, enum method method, const struct rpc_message *message,
	struct rpc_error *error);

/* Does what the notification @message asks for. False: it is none that does anything. */
bool methods_notify(struct session *session, const struct rpc_message *message);
