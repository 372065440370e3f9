/*
 * proactl stats: the daemon's counters.
 *
 * They are a map of numbers and of further maps; nothing here knows their names, so that a daemon
 * with more counters needs no other proactl. A map is a group, under its name.
 */
#include <ctype.h>
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>

#include "client/cli/cli.h"
#include "client/cli/dial.h"
#include "client/cli/json.h"
#include "client/cli/table.h"

enum { PATH_SIZE = 256 };

/* ---- the table ---- */

/* Returns false where memory is short. */
static bool add_row(struct libscols_table *table, const char *name, const char *value,
	const char *human)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);

	return line && scols_line_set_data(line, 0, name) == 0 &&
		scols_line_set_data(line, 1, value) == 0 &&
		scols_line_set_data(line, 2, human) == 0;
}

static bool add_value(struct libscols_table *table, const char *indent, const char *key,
	const json_t *value)
{
	char name[PATH_SIZE], cell[TABLE_CELL_SIZE], human[FORMAT_SIZE] = "";

	snprintf(name, sizeof(name), "%s%s", indent, key);
	table_cell(value, cell);
	if (json_is_integer(value))
		table_humanize(key, json_integer_value(value), human);
	return add_row(table, name, cell, human);
}

/* The values of a group, and then the groups in it, each after its name. */
static bool add_group(struct libscols_table *table, const json_t *group, const char *title)
{
	const char *indent = *title ? "  " : "";
	char path[PATH_SIZE];
	const char *key;
	json_t *value;
	bool whole = !*title || add_row(table, title, "", "");

	json_object_foreach ((json_t *)group, key, value) {
		if (whole && !json_is_object(value))
			whole = add_value(table, indent, key, value);
	}
	json_object_foreach ((json_t *)group, key, value) {
		snprintf(path, sizeof(path), "%s%s%s", title, *title ? " " : "", key);
		if (whole && json_is_object(value))
			whole = add_group(table, value, path);
	}
	return whole;
}

static int print(const json_t *stats)
{
	struct libscols_table *table = scols_new_table();
	bool whole = table && scols_table_new_column(table, "name", 0, 0) &&
		scols_table_new_column(table, "value", 0, SCOLS_FL_RIGHT) &&
		scols_table_new_column(table, "human", 0, 0) && add_group(table, stats, "");

	if (whole) {
		scols_table_enable_noheadings(table, 1);
		scols_table_enable_minout(table, 1); /* no blanks at the ends of lines */
		scols_table_set_column_separator(table, "  ");
		scols_print_table(table);
	}
	scols_unref_table(table);
	return whole ? 0 : -ENOMEM;
}

/* ---- Prometheus ---- */

/* The text format wants [a-zA-Z0-9_]. */
static void append_name(char path[PATH_SIZE], const char *prefix, const char *key)
{
	snprintf(path, PATH_SIZE, "%s_%s", prefix, key);
	for (char *at = path; *at; at++)
		if (!isalnum((unsigned char)*at))
			*at = '_';
}

static void print_prometheus(const json_t *group, const char *prefix)
{
	char path[PATH_SIZE];
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)group, key, value) {
		append_name(path, prefix, key);
		if (json_is_object(value))
			print_prometheus(value, path);
		else if (json_is_integer(value))
			printf("%s %" JSON_INTEGER_FORMAT "\n", path, json_integer_value(value));
		else if (json_is_real(value))
			printf("%s %.17g\n", path, json_real_value(value));
	}
}

/* ---- the command ---- */

static int parse(struct cli *cli, int argc, char **argv, bool *ret_prometheus)
{
	static const struct option options[] = {
		CLI_OPTIONS, {"prometheus", no_argument, NULL, CLI_OPTION_OWN}, {0}};
	int option;

	while ((option = cli_option(cli, argc, argv, ":h", options)) != -1) {
		if (option != CLI_OPTION_OWN)
			return cli->status;
		*ret_prometheus = true;
	}
	return cli_check_count(cli, argc, 0, 0) ? -1 : cli->status;
}

int command_stats(struct cli *cli, int argc, char **argv)
{
	bool prometheus = false;
	json_t *stats;
	int r = 0, status = parse(cli, argc, argv, &prometheus);

	if (status >= 0)
		return status;
	if (prometheus && cli->json)
		return cli_fail_usage(cli, "--prometheus and --json are two formats");
	status = dial_once(cli, "stats", &stats);
	if (status != 0)
		return status;
	if (!json_is_object(stats))
		status = cli_fail_answer(cli, "stats");
	else if (prometheus)
		print_prometheus(stats, "proactord");
	else if (cli->json)
		json_print(json_incref(stats), stdout, JSON_PRINT_AUTO);
	else
		r = print(stats);
	json_decref(stats);
	return r < 0 ? cli_fail(cli, r, "table") : status;
}
