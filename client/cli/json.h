/*
 * MessagePack and JSON, each made of the other.
 *
 *      MessagePack                        JSON
 *      bin                         ⇄      {"base64": "…"}
 *      str                         ⇄      string; one that is not UTF-8 is shown as a bin is
 *      integer                     ⇄      integer, exact; above 2^63 - 1 a string of its digits
 *      map                         ⇄      object; keys that are no str become their JSON
 *      ext                         →      {"ext": type, "base64": "…"}
 *      NaN, ±Inf                   →      "nan", "inf", "-inf"
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "proto/pack.h"
#include "proto/reader.h"

/* The next value, a new reference. NULL: there is none, or memory is short. */
json_t *json_read(struct reader *reader);

/* Packs @json. False: an object with "base64" whose text is not base64. */
bool json_write(struct pack *pack, const json_t *json);

/* Whether @json is what a bin is shown as; then its bytes, to be freed. */
bool json_is_bytes(const json_t *json, uint8_t **ret_bytes, size_t *ret_size);

/* A string of @text, in which what is not UTF-8 is replaced: a path may be any bytes. */
json_t *json_text(const char *text);

enum json_print_mode {
	JSON_PRINT_AUTO, /* for people on a terminal, one line elsewhere */
	JSON_PRINT_LINE,
};

/* Prints @json and a line feed, and takes the reference over. */
void json_print(json_t *json, FILE *stream, enum json_print_mode mode);
