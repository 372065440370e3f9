/*
 * The load: a dozen actors that use one proactor for all that it can do, and check what they are
 * told.
 *
 *      act() pushes ──▶ in flight ──▶ an entry ──▶ ended() takes the result into account
 *        ▲                                             │
 *        └──────── as long as there are rounds left ───┘
 *
 * What holds for each operation is checked here: that it ends in one entry without PROACTOR_MORE
 * and in none after, and that pop says what the entry said. That the data is right the actors
 * check: bytes that were reported as transferred are the right ones, and no others are missing.
 *
 * An operation may be refused, or fail, with an errno that the plan of faults allows; then the
 * actor tries again. Where that goes on for too long the load is given up: all that is in flight is
 * cancelled, and has to end all the same.
 */
#pragma once

#include <sys/types.h>

#include "driver/proactor.h"
#include "tests/fault/fault.h"
#include "tests/harness.h"

struct load;
struct actor;

enum { FLIGHTS_MAX = 5, ACTOR_FILES_MAX = 5 };

/* An operation of an actor. */
struct flight {
	struct actor *actor;
	uint64_t key;
	uint32_t opcode;
	bool is_pending;
	bool is_to_end;    /* actor_cancel() came */
	bool is_cancelled; /* … and was passed on */
};

struct role {
	const char *name;
	size_t size; /* of the actor, whose first member is a struct actor */
	unsigned rounds;
	/* Makes what it takes. False: that could not be had, ask again. */
	bool (*begin)(struct actor *actor);
	/* Pushes what there is to push, cancels what is to end. */
	void (*act)(struct actor *actor);
	/* @flags as in an entry. With PROACTOR_MORE the flight goes on. Pushes nothing. */
	void (*ended)(struct actor *actor, unsigned index, int64_t result, uint32_t flags);
	/* Nothing is in flight; without a proactor, it is gone. Its files are closed after. */
	void (*end)(struct actor *actor);
};

struct actor {
	struct load *load;
	const struct role *role;
	struct flight flights[FLIGHTS_MAX];
	unsigned rounds_left;
	bool has_begun;
	unsigned file_count;
	int64_t files[ACTOR_FILES_MAX];
	/* of a round: how it goes on is the actor's own business */
	unsigned step;
};

struct load_options {
	struct proactor_options proactor;
	/* a bit for each errno up to 63 that operations may fail with, and ENOBUFS never */
	uint64_t allowed;
	uint32_t roles;      /* a bit for each in load_roles; 0: all */
	unsigned free_after; /* turns, then the proactor is freed as it is; 0: never */
	bool by_fd;          /* waits in poll(2), not in proactor_poll() */
	bool one_by_one;     /* takes entries one by one */
	uint64_t refusals;   /* proactor_new() may fail with these, a bit each, or LOAD_ANY */
};

#define LOAD_ANY UINT64_MAX

enum load_outcome { LOAD_DONE, LOAD_GIVEN_UP, LOAD_REFUSED, LOAD_FREED };

struct load {
	const struct load_options *options;
	struct proactor *proactor;
	struct proactor_handle *handle;
	int fd; /* proactor_fd(), where that is waited on */
	struct actor **actors;
	size_t actor_count;
	struct proactor_buffers *buffers;
	uint8_t *memory; /* of proactor_memory_new() */
	unsigned turn;
	unsigned refusals_in_turn;
	unsigned refusals;
	unsigned failures; /* that were answered by another try */
	uint64_t pushed, ended;
	bool is_given_up;
	bool is_hurried; /* in this turn: there is more to do soon, whatever ends, */
	bool is_busy;    /* or at once: something was READY */
	bool is_notified;
};

/* Runs the load, with the faults that are planned; then there are none. */
enum load_outcome load_run(const struct load_options *options);

/* The errno's bit in load_options. */
static inline uint64_t load_bit(int error)
{
	return error < 64 ? UINT64_C(1) << error : 0;
}

/* What operations may fail with, when all of @calls (a bit 1 << call each) may fail. */
uint64_t load_allowed(uint32_t calls);

/* ---- for actors ---- */

/*
 * Pushes @op as flight @index, which is not in flight. False: refused. It may have ended already.
 */
bool actor_push(struct actor *actor, unsigned index, struct proactor_op op);

/* Has flight @index end, as soon as there is memory for that. */
void actor_cancel(struct actor *actor, unsigned index);

static inline bool actor_idle(const struct actor *actor, unsigned index)
{
	return !actor->flights[index].is_pending;
}

/* Makes @fd a file of the actor: the next of actor->files. */
int64_t actor_attach(struct actor *actor, int fd);

/*
 * A file that an operation made becomes the actor's; one that an operation closed, the last, no
 * longer is.
 */
void actor_adopt(struct actor *actor, int64_t file);
void actor_drop(struct actor *actor, int64_t file);

/* Closes a file that is none of the actor's, without an operation. */
void actor_close(struct actor *actor, int64_t file);

/* The chain that is open gets no further operation. */
void actor_end_chain(struct actor *actor);

/*
 * Whether @result is a success. Failures are allowed, or are the end of this test; with @cancelled,
 * -ECANCELED is allowed where actor_cancel() came.
 */
bool actor_succeeded(struct actor *actor, unsigned index, int64_t result);

/* Says what was planned and who failed, and ends the test. */
_Noreturn void actor_fail(const struct actor *actor, const char *condition, const char *file,
	int line);

#define actor_require(actor, condition)                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			actor_fail(actor, #condition, __FILE__, __LINE__);                         \
	} while (0)

/* ---- roles: *_roles.c ---- */

extern const struct role role_block, role_pieces, role_chain, role_names; /* file_roles.c */
/* stream_roles.c */
extern const struct role role_pipe, role_socket, role_shots, role_selects, role_splice;
/* socket_roles.c */
extern const struct role role_accept, role_connect, role_datagram, role_message;
/* time_roles.c */
extern const struct role role_timeout, role_deadline, role_cancel, role_poll, role_call;

extern const struct role *const load_roles[];

/* The byte at @offset of every stream and file here. */
static inline uint8_t load_byte(uint64_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) * 7 + 1);
}

void load_fill(void *data, size_t size, uint64_t offset);
bool load_matches(const void *data, size_t size, uint64_t offset);
