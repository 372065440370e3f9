/* MessagePack and JSON. See json.h. */
#include "client/cli/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/cli/base64.h"
#include "proto/utf8.h"

/* ---- out of MessagePack ---- */

static json_t *read_uint(uint64_t number)
{
	char digits[24];

	if (number <= INT64_MAX)
		return json_integer((json_int_t)number);
	snprintf(digits, sizeof(digits), "%" PRIu64, number);
	return json_string(digits);
}

static json_t *read_real(double number)
{
	if (isnan(number))
		return json_string("nan");
	return isinf(number) ? json_string(number > 0 ? "inf" : "-inf") : json_real(number);
}

static json_t *read_bytes(const struct value *value)
{
	_cleanup_(freep) char *text = base64_encode(value->body, value->token.body_size);
	json_t *object = text ? json_pack("{s:s}", "base64", text) : NULL;

	if (object && value->token.type == TOKEN_EXT)
		json_object_set_new(object, "ext", json_integer(value->token.ext_type));
	return object;
}

static json_t *read_str(const struct value *value)
{
	/* NULL where it is not UTF-8 */
	json_t *string = json_stringn((const char *)value->body, value->token.body_size);

	return string ? string : read_bytes(value);
}

json_t *json_text(const char *text)
{
	json_t *string = json_string(text);
	_cleanup_(freep) char *clean = string ? NULL : strdup(text);

	if (!clean)
		return string;
	utf8_clean(clean);
	return json_string(clean);
}

static json_t *read_array(struct reader *reader, uint32_t count)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < count; i++) {
		if (json_array_append_new(array, json_read(reader)) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

/* Gives the reference up, and sets @object's value for @key. */
static int set_pair(json_t *object, json_t *key, json_t *value)
{
	char *text = json_is_string(key)
		? NULL
		: json_dumps(key, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	int r = -1;

	if (json_is_string(key))
		r = json_object_setn_new(object, json_string_value(key), json_string_length(key),
			value);
	else if (text)
		r = json_object_set_new(object, text, value);
	else
		json_decref(value);
	free(text);
	json_decref(key);
	return r;
}

static json_t *read_map(struct reader *reader, uint32_t count)
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < count; i++) {
		json_t *key = json_read(reader), *value = json_read(reader);

		if (set_pair(object, key, value) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *json_read(struct reader *reader)
{
	struct value value;

	/* how deep this goes the scan has limited */
	if (reader_next(reader, &value) < 0)
		return NULL;
	switch (value.token.type) {
	case TOKEN_NIL: return json_null();
	case TOKEN_BOOL: return json_boolean(value.token.boolean);
	case TOKEN_UINT: return read_uint(value.token.uint);
	case TOKEN_NEGATIVE: return json_integer((json_int_t)value.token.negative);
	case TOKEN_FLOAT: return read_real(value.token.real);
	case TOKEN_STR: return read_str(&value);
	case TOKEN_BIN:
	case TOKEN_EXT: return read_bytes(&value);
	case TOKEN_ARRAY: return read_array(reader, value.token.count);
	case TOKEN_MAP: return read_map(reader, value.token.count);
	}
	return NULL;
}

/* ---- into MessagePack ---- */

static const json_t *base64_of(const json_t *json)
{
	const json_t *text = json_object_get(json, "base64");

	return json_is_string(text) && json_object_size(json) == 1 ? text : NULL;
}

bool json_is_bytes(const json_t *json, uint8_t **ret_bytes, size_t *ret_size)
{
	const json_t *text = base64_of(json);

	return text &&
		base64_decode(json_string_value(text), json_string_length(text), ret_bytes,
			ret_size);
}

static bool write_object(struct pack *pack, const json_t *json)
{
	_cleanup_(freep) uint8_t *bytes = NULL;
	const char *key;
	json_t *value;
	size_t size;

	if (json_is_bytes(json, &bytes, &size)) {
		pack_bin(pack, bytes, size);
		return true;
	}
	if (base64_of(json))
		return false;
	pack_map(pack, json_object_size(json));
	json_object_foreach ((json_t *)json, key, value) {
		pack_str(pack, key);
		if (!json_write(pack, value))
			return false;
	}
	return true;
}

static bool write_array(struct pack *pack, const json_t *json)
{
	const json_t *value;
	size_t i;

	pack_array(pack, json_array_size(json));
	json_array_foreach (json, i, value) {
		if (!json_write(pack, value))
			return false;
	}
	return true;
}

bool json_write(struct pack *pack, const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT: return write_object(pack, json);
	case JSON_ARRAY: return write_array(pack, json);
	case JSON_STRING:
		pack_str_sized(pack, json_string_value(json), json_string_length(json));
		break;
	case JSON_INTEGER: pack_int(pack, json_integer_value(json)); break;
	case JSON_REAL: pack_double(pack, json_real_value(json)); break;
	case JSON_TRUE:
	case JSON_FALSE: pack_bool(pack, json_is_true(json)); break;
	case JSON_NULL: pack_nil(pack); break;
	}
	return true;
}

/* ---- printing ---- */

void json_print(json_t *json, FILE *stream, enum json_print_mode mode)
{
	bool pretty = mode == JSON_PRINT_AUTO && isatty(fileno(stream));

	if (json)
		json_dumpf(json, stream,
			JSON_ENCODE_ANY | JSON_REAL_PRECISION(15) |
				(pretty ? JSON_INDENT(2) : JSON_COMPACT));
	fputc('\n', stream);
	json_decref(json);
}
