/* Rings. See ring.h. */
#include "daemon/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "daemon/dispatch.h"
#include "daemon/operation.h"
#include "daemon/session.h"
#include "proto/brief.h"

/*
 * Of one session in one turn: then the next, and what has ended meanwhile. A frame that is not
 * brief may be any call, and counts as several.
 */
enum { REQUESTS_PER_TURN = 32, REQUESTS_PER_FRAME = 8 };

enum { BACKLOG_KEPT = 4096 };

/* In the backlog, in place of a turn. */
enum { SLOT_CHARGED, SLOT_PAID };

static void drop_backlog(struct ring *ring);
static void rung(struct task *task, int64_t result);
static void woken(struct task *task, int64_t result);

/* ---- beginning and end ---- */

/* An eventfd: one descriptor for the client, and a file of our own. */
static int make_doorbell(struct session *session, int flags, int64_t *ret_file, int *ret_fd)
{
	_cleanup_(fd_closep) int fd = eventfd(0, EFD_CLOEXEC | flags), own_fd = -EBADF;
	int r;

	if (fd < 0)
		return -errno;
	own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (own_fd < 0)
		return -errno;
	r = proactor_attach(session_loop(session)->proactor, own_fd, ret_file);
	if (r < 0)
		return r;
	(void)TAKE_FD(own_fd);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int init(struct ring *ring, uint32_t entries, int ret_fds[RING_FD_COUNT])
{
	int r = shared_init(&ring->memory, queue_memory_size(entries), &ret_fds[RING_FD_MEMORY]);

	if (r >= 0)
		r = make_doorbell(ring->session, 0, &ring->doorbell, &ret_fds[RING_FD_DOORBELL]);
	if (r >= 0)
		r = make_doorbell(ring->session, EFD_NONBLOCK, &ring->wake, &ret_fds[RING_FD_WAKE]);
	if (r < 0)
		return r;
	ring->requests = queue_of(ring->memory.bytes, entries, /* is_responses= */ false);
	ring->responses = queue_of(ring->memory.bytes, entries, /* is_responses= */ true);
	return 0;
}

int ring_new(struct session *session, uint32_t entries, int ret_fds[RING_FD_COUNT])
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int fds[RING_FD_COUNT] = {-EBADF, -EBADF, -EBADF}, r;

	if (!ring)
		return -ENOMEM;
	ring->session = session;
	ring->doorbell = ring->wake = -1;
	ring->listening.complete = rung;
	ring->waking.complete = woken;
	ring->wake_count = 1;
	r = init(ring, entries, fds);
	if (r < 0) {
		for (size_t i = 0; i < RING_FD_COUNT; i++)
			fd_close(fds[i]);
		ring_free(ring);
		return r;
	}
	session->ring = ring;
	ring_resume(ring);
	memcpy(ret_fds, fds, sizeof(fds));
	return 0;
}

struct ring *ring_free(struct ring *ring)
{
	struct loop *loop;

	if (!ring)
		return NULL;
	assert(!ring_is_pending(ring) && !list_linked(&ring->awake_link) &&
		!list_linked(&ring->dirty_link));
	loop = session_loop(ring->session);
	if (ring->doorbell >= 0)
		loop_close(loop, ring->doorbell);
	if (ring->wake >= 0)
		loop_close(loop, ring->wake);
	drop_backlog(ring);
	buffer_deinit(&ring->backlog);
	shared_deinit(&ring->memory, shard_takes_back(ring->session->shard));
	free(ring);
	return NULL;
}

void ring_close(struct ring *ring)
{
	list_remove(&ring->awake_link);
	list_remove(&ring->dirty_link);
	loop_cancel(session_loop(ring->session), &ring->listening);
	loop_cancel(session_loop(ring->session), &ring->waking);
}

bool ring_is_pending(const struct ring *ring)
{
	return ring && (ring->listening.pending || ring->waking.pending);
}

bool ring_has_backlog(const struct ring *ring)
{
	return ring && buffer_size(&ring->backlog) > 0;
}

/* ---- waking the client ---- */

static void wake_client(struct ring *ring)
{
	struct proactor_op op = {
		.opcode = PROACTOR_WRITE,
		.write = {.file = ring->wake,
			.data = &ring->wake_count,
			.size = sizeof(ring->wake_count),
			.offset = PROACTOR_CURRENT},
	};

	ring->wakes_again = ring->waking.pending;
	if (ring->wakes_again)
		return;
	ring->session->shard->stats.wakes++;
	loop_push(session_loop(ring->session), &ring->waking, &op);
}

