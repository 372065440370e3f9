/*
 * The load of `proactl bench`: one operation, over and over, a number of them in flight.
 *
 * The time that an operation takes counts from the turn in which it is pushed to the turn in which
 * its entry comes, as the program sees it; the clock is read once a turn, so that what is measured
 * is the way to the daemon and not the clock.
 */
#pragma once

#include "base/histogram.h"
#include "client/cli/io.h"

struct load {
	uint32_t opcode;
	uint32_t depth;
	size_t size;        /* of a transfer */
	int64_t file;       /* -1 where the operation has none */
	uint64_t blocks;    /* of @size in the file; 0: at its own position */
	bool sequential;    /* one block after the other, not at random */
	uint64_t count_max; /* operations; 0: no matter */
	uint64_t duration_max_ns;

	/* what comes out */
	uint64_t bytes;
	uint64_t duration_ns;
	struct histogram latencies;

	struct load_lane *lanes; /* until load_deinit() */
};

/*
 * Runs until there were enough operations, it has lasted long enough, or a signal came. Then waits
 * for what is in flight, which counts. 0, or the negative errno of an operation that failed;
 * -ENODATA: a read met the end of the file. Then what else is in flight is cancelled.
 */
int load_run(struct load *load, struct io *io);

/* After the proactor has ended, which may write to what is freed here. Idempotent. */
void load_deinit(struct load *load);
