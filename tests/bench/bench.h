/*
 * The benchmark: what its files share.
 *
 *      bench.c            options, the order of the day
 *      bench_race.c       runs in alternation: how anything is measured
 *      bench_results.c    medians, goals; results.json
 *      bench_table.c      the tables for people
 *      bench_process.c    processors, servers, what is to be removed at the end
 *      bench_blocks.c     files of blocks, and the blocks that both sides read and write
 *      bench_proactor.c   ours: one loop over proactor.h, whatever the driver
 *      bench_liburing.c   the loop that one writes by hand with liburing
 *      bench_driver.c     the io_uring driver, against such a loop
 *      bench_files.c      the same, against a thread's plain calls
 *      bench_accept.c     connections that it accepts, against such a loop on a ring
 *      bench_flood.c      who makes the connections
 *      bench_epoll.c      the epoll driver, against libuv
 *      bench_echo.c       ping-pong over TCP: who answers
 *      bench_pings.c      our side of it
 *      bench_uv.c         the sides that are written with libuv
 *      bench_daemon.c     proactord: starting it, reaching it, what it counts
 *      bench_transports.c through it, by socket, memory and ring
 *      bench_plain.c      what needs no server: pread, memcpy; and a bare ping-pong over a socket
 *      bench_nbd.c        nbdkit and qemu-storage-daemon, which serve a file over such a socket too
 *      bench_connect.c    how long it takes to become a client
 *      bench_server.c     a TCP server of many connections that has its I/O done by the daemon
 *      bench_fair.c       a client beside one that wants everything
 *      bench_cost.c       system calls and allocations of an operation
 *      bench_crowd.c      many clients at work
 *      bench_idle.c       a thousand that do nothing
 *      bench_ways.c       every way to do the same
 *      bench_matrix.c     all of them side by side, at every depth
 *      bench_others.c     whether the machine was ours
 *      bench_line.c       how far its processors are from each other
 *      report.py          the page and the tables of docs/PERFORMANCE.md, from results.json
 *
 * A measurement is a race of *sides* that do the same number of the same operations, most often
 * ours and a yardstick. The machines that this runs on are noisy, so a side is never measured
 * alone: short runs alternate, A B B A, each pair has its ratio, and the median of these is what
 * counts. Both sides run on the same processors and see the same random offsets.
 *
 * How far the two processors are from each other changes on a virtual machine, and with it what is
 * told through shared memory: a row has the longer of two measurements, line_ns, before and after.
 *
 * What is missing (a peer that is not installed, a transport that the daemon does not offer) has a
 * row that says so.
 */
#pragma once

#include <sys/types.h>

#include "base/def.h"
#include "base/histogram.h"

enum {
	BENCH_DEPTH_MAX = 128,
	BENCH_PAIRS_MAX = 64,
	BENCH_SIDES_MAX = 12,
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

	/*
	 * Where it looks whether, and into what, it is to count the time of each operation. NULL:
	 * it cannot.
	 */
	struct histogram **latencies;
	const char *note; /* what is to be known about the figure; copied; may be NULL */
};

/* One figure beside those that every row has. */
struct bench_extra {
	const char *name; /* NULL: none */
	double value;
};

enum { BENCH_NAME_SIZE = 64, BENCH_NOTE_SIZE = 160, BENCH_EXTRAS_MAX = 4 };

struct bench_row {
	char name[BENCH_NAME_SIZE];
	const char *unit;
	const char *yardstick_name;
	/* what is missing and how to get it, or NULL; no run then has both sides */
	char absent[BENCH_NOTE_SIZE];
	char note[BENCH_NOTE_SIZE];
	bool unpinned;
	unsigned pair_count;
	double ours[BENCH_PAIRS_MAX]; /* in @unit; 0 where that side is missing */
	double yardstick[BENCH_PAIRS_MAX];
	uint64_t p50_ns, p99_ns; /* of an operation of ours; 0: unknown */
	struct bench_extra extras[BENCH_EXTRAS_MAX];
};

struct bench_options {
	const char *folder;  /* for the data file and the sockets */
	const char *results; /* path of results.json */
	const char *build;   /* where proactord and proactl are */
	const char *only;    /* measures rows whose name has this in it; NULL: all */
	bool quick;
};

