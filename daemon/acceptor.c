/* Taking connections. See acceptor.h. */
#include "daemon/acceptor.h"

#include <errno.h>

#include "base/clock.h"
#include "base/err.h"
#include "daemon/placement.h"
#include "daemon/shard.h"

#define PAUSE_NS (100 * NSEC_PER_MSEC)

static void accept_next(struct server *server)
{
	struct proactor_op op = {.opcode = PROACTOR_ACCEPT, .accept = {.file = server->listener}};

	loop_push(&server->shards[0].loop, &server->accepting, &op);
}

static void pause_accepting(struct server *server)
{
	struct proactor_op op = {.opcode = PROACTOR_TIMEOUT, .timeout = {.duration_ns = PAUSE_NS}};

	loop_push(&server->shards[0].loop, &server->pausing, &op);
}

static void close_listener(struct server *server)
{
	if (server->listener < 0)
		return;
	loop_close(&server->shards[0].loop, server->listener);
	server->listener = -1;
}

static void begin_session(struct server *server, int64_t file)
{
	int fd, r;

	/* a session asks the socket who is there, and that takes a descriptor */
	r = proactor_detach(server->shards[0].loop.proactor, file, &fd);
	if (r >= 0)
		r = placement_place(server, fd);
	if (r < 0 && log_limit_allows(&server->shards[0].complaints))
		log_warning("cannot serve a client: %s", err_text(-r));
}

/* Whether the connection is the problem, and the next may be better. */
static bool is_of_the_connection(int64_t error)
{
	return error == -ECONNABORTED || error == -EINTR || error == -EPERM || error == -EPROTO;
}

static void accepted(struct task *task, int64_t result)
{
	struct server *server = container_of(task, struct server, accepting);

	if (result >= 0 && server_state(server) == SERVER_SERVING)
		begin_session(server, result);
	else if (result >= 0)
		loop_close(&server->shards[0].loop, result);
	if (server_state(server) != SERVER_SERVING) {
		close_listener(server);
		return;
	}
	if (result >= 0 || is_of_the_connection(result)) {
		accept_next(server);
		return;
	}
	server->shards[0].stats.accept_errors++;
	if (log_limit_allows(&server->shards[0].complaints))
		log_warning("cannot accept connections for a moment: %s (%s)",
			err_text((int)-result), err_name((int)-result));
	pause_accepting(server);
}

static void paused(struct task *task, int64_t result)
{
	struct server *server = container_of(task, struct server, pausing);

	(void)result;
	if (server_state(server) == SERVER_SERVING)
		accept_next(server);
	else
		close_listener(server);
}

void acceptor_start(struct server *server)
{
	server->accepting.complete = accepted;
	server->pausing.complete = paused;
	accept_next(server);
}

void acceptor_stop(struct server *server)
{
	loop_cancel(&server->shards[0].loop, &server->accepting);
	loop_cancel(&server->shards[0].loop, &server->pausing);
}
