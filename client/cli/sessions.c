/*
 * proactl sessions: who is connected to the daemon.
 *
 * The answer is an array of flat maps. The columns are the keys of the first: a daemon that tells
 * more needs no other proactl.
 */
#include <ctype.h>
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/dial.h"
#include "client/cli/json.h"
#include "client/cli/table.h"

/* "age_ns" is shown in other units, and so is called "AGE". */
static void heading_of(const char *key, char heading[TABLE_CELL_SIZE])
{
	size_t size = strlen(key);

	if (size > 3 && strcmp(key + size - 3, "_ns") == 0)
		size -= 3;
	size = MIN(size, (size_t)TABLE_CELL_SIZE - 1);
	for (size_t i = 0; i < size; i++)
		heading[i] = (char)toupper((unsigned char)key[i]);
	heading[size] = '\0';
}

static bool add_columns(struct libscols_table *table, const json_t *first)
{
	char heading[TABLE_CELL_SIZE];
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)first, key, value) {
		heading_of(key, heading);
		if (!scols_table_new_column(table, heading, 0,
			    json_is_number(value) ? SCOLS_FL_RIGHT : 0))
			return false;
	}
	return true;
}

static bool add_row(struct libscols_table *table, const json_t *first, const json_t *row)
{
	struct libscols_line *line = scols_table_new_line(table, NULL);
	char cell[TABLE_CELL_SIZE];
	const char *key;
	json_t *unused;
	size_t i = 0;

	if (!line)
		return false;
	json_object_foreach ((json_t *)first, key, unused) {
		const json_t *value = json_object_get(row, key);

		if (!json_is_integer(value) ||
			!table_humanize(key, json_integer_value(value), cell))
			table_cell(value, cell);
		if (scols_line_set_data(line, i++, cell) != 0)
			return false;
	}
	return true;
}

static int print(const json_t *sessions)
{
	const json_t *first = json_array_get(sessions, 0), *row;
	struct libscols_table *table = scols_new_table();
	bool whole = table && add_columns(table, first);
	size_t i;

	json_array_foreach (sessions, i, row)
		whole = whole && add_row(table, first, row);
	if (whole) {
		scols_table_set_column_separator(table, "  ");
		scols_print_table(table);
	}
	scols_unref_table(table);
	return whole ? 0 : -ENOMEM;
}

int command_sessions(struct cli *cli, int argc, char **argv)
{
	json_t *sessions;
	int status, r = 0;

	if (!cli_no_options(cli, argc, argv, 0, 0))
		return cli->status;
	status = dial_once(cli, "sessions", &sessions);
	if (status != 0)
		return status;
	if (!json_is_array(sessions))
		status = cli_fail_answer(cli, "sessions");
	else if (cli->json)
		json_print(json_incref(sessions), stdout, JSON_PRINT_AUTO);
	else if (json_array_size(sessions) > 0)
		r = print(sessions);
	json_decref(sessions);
	return r < 0 ? cli_fail(cli, r, "table") : status;
}
