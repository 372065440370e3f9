/* Reading the values of a frame. See reader.h. */
#include "proto/reader.h"

#include <errno.h>

int reader_next(struct reader *reader, struct value *ret_value)
{
	size_t size = (size_t)(reader->end - reader->at);
	struct token token;

	if (token_parse(reader->at, size, &token) != TOKEN_OK ||
		size - token.header_size < token.body_size)
		return -EBADMSG;
	*ret_value = (struct value){.token = token, .body = reader->at + token.header_size};
	reader->at = ret_value->body + token.body_size;
	return 0;
}

int reader_skip(struct reader *reader)
{
	uint64_t missing = 1;
	struct value value;
	int r;

	/* each value takes at least a byte, so that an announced count cannot keep this going */
	while (missing > 0) {
		r = reader_next(reader, &value);
		if (r < 0)
			return r;
		missing +=
			(uint64_t)value.token.count * (value.token.type == TOKEN_MAP ? 2 : 1) - 1;
	}
	return 0;
}

int reader_uint(struct reader *reader, uint64_t maximum, uint64_t *ret_number)
{
	struct value value;
	int r = reader_next(reader, &value);

	if (r < 0)
		return r;
	if (value.token.type != TOKEN_UINT || value.token.uint > maximum)
		return -EPROTO;
	*ret_number = value.token.uint;
	return 0;
}

bool value_int(const struct value *value, int64_t minimum, int64_t maximum, int64_t *ret_number)
{
	int64_t number;

	if (value->token.type == TOKEN_NEGATIVE)
		number = value->token.negative;
	else if (value->token.type == TOKEN_UINT && value->token.uint <= INT64_MAX)
		number = (int64_t)value->token.uint;
	else
		return false;
	if (number < minimum || number > maximum)
		return false;
	*ret_number = number;
	return true;
}

int reader_int(struct reader *reader, int64_t minimum, int64_t maximum, int64_t *ret_number)
{
	struct value value;
	int r = reader_next(reader, &value);

	if (r < 0)
		return r;
	return value_int(&value, minimum, maximum, ret_number) ? 0 : -EPROTO;
}

static int reader_container(struct reader *reader, enum token_type type, uint32_t *ret_count)
{
	struct value value;
	int r = reader_next(reader, &value);

	if (r < 0)
		return r;
	if (value.token.type != type)
		return -EPROTO;
	*ret_count = value.token.count;
	return 0;
}

int reader_array(struct reader *reader, uint32_t *ret_count)
{
	return reader_container(reader, TOKEN_ARRAY, ret_count);
}

int reader_map(struct reader *reader, uint32_t *ret_count)
{
	return reader_container(reader, TOKEN_MAP, ret_count);
}

int reader_bytes(struct reader *reader, const uint8_t **ret_bytes, size_t *ret_size)
{
	struct value value;
	int r = reader_next(reader, &value);

	if (r < 0)
		return r;
	if (!value_is_bytes(&value))
		return -EPROTO;
	*ret_bytes = value.body;
	*ret_size = value.token.body_size;
	return 0;
}
