/*
 * proactl call: any method of the daemon, with parameters and result as JSON.
 *
 * A parameter that is no JSON is a string, so that plain words need no quotes inside quotes; @FILE
 * is the bytes of a file.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "client/cli/dial.h"
#include "client/cli/json.h"

enum { READ_SIZE = 64 * 1024 };

/* ---- parameters ---- */

static int read_stream(FILE *stream, struct buffer *bytes)
{
	while (!feof(stream)) {
		if (buffer_reserve(bytes, READ_SIZE) < 0)
			return -ENOMEM;
		/* a bin that cannot be sent is not to fill the memory first */
		if (buffer_size(bytes) > limit_table[LIMIT_FRAME_SIZE].maximum)
			return -EFBIG;
		buffer_commit(bytes, fread(bytes->data + bytes->tail, 1, READ_SIZE, stream));
		if (ferror(stream))
			return errno > 0 ? -errno : -EIO;
	}
	return 0;
}

/* "@FILE", "@-". 0, or the exit status. */
static int pack_file(const struct cli *cli, struct pack *pack, const char *path)
{
	_cleanup_(buffer_deinit) struct buffer bytes = {0};
	bool is_stdin = strcmp(path, "-") == 0;
	FILE *stream = is_stdin ? stdin : fopen(path, "re");
	int r;

	if (!stream)
		return cli_fail(cli, -errno, "%s", path);
	r = read_stream(stream, &bytes);
	if (!is_stdin)
		(void)fclose(stream);
	if (r < 0)
		return cli_fail(cli, r, "%s", path);
	pack_bin(pack, buffer_bytes(&bytes), buffer_size(&bytes));
	return 0;
}

static int pack_param(const struct cli *cli, struct pack *pack, const char *text)
{
	uint64_t number;
	json_t *json;
	bool written;

	if (*text == '@')
		return pack_file(cli, pack, text + 1);
	/* above what jansson's integers hold */
	if (cli_parse_number(text, (uint64_t)INT64_MAX + 1, UINT64_MAX, &number)) {
		pack_uint(pack, number);
		return 0;
	}
	json = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!json) {
		pack_str(pack, text);
		return 0;
	}
	written = json_write(pack, json);
	json_decref(json);
	return written ? 0 : cli_fail_usage(cli, "%s: what is said to be base64 is not", text);
}

static int pack_params(const struct cli *cli, struct buffer *params, int count, char **texts)
{
	struct pack pack = pack_into(params);
	int status = 0;

	for (int i = 0; i < count && status == 0; i++)
		status = pack_param(cli, &pack, texts[i]);
	return status == 0 && pack.failed ? cli_fail(cli, -ENOMEM, "parameters") : status;
}

/* ---- result ---- */

/* Bytes and strings as they are; anything else has no raw form. */
static void print_raw(json_t *result)
{
	_cleanup_(freep) uint8_t *bytes = NULL;
	size_t size;

	if (json_is_bytes(result, &bytes, &size))
		(void)fwrite(bytes, 1, size, stdout);
	else if (json_is_string(result))
		(void)fwrite(json_string_value(result), 1, json_string_length(result), stdout);
	else {
		json_print(result, stdout, JSON_PRINT_AUTO);
		return;
	}
	json_decref(result);
}

static int parse(struct cli *cli, int argc, char **argv, bool *ret_raw)
{
	static const struct option options[] = {
		CLI_OPTIONS, {"raw", no_argument, NULL, CLI_OPTION_OWN}, {0}};
	int option;

	/* options end at the method, so that -1 is a parameter */
	while ((option = cli_option(cli, argc, argv, "+:h", options)) != -1) {
		if (option != CLI_OPTION_OWN)
			return cli->status;
		*ret_raw = true;
	}
	return cli_check_count(cli, argc, 1, INT16_MAX) ? -1 : cli->status;
}

int command_call(struct cli *cli, int argc, char **argv)
{
	_cleanup_(connection_deinit) struct connection connection = {.fd = -EBADF};
	_cleanup_(buffer_deinit) struct buffer params = {0};
	bool raw = false;
	json_t *result;
	int status = parse(cli, argc, argv, &raw), param_count;

	if (status >= 0)
		return status;
	param_count = argc - optind - 1;
	status = pack_params(cli, &params, param_count, argv + optind + 1);
	if (status == 0)
		status = dial_connect(cli, &connection);
	if (status == 0)
		status = dial_call(cli, &connection, argv[optind], &params, (uint32_t)param_count,
			CLOCK_NEVER, &result);
	if (status != 0)
		return status;
	if (raw)
		print_raw(result);
	else
		json_print(result, stdout, JSON_PRINT_AUTO);
	return STATUS_DONE;
}
