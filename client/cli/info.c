/* proactl info: who the daemon is, what it drives its I/O with and why, and what it allows. */
#include <stdio.h>
#include <string.h>

#include "client/cli/dial.h"
#include "client/cli/format.h"
#include "client/cli/json.h"

enum { NAME_WIDTH = 12 };

static void print_text(const json_t *info, const char *key, const char *title)
{
	const char *text = json_string_value(json_object_get(info, key));

	if (text && *text)
		printf("%-*s %s\n", NAME_WIDTH, title, text);
}

/* An older daemon does not tell all of them. */
static void print_number(const json_t *info, const char *key, const char *title)
{
	const json_t *number = json_object_get(info, key);

	if (json_is_integer(number))
		printf("%-*s %" JSON_INTEGER_FORMAT "\n", NAME_WIDTH, title,
			json_integer_value(number));
}

static void print_features(const json_t *features)
{
	const json_t *feature;
	size_t i;

	printf("%-*s", NAME_WIDTH, "features");
	json_array_foreach (features, i, feature) {
		printf(" %s", json_string_value(feature) ? json_string_value(feature) : "?");
	}
	printf("%s\n", json_array_size(features) == 0 ? " none" : "");
}

/* What the limits are of is in the table that the daemon was made of; a newer one may have more. */
static void print_limit(const char *name, json_int_t value)
{
	enum limit limit = limit_find(name, strlen(name));
	bool known = limit < LIMIT_COUNT;
	char bytes[FORMAT_SIZE] = "";

	if (known && strcmp(limit_table[limit].unit, "bytes") == 0)
		format_bytes((double)value, bytes);
	printf("  %-16s %12" JSON_INTEGER_FORMAT " %-10s  %s\n", name, value,
		*bytes ? bytes : (known ? limit_table[limit].unit : ""),
		known ? limit_table[limit].summary : "");
}

static void print_limits(const json_t *limits)
{
	const char *name;
	json_t *value;

	if (json_object_size(limits) > 0)
		printf("limits\n");
	json_object_foreach ((json_t *)limits, name, value) {
		print_limit(name, json_integer_value(value));
	}
}

static void print(const struct cli *cli, const json_t *info)
{
	print_text(info, "server", "server");
	printf("%-*s %s\n", NAME_WIDTH, "socket", cli->socket);
	print_number(info, "version", "protocol");
	print_text(info, "driver", "driver");
	print_text(info, "driver_reason", "because");
	print_number(info, "threads", "threads");
	print_features(json_object_get(info, "features"));
	print_limits(json_object_get(info, "limits"));
}

int command_info(struct cli *cli, int argc, char **argv)
{
	json_t *info;
	int status;

	if (!cli_no_options(cli, argc, argv, 0, 0))
		return cli->status;
	status = dial_once(cli, "hello", &info);
	if (status != 0)
		return status;
	if (!json_is_object(info)) {
		json_decref(info);
		return cli_fail_answer(cli, "hello");
	}
	if (cli->json) {
		json_object_set_new(info, "socket", json_text(cli->socket));
		json_print(info, stdout, JSON_PRINT_AUTO);
		return STATUS_DONE;
	}
	print(cli, info);
	json_decref(info);
	return STATUS_DONE;
}
