/* The server. See server.h. */
#include "daemon/server.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "daemon/acceptor.h"
#include "daemon/heavy.h"
#include "daemon/notify.h"
#include "daemon/operation.h"
#include "daemon/ring.h"
#include "daemon/session.h"
#include "daemon/shots.h"

/* Freed chunks beyond this are given back to the system when a session ends. */
enum { IDLE_BYTES_MAX = 1024 * 1024, COMPLAINTS_PER_INTERVAL = 10 };
#define COMPLAINTS_INTERVAL_NS (10 * NSEC_PER_SEC)

/* ---- signals, timers ---- */

static void await_signal(struct server *server)
{
	struct proactor_op op = {
		.opcode = PROACTOR_READ,
		.read = {.file = server->signals,
			.data = server->signal_buffer,
			.size = sizeof(struct signalfd_siginfo),
			.offset = PROACTOR_CURRENT},
	};

	_Static_assert(sizeof(server->signal_buffer) >= sizeof(struct signalfd_siginfo),
		"holds one signal");
	loop_push(&server->loop, &server->signalled, &op);
}

static void signalled(struct task *task, int64_t result)
{
	struct server *server = container_of(task, struct server, signalled);
	struct signalfd_siginfo info;

	if (result == sizeof(info)) {
		memcpy(&info, server->signal_buffer, sizeof(info));
		if (info.ssi_signo == SIGHUP)
			log_notice("SIGHUP: there is no configuration file to read again");
		else
			server_shut_down(server);
	}
	/* whatever went wrong, signals have to be heard */
	if (result != -ECANCELED)
		await_signal(server);
}

static void start_timer(struct server *server, struct task *task, uint64_t duration_ns)
{
	struct proactor_op op = {
		.opcode = PROACTOR_TIMEOUT, .timeout = {.duration_ns = duration_ns}};

	loop_push(&server->loop, task, &op);
}

/* The watchdog hears of us through the ring: a ring that is stuck gets us restarted. */
static void watchdog(struct task *task, int64_t result)
{
	struct server *server = container_of(task, struct server, watchdog);

	if (result == -ECANCELED)
		return;
	notify("WATCHDOG=1");
	start_timer(server, &server->watchdog, server->watchdog_ns);
}

static int watch_signals(struct server *server)
{
	_cleanup_(fd_closep) int fd = -EBADF;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = proactor_attach(server->loop.proactor, fd, &server->signals);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	await_signal(server);
	return 0;
}

/* ---- beginning and end ---- */

static void drained(struct task *task, int64_t result);

int server_init(struct server *server, struct proactor *proactor,
	const struct server_options *options)
{
	int r;

	*server = (struct server){
		.state = SERVER_SERVING,
		.limits = options->limits,
		.uid = geteuid(),
		.drain_ns = options->drain_ns,
		.signals = -1,
		.signalled = {.complete = signalled},
		.draining = {.complete = drained},
		.watchdog = {.complete = watchdog},
		.watchdog_ns = notify_watchdog_ns() / 2,
		.complaints = {.interval_ns = COMPLAINTS_INTERVAL_NS,
			.burst = COMPLAINTS_PER_INTERVAL},
	};
	server->sessions = LIST_INIT(server->sessions);
	server->users = LIST_INIT(server->users);
	server->dirty = LIST_INIT(server->dirty);
	server->stalled = LIST_INIT(server->stalled);
	server->waiting = LIST_INIT(server->waiting);
	server->heavy = LIST_INIT(server->heavy);
	server->awake_rings = LIST_INIT(server->awake_rings);
	server->dirty_rings = LIST_INIT(server->dirty_rings);
	spin_init(&server->spin, options->spin_ns);
	server->paused = LIST_INIT(server->paused);
	loop_init(&server->loop, proactor);
	server->stats.started_ns = server->loop.now_ns;
	chunk_pool_init(&server->chunks);
	slab_init(&server->operations, sizeof(struct operation));
	server->address.size = sizeof(server->address.storage);
	if (getsockname(options->listen_fd, &server->address.any, &server->address.size) < 0)
		return -errno;
	r = proactor_attach(proactor, options->listen_fd, &server->listener);
	if (r < 0)
		return r;
	r = watch_signals(server);
	if (r < 0)
		return r;
	acceptor_start(server);
	if (server->watchdog_ns > 0)
		start_timer(server, &server->watchdog, server->watchdog_ns);
	return 0;
}

