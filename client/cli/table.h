/*
 * What a cell of a table shows of a value, for people: the units are told by the ends of the names.
 */
#pragma once

#include <jansson.h>

#include "base/def.h"
#include "client/cli/format.h"

enum { TABLE_CELL_SIZE = 256 };

/*
 * Whether @key is of nanoseconds or bytes ("age_ns", "memory", "bytes_read"); then @ret_text is
 * @number in a fitting unit.
 */
bool table_humanize(const char *key, json_int_t number, char ret_text[FORMAT_SIZE]);

/* @value as one line of text. */
void table_cell(const json_t *value, char ret_text[TABLE_CELL_SIZE]);
