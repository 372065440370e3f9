/*
 * Through the daemon: the same loop over proactor.h as in-process, with the driver that talks to
 * proactord over its socket.
 *
 * Yardsticks: nbdkit, a server of blocks over such a socket, for reads; for operations that do
 * nothing, two processes that send a byte string of a call's size to and fro with blocking calls.
 * No protocol can answer one call faster than that; many in flight can, which is what the row at
 * depth 32 is about.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/bench/bench_peers.h"
#include "tests/bench/bench_proactor.h"

/* ---- the ping-pong ---- */

enum {
	PING_SIZE = 16, /* a call as short as they come: [0, msgid, "nop", []] */
	DEPTH = 32,     /* of what is not at depth 1 */
};

static void answer(int fd, void *context)
{
	char bytes[PING_SIZE];
	ssize_t n;

	(void)context;
	do
		n = read(fd, bytes, sizeof(bytes));
	while (n > 0 && write(fd, bytes, (size_t)n) == n);
}

static int pingpong_run(void *context, uint64_t op_count, uint64_t seed)
{
	const struct bench_child *answerer = context;
	char bytes[PING_SIZE] = "";

	(void)seed;
	for (uint64_t i = 0; i < op_count; i++)
		if (write(answerer->fd, bytes, sizeof(bytes)) != sizeof(bytes) ||
			read(answerer->fd, bytes, sizeof(bytes)) != sizeof(bytes))
			return -EIO;
	return 0;
}

/* ---- the daemon ---- */

struct remote {
	struct bench_server server;
	char socket_path[4096];
	struct bench_proactor load;
	char absent[512]; /* what is missing; "" where nothing is */
};

static int remote_connect(struct remote *remote, const struct bench *bench)
{
	const struct proactor_options options = {
		.size = sizeof(options),
		.driver = PROACTOR_DRIVER_REMOTE,
		.socket_path = remote->socket_path,
	};
	int r;

	for (;;) {
		r = bench_proactor_init(&remote->load, &options, bench->data_fd, BENCH_DATA_BLOCKS);
		if (r >= 0 || r == -EOPNOTSUPP || !bench_server_retry(&remote->server))
			return r;
		bench_proactor_deinit(&remote->load);
	}
}

/* Starts the daemon and connects, or finds out what is missing for that. */
static int remote_init(struct remote *remote, const struct bench *bench)
{
	const char *const arguments[] = {
		bench->options.daemon_path, "--socket", remote->socket_path, NULL};
	int r;

	if ((size_t)snprintf(remote->socket_path, sizeof(remote->socket_path),
		    "%s/proactord.socket", bench->options.folder) >= sizeof(remote->socket_path))
		return -ENAMETOOLONG;
	if (access(bench->options.daemon_path, X_OK) < 0) {
		snprintf(remote->absent, sizeof(remote->absent),
			"OUR DAEMON IS MISSING: there is no %.400s", bench->options.daemon_path);
		return 0;
	}
	r = bench_server_start(&remote->server, remote->socket_path, arguments);
	if (r < 0)
		return r;
	r = remote_connect(remote, bench);
	if (r != -EOPNOTSUPP)
		return r;
	snprintf(remote->absent, sizeof(remote->absent),
		"OUR CLIENT LIBRARY IS MISSING: not linked in");
	return 0;
}

static void remote_deinit(struct remote *remote)
{
	bench_proactor_deinit(&remote->load);
	bench_server_stop(&remote->server);
}

/* ---- the rows ---- */

static int measure_nop(struct bench *bench, struct remote *remote, const char *name, unsigned depth)
{
	const struct bench_side ours = {
		.name = "proactord", .run = bench_proactor_run, .context = &remote->load};
	const char *absent = remote->absent[0] ? remote->absent : NULL;
	struct bench_child answerer = {0};
	int r = bench_child_start(&answerer, answer, NULL);

	remote->load.operation = BENCH_NOP;
	remote->load.depth = depth;
	if (r >= 0)
		r = bench_pair(bench, name, absent ? NULL : &ours,
			&(struct bench_side){
				.name = "ping-pong", .run = pingpong_run, .context = &answerer},
			absent);
	bench_child_stop(&answerer);
	return r;
}

static int measure_read(struct bench *bench, struct remote *remote, const char *name)
{
	const struct bench_side ours = {
		.name = "proactord", .run = bench_proactor_run, .context = &remote->load};
	const char *peer_absent = bench_nbd_absent();
	bool have_ours = !remote->absent[0];
	struct bench_side peer = {.name = "nbdkit", .run = bench_nbd_run};
	int r;

	if (!bench_wants(bench, name))
		return 0;
	remote->load.operation = BENCH_READ;
	remote->load.depth = DEPTH;
	if (!peer_absent) {
		r = bench_nbd_new(&peer.context, bench);
		if (r < 0)
			return r;
	}
	r = bench_pair(bench, name, have_ours ? &ours : NULL, peer_absent ? NULL : &peer,
		have_ours ? peer_absent : remote->absent);
	bench_nbd_free(peer.context);
	return r;
}

int bench_socket(struct bench *bench)
{
	static struct remote remote; /* its texts are remembered until the end */
	int r;

	r = remote_init(&remote, bench);
	if (r < 0) {
		fprintf(stderr, "bench: proactord: %s\n", err_name(-r));
	} else {
		r = measure_nop(bench, &remote, "nop.qd1.socket.vs_pingpong", 1);
		if (r >= 0)
			r = measure_nop(bench, &remote, "nop.qd32.socket", DEPTH);
		if (r >= 0)
			r = measure_read(bench, &remote, "read4k.qd32.socket.vs_nbdkit");
	}
	remote_deinit(&remote);
	return r;
}
