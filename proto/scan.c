/* Finding the end of a frame. See scan.h. */
#include "proto/scan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "proto/token.h"

void scan_reset(struct scan *scan)
{
	scan->size = 0;
	scan->elements = 0;
	scan->depth = 0;
}

__attribute__((format(printf, 2, 3))) static enum scan_result bad(struct scan *scan,
	const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(scan->reason, sizeof(scan->reason), format, arguments);
	va_end(arguments);
	return SCAN_BAD;
}

/* A value is complete: so are the containers that it was the last of. */
static void close_levels(struct scan *scan)
{
	while (scan->depth > 0 && --scan->missing[scan->depth - 1] == 0)
		scan->depth--;
}

/* Weighs what @token announces. SCAN_MORE: all right, go on. */
static enum scan_result weigh(struct scan *scan, const struct token *token,
	const struct limits *limits)
{
	uint64_t children = (uint64_t)token->count * (token->type == TOKEN_MAP ? 2 : 1);
	uint64_t depth_max = MIN(limits->value[LIMIT_FRAME_DEPTH], (uint64_t)SCAN_DEPTH_MAX);
	uint64_t size_max = limits->value[LIMIT_FRAME_SIZE],
		 elements_max = limits->value[LIMIT_FRAME_ELEMENTS];

	if (scan->size == 0 && token->type != TOKEN_ARRAY)
		return bad(scan, "a message is an array, not %s", token_type_name(token->type));
	scan->size += (size_t)token->header_size + token->body_size;
	if (scan->size > size_max)
		return bad(scan, "frame_size: at least %zu bytes, the limit is %" PRIu64,
			scan->size, size_max);
	scan->elements += children;
	if (scan->elements > elements_max)
		return bad(scan, "frame_elements: %" PRIu64 " values, the limit is %" PRIu64,
			scan->elements, elements_max);
	if (children == 0) {
		close_levels(scan);
		return SCAN_MORE;
	}
	if (scan->depth >= depth_max)
		return bad(scan, "frame_depth: more than the limit of %" PRIu64 " levels",
			depth_max);
	scan->missing[scan->depth++] = children;
	return SCAN_MORE;
}

enum scan_result scan_frame(struct scan *scan, const uint8_t *bytes, size_t size,
	const struct limits *limits)
{
	struct token token;
	int r;

	/*
	 * until all of it is announced; then only the bytes of its last body can still be missing
	 */
	while (scan->size == 0 || scan->depth > 0) {
		if (scan->size > size)
			return SCAN_MORE;
		r = token_parse(bytes + scan->size, size - scan->size, &token);
		if (r == TOKEN_MORE)
			return SCAN_MORE;
		if (r < 0)
			return bad(scan, "0x%02x is no MessagePack", bytes[scan->size]);
		if (weigh(scan, &token, limits) == SCAN_BAD)
			return SCAN_BAD;
	}
	return scan->size <= size ? SCAN_FRAME : SCAN_MORE;
}
