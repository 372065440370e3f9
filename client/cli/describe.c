/* proactl describe: what methods the daemon has, as it says itself. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "client/cli/dial.h"
#include "client/cli/json.h"

/* Never NULL, whatever the daemon says. */
static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "?";
}

static int append(struct buffer *line, const char *text)
{
	return buffer_append(line, text, strlen(text));
}

/* "read(file, size, [offset]) -> bytes". */
static int append_signature(struct buffer *line, const json_t *method)
{
	const json_t *param;
	size_t i;
	int r = append(line, text_of(method, "name")) | append(line, "(");

	json_array_foreach (json_object_get(method, "params"), i, param) {
		bool optional = json_is_true(json_object_get(param, "optional"));

		r |= append(line, i > 0 ? ", " : "") | append(line, optional ? "[" : "") |
			append(line, text_of(param, "name")) | append(line, optional ? "]" : "");
	}
	r |= append(line, ") -> ") | append(line, text_of(method, "result"));
	return r < 0 || buffer_append(line, "", 1) < 0 ? -ENOMEM : 0;
}

static void print_line(const json_t *method)
{
	_cleanup_(buffer_deinit) struct buffer line = {0};

	if (append_signature(&line, method) < 0)
		return;
	printf("%-44s  %s\n", (const char *)buffer_bytes(&line), text_of(method, "summary"));
}

/* A type that the daemon does not explain, "[file, address]" say, explains itself. */
static void print_type(const json_t *types, const char *title, const char *type, bool optional)
{
	const char *meaning = json_string_value(json_object_get(types, type));

	printf("  %-12s %s%s\n", title, meaning ? meaning : type,
		optional ? " (may be left out)" : "");
}

static void print_method(const json_t *method, const json_t *types)
{
	_cleanup_(buffer_deinit) struct buffer line = {0};
	const json_t *param;
	size_t i;

	if (append_signature(&line, method) < 0)
		return;
	printf("%s\n  %s\n\n", (const char *)buffer_bytes(&line), text_of(method, "summary"));
	json_array_foreach (json_object_get(method, "params"), i, param) {
		bool optional = json_is_true(json_object_get(param, "optional"));

		print_type(types, text_of(param, "name"), text_of(param, "type"), optional);
	}
	print_type(types, "result", text_of(method, "result"), /* optional= */ false);
	printf("  %-12s protocol version %" JSON_INTEGER_FORMAT "\n", "since",
		json_integer_value(json_object_get(method, "since")));
}

/* ---- finding one ---- */

struct names {
	const json_t *methods;
	size_t next;
};

static const char *next_name(void *context)
{
	struct names *names = context;

	if (names->next >= json_array_size(names->methods))
		return NULL;
	return text_of(json_array_get(names->methods, names->next++), "name");
}

static int find(const struct cli *cli, const json_t *methods, const char *name,
	const json_t **ret_method)
{
	struct names names = {.methods = methods};
	const json_t *method;
	const char *meant;
	size_t i;

	json_array_foreach (methods, i, method) {
		if (strcmp(text_of(method, "name"), name) == 0) {
			*ret_method = method;
			return 0;
		}
	}
	meant = cli_did_you_mean(name, next_name, &names);
	(void)cli_fail_text(cli, RPC_METHOD_NOT_FOUND, rpc_error_name(RPC_METHOD_NOT_FOUND),
		"the daemon has no method \"%s\"%s%s%s", name, meant ? "; did you mean \"" : "",
		meant ? meant : "", meant ? "\"?" : "");
	return STATUS_PROTOCOL;
}

static void print_list(const json_t *methods)
{
	const json_t *method;
	size_t i;

	json_array_foreach (methods, i, method) {
		print_line(method);
	}
}

static int show(const struct cli *cli, const json_t *description, const char *name)
{
	const json_t *methods = json_object_get(description, "methods"), *method = NULL;
	int status = name ? find(cli, methods, name, &method) : 0;

	if (status != 0)
		return status;
	if (cli->json)
		json_print(json_incref((json_t *)(name ? method : description)), stdout,
			JSON_PRINT_AUTO);
	else if (name)
		print_method(method, json_object_get(description, "types"));
	else
		print_list(methods);
	return STATUS_DONE;
}

int command_describe(struct cli *cli, int argc, char **argv)
{
	json_t *description;
	int status;

	if (!cli_no_options(cli, argc, argv, 0, 1))
		return cli->status;
	status = dial_once(cli, "describe", &description);
	if (status != 0)
		return status;
	if (json_is_array(json_object_get(description, "methods")))
		status = show(cli, description, optind < argc ? argv[optind] : NULL);
	else
		status = cli_fail_answer(cli, "describe");
	json_decref(description);
	return status;
}
