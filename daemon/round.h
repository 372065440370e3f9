/*
 * A round: asks every shard for something, and goes on when all have answered.
 *
 *      round_start() on its shard ──▶ visit() on each shard's thread ──▶ done() on its shard
 *
 * So what belongs to a shard is read by that shard, and nothing in it has to be shared for the sake
 * of a report. Visits go on at the same time: each may write only what of the round is for its
 * shard.
 */
#pragma once

#include "daemon/mailbox.h"
#include "daemon/server.h"

struct round {
	void (*visit)(struct round *round, struct shard *shard);
	void (*done)(struct round *round);
	struct shard *shard; /* whose it is */
	unsigned missing;    /* visits that have not come back */
	struct round_letter {
		struct letter letter;
		struct round *round;
		bool visited;
	} letters[SHARDS_MAX];
};

/* Whether it is on its way; it must not be started, or freed, meanwhile. */
static inline bool round_is_pending(const struct round *round)
{
	return round->missing > 0;
}

/*
 * Starts it for @shard. visit() for @shard itself, and where that is all of them done(), is called
 * from here.
 */
void round_start(struct round *round, struct shard *shard);
