/*
 * proactord: starting it, the ways to reach it, what it counts.
 */
#pragma once

#include "tests/bench/bench_proactor.h"

/* How operations and their data travel. */
enum bench_transport {
	BENCH_SOCKET, /* all by the socket, the data inline */
	BENCH_MEMORY, /* operations by the socket, the data in shared memory */
	BENCH_RING,   /* operations by shared rings, the data in shared memory */
	BENCH_BEST,   /* what a program gets that does not choose */
};

/* One at a time. */
struct bench_daemon {
	struct bench_server server;
	const char *socket_path;
	char absent[BENCH_NOTE_SIZE]; /* what is missing; "" where nothing is */
};

/*
 * Starts it, with @options of its command line (ended by NULL; or NULL) and waits until it serves.
 * Where there is none, daemon->absent says so, and that is no failure. Deinit is right after one.
 */
int bench_daemon_init(struct bench_daemon *daemon, const struct bench *bench,
	const char *const options[]);
void bench_daemon_deinit(struct bench_daemon *daemon);

/*
 * A proactor that reaches the daemon by @transport; where that is not to be had, 0 and what is
 * missing in @ret_absent, and no proactor. What is asked for is not taken at its word: a row must
 * not measure the socket under the ring's name.
 */
int bench_daemon_connect(const struct bench_daemon *daemon, enum bench_transport transport,
	struct proactor **ret_proactor, const char **ret_absent);

/* As that, with a load of @shape on @fd. */
int bench_daemon_load(const struct bench_daemon *daemon, enum bench_transport transport,
	struct bench_proactor *ret_load, int fd, const struct bench_shape *shape,
	const char **ret_absent);

/* Which transport @proactor has: "by ring, shared memory". */
const char *bench_daemon_note(const struct bench_daemon *daemon, struct proactor *proactor);

/* One of the counters of its `stats`, @name in @group. */
int bench_daemon_count(const struct bench_daemon *daemon, const char *group, const char *name,
	uint64_t *ret_count);
