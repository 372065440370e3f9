/*
 * Failures: what is said, where, and the exit status. See cli.h.
 *
 * One shape for people, "proactl: COMMAND: what: ENAME: text", and one for programs,
 * {"error": {"code": errno, "name": "ENAME", "message": "…", "data": …}}, on one line of stdout.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "client/cli/cli.h"
#include "client/cli/json.h"

enum { TEXT_SIZE = 1024 };

int cli_status_of(int code)
{
	if (code < 0)
		return STATUS_PROTOCOL;
	switch (code) {
	case EDQUOT:
	case EAGAIN:
	case EUSERS:
	case EBUSY: return STATUS_BUSY;
	case EPERM:
	case EACCES: return STATUS_PERMISSION;
	default: return STATUS_FAILED;
	}
}

/* Says it once, the way that was asked for. @data, or NULL, is taken over. */
static void report(const struct cli *cli, int code, const char *name, const char *message,
	json_t *data)
{
	json_t *error;

	if (!cli->json) {
		fprintf(stderr, "proactl: %s%s%s\n", cli->command ? cli->command->name : "",
			cli->command ? ": " : "", message);
		json_decref(data);
		return;
	}
	error = json_pack("{s:i, s:s, s:o}", "code", code, "name", name, "message",
		json_text(message));
	if (data)
		json_object_set_new(error, "data", data);
	/* bytes of a file are not to be mixed with what is said about them */
	json_print(json_pack("{s:o}", "error", error), cli->data_on_stdout ? stderr : stdout,
		JSON_PRINT_LINE);
}

int cli_fail(const struct cli *cli, int error, const char *what, ...)
{
	char text[TEXT_SIZE], message[2 * TEXT_SIZE];
	va_list arguments;

	va_start(arguments, what);
	vsnprintf(text, sizeof(text), what, arguments);
	va_end(arguments);
	snprintf(message, sizeof(message), "%s: %s: %s", text, err_name(-error), err_text(-error));
	report(cli, -error, err_name(-error), message, NULL);
	return cli_status_of(-error);
}

int cli_fail_text(const struct cli *cli, int code, const char *name, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report(cli, code, name, text, NULL);
	return STATUS_FAILED;
}

int cli_fail_usage(const struct cli *cli, const char *format, ...)
{
	char text[TEXT_SIZE];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	report(cli, EINVAL, "USAGE", text, NULL);
	if (!cli->json && cli->command)
		fprintf(stderr, "usage: proactl %s%s%s\nSee 'proactl %s --help'.\n",
			cli->command->name, *cli->command->usage ? " " : "", cli->command->usage,
			cli->command->name);
	else if (!cli->json)
		fprintf(stderr, "See 'proactl --help'.\n");
	return STATUS_USAGE;
}

int cli_fail_connect(const struct cli *cli, int error)
{
	const char *says = "the daemon is not reachable on";
	int status = cli_status_of(-error);
	char message[PATH_MAX + TEXT_SIZE];

	/* it is there, and what was asked of it is not */
	if (error == -EOPNOTSUPP)
		return cli_fail(cli, error, "no such transport on %s", cli->socket);
	if (status == STATUS_PERMISSION)
		says = "may not use";
	else if (status == STATUS_BUSY)
		says = "no session is free on";
	else
		status = STATUS_UNREACHABLE;
	snprintf(message, sizeof(message), "%s %s: %s: %s", says, cli->socket, err_name(-error),
		err_text(-error));
	report(cli, -error, err_name(-error), message, NULL);
	if (!cli->json && status == STATUS_PERMISSION)
		fprintf(stderr,
			"Who may is decided by the socket's owner, group and mode: ls -l %s\n",
			cli->socket);
	else if (!cli->json && status == STATUS_UNREACHABLE)
		fprintf(stderr,
			"To start it: systemctl start proactord.socket, or: proactord --socket %s\n",
			cli->socket);
	return status;
}

int cli_fail_lost(const struct cli *cli, const char *reason)
{
	char message[PATH_MAX + TEXT_SIZE];

	if (reason && *reason) {
		snprintf(message, sizeof(message), "what came from %s is no MessagePack-RPC: %s",
			cli->socket, reason);
		report(cli, RPC_PARSE_ERROR, rpc_error_name(RPC_PARSE_ERROR), message, NULL);
		return STATUS_PROTOCOL;
	}
	snprintf(message, sizeof(message), "%s: the daemon closed the connection: %s: %s",
		cli->socket, err_name(ECONNRESET), err_text(ECONNRESET));
	report(cli, ECONNRESET, err_name(ECONNRESET), message, NULL);
	return STATUS_UNREACHABLE;
}

int cli_fail_answer(const struct cli *cli, const char *method)
{
	char message[TEXT_SIZE];

	snprintf(message, sizeof(message),
		"%s: the daemon's answer has not the form that this program knows", method);
	report(cli, RPC_INVALID_REQUEST, "PROTOCOL_ERROR", message, NULL);
	return STATUS_PROTOCOL;
}

/* What a daemon adds to an error, [code, message, data]. NULL where there is nothing. */
static json_t *error_data(const struct reader *value)
{
	struct reader reader;
	uint32_t count;

	if (!value)
		return NULL;
	reader = *value;
	if (reader_array(&reader, &count) < 0 || count < 3 || reader_skip(&reader) < 0 ||
		reader_skip(&reader) < 0)
		return NULL;
	return json_read(&reader);
}

int cli_fail_remote(const struct cli *cli, const char *method, const struct rpc_error *error,
	const struct reader *value)
{
	struct command called = {.name = method};
	struct cli as_method = *cli;

	/*
	 * the method stands where else the command does: most are called by a command of their
	 * name, or by `call`
	 */
	as_method.command = &called;
	report(&as_method, error->code, rpc_error_name(error->code), error->message,
		error_data(value));
	return cli_status_of(error->code);
}
