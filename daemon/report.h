/*
 * What the daemon tells of itself: hello, stats, sessions. The latter two are put together from
 * what each shard tells of itself, on its own thread (survey.h).
 */
#pragma once

#include "daemon/session.h"
#include "proto/pack.h"

/* The numbers of one shard, or of several. */
struct tally {
	struct stats stats;
	struct proactor_stats proactor;
	struct account used; /* by sessions */
	uint64_t session_count;
	uint64_t kept_bytes;
	uint64_t turn_count;
};

/* Who asks, and so what may be told. */
struct witness {
	uid_t uid;
	bool knows_all;
};

void report_hello(struct pack *pack, const struct shard *shard);

void report_take_tally(const struct shard *shard, struct tally *ret_tally);
void report_add_tally(struct tally *sum, const struct tally *tally);
void report_pack_stats(struct pack *pack, const struct shard *shard, const struct tally *tally);

struct witness report_witness(const struct session *asker);

/* Packs the sessions of @shard that @witness may know of; returns how many. */
size_t report_pack_sessions(struct pack *pack, const struct shard *shard,
	const struct witness *witness);
