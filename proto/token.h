/*
 * One MessagePack token: a value's header, decoded from bytes that may be hostile or not all there.
 *
 * The only place that knows the formats of https://github.com/msgpack/msgpack/blob/master/spec.md.
 * Nothing is allocated and nothing is believed: a token says how many bytes or values *are
 * announced* to follow; the scan decides whether they may.
 */
#pragma once

#include "base/def.h"

enum token_type {
	TOKEN_NIL,
	TOKEN_BOOL,
	TOKEN_UINT, /* any integer ≥ 0, whatever format it came in */
	TOKEN_NEGATIVE,
	TOKEN_FLOAT,
	TOKEN_STR,
	TOKEN_BIN,
	TOKEN_EXT,
	TOKEN_ARRAY,
	TOKEN_MAP,
};

struct token {
	enum token_type type;
	uint32_t header_size; /* bytes, the tag and an ext's type among them */
	uint32_t body_size;   /* bytes that follow: str, bin, ext */
	uint32_t count;       /* values that follow: an array's; a map's pairs */
	union {
		bool boolean;
		uint64_t uint;    /* TOKEN_UINT */
		int64_t negative; /* TOKEN_NEGATIVE, < 0 */
		double real;
		int8_t ext_type;
	};
};

enum {
	TOKEN_OK = 0,
	TOKEN_MORE = 1, /* the header is not all there yet */
};

/* The largest header: a tag and eight bytes. */
enum { TOKEN_HEADER_SIZE_MAX = 9 };

/*
 * Decodes the header at @bytes. TOKEN_OK and @ret_token, or TOKEN_MORE. -EBADMSG: 0xc1, which means
 * nothing.
 */
int token_parse(const uint8_t *bytes, size_t size, struct token *ret_token);

/* "an integer", "a str": for messages. */
const char *token_type_name(enum token_type type);
