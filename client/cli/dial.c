/* Connecting and calling. See dial.h. */
#include "client/cli/dial.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "client/call.h"
#include "client/cli/json.h"

int dial_connect(const struct cli *cli, struct connection *ret_connection)
{
	int r = connection_init(ret_connection, cli->socket);

	return r < 0 ? cli_fail_connect(cli, r) : 0;
}

/* The call itself failed, whatever the daemon would have said. */
static int fail_call(const struct cli *cli, const struct connection *connection, const char *method,
	int error)
{
	if (error == -ECONNRESET)
		return cli_fail_lost(cli, connection->scan.reason);
	return cli_fail(cli, error, "%s: no answer from %s", method, cli->socket);
}

int dial_call(const struct cli *cli, struct connection *connection, const char *method,
	const struct buffer *params, uint32_t param_count, uint64_t deadline_ns,
	json_t **ret_result)
{
	struct rpc_message response;
	struct rpc_error error;
	json_t *result;
	int r;

	r = call_run(connection, method, params, param_count, deadline_ns, &response, &error);
	if (r < 0)
		return fail_call(cli, connection, method, r);
	if (error.code != 0)
		return cli_fail_remote(cli, method, &error, &response.error);
	result = json_read(&response.result);
	if (!result)
		return cli_fail_answer(cli, method);
	*ret_result = result;
	return 0;
}

int dial_once(const struct cli *cli, const char *method, json_t **ret_result)
{
	_cleanup_(connection_deinit) struct connection connection = {.fd = -EBADF};
	int status = dial_connect(cli, &connection);

	if (status != 0)
		return status;
	return dial_call(cli, &connection, method, NULL, 0, clock_now_ns() + DIAL_PATIENCE_NS,
		ret_result);
}
