/* Shards. See shard.h. */
#include "daemon/shard.h"

#include <malloc.h>

#include "base/clock.h"
#include "daemon/heavy.h"
#include "daemon/operation.h"
#include "daemon/ring.h"
#include "daemon/session.h"
#include "daemon/shots.h"

/*
 * Freed chunks beyond this are given back to the system when a session ends. Each shard complains
 * for itself: several say more than one, but none waits for another to say something.
 */
enum { IDLE_BYTES_MAX = 1024 * 1024, COMPLAINTS_PER_INTERVAL = 10 };
#define COMPLAINTS_INTERVAL_NS (10 * NSEC_PER_SEC)

int shard_init(struct shard *shard, struct server *server, unsigned index,
	struct proactor *proactor)
{
	*shard = (struct shard){
		.server = server,
		.index = index,
		.limits = server->options.limits,
		.complaints = {.interval_ns = COMPLAINTS_INTERVAL_NS,
			.burst = COMPLAINTS_PER_INTERVAL},
	};
	shard->sessions = LIST_INIT(shard->sessions);
	shard->dirty = LIST_INIT(shard->dirty);
	shard->stalled = LIST_INIT(shard->stalled);
	shard->waiting = LIST_INIT(shard->waiting);
	shard->heavy = LIST_INIT(shard->heavy);
	shard->paused = LIST_INIT(shard->paused);
	shard->awake_rings = LIST_INIT(shard->awake_rings);
	shard->dirty_rings = LIST_INIT(shard->dirty_rings);
	users_init(&shard->users, &server->quotas);
	spin_init(&shard->spin, server->options.spin_ns);
	loop_init(&shard->loop, proactor);
	chunk_pool_init(&shard->chunks);
	slab_init(&shard->operations, sizeof(struct operation));
	return mailbox_init(&shard->mailbox, proactor);
}

void shard_deinit(struct shard *shard)
{
	assert(list_empty(&shard->sessions) && list_empty(&shard->users.all) &&
		list_empty(&shard->paused));
	mailbox_deinit(&shard->mailbox);
	buffer_deinit(&shard->scratch);
	slab_deinit(&shard->operations);
	chunk_pool_deinit(&shard->chunks);
}

void shard_forget_session(struct shard *shard)
{
	assert(shard->session_count > 0);
	shard->session_count--;
	shard->stats.sessions_ended++;
	shard->room_made = true;
	(void)atomic_fetch_sub_explicit(&shard->placed_count, 1, memory_order_relaxed);
	(void)atomic_fetch_sub_explicit(&shard->server->session_count, 1, memory_order_relaxed);
	if (shard->chunks.kept_bytes > IDLE_BYTES_MAX &&
		shard->chunks.kept_bytes > shard->chunks.used_bytes) {
		chunk_pool_trim(&shard->chunks);
		(void)malloc_trim(0);
	}
}

/* ---- shutting down ---- */

static void for_each_session(struct shard *shard, void (*act)(struct session *session))
{
	struct session *session, *next;

	list_for_each_entry_safe (session, next, &shard->sessions, link) {
		act(session);
		session_progress(session);
	}
}

static void drain_session(struct session *session)
{
	session_drain(session);
	/* one that was held back hears what it is still to hear */
	inbox_resume(session);
}

/* Does what the server's state is for the sessions here. */
static void follow_server(struct shard *shard)
{
	enum server_state state = server_state(shard->server);

	if (state >= SERVER_DRAINING && shard->state < SERVER_DRAINING) {
		shard->state = SERVER_DRAINING;
		for_each_session(shard, drain_session);
	}
	if (state >= SERVER_STOPPING && shard->state < SERVER_STOPPING)
		for_each_session(shard, session_stop);
	shard->state = state;
}

/* Once nothing is left here, there will be nothing: who is placed after the end is not let in. */
static void tell_whether_over(struct shard *shard)
{
	struct server *server = shard->server;

	if (shard->is_over || shard->state == SERVER_SERVING || !list_empty(&shard->sessions) ||
		shard->loop.closing_count > 0)
		return;
	shard->is_over = true;
	(void)atomic_fetch_sub_explicit(&server->busy_count, 1, memory_order_release);
	mailbox_ring(&server->shards[0].mailbox, NEWS_STATE);
}

/* ---- room that other shards have ---- */

static uint64_t bit_of(const struct shard *shard)
{
	return UINT64_C(1) << shard->index;
}

static void ring_others(struct shard *shard, uint64_t bits, unsigned news)
{
	struct server *server = shard->server;

	for (unsigned i = 0; i < server->shard_count; i++)
		if (i != shard->index && (bits & bit_of(&server->shards[i])) != 0)
			mailbox_ring(&server->shards[i].mailbox, news);
}

