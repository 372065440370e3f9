/* UTF-8: what a str has to be, and what names from clients need not be. */
#pragma once

#include "base/def.h"

/*
 * The size of the character that the @size bytes at @text begin with (at least one), or 0: it is
 * none.
 */
size_t utf8_character(const uint8_t *text, size_t size);

bool utf8_is_valid(const uint8_t *text, size_t size);

/* Replaces every byte of the terminated @text that belongs to no character by a question mark. */
void utf8_clean(char *text);
