/*
 * Decoding one MessagePack header. See token.h.
 *
 * The tags from 0xc0 to 0xdf are a table: what each means and how many bytes of length or value
 * follow it.
 */
#include "proto/token.h"

#include <errno.h>
#include <string.h>

enum form {
	FORM_NIL,
	FORM_INVALID,
	FORM_FALSE,
	FORM_TRUE,
	FORM_BIN,
	FORM_EXT,
	FORM_FIXEXT, /* the body's size is in the table */
	FORM_FLOAT,
	FORM_UINT,
	FORM_INT,
	FORM_STR,
	FORM_ARRAY,
	FORM_MAP,
};

static const struct {
	uint8_t form;
	uint8_t number_size; /* bytes of big-endian number after the tag */
	uint8_t body_size;
} tags[32] = {
	[0xc0 - 0xc0] = {FORM_NIL, 0, 0},
	[0xc1 - 0xc0] = {FORM_INVALID, 0, 0},
	[0xc2 - 0xc0] = {FORM_FALSE, 0, 0},
	[0xc3 - 0xc0] = {FORM_TRUE, 0, 0},
	[0xc4 - 0xc0] = {FORM_BIN, 1, 0},
	[0xc5 - 0xc0] = {FORM_BIN, 2, 0},
	[0xc6 - 0xc0] = {FORM_BIN, 4, 0},
	[0xc7 - 0xc0] = {FORM_EXT, 1, 0},
	[0xc8 - 0xc0] = {FORM_EXT, 2, 0},
	[0xc9 - 0xc0] = {FORM_EXT, 4, 0},
	[0xca - 0xc0] = {FORM_FLOAT, 4, 0},
	[0xcb - 0xc0] = {FORM_FLOAT, 8, 0},
	[0xcc - 0xc0] = {FORM_UINT, 1, 0},
	[0xcd - 0xc0] = {FORM_UINT, 2, 0},
	[0xce - 0xc0] = {FORM_UINT, 4, 0},
	[0xcf - 0xc0] = {FORM_UINT, 8, 0},
	[0xd0 - 0xc0] = {FORM_INT, 1, 0},
	[0xd1 - 0xc0] = {FORM_INT, 2, 0},
	[0xd2 - 0xc0] = {FORM_INT, 4, 0},
	[0xd3 - 0xc0] = {FORM_INT, 8, 0},
	[0xd4 - 0xc0] = {FORM_FIXEXT, 0, 1},
	[0xd5 - 0xc0] = {FORM_FIXEXT, 0, 2},
	[0xd6 - 0xc0] = {FORM_FIXEXT, 0, 4},
	[0xd7 - 0xc0] = {FORM_FIXEXT, 0, 8},
	[0xd8 - 0xc0] = {FORM_FIXEXT, 0, 16},
	[0xd9 - 0xc0] = {FORM_STR, 1, 0},
	[0xda - 0xc0] = {FORM_STR, 2, 0},
	[0xdb - 0xc0] = {FORM_STR, 4, 0},
	[0xdc - 0xc0] = {FORM_ARRAY, 2, 0},
	[0xdd - 0xc0] = {FORM_ARRAY, 4, 0},
	[0xde - 0xc0] = {FORM_MAP, 2, 0},
	[0xdf - 0xc0] = {FORM_MAP, 4, 0},
};

static uint64_t read_number(const uint8_t *bytes, unsigned size)
{
	uint64_t number = 0;

	for (unsigned i = 0; i < size; i++)
		number = number << 8 | bytes[i];
	return number;
}

static struct token signed_token(uint64_t number, unsigned size)
{
	unsigned shift = 64 - 8 * size;
	int64_t value = (int64_t)(number << shift) >> shift;

	if (value >= 0)
		return (struct token){.type = TOKEN_UINT, .uint = (uint64_t)value};
	return (struct token){.type = TOKEN_NEGATIVE, .negative = value};
}