/* A failure is none of ours: the client itself has filled what it waits for. */
static void woken(struct task *task, int64_t result)
{
	struct ring *ring = container_of(task, struct ring, waking);

	/* one that was not even begun is not lost */
	if (ring->session->state != SESSION_CLOSING &&
		(result == -ENOMEM || (result >= 0 && ring->wakes_again)))
		wake_client(ring);
	session_progress(ring->session);
}

/* ---- awake and asleep ---- */

static bool takes_requests(const struct ring *ring)
{
	const struct session *session = ring->session;

	return session->state != SESSION_CLOSING && !session->outbox.hurry &&
		!list_linked(&session->stalled_link) && !ring_has_backlog(ring);
}

void ring_resume(struct ring *ring)
{
	if (ring->session->state == SESSION_CLOSING || list_linked(&ring->awake_link))
		return;
	queue_end_sleep(&ring->requests);
	list_append(&ring->session->shard->awake_rings, &ring->awake_link);
}

static void listen_to(struct ring *ring)
{
	struct proactor_op op = {
		.opcode = PROACTOR_READ,
		.read = {.file = ring->doorbell,
			.data = &ring->doorbell_count,
			.size = sizeof(ring->doorbell_count),
			.offset = PROACTOR_CURRENT},
	};

	if (!ring->listening.pending)
		loop_push(session_loop(ring->session), &ring->listening, &op);
}

static void rung(struct task *task, int64_t result)
{
	struct ring *ring = container_of(task, struct ring, listening);
	struct session *session = ring->session;

	session->shard->stats.doorbells++;
	if (result == sizeof(ring->doorbell_count) || result == -EINTR)
		ring_resume(ring);
	else
		/* it can have been made to fail by the client alone */
		session_close(session);
	session_progress(session);
}

/* The client may wait for the room that was made by taking requests. */
static void tell_of_room(struct ring *ring)
{
	if (queue_was_full(&ring->requests))
		wake_client(ring);
}

/* False: there is a request. */
static bool fall_asleep(struct ring *ring)
{
	if (!queue_begin_sleep(&ring->requests) && takes_requests(ring)) {
		queue_end_sleep(&ring->requests);
		return false;
	}
	tell_of_room(ring);
	list_remove(&ring->awake_link);
	listen_to(ring);
	return true;
}

bool rings_may_sleep(struct shard *shard)
{
	struct ring *ring, *next;

	list_for_each_entry_safe (ring, next, &shard->awake_rings, awake_link)
		if (!fall_asleep(ring))
			return false;
	return true;
}

/* ---- requests ---- */

static bool take_release(struct session *session, const struct queue_slot *slot)
{
	uint32_t id, buffer;
	struct pool *pool;

	if (!brief_read_release(slot, &id, &buffer))
		return false;
	pool = pools_find(&session->pools, id);
	/* its shots may be what takes the memory */
	return pool && session_has_memory(session) && pool_release(pool, buffer);
}

/*
 * What was taken, as so many requests; 0: it is held back, or has ended, and what is there stays
 * there.
 */
static unsigned take_request(struct ring *ring)
{
	struct session *session = ring->session;
	struct queue_slot slot;
	struct brief brief;
	unsigned taken = 0;

	if (!queue_copy(&ring->requests, &slot)) {
		dispatch_fail(session, "a slot of the ring has an impossible size");
		return 0;
	}
	ring->answers = true;
	if ((brief_read_request(&slot, &brief) && operation_start_brief(session, &brief)) ||
		take_release(session, &slot))
		taken = 1;
	else if (dispatch_frame(session, slot.frame, slot.size))
		taken = REQUESTS_PER_FRAME;
	ring->answers = false;
	if (taken > 0)
		queue_advance(&ring->requests);
	return taken;
}

static bool take_requests(struct ring *ring)
{
	unsigned count = 0, taken = 1;

	while (taken > 0 && count < REQUESTS_PER_TURN && takes_requests(ring) &&
		queue_has(&ring->requests)) {
		taken = take_request(ring);
		count += taken;
	}
	if (count == 0)
		return false;
	queue_release(&ring->requests);
	return true;
}

void rings_turn(struct shard *shard)
{
	struct ring *ring, *next;

	list_for_each_entry_safe (ring, next, &shard->awake_rings, awake_link) {
		struct session *session = ring->session;

		if (take_requests(ring))
			session_spins(session);
		if (session->state != SESSION_CLOSING)
			tell_of_room(ring);
		session_progress(session);
	}
}