static uint64_t starving_others(const struct shard *shard)
{
	return atomic_load_explicit(&shard->server->quotas.starving, memory_order_relaxed) &
		~bit_of(shard);
}

/*
 * Where another shard starves, it gets what is kept here, and hears of all that is released here.
 *
 * Nothing is lost between the two: what was released before this shard heard the question is in the
 * quota when the answer comes, and what is released later finds the bit set.
 */
static void help_others(struct shard *shard)
{
	uint64_t others = starving_others(shard);

	if (others == 0)
		return;
	users_give_back(&shard->users);
	ring_others(shard, others, NEWS_ROOM);
}

static bool holds_back(const struct shard *shard)
{
	return !list_empty(&shard->stalled) || !list_empty(&shard->paused);
}

/* Asks for help where clients are held back for what others may have. */
static void ask_for_help(struct shard *shard)
{
	_Atomic uint64_t *starving = &shard->server->quotas.starving;
	bool starved = shard->users.starved && shard->server->shard_count > 1;

	shard->users.starved = false;
	if (shard->starves && !holds_back(shard)) {
		shard->starves = false;
		(void)atomic_fetch_and_explicit(starving, ~bit_of(shard), memory_order_relaxed);
	} else if (!shard->starves && starved && holds_back(shard)) {
		shard->starves = true;
		(void)atomic_fetch_or_explicit(starving, bit_of(shard), memory_order_relaxed);
		ring_others(shard, UINT64_MAX, NEWS_ASKED);
	}
}

/* ---- the loop ---- */

static void try_stalled(struct shard *shard)
{
	struct list stalled, *link;

	shard->room_made = false;
	shots_resume(shard);
	list_steal(&stalled, &shard->stalled);
	while ((link = list_pop(&stalled))) {
		struct session *session = list_entry(link, struct session, stalled_link);

		if (session->ring)
			ring_resume(session->ring);
		inbox_resume(session);
		session_progress(session);
	}
}

/*
 * There may be room for clients that were held back: because of what was @released here, or is
 * @told to be. Others that starve go first, and those of this shard have their try in the next
 * turn; else they would always be the faster ones.
 */
static void use_room(struct shard *shard, bool released, bool told)
{
	if (released && !told && unlikely(starving_others(shard) != 0))
		mailbox_ring(&shard->mailbox, NEWS_ROOM);
	else if (released || told)
		try_stalled(shard);
}

static void go_on_waiting(struct shard *shard)
{
	struct list waiting, *link;

	list_steal(&waiting, &shard->waiting);
	while ((link = list_pop(&waiting))) {
		struct session *session = list_entry(link, struct session, turn_link);

		inbox_resume(session);
		session_progress(session);
	}
}

static void flush_dirty(struct shard *shard)
{
	struct list *link;

	while ((link = list_pop(&shard->dirty)))
		outbox_flush(list_entry(link, struct session, dirty_link));
}

static void hear(struct shard *shard, unsigned news)
{
	/* the state first: letters that come after it are treated so */
	if (news & NEWS_STATE)
		follow_server(shard);
	if (news & NEWS_MAIL)
		mailbox_empty(&shard->mailbox, shard);
}

int shard_turn(struct shard *shard)
{
	/* room that the last turn made at its end is used in this */
	bool may_block = !shard->room_made && list_empty(&shard->waiting) &&
		list_empty(&shard->heavy) && !spin_continues(&shard->spin, shard->loop.now_ns) &&
		rings_may_sleep(shard);
	int r = loop_turn(&shard->loop, may_block);
	bool released;
	unsigned news;

	if (r < 0)
		return r;
	news = mailbox_hear(&shard->mailbox);
	if (unlikely(news != 0))
		hear(shard, news);
	go_on_waiting(shard);
	released = shard->room_made;
	use_room(shard, released, news & NEWS_ROOM);
	rings_turn(shard);
	heavy_turn(shard);
	flush_dirty(shard);
	rings_flush(shard);
	if (released || shard->room_made || (news & NEWS_ASKED))
		help_others(shard);
	ask_for_help(shard);
	tell_whether_over(shard);
	atomic_store_explicit(&shard->operation_count, shard->operations.used_count,
		memory_order_relaxed);
	return 0;
}

int shard_run(struct shard *shard)
{
	int r = 0;

	while (shard->state < SERVER_ENDING && r >= 0)
		r = shard_turn(shard);
	while (shard->loop.closing_count > 0 && r >= 0)
		r = shard_turn(shard);
	return r;
}
