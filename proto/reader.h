/*
 * Reads the values of one frame, in order, where they lie: nothing is copied, nothing is allocated.
 *
 * Meant for frames that the scan has passed, but safe on any bytes: it never reads beyond the end.
 */
#pragma once

#include "base/def.h"
#include "proto/token.h"

struct reader {
	const uint8_t *at;
	const uint8_t *end;
};

/* One value. Of an array or map only the header: its values come next. */
struct value {
	struct token token;
	const uint8_t *body; /* token.body_size bytes, in the frame */
};

static inline struct reader reader_of(const uint8_t *bytes, size_t size)
{
	return (struct reader){.at = bytes, .end = bytes + size};
}

/* The next value. -EBADMSG: there is none, or not all of it. */
int reader_next(struct reader *reader, struct value *ret_value);

/* Passes over the next value with all that is in it. -EBADMSG. */
int reader_skip(struct reader *reader);

/*
 * The next value, where it is what is asked for. -EBADMSG: there is none; -EPROTO: it is something
 * else (also an integer that does not fit), and the reader has passed it.
 */
int reader_uint(struct reader *reader, uint64_t maximum, uint64_t *ret_number);
int reader_int(struct reader *reader, int64_t minimum, int64_t maximum, int64_t *ret_number);
int reader_array(struct reader *reader, uint32_t *ret_count);
int reader_map(struct reader *reader, uint32_t *ret_count);

/* A str or a bin: clients differ in which they send. */
int reader_bytes(struct reader *reader, const uint8_t **ret_bytes, size_t *ret_size);

/* Whether @value is an integer from @minimum to @maximum. */
bool value_int(const struct value *value, int64_t minimum, int64_t maximum, int64_t *ret_number);

static inline bool value_is_bytes(const struct value *value)
{
	return value->token.type == TOKEN_STR || value->token.type == TOKEN_BIN;
}
