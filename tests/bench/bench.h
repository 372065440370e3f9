/*
 * The benchmark: what its files share.
 *
 *      bench.c            options, the order of the day, pairs of runs
 *      bench_results.c    medians; results.json, the table for people
 *      bench_process.c    processors, servers, what is to be removed at the end
 *      bench_data.c       the data file, and the reads from it that both sides make
 *      bench_proactor.c   ours: one loop over proactor.h, whatever the driver
 *      bench_driver.c     in-process, against the same loop written by hand with liburing
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
	BENCH_BLOCK_SIZE = 4096,
	BENCH_DEPTH_MAX = 32,
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

enum { BENCH_ROWS_MAX = 16 };

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

/* ---- bench_data.c ---- */

/* Makes the data file, of real bytes, and reads it so that it is cached. */
int bench_data_make(struct bench *bench);

/* Reads in flight, and what each must find. */
struct bench_reads {
	uint8_t *buffers; /* BENCH_DEPTH_MAX blocks */
	uint64_t random;
	uint64_t expected[BENCH_DEPTH_MAX]; /* offset that buffer i is being filled from */
};

int bench_reads_init(struct bench_reads *reads);
void bench_reads_deinit(struct bench_reads *reads);

enum { BENCH_DATA_BLOCKS = 65536 }; /* 256 MiB; a power of two */

/* The next random offset, for buffer @index. */
static inline uint64_t bench_reads_next(struct bench_reads *reads, unsigned index)
{
	reads->random ^= reads->random << 13;
	reads->random ^= reads->random >> 7;
	reads->random ^= reads->random << 17;
	return reads->expected[index] =
		       (reads->random & (BENCH_DATA_BLOCKS - 1)) * BENCH_BLOCK_SIZE;
}

static inline uint8_t *bench_reads_buffer(const struct bench_reads *reads, unsigned index)
{
	return reads->buffers + (size_t)index * BENCH_BLOCK_SIZE;
}

/*
 * Whether buffer @index now has the block that it was to have: each block begins with its own
 * offset.
 */
static inline bool bench_reads_right(const struct bench_reads *reads, unsigned index,
	int64_t result)
{
	const uint64_t *found = (const uint64_t *)bench_reads_buffer(reads, index);

	return result == BENCH_BLOCK_SIZE && *found == reads->expected[index];
}

/* ---- bench_proactor.c ---- */

enum bench_operation { BENCH_NOP, BENCH_READ };

struct proactor;
struct proactor_options;

/* Keeps @depth operations in flight through a proactor. */
struct bench_proactor {
	struct proactor *proactor;
	enum bench_operation operation;
	unsigned depth;
	int64_t file; /* of the data, where the operation is a read */
	struct bench_reads reads;
};

/*
 * -EOPNOTSUPP: no such driver is linked. Else as proactor_new() and proactor_attach(); deinit is
 * right after a failure too.
 */
int bench_proactor_init(struct bench_proactor *load, const struct proactor_options *options,
	int data_fd);
void bench_proactor_deinit(struct bench_proactor *load);

/* A side's run; @context is a struct bench_proactor. */
int bench_proactor_run(void *context, uint64_t op_count, uint64_t seed);

/* ---- bench_nbd.c ---- */

/* What is missing for it, or NULL. */
const char *bench_nbd_absent(void);

/*
 * Starts nbdkit on the data file and connects. Then bench_nbd_run() is a side's run with the
 * context given.
 */
int bench_nbd_new(void **ret_context, const struct bench *bench);
void bench_nbd_free(void *context);
int bench_nbd_run(void *context, uint64_t op_count, uint64_t seed);