/* ---- responses ---- */

static void mark_dirty(struct ring *ring)
{
	if (ring->session->state != SESSION_CLOSING && !list_linked(&ring->dirty_link))
		list_append(&ring->session->shard->dirty_rings, &ring->dirty_link);
}

bool ring_put(struct ring *ring, const struct queue_slot *response, bool is_paid)
{
	struct session *session = ring->session;
	struct queue_slot slot = *response;

	mark_dirty(ring);
	if (likely(!ring_has_backlog(ring) && queue_has_room(&ring->responses))) {
		queue_put(&ring->responses, response);
		return true;
	}
	/* who gives buffers back whose shots were not read has more shots than buffers */
	is_paid = is_paid && ring->paid_count < session->pools.buffer_count;
	ring->paid_count += is_paid;
	slot.turn = is_paid ? SLOT_PAID : SLOT_CHARGED;
	if (buffer_append(&ring->backlog, &slot, sizeof(slot)) < 0) {
		ring->paid_count -= is_paid;
		return false;
	}
	/* as in outbox_append(): an answer has to go out */
	if (!is_paid)
		account_force(&session->account, session->user, RESOURCE_MEMORY, sizeof(slot));
	return true;
}

void ring_follow_pools(struct ring *ring)
{
	struct session *session = ring->session;
	uint64_t excess =
		ring->paid_count - MIN(ring->paid_count, (uint64_t)session->pools.buffer_count);

	ring->paid_count -= excess;
	account_force(&session->account, session->user, RESOURCE_MEMORY,
		excess * sizeof(struct queue_slot));
}

/* The first slot of the backlog has gone. Of those that were paid for the last are charged. */
static void leave_backlog(struct ring *ring, const struct queue_slot *slot)
{
	struct session *session = ring->session;

	buffer_consume(&ring->backlog, sizeof(*slot));
	if (slot->turn == SLOT_PAID && ring->paid_count > 0)
		ring->paid_count--;
	else
		account_release(&session->account, session->user, RESOURCE_MEMORY, sizeof(*slot));
	session->shard->room_made = true;
}

/* A buffer is not aligned as a slot is. */
static struct queue_slot first_of_backlog(const struct ring *ring)
{
	struct queue_slot slot;

	memcpy(&slot, buffer_bytes(&ring->backlog), sizeof(slot));
	return slot;
}

static void drop_backlog(struct ring *ring)
{
	while (ring_has_backlog(ring)) {
		struct queue_slot slot = first_of_backlog(ring);

		leave_backlog(ring, &slot);
	}
}

static void put_backlog(struct ring *ring)
{
	if (!ring_has_backlog(ring))
		return;
	while (ring_has_backlog(ring) && queue_has_room(&ring->responses)) {
		struct queue_slot slot = first_of_backlog(ring);

		queue_put(&ring->responses, &slot);
		leave_backlog(ring, &slot);
	}
	buffer_trim(&ring->backlog, BACKLOG_KEPT);
}

static bool has_room(struct ring *ring)
{
	return !ring_has_backlog(ring) && queue_has_room(&ring->responses);
}

bool ring_takes_shot(struct ring *ring)
{
	if (has_room(ring))
		return true;
	ring->shots_wait = true;
	mark_dirty(ring);
	return false;
}

static void let_shots_go_on(struct ring *ring)
{
	if (likely(!ring->shots_wait) || !has_room(ring))
		return;
	ring->shots_wait = false;
	ring->session->shard->room_made = true;
}

/* False: something waits for room still. */
static bool use_room(struct ring *ring)
{
	put_backlog(ring);
	let_shots_go_on(ring);
	return !ring_has_backlog(ring) && !ring->shots_wait;
}

/* False: the ring is still full, and the client will say when it is not. */
static bool flush(struct ring *ring)
{
	bool done = use_room(ring);

	if (unlikely(!done)) {
		queue_await_room(&ring->responses);
		done = use_room(ring);
	}
	if (queue_must_wake(&ring->responses))
		wake_client(ring);
	return done;
}

void rings_flush(struct shard *shard)
{
	struct ring *ring, *next;

	list_for_each_entry_safe (ring, next, &shard->dirty_rings, dirty_link)
		if (flush(ring))
			list_remove(&ring->dirty_link);
}
