/* Cells. See table.h. */
#include "client/cli/table.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/def.h"

static bool ends_with(const char *text, const char *end)
{
	size_t size = strlen(text), end_size = strlen(end);

	return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

bool table_humanize(const char *key, json_int_t number, char ret_text[FORMAT_SIZE])
{
	if (number < 0)
		return false;
	if (ends_with(key, "_ns"))
		format_duration((uint64_t)number, ret_text);
	else if (strstr(key, "bytes") || strstr(key, "memory"))
		format_bytes((double)number, ret_text);
	else
		return false;
	return true;
}

void table_cell(const json_t *value, char ret_text[TABLE_CELL_SIZE])
{
	_cleanup_(freep) char *text = NULL;

	if (json_is_string(value)) {
		snprintf(ret_text, TABLE_CELL_SIZE, "%s", json_string_value(value));
		return;
	}
	text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	snprintf(ret_text, TABLE_CELL_SIZE, "%s", text ? text : "");
}