void server_deinit(struct server *server)
{
	assert(list_empty(&server->sessions) && list_empty(&server->users) &&
		list_empty(&server->paused));
	buffer_deinit(&server->scratch);
	slab_deinit(&server->operations);
	chunk_pool_deinit(&server->chunks);
}

void server_forget_session(struct server *server)
{
	assert(server->session_count > 0);
	server->session_count--;
	server->stats.sessions_ended++;
	server->room_made = true;
	if (server->chunks.kept_bytes > IDLE_BYTES_MAX &&
		server->chunks.kept_bytes > server->chunks.used_bytes) {
		chunk_pool_trim(&server->chunks);
		(void)malloc_trim(0);
	}
}

/* ---- shutting down ---- */

static void for_each_session(struct server *server, void (*act)(struct session *session))
{
	struct session *session, *next;

	list_for_each_entry_safe (session, next, &server->sessions, link) {
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

static void stop(struct server *server)
{
	server->state = SERVER_STOPPING;
	for_each_session(server, session_stop);
}

static void drained(struct task *task, int64_t result)
{
	struct server *server = container_of(task, struct server, draining);

	if (result < 0 || server->state != SERVER_DRAINING)
		return;
	log_notice("operations are still in flight after the time for draining: cancelling them");
	stop(server);
}

void server_shut_down(struct server *server)
{
	switch (server->state) {
	case SERVER_SERVING: break;
	case SERVER_DRAINING: stop(server); return;
	case SERVER_STOPPING:
		log_error("operations that cannot be cancelled are in flight: giving up");
		server->state = SERVER_ABANDONED;
		return;
	case SERVER_ABANDONED: return;
	}
	log_info("shutting down: %llu sessions", (unsigned long long)server->session_count);
	notify("STOPPING=1");
	server->state = SERVER_DRAINING;
	acceptor_stop(server);
	start_timer(server, &server->draining, server->drain_ns);
	for_each_session(server, drain_session);
}

/* ---- the loop ---- */

static void try_stalled(struct server *server)
{
	struct list stalled, *link;

	if (!server->room_made)
		return;
	server->room_made = false;
	shots_resume(server);
	list_steal(&stalled, &server->stalled);
	while ((link = list_pop(&stalled))) {
		struct session *session = list_entry(link, struct session, stalled_link);

		if (session->ring)
			ring_resume(session->ring);
		inbox_resume(session);
		session_progress(session);
	}
}

static void go_on_waiting(struct server *server)
{
	struct list waiting, *link;

	list_steal(&waiting, &server->waiting);
	while ((link = list_pop(&waiting))) {
		struct session *session = list_entry(link, struct session, turn_link);

		inbox_resume(session);
		session_progress(session);
	}
}

static void flush_dirty(struct server *server)
{
	struct list *link;

	while ((link = list_pop(&server->dirty)))
		outbox_flush(list_entry(link, struct session, dirty_link));
}

static bool is_over(const struct server *server)
{
	return server->state != SERVER_SERVING && list_empty(&server->sessions) &&
		server->listener < 0 && server->loop.closing_count == 0;
}

static int turn(struct server *server)
{
	bool may_block = list_empty(&server->waiting) && list_empty(&server->heavy) &&
		!spin_continues(&server->spin, server->loop.now_ns) && rings_may_sleep(server);
	int r = loop_turn(&server->loop, may_block);

	if (r < 0)
		return r;
	go_on_waiting(server);
	try_stalled(server);
	rings_turn(server);
	heavy_turn(server);
	flush_dirty(server);
	rings_flush(server);
	return 0;
}

/* All sessions are gone: ends what the server itself has in flight. */
static int finish(struct server *server)
{
	struct task *own[] = {&server->signalled, &server->draining, &server->watchdog};
	bool pending = true;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		loop_cancel(&server->loop, own[i]);
	while (pending && r >= 0) {
		pending = false;
		for (size_t i = 0; i < ARRAY_SIZE(own); i++)
			pending = pending || own[i]->pending;
		if (pending)
			r = turn(server);
	}
	loop_close(&server->loop, server->signals);
	while (server->loop.closing_count > 0 && r >= 0)
		r = turn(server);
	return r;
}

int server_run(struct server *server)
{
	int r = 0;

	while (!is_over(server) && r >= 0)
		r = server->state == SERVER_ABANDONED ? -ETIME : turn(server);
	return r < 0 ? r : finish(server);
}