enum { BENCH_ROWS_MAX = 640 };

struct bench {
	struct bench_options options;
	const char *data_path;
	int data_fd;
	struct bench_row rows[BENCH_ROWS_MAX];
	unsigned row_count;
};

/* ---- bench_race.c ---- */

/* How long and how often. */
struct bench_pace {
	unsigned rounds;
	uint64_t run_ns;
};

struct bench_racer {
	struct bench_side side;
	double per_second[BENCH_PAIRS_MAX]; /* of each round */
	struct histogram latencies;         /* of runs that are not in @per_second */
};

/*
 * Has @racers run in turns. Negative: one failed, and it was said why; in the time of a run is
 * everything but the side's prepare().
 */
int bench_race(struct bench_racer *racers, unsigned count, const struct bench_pace *pace);

/*
 * Measures @ours against @yardstick and adds the row. Either may be NULL: then @absent says what is
 * missing, and the other is measured alone; without a yardstick and with nothing absent, the row
 * has none. Does nothing where the row is not wanted. Negative: a side failed; there is no row, and
 * it was said why.
 */
int bench_pair(struct bench *bench, const char *name, const struct bench_side *ours,
	const struct bench_side *yardstick, const char *absent);

/* A row to be filled in, of which name and unit are. */
struct bench_row *bench_add_row(struct bench *bench, const char *name, const char *unit);

/* A row that has a figure but no race, or none: then @absent says why. */
struct bench_row *bench_add_value(struct bench *bench, const char *name, const char *unit,
	double value, const char *absent);

/* Whether the row called @name is wanted. bench_pair() asks by itself. */
bool bench_wants(const struct bench *bench, const char *name);

/* Says that @what of row @name failed with @r, which it returns. */
int bench_failed(const char *name, const char *what, int r);

/* The families. Each adds its rows; negative when one of them failed. */
int bench_driver(struct bench *bench);
int bench_files(struct bench *bench);
int bench_accept(struct bench *bench);
int bench_epoll(struct bench *bench);
int bench_transports(struct bench *bench);
int bench_connect(struct bench *bench);
int bench_servers(struct bench *bench);
int bench_fairness(struct bench *bench);
int bench_costs(struct bench *bench);
int bench_crowds(struct bench *bench);
int bench_idle(struct bench *bench);
int bench_matrix(struct bench *bench);

/* ---- bench_results.c ---- */

/*
 * The median of the ratios of @row, with its lower and upper quartile; 0 where a side is missing.
 */
struct bench_ratio {
	double median, low, high;
};
struct bench_ratio bench_ratio(const struct bench_row *row);

/* The value below which @share of the first @count of @values lie; 0 of none. */
double bench_quantile(const double *values, unsigned count, double share);

/* What a row is to reach. */
struct bench_goal {
	const char *name; /* of the row; NULL ends the table */
	double value;     /* of the ratio, or of ours where @of_ours */
	bool at_most;
	bool of_ours;
};
const struct bench_goal *bench_goal(const char *name);

/* Whether @row has what its goal is about, and then in @ret_reached whether it is reached. */
bool bench_goal_check(const struct bench_goal *goal, const struct bench_row *row,
	bool *ret_reached);

int bench_results_write(const struct bench *bench);

/* ---- bench_table.c ---- */

void bench_table_print(const struct bench *bench);

/* ---- bench_others.c ---- */

/* Begins to count, or tells the share of the processors' time that others had since. */
double bench_others(bool begins);

/* ---- bench_line.c ---- */

/*
 * How long a cache line takes to the servers' processor and back, in ns; 0 where there is no other.
 */
double bench_line_ns(void);

/* ---- bench_process.c ---- */

/*
 * Runs this process, and those it makes from now on, on the @cpu-th of the processors that it may
 * use, if there is one.
 */
void bench_pin(unsigned cpu);
void bench_unpin(void); /* on all of them */
bool bench_is_pinned(void);
unsigned bench_cpu_count(void); /* that this process may use */

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

/* Has all its threads run where servers do, or on any processor. */
void bench_server_pin(const struct bench_server *server, bool pinned);

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
