/*
 * The server: what all shards share (shard.h), and what one does for all.
 *
 *      shard 0 ──accept──▶ placed where the load is least ──mailbox──▶ shard i, for its life
 *        │
 *        └─ signals, watchdog, shutting down
 *
 * What is shared is constant while it serves, or an atomic, or a user's quota (user.h).
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "daemon/loop.h"
#include "daemon/user.h"

/* Not more than bits in quotas.starving. */
enum { SHARDS_MAX = 64 };

enum server_state {
	SERVER_SERVING,
	SERVER_DRAINING,  /* no new sessions, no new calls; operations in flight may end */
	SERVER_STOPPING,  /* everything is cancelled */
	SERVER_ENDING,    /* all sessions are gone, and the threads may go */
	SERVER_ABANDONED, /* the kernel does not let go, and somebody does not want to wait */
};

struct server_options {
	int listen_fd;        /* the server's from server_init() on */
	unsigned shard_count; /* threads, from 1 to SHARDS_MAX */
	/* how the other shards make their proactors */
	struct proactor_options proactor;
	uint64_t drain_ns;
	uint64_t spin_ns; /* how long to look at rings before sleeping; 0: not at all */
	struct limits limits;
};

struct server {
	struct server_options options;
	uid_t uid; /* the daemon's own */
	uint64_t started_ns;
	struct proactor_address address; /* of the listener */
	struct shard *shards;
	unsigned shard_count;
	unsigned started_count; /* of them, with what is made for them */

	_Atomic enum server_state state; /* changed by the first shard */
	_Atomic unsigned busy_count;     /* shards that have sessions, or things to close, yet */
	_Atomic int failure;             /* what broke the proactor of a shard, negative; 0 */
	_Atomic uint64_t session_count;
	_Atomic uint64_t last_session_id;
	struct quotas quotas;

	/* ---- of the first shard ---- */

	int64_t listener; /* file; -1: closed */
	struct task accepting;
	struct task pausing; /* the timer after which accepting goes on */

	int64_t signals; /* file of a signalfd; -1: none */
	struct task signalled;
	uint8_t signal_buffer[128];
	struct task draining;      /* the timer after which draining ends */
	struct watchdog *watchdog; /* NULL: systemd does not ask */
};

/*
 * Takes over @options->listen_fd, starts the threads of all shards but the first, and listens.
 * @proactor is that of the first, and of this thread; it is the caller's and must live longer.
 * On failure the process has to end: threads may be there.
 */
int server_init(struct server *server, struct proactor *proactor,
	const struct server_options *options);

/* After server_run() has ended well. */
void server_deinit(struct server *server);

/*
 * Serves until SIGTERM or SIGINT, and then until all has ended, threads included. 0, or what broke
 * a proactor.
 */
int server_run(struct server *server);

/*
 * Begins to shut down; called again, does not wait for operations any longer; and again, not even
 * for the kernel: server_run() then fails with -ETIME. On the first shard's thread.
 */
void server_shut_down(struct server *server);

static inline enum server_state server_state(const struct server *server)
{
	return atomic_load_explicit(&server->state, memory_order_acquire);
}