static struct token float_token(uint64_t number, unsigned size)
{
	uint32_t bits = (uint32_t)number;
	float narrow;
	double wide;

	memcpy(&narrow, &bits, sizeof(narrow));
	memcpy(&wide, &number, sizeof(wide));
	return (struct token){
		.type = TOKEN_FLOAT, .real = size == sizeof(narrow) ? (double)narrow : wide};
}

/* 0x00–0xbf and 0xe0–0xff: all in one byte. */
static struct token fix_token(uint8_t tag)
{
	if (tag <= 0x7f)
		return (struct token){.type = TOKEN_UINT, .header_size = 1, .uint = tag};
	if (tag >= 0xe0)
		return (struct token){
			.type = TOKEN_NEGATIVE, .header_size = 1, .negative = (int8_t)tag};
	if (tag <= 0x8f)
		return (struct token){.type = TOKEN_MAP, .header_size = 1, .count = tag & 0x0f};
	if (tag <= 0x9f)
		return (struct token){.type = TOKEN_ARRAY, .header_size = 1, .count = tag & 0x0f};
	return (struct token){.type = TOKEN_STR, .header_size = 1, .body_size = tag & 0x1f};
}

static struct token tag_token(unsigned form, unsigned number_size, uint64_t number)
{
	switch (form) {
	case FORM_FALSE:
	case FORM_TRUE: return (struct token){.type = TOKEN_BOOL, .boolean = form == FORM_TRUE};
	case FORM_UINT: return (struct token){.type = TOKEN_UINT, .uint = number};
	case FORM_INT: return signed_token(number, number_size);
	case FORM_FLOAT: return float_token(number, number_size);
	case FORM_STR: return (struct token){.type = TOKEN_STR, .body_size = (uint32_t)number};
	case FORM_BIN: return (struct token){.type = TOKEN_BIN, .body_size = (uint32_t)number};
	case FORM_EXT:
	case FORM_FIXEXT: return (struct token){.type = TOKEN_EXT, .body_size = (uint32_t)number};
	case FORM_ARRAY: return (struct token){.type = TOKEN_ARRAY, .count = (uint32_t)number};
	case FORM_MAP: return (struct token){.type = TOKEN_MAP, .count = (uint32_t)number};
	default: return (struct token){.type = TOKEN_NIL};
	}
}

int token_parse(const uint8_t *bytes, size_t size, struct token *ret_token)
{
	unsigned form, number_size, header_size;
	bool is_ext;

	if (size == 0)
		return TOKEN_MORE;
	if (bytes[0] < 0xc0 || bytes[0] > 0xdf) {
		*ret_token = fix_token(bytes[0]);
		return TOKEN_OK;
	}
	form = tags[bytes[0] - 0xc0].form;
	number_size = tags[bytes[0] - 0xc0].number_size;
	is_ext = form == FORM_EXT || form == FORM_FIXEXT;
	header_size = 1 + number_size + is_ext;
	if (form == FORM_INVALID)
		return -EBADMSG;
	if (size < header_size)
		return TOKEN_MORE;
	*ret_token = tag_token(form, number_size,
		form == FORM_FIXEXT ? tags[bytes[0] - 0xc0].body_size
				    : read_number(bytes + 1, number_size));
	ret_token->header_size = header_size;
	if (is_ext)
		ret_token->ext_type = (int8_t)bytes[header_size - 1];
	return TOKEN_OK;
}

const char *token_type_name(enum token_type type)
{
	static const char *const names[] = {
		[TOKEN_NIL] = "nil",
		[TOKEN_BOOL] = "a boolean",
		[TOKEN_UINT] = "an integer",
		[TOKEN_NEGATIVE] = "a negative integer",
		[TOKEN_FLOAT] = "a float",
		[TOKEN_STR] = "a str",
		[TOKEN_BIN] = "a bin",
		[TOKEN_EXT] = "an ext",
		[TOKEN_ARRAY] = "an array",
		[TOKEN_MAP] = "a map",
	};

	return names[type];
}
