/*
 * The server: what all sessions share, and the one loop that everything happens in.
 *
 * Each turn: wait for what has ended, call back, do the next few calls of each session that has
 * more, try again the clients that were held back if there is room now, and give every session that
 * has something to say one send. All that a turn starts,
 * for all clients, goes to the kernel in one system call, with the wait of the next turn.
 */
#pragma once

#include <sys/types.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/slab.h"
#include "base/spin.h"
#include "daemon/chunk.h"
#include "daemon/loop.h"
#include "daemon/stats.h"
#include "proto/codec.h"
#include "proto/limits.h"

enum server_state {
	SERVER_SERVING,
	SERVER_DRAINING,  /* no new sessions, no new calls; operations in flight may end */
	SERVER_STOPPING,  /* everything is cancelled */
	SERVER_ABANDONED, /* the kernel does not let go, and somebody does not want to wait */
};

struct server_options {
	int listen_fd; /* the server's from server_init() on */
	uint64_t drain_ns;
	uint64_t spin_ns; /* how long to look at rings before sleeping; 0: not at all */
	struct limits limits;
};

struct server {
	enum server_state state;
	struct loop loop;
	struct limits limits;
	struct stats stats;
	uid_t uid; /* the daemon's own */
	uint64_t drain_ns;

	struct list sessions;
	uint64_t session_count;
	uint64_t last_session_id;
	struct list users;
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

	int64_t listener;                /* file; -1: closed */
	struct proactor_address address; /* of the listener */
	struct task accepting;
	struct task pausing; /* the timer after which accepting goes on */

	int64_t signals; /* file of a signalfd; -1: none */
	struct task signalled;
	uint8_t signal_buffer[128];
	struct task draining; /* the timer after which draining ends */
	struct task watchdog;
	uint64_t watchdog_ns; /* half of what systemd allows; 0: it does not ask */

	struct chunk_pool chunks;
	struct slab operations;
	struct buffer scratch;      /* one message, while it is packed */
	struct codec_scratch codec; /* what decoded parameters point to, until they are pushed */
	struct log_limit complaints;
};

/*
 * Takes over @options->listen_fd and starts to listen. The proactor is the caller's and must live
 * longer.
 */
int server_init(struct server *server, struct proactor *proactor,
	const struct server_options *options);

/* After server_run() only. */
void server_deinit(struct server *server);

/* Serves until SIGTERM or SIGINT, and then until all has ended. 0, or what broke the proactor. */
int server_run(struct server *server);

/*
 * Begins to shut down; called again, does not wait for operations any longer; and again, not even
 * for the kernel: server_run() then fails with -ETIME.
 */
void server_shut_down(struct server *server);

/*
 * Whether what a client shared with us is to be taken from it when its session ends. Not where the
 * daemon itself ends: then the program has the last answers there, and its data.
 */
static inline bool server_takes_back(const struct server *server)
{
	return server->state == SERVER_SERVING;
}

/* A session is gone. */
void server_forget_session(struct server *server);
