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
	bool denied;     /* the kernel's io_uring is forbidden to this process */
	/* of the daemon: how its proactors reach it ($PROACTOR_TRANSPORT; NULL: as they like), */
	const char *transport;
	bool never_spins; /* and whether both sides sleep at once */
	bool is_threaded; /* several threads: each proactor of a test is on another */
	const char *only; /* of the files of the suite, those in this list; NULL: all */
	bool (*start)(const char *program);
	bool (*stop)(void);
};

/* What is under test, and the daemon's socket where there is one. */
extern const struct engine *engine;
extern char engine_socket[];

/*
 * The files of the suite, in the order in which they run: the operations, what goes beyond a single
 * one, the life of a proactor, and what tries everything at once.
 */
#define SUITE_FILES(FILE)                                                                          \
	FILE(files)                                                                                \
	FILE(vectors)                                                                              \
	FILE(room)                                                                                 \
	FILE(slow)                                                                                 \
	FILE(paths)                                                                                \
	FILE(names)                                                                                \
	FILE(attach)                                                                               \
	FILE(sockets)                                                                              \
	FILE(streams)                                                                              \
	FILE(datagrams)                                                                            \
	FILE(messages)                                                                             \
	FILE(splice)                                                                               \
	FILE(call)                                                                                 \
	FILE(threads)                                                                              \
	FILE(cancel)                                                                               \
	FILE(cancel_many)                                                                          \
	FILE(chains)                                                                               \
	FILE(chain_ends)                                                                           \
	FILE(deadlines)                                                                            \
	FILE(multishot)                                                                            \
	FILE(buffers)                                                                              \
	FILE(floods)                                                                               \
	FILE(memory)                                                                               \
	FILE(poll)                                                                                 \
	FILE(notify)                                                                               \
	FILE(options)                                                                              \
	FILE(lifetime)                                                                             \
	FILE(free)                                                                                 \
	FILE(process)                                                                              \
	FILE(push)                                                                                 \
	FILE(seed_defects)                                                                         \
	FILE(seed_files)                                                                           \
	FILE(model)

#define DECLARE_FILE(name) void add_##name(Suite *suite);
SUITE_FILES(DECLARE_FILE)
#undef DECLARE_FILE

/* ---- a proactor ---- */

/* Options that ask for the driver under test. */
struct proactor_options options_for_engine(void);

/* With the default options, or with @capacity. */
struct proactor *start(void);
struct proactor *start_with_capacity(uint32_t capacity);

/* Checks that the counters add up and nothing is left in flight, then frees. */
void stop(struct proactor *proactor);

/* ---- operations ---- */

/*
 * Pushes @op. Gives its key; where it was READY, one for await(), has_ended() and next() only.
 * Which it is is the driver's choice.
 */
uint64_t launch(struct proactor *proactor, struct proactor_op op);

/*
 * Waits for the end of @key and gives the result, popped. What else ends meanwhile is kept for its
 * own await().
 */
int64_t await(struct proactor *proactor, uint64_t key);

/* Whether it ended while another one was awaited: then await() will not wait. */
bool has_ended(const struct proactor *proactor, uint64_t key);

/* Both. */
int64_t run(struct proactor *proactor, struct proactor_op op);

/*
 * Waits for the next entry, of whatever it is, and pops it; what was READY comes first. What
 * await() has kept is not looked at.
 */
struct proactor_completion next(struct proactor *proactor, struct proactor_entry *ret_entry);

/* Nothing ends for a while. */
void expect_quiet(struct proactor *proactor);

/* @op is not started: push says @error and writes nothing. */
void refuse(struct proactor *proactor, struct proactor_op op, int error);

/* As run(), where push may say it as well. */
int64_t run_or_refuse(struct proactor *proactor, struct proactor_op op);

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

/* @bytes are those of such a file, from @offset on. One assertion for all of them. */
void assert_pattern(const void *bytes, size_t size, uint64_t offset);

/* The size of the file at @path. */
int64_t size_of(const char *path);

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
