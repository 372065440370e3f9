/*
 * Our side of the ping-pong over TCP: on each connection a send, a receive, the next send.
 *
 * As a program would be written that does one thing after another: no receive is in flight while
 * there is nothing to come. An engine may have done the send, or even the receive, before push
 * returns.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/bench_echo.h"

struct connection {
	int64_t file;
	bool receives; /* what is in flight, or to be started next, is the receive */
	struct bench_ping ping;
};

struct bench_pings {
	struct proactor *proactor;
	uint64_t op_count, started, ended;
	struct connection connections[BENCH_ECHO_CONNECTIONS];
};

static int start(struct bench_pings *pings, struct connection *connection,
	struct proactor_completion *ret_ready)
{
	struct bench_ping *ping = &connection->ping;
	struct proactor_op send = {
		.opcode = PROACTOR_SEND,
		.context = connection,
		.send = {.file = connection->file, .data = ping->sent, .size = BENCH_ECHO_SIZE},
	};
	struct proactor_op receive = {
		.opcode = PROACTOR_RECV,
		.context = connection,
		.recv = {.file = connection->file, .data = ping->received, .size = BENCH_ECHO_ROOM},
	};
	uint64_t key;

	return proactor_push(pings->proactor, connection->receives ? &receive : &send, &key,
		ret_ready);
}

/* The operation of @connection came to @result. Whether that is right. */
static bool take(struct bench_pings *pings, struct connection *connection, int64_t result)
{
	if (connection->receives) {
		pings->ended++;
		if (unlikely(!bench_ping_right(&connection->ping, result)))
			return false;
	}
	connection->receives = !connection->receives;
	return result == BENCH_ECHO_SIZE;
}

/* Goes on with @connection until something is in flight on it, or there were enough pings. */
static int go_on(struct bench_pings *pings, struct connection *connection)
{
	struct proactor_completion ready;
	int r;

	do {
		if (!connection->receives) {
			if (pings->started == pings->op_count)
				return 0;
			pings->started++;
			bench_ping_next(&connection->ping);
		}
		r = start(pings, connection, &ready);
	} while (r == PROACTOR_READY && take(pings, connection, ready.result));
	return r == PROACTOR_READY ? -EIO : r;
}

static int finish(struct bench_pings *pings, const struct proactor_entry *entry)
{
	struct proactor_completion completion;
	int r = proactor_pop(pings->proactor, entry, &completion);

	if (unlikely(r < 0))
		return r;
	if (unlikely(!take(pings, completion.context, completion.result)))
		return -EIO;
	return go_on(pings, completion.context);
}

int bench_pings_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct proactor_entry entries[BENCH_ECHO_CONNECTIONS];
	struct bench_pings *pings = context;
	int r = 0;

	(void)seed;
	pings->op_count = op_count;
	pings->started = pings->ended = 0;
	for (unsigned i = 0; r >= 0 && i < BENCH_ECHO_CONNECTIONS; i++)
		r = go_on(pings, &pings->connections[i]);
	while (r >= 0 && pings->ended < op_count) {
		int count = proactor_poll(pings->proactor, NULL, entries, BENCH_ECHO_CONNECTIONS);

		if (count < 0)
			return count;
		for (int i = 0; r >= 0 && i < count; i++)
			r = finish(pings, &entries[i]);
	}
	return MIN(r, 0);
}

static int open_connections(struct bench_pings *pings, const struct bench_echo *echo)
{
	for (unsigned i = 0; i < BENCH_ECHO_CONNECTIONS; i++) {
		int fd, r = bench_echo_connect(echo, &fd);

		if (r < 0)
			return r;
		r = proactor_attach(pings->proactor, fd, &pings->connections[i].file);
		if (r < 0) {
			(void)close(fd);
			return r;
		}
	}
	return 0;
}

int bench_pings_new(struct bench_pings **ret_pings, const struct proactor_options *options,
	const struct bench_echo *echo)
{
	struct bench_pings *pings = calloc(1, sizeof(*pings));
	int r;

	if (!pings)
		return -ENOMEM;
	r = proactor_new(&pings->proactor, options);
	if (r >= 0)
		r = open_connections(pings, echo);
	if (r < 0)
		bench_pings_free(pings);
	else
		*ret_pings = pings;
	return r;
}

/* The connections end with the echo's process; their descriptors with this one. */
struct bench_pings *bench_pings_free(struct bench_pings *pings)
{
	if (!pings)
		return NULL;
	proactor_free(pings->proactor);
	free(pings);
	return NULL;
}
