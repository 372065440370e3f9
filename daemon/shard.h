/*
 * A shard: a thread with a proactor and a loop of its own, and the sessions that live on it from
 * beginning to end. It is what they share; no other thread touches it, but for the mailbox and the
 * load.
 *
 * Each turn: wait for what has ended, call back, do the next few calls of each session that has
 * more, try again the clients that were held back if there is room now, and give every session that
 * has something to say one send. All that a turn starts, for all clients, goes to the kernel in one
 * system call, with the wait of the next turn.
 */
#pragma once

#include "base/buffer.h"
#include "base/log.h"
#include "base/slab.h"
#include "base/spin.h"
#include "daemon/chunk.h"
#include "daemon/loop.h"
#include "daemon/mailbox.h"
#include "daemon/server.h"
#include "daemon/stats.h"
#include "proto/codec.h"

enum { CACHE_LINE_SIZE = 64 };

struct shard {
	struct server *server;
	unsigned index;          /* in server->shards */
	enum server_state state; /* the server's, as far as this shard has heard */
	bool is_over;            /* and has said so */
	struct loop loop;
	struct limits limits; /* the server's, at hand */
	struct stats stats;

	struct list sessions;
	uint64_t session_count;
	struct users users;
	struct list dirty;       /* sessions with something to send */
	struct list stalled;     /* sessions that are not read from until there is room */
	struct list waiting;     /* sessions with calls that wait for their next turn */
	struct list heavy;       /* sessions with operations that wait for a turn, see heavy.h */
	uint64_t light_count;    /* operations of the others since then */
	bool heavy_waited;       /* the last turn was theirs */
	struct list paused;      /* operations whose next shot waits for room */
	struct list awake_rings; /* that are looked at each turn */
	struct list dirty_rings; /* whose clients may have to be woken */
	struct spin spin;
	bool room_made; /* something was released since the stalled ones were tried */
	bool starves;   /* has its bit in quotas.starving */

	struct chunk_pool chunks;
	struct slab operations;
	struct buffer scratch;      /* one message, while it is packed */
	struct codec_scratch codec; /* what decoded parameters point to, until they are pushed */
	struct log_limit complaints;

	/* ---- for others, and so on lines of the cache that nothing else is on ---- */

	_Alignas(CACHE_LINE_SIZE) struct mailbox mailbox;
	pthread_t thread; /* not of the first */
	/* the load: sessions, with those on their way; operations in flight, some turns ago */
	_Atomic uint64_t placed_count;
	_Atomic uint64_t operation_count;
};

/* On the thread of @proactor, which is the caller's and must live longer. -ENOMEM, -EMFILE. */
int shard_init(struct shard *shard, struct server *server, unsigned index,
	struct proactor *proactor);

/* Nothing may be left of its sessions. */
void shard_deinit(struct shard *shard);

/* One turn. Negative: the proactor is broken. */
int shard_turn(struct shard *shard);

/* Turns until the server is ending, then until nothing is in flight. */
int shard_run(struct shard *shard);

/*
 * Whether what a client shared with us is to be taken from it when its session ends. Not where the
 * daemon itself ends: then the program has the last answers there, and its data.
 */
static inline bool shard_takes_back(const struct shard *shard)
{
	return shard->state == SERVER_SERVING;
}

/* A session is gone. */
void shard_forget_session(struct shard *shard);
