/* The server. See server.h. */
#include "daemon/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "daemon/acceptor.h"
#include "daemon/notify.h"
#include "daemon/shard.h"
#include "daemon/watchdog.h"

static struct loop *first_loop(struct server *server)
{
	return &server->shards[0].loop;
}

/* Tells all shards that something has changed, this one too. */
static void tell_all(struct server *server)
{
	for (unsigned i = 0; i < server->shard_count; i++)
		mailbox_ring(&server->shards[i].mailbox, NEWS_STATE);
}

static void set_state(struct server *server, enum server_state state)
{
	assert(state > server_state(server));
	atomic_store_explicit(&server->state, state, memory_order_release);
	tell_all(server);
}

/* ---- signals ---- */

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
	loop_push(first_loop(server), &server->signalled, &op);
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

static int watch_signals(struct server *server)
{
	_cleanup_(fd_closep) int fd = -EBADF;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* the threads of the other shards begin with the same mask */
	r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (r != 0)
		return -r;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = proactor_attach(first_loop(server)->proactor, fd, &server->signals);
	if (r < 0)
		return r;
	(void)TAKE_FD(fd);
	await_signal(server);
	return 0;
}

/* ---- threads ---- */

/* What a thread is given, until it has said that it is there. */
struct start {
	struct shard *shard;
	pthread_mutex_t lock;
	pthread_cond_t told;
	bool is_told;
	int result;
};

static void tell(struct start *start, int result)
{
	(void)pthread_mutex_lock(&start->lock);
	start->result = result;
	start->is_told = true;
	(void)pthread_cond_signal(&start->told);
	(void)pthread_mutex_unlock(&start->lock);
}

static void fail(struct server *server, int failure)
{
	atomic_store_explicit(&server->failure, failure, memory_order_relaxed);
	mailbox_ring(&server->shards[0].mailbox, NEWS_STATE);
}

/* A proactor that failed, or is not to be waited for, is left as it is: the process ends. */
static void *run_thread(void *argument)
{
	struct start *start = argument;
	struct shard *shard = start->shard;
	struct server *server = shard->server;
	struct proactor *proactor = NULL;
	char name[16]; /* for those who look which is busy, proc(5) */
	int r = proactor_new(&proactor, &server->options.proactor);

	snprintf(name, sizeof(name), "shard %u", shard->index);
	(void)pthread_setname_np(pthread_self(), name);
	if (r >= 0)
		r = shard_init(shard, server, shard->index, proactor);
	tell(start, r);
	if (r < 0) {
		proactor_free(proactor);
		return NULL;
	}
	r = shard_run(shard);
	if (r < 0)
		fail(server, r);
	else if (shard->state == SERVER_ENDING)
		proactor_free(proactor);
	return NULL;
}

static int start_thread(struct server *server, unsigned index)
{
	struct start start = {
		.shard = &server->shards[index],
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.told = PTHREAD_COND_INITIALIZER,
	};
	pthread_t thread;
	int r;

	start.shard->server = server;
	start.shard->index = index;
	r = pthread_create(&thread, NULL, run_thread, &start);
	if (r != 0)
		return -r;
	(void)pthread_mutex_lock(&start.lock);
	while (!start.is_told)
		(void)pthread_cond_wait(&start.told, &start.lock);
	(void)pthread_mutex_unlock(&start.lock);
	if (start.result < 0)
		(void)pthread_join(thread, NULL);
	else
		start.shard->thread = thread;
	return start.result;
}

static int start_shards(struct server *server, struct proactor *proactor)
{
	int r;

	server->shards = aligned_alloc(_Alignof(struct shard),
		server->shard_count * sizeof(server->shards[0]));
	if (!server->shards)
		return -ENOMEM;
	r = shard_init(&server->shards[0], server, 0, proactor);
	if (r < 0)
		return r;
	r = watch_signals(server);
	for (unsigned i = 1; i < server->shard_count && r >= 0; i++)
		r = start_thread(server, i);
	return r;
}

/* ---- beginning and end ---- */

static void drained(struct task *task, int64_t result);

