/* Base64. See base64.h. */
#include "client/cli/base64.h"

#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const uint8_t *bytes, size_t size)
{
	char *text = malloc((size + 2) / 3 * 4 + 1), *at = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < size; i += 3) {
		size_t have = MIN(size - i, (size_t)3);
		uint32_t bits = (uint32_t)bytes[i] << 16;

		bits |= have > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		bits |= have > 2 ? bytes[i + 2] : 0;
		*at++ = digits[bits >> 18];
		*at++ = digits[bits >> 12 & 63];
		*at++ = have > 1 ? digits[bits >> 6 & 63] : '=';
		*at++ = have > 2 ? digits[bits & 63] : '=';
	}
	*at = '\0';
	return text;
}

/* Four digits, of which the last @padding are '='. */
static bool decode_group(const char *text, size_t padding, uint8_t *to)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *digit = i < 4 - padding && text[i] ? strchr(digits, text[i]) : digits;

		if (!digit)
			return false;
		bits = bits << 6 | (uint32_t)(digit - digits);
	}
	for (size_t i = 0; i < 3 - padding; i++)
		to[i] = (uint8_t)(bits >> (16 - 8 * i));
	return true;
}

bool base64_decode(const char *text, size_t text_size, uint8_t **ret_bytes, size_t *ret_size)
{
	size_t padding = 0;
	uint8_t *bytes;

	while (padding < 2 && padding < text_size && text[text_size - 1 - padding] == '=')
		padding++;
	bytes = text_size % 4 == 0 ? malloc(text_size / 4 * 3 + 1) : NULL;
	if (!bytes)
		return false;
	for (size_t i = 0; i < text_size; i += 4) {
		if (!decode_group(text + i, i + 4 == text_size ? padding : 0, bytes + i / 4 * 3)) {
			free(bytes);
			return false;
		}
	}
	*ret_bytes = bytes;
	*ret_size = text_size / 4 * 3 - padding;
	return true;
}
