/* Sessions, from accept to the last completion. See session.h. */
#include "daemon/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "daemon/operation.h"
#include "proto/rpc.h"

enum { OVERFLOW_UID = 65534 };

static const char *const state_names[] = {"open", "draining", "closing"};

static void set_state(struct session *session, enum session_state state)
{
	assert(state > session->state);
	log_debug("session %" PRIu64 ": %s → %s", session->id, state_names[session->state],
		state_names[state]);
	session->state = state;
}

/* ---- beginning ---- */

static void init(struct session *session, struct shard *shard, const struct ucred *peer,
	struct user *user)
{
	struct server *server = shard->server;

	*session = (struct session){
		.shard = shard,
		.state = SESSION_OPEN,
		.id = 1 +
			atomic_fetch_add_explicit(&server->last_session_id, 1,
				memory_order_relaxed),
		.opened_ns = shard->loop.now_ns,
		.pid = peer->pid,
		.uid = peer->uid,
		.gid = peer->gid,
		.spins = shard->spin.window_ns > 0 && spin_pays(peer->pid),
		/* the overflow uid may be anybody's, from another user namespace */
		.trusted = peer->uid == server->uid && peer->uid != OVERFLOW_UID,
		.user = user,
	};
	session->operations = LIST_INIT(session->operations);
	session->heavy = LIST_INIT(session->heavy);
	files_init(&session->files);
	memories_init(&session->memories);
	pools_init(&session->pools);
	inbox_init(&session->inbox);
	outbox_init(&session->outbox);
	list_append(&shard->sessions, &session->link);
	shard->session_count++;
}

/* Refuses a client for which there is no room; of its user there are @user_count. */
static void check_room(struct session *session, uint64_t user_count)
{
	const struct limits *limits = &session->shard->limits;
	uint64_t max = limits->value[LIMIT_SESSIONS], user_max = limits->value[LIMIT_USER_SESSIONS];
	/* counted until shard_forget_session(), so that of two that come at once one is too many */
	uint64_t count = 1 +
		atomic_fetch_add_explicit(&session->shard->server->session_count, 1,
			memory_order_relaxed);
	struct rpc_error error = {0};

	if (count > max)
		rpc_error_set_limit(&error, EUSERS, LIMIT_SESSIONS, max, count);
	else if (user_count > user_max)
		rpc_error_set_limit(&error, EUSERS, LIMIT_USER_SESSIONS, user_max, user_count);
	if (error.code == 0)
		return;
	session->shard->stats.sessions_refused++;
	session_fail(session, &error);
}

int session_new(struct shard *shard, int fd)
{
	_cleanup_(fd_closep) int owned_fd = fd;
	_cleanup_(freep) struct session *session = calloc(1, sizeof(*session));
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;
	uint64_t user_count;
	struct user *user;
	int64_t file;
	int r;

	if (!session)
		return -ENOMEM;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	r = proactor_attach(shard->loop.proactor, fd, &file);
	if (r < 0)
		return r;
	(void)TAKE_FD(owned_fd);
	user = user_enter(&shard->users, peer.uid, &user_count);
	if (!user) {
		loop_close(&shard->loop, file);
		return -ENOMEM;
	}
	init(session, shard, &peer, user);
	session->socket = file;
	shard->stats.sessions_accepted++;
	log_debug("session %" PRIu64 ": pid %d uid %u", session->id, (int)session->pid,
		(unsigned)session->uid);
	check_room(session, user_count);
	inbox_resume(session);
	/* who connects says hello next */
	session_spins(session);
	session_progress(TAKE_PTR(session));
	return 0;
}

/* ---- holding back ---- */

void session_stall(struct session *session)
{
	if (list_linked(&session->stalled_link))
		return;
	session->shard->stats.stalls++;
	list_append(&session->shard->stalled, &session->stalled_link);
	inbox_watch(session);
}

bool session_has_memory(const struct session *session)
{
	return account_has_room(&session->account, session->user, &session->shard->limits,
		RESOURCE_MEMORY);
}

bool session_has_operations(const struct session *session)
{
	return account_has_room(&session->account, session->user, &session->shard->limits,
		RESOURCE_OPERATIONS);
}

struct chunk *session_take_chunk(struct session *session, size_t size,
	struct shortage *ret_shortage)
{
	size_t footprint = chunk_footprint(size);
	struct chunk *chunk;

	*ret_shortage = (struct shortage){0};
	if (!account_charge(&session->account, session->user, &session->shard->limits,
		    RESOURCE_MEMORY, footprint, ret_shortage))
		return NULL;
	chunk = chunk_new(&session->shard->chunks, size);
	if (!chunk)
		account_release(&session->account, session->user, RESOURCE_MEMORY, footprint);
	return chunk;
}

void session_give_fd(struct session *session, int fd)
{
	if (fd < 0)
		return;
	loop_close_fd(session_loop(session), fd);
	account_release(&session->account, session->user, RESOURCE_FILES, 1);
}

