/*
 * Shared memories of a session: an operation names a piece of one in place of bytes, and the kernel
 * reads and writes what the client sees, with no copy in between.
 *
 * Operations in flight hold on to theirs: a memory that the client gives back loses its name at
 * once, and is unmapped when the last of them has ended.
 *
 * To make one takes as long as to write all of it: a thread does that, and the loop goes on.
 */
#pragma once

#include "base/list.h"
#include "daemon/loop.h"
#include "daemon/shared.h"

struct session;

enum { MEMORIES_MAX = 64 }; /* of a session */

struct memory {
	struct list link; /* of memories.all, as long as it exists */
	struct session *session;
	struct task making;
	uint64_t id; /* 0: it is being made */
	struct shared shared;
	size_t size; /* that was charged */
	int fd;      /* to be sent */
	uint32_t msgid;
	uint32_t use_count; /* operations in flight that name it */
	unsigned place;     /* in memories.places, as long as it exists */
	bool leaving;       /* it has no name any more */
};

_Static_assert(MEMORIES_MAX == 64, "a set of them has a bit for each");

struct memories {
	struct list all;
	uint64_t last_id;
	uint32_t count;
	uint32_t making_count;  /* of these that are being made */
	struct memory *recent;  /* found last; most programs have but one */
	uint64_t taken;         /* the set of those that exist */
	struct memory **places; /* MEMORIES_MAX; NULL until there was one */
};

void memories_init(struct memories *memories);

/*
 * Begins to make one of @size bytes, and answers the call @msgid when it is there, or cannot be.
 * The charge, for the bytes and for one file, is handed over. -ENOMEM; -EDQUOT: there are
 * MEMORIES_MAX.
 */
int memories_add(struct session *session, size_t size, uint32_t msgid);

/* NULL: no such memory (any more). */
struct memory *memories_find(struct memories *memories, uint64_t id);

/* The @size bytes at @offset; NULL: they are not all in it. */
void *memory_piece(const struct memory *memory, uint64_t offset, uint64_t size);

/* Takes its name away; frees it when nobody uses it, and releases the charge. */
void memory_leave(struct memory *memory);

/*
 * A set of memories: all that an operation names, however often it does, is held and released
 * together.
 */
static inline uint64_t memory_set_of(const struct memory *memory)
{
	return UINT64_C(1) << memory->place;
}

static inline void memories_hold(struct memories *memories, uint64_t set)
{
	for (; set != 0; set &= set - 1)
		memories->places[__builtin_ctzll(set)]->use_count++;
}

void memories_release(struct memories *memories, uint64_t set);

/* All of them, of a session with nothing in flight. */
void memories_deinit(struct session *session);
