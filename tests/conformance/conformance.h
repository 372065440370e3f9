/*
 * What every driver must do, said once.
 *
 * The suite is written to proactor.h alone: no test knows which driver it runs on. Which one that
 * is, the program is told when it is started (main.c has the table). What cannot be seen from
 * outside a process has in_process tests, and those are few: the rest is the definition of the
 * product.
 */
#pragma once

#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/def.h"
#include "driver/proactor.h"
#include "tests/conformance/ops.h"

struct engine {
	const char *name;
	uint32_t driver; /* enum proactor_driver */
	/* what PROACTOR_DRIVER is set to, the socket's path apart */
	const char *environment_prefix;
	bool in_process; /* files are descriptors of this process, and so on */
	bool (*start)(const char *program);
	bool (*stop)(void);
};

/* The driver under test, and the daemon's socket where it has one. */
extern const struct engine *engine;
extern char engine_socket[];

/* The files of the suite. */
void add_files(Suite *suite);
void add_paths(Suite *suite);
void add_attach(Suite *suite);
void add_sockets(Suite *suite);
void add_streams(Suite *suite);
void add_cancel(Suite *suite);
void add_poll(Suite *suite);
void add_notify(Suite *suite);
void add_lifetime(Suite *suite);
void add_push(Suite *suite);
void add_model(Suite *suite);

/* ---- a proactor ---- */

/* Options that ask for the driver under test. */
struct proactor_options options_for_engine(void);

/* With the default options, or with @capacity. */
struct proactor *start(void);
struct proactor *start_with_capacity(uint32_t capacity);

/* Checks that the counters add up and nothing is left in flight, then frees. */
void stop(struct proactor *proactor);

/* ---- operations ---- */

/* Pushes @op, which must not be done yet. Gives its key. */
uint64_t launch(struct proactor *proactor, struct proactor_op op);

/*
 * Waits for the entry of @key, pops it and gives the result. Entries of others are kept for their
 * own await().
 */
int64_t await(struct proactor *proactor, uint64_t key);

/* Whether the entry of @key came while another one was awaited: then await() will not wait. */
bool has_ended(const struct proactor *proactor, uint64_t key);

/* Both, for an operation that may also be READY. */
int64_t run(struct proactor *proactor, struct proactor_op op);

/* Nothing ends for a while. */
void expect_quiet(struct proactor *proactor);

/* ---- things to act on ---- */

void close_file(struct proactor *proactor, int64_t file);

int64_t attach(struct proactor *proactor, int fd);

/* Makes @path hold @size bytes of pattern() and opens it for both. */
int64_t pattern_file(struct proactor *proactor, const char *path, size_t size);

/* The byte at @offset of such a file. */
static inline uint8_t pattern(uint64_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) * 7 + 1);
}

/* The reading end of a pipe into which nothing is written until somebody writes to @ret_writer. */
int64_t silent_pipe(struct proactor *proactor, int *ret_writer);

/* One end of a connected pair of Unix stream sockets; the other stays a descriptor. */
int64_t stream(struct proactor *proactor, int *ret_peer);

/*
 * A socket of @domain that listens, and its address. For AF_UNIX it is "listener" in the working
 * directory.
 */
int64_t listener(struct proactor *proactor, int domain, struct proactor_address *ret_address);

/* A socket address with nothing else in it; 127.0.0.1 or ::1 with no port, or as above. */
struct proactor_address local_address(int domain);

/* ---- time ---- */

/* Milliseconds as a timeout. */
static inline struct timespec ms(uint64_t milliseconds)
{
	return clock_timespec(milliseconds * NSEC_PER_MSEC);
}

static const struct timespec no_time = {0};
