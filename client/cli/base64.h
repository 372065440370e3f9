/* Base64, RFC 4648 §4: how bytes stand in JSON. */
#pragma once

#include "base/def.h"

/* The text of @size bytes, terminated, to be freed. NULL: memory is short. */
char *base64_encode(const uint8_t *bytes, size_t size);

/* The bytes of @text, to be freed. False: it is not base64, padding and all, or memory is short. */
bool base64_decode(const char *text, size_t text_size, uint8_t **ret_bytes, size_t *ret_size);
