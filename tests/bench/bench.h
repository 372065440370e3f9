/*
 * The benchmark: what its files share.
 *
 *      bench.c            options, the order of the day, pairs of runs
 *      bench_results.c    medians; results.json, the table for people
 *      bench_process.c    processors, servers, what is to be removed at the end
 *      bench_blocks.c     files of blocks, and the blocks that both sides read and write
 *      bench_proactor.c   ours: one loop over proactor.h, whatever the driver
 *      bench_ring.c       the ring of who writes his loop by hand with liburing
 *      bench_driver.c     the io_uring driver, against such a loop
 *      bench_files.c      the same, against a thread's plain calls
 *      bench_accept.c     connections that it accepts, against such a loop on a ring
 *      bench_flood.c      who makes the connections
 *      bench_epoll.c      the epoll driver, against libuv
 *      bench_echo.c       ping-pong over TCP: who answers
 *      bench_pings.c      our side of it
 *      bench_uv.c         the sides that are written with libuv
 *      bench_socket.c     through the daemon's socket, against a bare ping-pong over such a socket
 *      bench_nbd.c        nbdkit, which serves a file over such a socket too
 *
 * A measurement is a pair of *sides* that do the same number of the same operations, ours and a
 * yardstick. The machines that this runs on are noisy, so a side is never measured alone: short
 * runs alternate, A B B A, each pair has its ratio, and the median of these is what counts. Both
 * sides run on the same processors and see the same random offsets.
 *
 * What is missing (a peer that is not installed, our daemon while it does not exist) has a row that
 * says so.
 */
#pragma once

#include <sys/types.h>

#include "base/def.h"

enum {
	BENCH_DEPTH_MAX = 128,
	BENCH_PAIRS_MAX = 64,
	BENCH_RING_ENTRIES = 256, /* on both sides */
	BENCH_CPU_SELF = 0,       /* where the measuring process runs */
	BENCH_CPU_SERVER = 1,     /* where servers run; the same where there is but one */
};

/* One way to do operations. */
struct bench_side {
	const char *name;

	/*
	 * Does @op_count operations, to the end. Negative errno; -EIO where a result or the data
	 * read was wrong.
	 */
	int (*run)(void *context, uint64_t op_count, uint64_t seed);
	void *context;

	/* Called before each run, and not timed: what @op_count operations need. May be NULL. */
	int (*prepare)(void *context, uint64_t op_count);
	uint64_t op_count_max; /* of one run; 0: any number */
};

struct bench_row {
	const char *name;
	const char *unit;
	const char *yardstick_name;
	/* what is missing and how to get it, or NULL; no run then has both sides */
	const char *absent;
	unsigned pair_count;
	double ours[BENCH_PAIRS_MAX]; /* operations a second; 0 where that side is missing */
	double yardstick[BENCH_PAIRS_MAX];
};

struct bench_options {
	const char *folder;      /* for the data file and the sockets */
	const char *results;     /* path of results.json */
	const char *daemon_path; /* proactord */
	const char *only;        /* measures rows whose name has this in it; NULL: all */
	bool quick;
};

enum { BENCH_ROWS_MAX = 24 };

struct bench {
	struct bench_options options;
	const char *data_path;
	int data_fd;
	struct bench_row rows[BENCH_ROWS_MAX];
	unsigned row_count;
};

/*
 * Measures @ours against @yardstick and adds the row. Either may be NULL: then @absent says what is
 * missing, and the other is measured alone. Does nothing where the row is not wanted. Negative: a
 * side failed; there is no row, and it was said why.
 */
int bench_pair(struct bench *bench, const char *name, const struct bench_side *ours,
	const struct bench_side *yardstick, const char *absent);

/* Whether the row called @name is wanted. bench_pair() asks by itself. */
bool bench_wants(const struct bench *bench, const char *name);

/* The families. Each adds its rows; negative when one of them failed. */
int bench_driver(struct bench *bench);
int bench_files(struct bench *bench);
int bench_accept(struct bench *bench);
int bench_epoll(struct bench *bench);
int bench_socket(struct bench *bench);

/* ---- bench_results.c ---- */

/*
 * The median of the ratios of @row, with its lower and upper quartile; 0 where a side is missing.
 */
struct bench_ratio {
	double median, low, high;
};
struct bench_ratio bench_ratio(const struct bench_row *row);

int bench_results_write(const struct bench *bench);
void bench_results_print(const struct bench *bench);

/* ---- bench_process.c ---- */

/*
 * Runs this process, and those it makes from now on, on the @cpu-th of the processors that it may
 * use, if there is one.
 */
void bench_pin(unsigned cpu);
void bench_unpin(void); /* on all of them */

/*
 * Has @path removed when the benchmark ends, on an interrupt as well. @path stays the caller's and
 * must stay.
 */
void bench_remove_later(const char *path);
void bench_remove_now(void);

/* Interrupts and a time that is far too long end the benchmark cleanly. */
void bench_watch(unsigned seconds_max);

struct bench_server {
	pid_t pid; /* 0: not started */
	const char *socket_path;
	unsigned tries;
};

/*
 * Starts @arguments as a server on its processor. It ends with this process, or with
 * bench_server_stop() before.
 */
int bench_server_start(struct bench_server *server, const char *socket_path,
	const char *const arguments[]);
void bench_server_stop(struct bench_server *server);

/*
 * Connecting failed: waits a little. False when it makes no sense any more: the server has ended,
 * or takes too long.
 */
bool bench_server_retry(struct bench_server *server);

/* A process of our own code on the processor of servers. */
struct bench_child {
	pid_t pid; /* 0: not started */
	int fd;    /* our end of a stream to it */
};

/*
 * Has @body run in a child, which ends when that returns; @fd is its end of the stream. It ends
 * with this process, or with bench_child_stop() before.
 */
int bench_child_start(struct bench_child *child, void (*body)(int fd, void *context),
	void *context);
void bench_child_stop(struct bench_child *child);