int server_init(struct server *server, struct proactor *proactor,
	const struct server_options *options)
{
	int r;

	assert(options->shard_count >= 1 && options->shard_count <= SHARDS_MAX);
	*server = (struct server){
		.options = *options,
		.uid = geteuid(),
		.started_ns = clock_now_ns(),
		.shard_count = options->shard_count,
		.busy_count = options->shard_count,
		.listener = -1,
		.signals = -1,
		.signalled = {.complete = signalled},
		.draining = {.complete = drained},
	};
	quotas_init(&server->quotas, &server->options.limits, server->shard_count);
	server->address.size = sizeof(server->address.storage);
	if (getsockname(options->listen_fd, &server->address.any, &server->address.size) < 0)
		return -errno;
	r = start_shards(server, proactor);
	if (r < 0)
		return r;
	r = proactor_attach(proactor, options->listen_fd, &server->listener);
	if (r < 0)
		return r;
	acceptor_start(server);
	return watchdog_new(&server->watchdog, &server->shards[0]);
}

void server_deinit(struct server *server)
{
	for (unsigned i = 0; i < server->shard_count; i++)
		shard_deinit(&server->shards[i]);
	free(server->shards);
	server->watchdog = watchdog_free(server->watchdog);
	quotas_deinit(&server->quotas);
}

/* ---- shutting down ---- */

static void start_draining(struct server *server)
{
	struct proactor_op op = {
		.opcode = PROACTOR_TIMEOUT, .timeout = {.duration_ns = server->options.drain_ns}};

	loop_push(first_loop(server), &server->draining, &op);
}

static void drained(struct task *task, int64_t result)
{
	struct server *server = container_of(task, struct server, draining);

	if (result < 0 || server_state(server) != SERVER_DRAINING)
		return;
	log_notice("operations are still in flight after the time for draining: cancelling them");
	set_state(server, SERVER_STOPPING);
}

void server_shut_down(struct server *server)
{
	switch (server_state(server)) {
	case SERVER_SERVING: break;
	case SERVER_DRAINING: set_state(server, SERVER_STOPPING); return;
	case SERVER_STOPPING:
		log_error("operations that cannot be cancelled are in flight: giving up");
		set_state(server, SERVER_ABANDONED);
		return;
	case SERVER_ENDING:
	case SERVER_ABANDONED: return;
	}
	log_info("shutting down: %llu sessions",
		(unsigned long long)atomic_load_explicit(&server->session_count,
			memory_order_relaxed));
	notify("STOPPING=1");
	acceptor_stop(server);
	start_draining(server);
	set_state(server, SERVER_DRAINING);
}

/* ---- running ---- */

static bool is_over(const struct server *server)
{
	return server->listener < 0 &&
		atomic_load_explicit(&server->busy_count, memory_order_acquire) == 0;
}

/* What there is to end here for, though not all is over; 0. */
static int hopeless(const struct server *server)
{
	if (server_state(server) == SERVER_ABANDONED)
		return -ETIME;
	return atomic_load_explicit(&server->failure, memory_order_relaxed);
}

static bool has_own(const struct server *server)
{
	return server->signalled.pending || server->draining.pending ||
		watchdog_is_pending(server->watchdog);
}

/* All sessions are gone: ends what the server itself has in flight. */
static int finish(struct server *server)
{
	struct shard *shard = &server->shards[0];
	int r = 0;

	loop_cancel(&shard->loop, &server->signalled);
	loop_cancel(&shard->loop, &server->draining);
	watchdog_stop(server->watchdog);
	while (has_own(server) && r >= 0)
		r = shard_turn(shard);
	loop_close(&shard->loop, server->signals);
	while (shard->loop.closing_count > 0 && r >= 0)
		r = shard_turn(shard);
	return r;
}

static int join_threads(struct server *server)
{
	set_state(server, SERVER_ENDING);
	for (unsigned i = 1; i < server->shard_count; i++)
		(void)pthread_join(server->shards[i].thread, NULL);
	return atomic_load_explicit(&server->failure, memory_order_relaxed);
}

int server_run(struct server *server)
{
	int r = 0;

	while (!is_over(server) && r >= 0) {
		r = hopeless(server);
		if (r >= 0)
			r = shard_turn(&server->shards[0]);
	}
	if (r >= 0)
		r = join_threads(server);
	return r < 0 ? r : finish(server);
}
