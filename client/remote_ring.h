/*
 * The remote driver's ring: requests and responses through memory shared with the daemon, beside
 * the socket (proto/queue.h).
 *
 * Requests that fit a slot go by the ring, the others by the socket; a response may come by either,
 * in no order between them, but that of a multishot operation comes by the ring, as its shots do.
 * The msgid says which way a request went (REMOTE_RING_MSGID): so a cancellation, which goes the
 * same way, can never overtake the operation it is for, nor meet a later one.
 *
 * Requests for which there is no room wait in a backlog, in order. Nobody is woken before the
 * caller polls.
 */
#pragma once

#include "base/buffer.h"
#include "proto/queue.h"

struct codec_region;
struct proactor_op;
struct remote;
struct slot;

/* In the msgid of an operation that went by the ring; no index reaches it. */
#define REMOTE_RING_MSGID (UINT32_C(1) << 30)

/* The socket is looked at as well, though the ring never be empty: after so many looks there. */
enum { REMOTE_RING_LOOKS_MAX = 64 };

struct remote_ring {
	void *memory; /* NULL: there is none */
	size_t size;
	struct queue requests;
	struct queue responses;
	struct buffer backlog; /* struct queue_slot each */
	uint32_t flushed;      /* the position in the requests up to which the daemon was told */
	uint64_t in_flight;    /* operations that went this way */
	bool sleeps;           /* begun, and not ended */
	unsigned looks;        /* at the ring since the last at the socket */
	int doorbell_fd;       /* written where the daemon sleeps */
	int wake_fd;           /* readable when it has woken us */
};

/*
 * Asks the daemon for a ring of @capacity slots a direction, which is rounded up, and cut to what
 * rings may have; 0: as many as the daemon likes. Where it has none, or not for us, there is none
 * afterwards: 0. Else as call_run(), -EPROTO, -ENOMEM.
 */
int remote_ring_open(struct remote *remote, uint32_t capacity);

/* That no access to @size bytes of @fd can miss its end, whoever made it. -EPROTO. */
int remote_check_shared(int fd, size_t size);

/* Idempotent, also on a zeroed one. */
void remote_ring_close(struct remote_ring *ring);

/* Whether the daemon, should it sleep, knows nothing of some that were put. */
static inline bool remote_ring_is_untold(const struct remote_ring *ring)
{
	return ring->requests.position != ring->flushed || buffer_size(&ring->backlog) > 0;
}

static inline bool remote_ring_is_open(const struct remote_ring *ring)
{
	return ring->memory != NULL;
}

/*
 * Sends @op, of @slot, whose bytes are in @regions (or NULL), by the ring where that is open and
 * the request fits. False: it does not.
 */
bool remote_ring_send(struct remote *remote, const struct proactor_op *op, struct slot *slot,
	const struct codec_region *regions);

/* Puts a frame, where there is room or into the backlog. -ENOMEM. */
int remote_ring_put(struct remote_ring *ring, const struct queue_slot *frame);

/* Asks for the operation of the slot with that index, which went by the ring, to end. -ENOMEM. */
int remote_ring_cancel(struct remote *remote, uint32_t msgid, uint32_t slot_index);

/* Tells the daemon, where it sleeps, of what was put and of room that was made. */
void remote_ring_flush(struct remote_ring *ring);

/* Has the daemon write wake_fd. False: there is something to do, do not sleep. */
bool remote_ring_begin_sleep(struct remote_ring *ring);
void remote_ring_end_sleep(struct remote_ring *ring);
