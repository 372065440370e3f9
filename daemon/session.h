/*
 * A session: one connected client.
 *
 *      OPEN ──────▶ DRAINING ──────▶ CLOSING ──▶ freed
 *       │  shutdown,    no calls are taken,   everything is cancelled,     when nothing of it
 *       │  malformed    answers are sent      nothing is sent              is in flight any more
 *       └─────────────── EOF, error ──────────────▲
 *
 * The kernel is an owner: a session is freed only after the terminal completion of every operation
 * that names its memory, its receive and its send among them. So it ends by itself, step by step:
 * session_progress() is called whenever something of it has ended and takes the next step that is
 * possible, the last of which frees it.
 */
#pragma once

#include <sys/types.h>

#include "base/map.h"
#include "daemon/account.h"
#include "daemon/files.h"
#include "daemon/inbox.h"
#include "daemon/memory.h"
#include "daemon/pool.h"
#include "daemon/outbox.h"
#include "daemon/ring.h"
#include "daemon/shard.h"
#include "proto/rpc.h"

enum session_state { SESSION_OPEN, SESSION_DRAINING, SESSION_CLOSING };

struct session {
	struct shard *shard;
	struct list link;         /* of shard->sessions */
	struct list dirty_link;   /* of shard->dirty, or unlinked */
	struct list stalled_link; /* of shard->stalled, or unlinked */
	struct list turn_link;    /* of shard->waiting, or unlinked */
	struct list heavy_link;   /* of shard->heavy, exactly while @heavy has some */
	enum session_state state;
	uint64_t id;
	uint64_t opened_ns;

	pid_t pid; /* as the kernel says, when it connected */
	uid_t uid;
	gid_t gid;
	bool spins;   /* it pays to look for more of it for a while, see base/spin.h */
	bool trusted; /* of the daemon's own user: may name paths */

	int64_t socket; /* file */
	struct user *user;
	struct account account;
	struct files files;
	struct map operations_by_msgid;
	struct list operations; /* all in flight, */
	struct list heavy;      /* and of these those that wait for a turn */
	struct inbox inbox;
	struct outbox outbox;
	struct ring *ring; /* NULL: it has none */
	struct memories memories;
	struct pools pools;
	struct survey *survey; /* NULL, or a report that the shards are asked for */

	uint64_t submitted;
	uint64_t completed;
};

/*
 * Makes a session on @shard of the connected socket @fd, which is its own from then on, also on
 * failure. -ENOMEM, -EPERM.
 */
int session_new(struct shard *shard, int fd);

/* The client is gone, or is to be: cancels everything, sends nothing more. May be repeated. */
void session_close(struct session *session);

/* Takes no more calls; closes when what is in flight has ended and was sent. */
void session_drain(struct session *session);

/*
 * The client broke the protocol, or there is no room for it: tells it why in a last message, as far
 * as it takes it at once, and closes.
 */
void session_fail(struct session *session, const struct rpc_error *error);

/*
 * The server does not wait any longer: what is in flight is cancelled and answered, as far as it
 * goes at once.
 */
void session_stop(struct session *session);

/*
 * Something of the session has ended: takes the next step towards its end. It may be gone
 * afterwards.
 */
void session_progress(struct session *session);

/* Holds the client back: it is not read from until room was made. */
void session_stall(struct session *session);

/*
 * A chunk for @size bytes, charged to the session. NULL: @ret_shortage says which limit, or is all
 * zero for want of memory.
 */
struct chunk *session_take_chunk(struct session *session, size_t size,
	struct shortage *ret_shortage);

/* Accepts NULL. Always returns NULL. */
struct chunk *session_give_chunk(struct session *session, struct chunk *chunk);

/*
 * Closes a descriptor that was on its way to the client, and releases the file it was charged as.
 */
void session_give_fd(struct session *session, int fd);

/* As above, all that ride on @chunk. */
void session_give_fds(struct session *session, struct chunk *chunk);

/* Whether the answers that the client has not read yet leave room for more. */
bool session_has_memory(const struct session *session);

/* Whether one more operation may be in flight. */
bool session_has_operations(const struct session *session);

/* It has come, or asked for something: more may come soon. */
static inline void session_spins(struct session *session)
{
	if (session->spins)
		spin_found(&session->shard->spin, session->shard->loop.now_ns);
}

static inline struct loop *session_loop(struct session *session)
{
	return &session->shard->loop;
}
