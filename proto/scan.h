/*
 * The scan: finds where a frame ends, within limits, before anything else looks at it.
 *
 * It is the framing layer. It goes over the bytes token by token with a stack of counters,
 * allocates nothing, and believes no announced count before it has been weighed against the limits:
 * five bytes can announce four billion values. It goes on where it stopped when more bytes come, so
 * that a frame that arrives in pieces is gone over once.
 *
 *      scan_frame()  ──▶ SCAN_MORE   not all there: call again with the same bytes and more
 *                    ──▶ SCAN_FRAME  a whole frame of scan.size bytes; scan_reset() for the next
 *                    ──▶ SCAN_BAD    scan.reason; the stream cannot be followed any further
 */
#pragma once

#include "base/def.h"
#include "proto/limits.h"

enum scan_result { SCAN_MORE, SCAN_FRAME, SCAN_BAD };

enum { SCAN_DEPTH_MAX = 16 };

struct scan {
	size_t size;       /* bytes that the tokens seen so far take, with announced bodies */
	uint64_t elements; /* values seen or announced */
	uint32_t depth;
	uint64_t missing[SCAN_DEPTH_MAX]; /* values that are still to come, on each level */
	char reason[96];
};

void scan_reset(struct scan *scan);

/* @bytes begins with the frame and has all that the calls before had. */
enum scan_result scan_frame(struct scan *scan, const uint8_t *bytes, size_t size,
	const struct limits *limits);
