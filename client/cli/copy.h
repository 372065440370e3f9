/*
 * The copy engine: bytes from one file to another, with many reads and writes in flight.
 *
 * A file is *ordered* where its bytes only come or go one after the other: a pipe, a terminal, a
 * socket, a standard stream whose position is shared. Of such, one operation at a time is in
 * flight, at the current position. Anything else is read or written at offsets, as many at a time
 * as there are blocks:
 *
 *      block 0   [ read ──▶ write ]
 *      block 1      [ read ──▶ write ]          a block is read until it is full or the file ends,
 *      block 2      [ read ─────▶ write ]       and written until all of it is written
 *      block 3           (free) …
 *
 * The size of the source is a hint, no more. Up to it blocks are read side by side. Beyond it one
 * at a time, until a read gives nothing, so that a file that has grown has no hole in its copy; and
 * where a file turns out to have shrunk, what was read behind its new end does not count.
 */
#pragma once

#include "client/cli/io.h"
#include "client/cli/progress.h"

struct copy_end {
	int64_t file;
	const char *name; /* for messages */
	bool ordered;
};

struct copy {
	struct copy_end from;
	struct copy_end to;
	uint64_t size; /* what the source is thought to have */
	uint32_t depth;
	size_t block_size;
	struct progress *progress;

	/* what comes out */
	uint64_t bytes; /* written */
	/* the end of what was written at offsets; above the source's end when that has shrunk */
	uint64_t written_end;
	uint64_t end;   /* of the source, where it was reached; else UINT64_MAX */
	bool failed_to; /* true: writing has failed, false: reading */
};

/* Chooses depth and block_size within @limits. 0 in either stands for the default. */
void copy_choose(struct copy *copy, const struct io_limits *limits, uint64_t depth,
	uint64_t block_size);

/*
 * Copies. 0, or a negative errno: of the read or write that failed, -ECANCELED where a signal came,
 * -ENOMEM. Nothing is in flight any more.
 */
int copy_run(struct copy *copy, struct io *io);
