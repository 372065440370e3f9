/*
 * The commands that do I/O: a proactor whose ring is the daemon's, and one operation at a time on
 * it.
 */
#pragma once

#include "client/cli/cli.h"
#include "driver/proactor.h"

struct statx;

struct io {
	struct cli *cli;
	struct proactor *proactor;
	struct proactor_handle *handle;
};

/* What one transfer may be, as the daemon tells. */
struct io_limits {
	uint64_t transfer_size;
	uint64_t operations;
	uint64_t memory;
};

/* Makes the proactor; from here on signals are caught. 0, or the exit status. */
int io_init(struct io *io, struct cli *cli);

/* Cancels what is in flight. Idempotent. */
void io_deinit(struct io *io);

/* Asks the daemon for its limits. 0, or the exit status. */
int io_ask_limits(const struct cli *cli, struct io_limits *ret_limits);

/*
 * Runs @op to its end and gives its result. There is nothing else in flight. A signal cancels it:
 * -ECANCELED.
 */
int64_t io_run(struct io *io, const struct proactor_op *op);

/* Makes a file of a duplicate of @fd, which stays the caller's. */
int io_attach(struct io *io, int fd, int64_t *ret_file);

/* Closes @file, where it is one, and leaves -1. The result of close(2). */
int io_close(struct io *io, int64_t *file);

/* Opens @path with @flags and @mode of open(2), or "-", standard input. 0 or a negative errno. */
int io_open(struct io *io, const char *path, int flags, uint32_t mode, int64_t *ret_file);

/* Makes @file empty. */
int io_truncate(struct io *io, int64_t file);

/* Asks about @file. */
int io_stat(struct io *io, int64_t file, struct statx *ret_stat);

/* Nobody reads what this program writes to stdout: ends it the way that SIGPIPE does. */
int io_broken_pipe(void);

/*
 * Reports that @error has ended what @what says; whether it was the daemon's end is found out. The
 * exit status.
 */
int io_fail(struct io *io, int error, const char *what, const char *name);
