/*
 * The commands that ask the daemon something: connect, call, and the answer as JSON.
 *
 * What fails is reported here; what is returned is 0 or the exit status.
 */
#pragma once

#include <jansson.h>

#include "client/cli/cli.h"
#include "client/connection.h"

/* How long an answer may take that needs no I/O. */
#define DIAL_PATIENCE_NS (30 * UINT64_C(1000000000))

/* Connects to the daemon. To be ended with connection_deinit(). */
int dial_connect(const struct cli *cli, struct connection *ret_connection);

/*
 * Calls @method with the @param_count values packed in @params (or NULL), waits until @deadline_ns,
 * and gives its result, a new reference.
 */
int dial_call(const struct cli *cli, struct connection *connection, const char *method,
	const struct buffer *params, uint32_t param_count, uint64_t deadline_ns,
	json_t **ret_result);

/* Connects, calls @method without parameters, and ends the connection. */
int dial_once(const struct cli *cli, const char *method, json_t **ret_result);
