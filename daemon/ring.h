/*
 * A session's ring: requests and responses through memory that the client shares (queue.h), beside
 * its socket.
 *
 *      client ──put──▶ requests ──rings_turn()──▶ dispatch ──▶ operations
 *        ▲                                                        │
 *        └──────────── responses ◀──ring_put()── reply ◀──────────┘
 *
 * What comes by the ring is answered by the ring, where it fits a slot; else by the socket, in no
 * order between the two. So that shots (shots.h) are in order, those of an operation all go one
 * way, with its response. Frames, methods and limits are the same.
 *
 * A ring is *awake* while the daemon looks at it each turn, and *asleep* where the client has to
 * write its doorbell, an eventfd, first: all of them while the daemon sleeps. The client's own
 * sleep is ended in the same way, once a turn and client.
 */
#pragma once

#include "base/buffer.h"
#include "daemon/loop.h"
#include "daemon/shared.h"
#include "proto/queue.h"

struct shard;
struct session;

/* What the client is given, in this order: the memory, what it writes, what it waits for. */
enum { RING_FD_MEMORY, RING_FD_DOORBELL, RING_FD_WAKE, RING_FD_COUNT };

struct ring {
	struct session *session;
	struct list awake_link; /* of shard->awake_rings, or unlinked: asleep */
	struct list dirty_link; /* of shard->dirty_rings: responses were put, or wait for room */
	struct shared memory;
	struct queue requests;
	struct queue responses;
	/* responses for which there is no room yet, struct queue_slot each, in order */
	struct buffer backlog;
	uint64_t paid_count; /* of its slots, that are not charged to the session */
	bool answers;        /* what is answered now came by the ring */
	bool shots_wait;     /* some are held back until there is room for responses */
	bool wakes_again;    /* the client went to sleep while it was being woken */
	int64_t doorbell;    /* files: eventfds */
	int64_t wake;
	struct task listening;
	struct task waking;
	uint64_t doorbell_count; /* what the eventfd is read into, */
	uint64_t wake_count;     /* and written from: 1 */
};

/*
 * Makes the ring of @session, which has none, with @entries slots a direction, a power of two.
 * @ret_fds are the caller's, to be sent. -ENOMEM, -EMFILE.
 */
int ring_new(struct session *session, uint32_t entries, int ret_fds[RING_FD_COUNT]);

/* Nothing of it may be pending. Accepts NULL. Always returns NULL. */
struct ring *ring_free(struct ring *ring);

/* The session is ending: what is in flight is cancelled, nothing is taken any more. */
void ring_close(struct ring *ring);

/* Whether something of it is in flight, that names its memory. Accepts NULL. */
bool ring_is_pending(const struct ring *ring);

/* Whether responses wait for room. Accepts NULL. */
bool ring_has_backlog(const struct ring *ring);

/* The session was held back and is not any more: looks at the ring again. */
void ring_resume(struct ring *ring);

/*
 * A response or a shot; false where memory is short. What has to wait for the client is charged to
 * the session, unless that @is_paid.
 */
bool ring_put(struct ring *ring, const struct queue_slot *response, bool is_paid);

/* A pool has gone: what is in the backlog of more buffers than pools pay for is charged. */
void ring_follow_pools(struct ring *ring);

/*
 * Whether a shot may go out: it goes into the ring, and does not wait for the client. False:
 * shard->room_made is set when one may. Ask once and act on that: the client makes room at any
 * time, and who asks again and gets another answer might wait for room that is there.
 */
bool ring_takes_shot(struct ring *ring);

/* ---- all rings ---- */

/* Takes the next requests of each ring that is awake. */
void rings_turn(struct shard *shard);

/* Tells the clients of what was put for them, where they sleep. */
void rings_flush(struct shard *shard);

/* Puts all rings to sleep, so that the daemon may. False: there is a request. */
bool rings_may_sleep(struct shard *shard);