void session_give_fds(struct session *session, struct chunk *chunk)
{
	while (chunk->fd_count > 0)
		session_give_fd(session, chunk->fds[--chunk->fd_count]);
}

struct chunk *session_give_chunk(struct session *session, struct chunk *chunk)
{
	if (chunk) {
		session_give_fds(session, chunk);
		account_release(&session->account, session->user, RESOURCE_MEMORY, chunk->capacity);
		session->shard->room_made = true;
	}
	return chunk_free(&session->shard->chunks, chunk);
}

/* ---- ending ---- */

void session_drain(struct session *session)
{
	if (session->state != SESSION_OPEN)
		return;
	set_state(session, SESSION_DRAINING);
	list_remove(&session->stalled_link);
	/* what was held back in the ring is to hear that it comes too late */
	if (session->ring)
		ring_resume(session->ring);
}

/*
 * Ends without waiting: what is in flight is cancelled and answered, and the answers sent as far as
 * they go at once.
 */
static void hurry(struct session *session)
{
	session_drain(session);
	session->outbox.hurry = true;
	operation_cancel_all(session);
	loop_cancel(session_loop(session), &session->outbox.sending);
}

void session_stop(struct session *session)
{
	if (session->state != SESSION_CLOSING)
		hurry(session);
}

void session_fail(struct session *session, const struct rpc_error *error)
{
	struct buffer *scratch = &session->shard->scratch;
	struct pack pack = pack_into(scratch);

	if (session->state == SESSION_CLOSING || session->outbox.hurry)
		return;
	if (log_limit_allows(&session->shard->complaints))
		log_warning("session %" PRIu64 " (pid %d, uid %u): %s", session->id,
			(int)session->pid, (unsigned)session->uid, error->message);
	buffer_clear(scratch);
	pack_array(&pack, 3);
	pack_uint(&pack, RPC_NOTIFICATION);
	pack_str(&pack, "closed");
	pack_array(&pack, 1);
	rpc_pack_error_value(&pack, error);
	if (pack.failed)
		session_close(session);
	else if (outbox_append(session, buffer_bytes(scratch), buffer_size(scratch)))
		hurry(session);
}

void session_close(struct session *session)
{
	if (session->state == SESSION_CLOSING)
		return;
	set_state(session, SESSION_CLOSING);
	list_remove(&session->stalled_link);
	list_remove(&session->turn_link);
	list_remove(&session->dirty_link);
	loop_cancel(session_loop(session), &session->inbox.receiving);
	loop_cancel(session_loop(session), &session->inbox.watching);
	loop_cancel(session_loop(session), &session->outbox.sending);
	if (session->ring)
		ring_close(session->ring);
	operation_cancel_all(session);
}

static void close_files(struct session *session)
{
	struct file *file, *next;

	list_for_each_entry_safe (file, next, &session->files.all, link) {
		if (!file->leaving)
			files_leave(&session->files, file);
		loop_close(session_loop(session), file->file);
		files_remove(file);
		account_release(&session->account, session->user, RESOURCE_FILES, 1);
		session->shard->stats.files_closed++;
	}
}

static void free_ring(struct session *session)
{
	if (!session->ring)
		return;
	account_release(&session->account, session->user, RESOURCE_SHARED_MEMORY,
		session->ring->memory.size);
	session->ring = ring_free(session->ring);
}

/*
 * A client's socket can hold descriptors that nobody has received, which close with it, and that
 * can block: one that has received all there will ever be does not.
 */
static void close_socket(struct session *session)
{
	struct loop *loop = session_loop(session);

	if (!session->inbox.ended || !loop_close_now(loop, session->socket))
		loop_close(loop, session->socket);
}

static void free_session(struct session *session)
{
	struct shard *shard = session->shard;

	assert(!list_linked(&session->dirty_link) && !list_linked(&session->stalled_link) &&
		!list_linked(&session->turn_link));
	outbox_clear(session);
	free_ring(session);
	pools_deinit(session);
	memories_deinit(session);
	close_files(session);
	close_socket(session);
	inbox_deinit(session);
	files_deinit(&session->files);
	map_deinit(&session->operations_by_msgid);
	user_leave(session->user);
	list_remove(&session->link);
	free(session);
	shard_forget_session(shard);
}

/*
 * Whether something is still to be told. In a hurry nobody waits for a client that does not read.
 */
static bool has_answers(const struct session *session)
{
	return session->outbox.size > 0 ||
		(ring_has_backlog(session->ring) && !session->outbox.hurry);
}

void session_progress(struct session *session)
{
	if (session->survey || session->memories.making_count > 0)
		return;
	if (session->state == SESSION_DRAINING && list_empty(&session->operations) &&
		!has_answers(session))
		session_close(session);
	if (session->state == SESSION_CLOSING && list_empty(&session->operations) &&
		!session->inbox.receiving.pending && !session->inbox.watching.pending &&
		!session->outbox.sending.pending && !ring_is_pending(session->ring))
		free_session(session);
}
