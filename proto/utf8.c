/* UTF-8, as RFC 3629 has it: no surrogates, nothing longer than it has to be. See utf8.h. */
#include "proto/utf8.h"

#include <string.h>

static const struct {
	uint8_t mask, tag; /* of the first byte */
	uint32_t min;      /* the first code that needs this many bytes */
} forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

static bool is_code(uint32_t code, uint32_t min)
{
	return code >= min && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

size_t utf8_character(const uint8_t *text, size_t size)
{
	size_t more = 0;
	uint32_t code;

	while (more < ARRAY_SIZE(forms) && (text[0] & forms[more].mask) != forms[more].tag)
		more++;
	if (more == ARRAY_SIZE(forms) || more >= size)
		return 0;
	code = text[0] & (uint8_t)~forms[more].mask;
	for (size_t i = 1; i <= more; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	return is_code(code, forms[more].min) ? more + 1 : 0;
}

bool utf8_is_valid(const uint8_t *text, size_t size)
{
	size_t step;

	for (; size > 0; text += step, size -= step) {
		step = utf8_character(text, size);
		if (step == 0)
			return false;
	}
	return true;
}

void utf8_clean(char *text)
{
	size_t size = strlen(text), step;

	for (; size > 0; text += step, size -= step) {
		step = utf8_character((const uint8_t *)text, size);
		if (step == 0) {
			*text = '?';
			step = 1;
		}
	}
}
