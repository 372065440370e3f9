/*
 * Users: what all sessions of one uid use together, over all shards.
 *
 *      quota   one per uid: what its shards have taken of each resource, as far as the limit
 *        ▲
 *        │ takes some at a time, gives back what it keeps too much of
 *        │
 *      user    one per uid and shard: what its sessions there use of what was taken
 *
 * Sessions charge the user of their own shard, which no other thread touches; only what it has not
 * taken yet is asked of the quota, an atomic number. With one shard that is once: there is nobody
 * to leave anything to. With several, a shard keeps a small part of the limit at most, and none of
 * what is counted in single ones; so a limit is exact where exceeding it is an error. Where it
 * makes a client wait, and what it waits for is kept by another shard, that one is asked for it:
 * *starving* says who asks (shard.c).
 *
 * A user exists as long as it has a session. Beginning and end of a session are the only times that
 * anything is locked.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/list.h"
#include "proto/limits.h"

enum resource {
	RESOURCE_OPERATIONS,
	RESOURCE_FILES,
	RESOURCE_MEMORY,
	RESOURCE_SHARED_MEMORY,
	RESOURCE_COUNT
};

struct resource_info {
	enum limit session_limit;
	enum limit user_limit;
	/* at its limit, clients wait; else they get an error, for which it has to be exact */
	bool is_waited_for;
};

/* Here, so that what names a resource is the comparison with its limits and nothing else. */
static const struct resource_info resource_table[RESOURCE_COUNT] = {
	[RESOURCE_OPERATIONS] = {LIMIT_OPERATIONS, LIMIT_USER_OPERATIONS, .is_waited_for = true},
	[RESOURCE_FILES] = {LIMIT_FILES, LIMIT_USER_FILES, .is_waited_for = false},
	[RESOURCE_MEMORY] = {LIMIT_MEMORY, LIMIT_USER_MEMORY, .is_waited_for = true},
	[RESOURCE_SHARED_MEMORY] = {LIMIT_SHARED_MEMORY, LIMIT_USER_SHARED_MEMORY,
		.is_waited_for = false},
};

struct quota {
	struct list link; /* of quotas.all */
	uid_t uid;
	uint64_t session_count; /* under the lock */
	/* bytes of buffers for messages that are not whole yet */
	_Atomic uint64_t input_size;
	_Atomic uint64_t taken[RESOURCE_COUNT]; /* by all shards */
};

/* Of all shards. */
struct quotas {
	pthread_mutex_t lock;
	struct list all;
	const struct limits *limits;
	unsigned shard_count;
	/* bit 1 << index: clients of that shard wait for what others may have of a user's limit */
	_Atomic uint64_t starving;
};

/* What a user has of a resource, on one shard. */
struct share {
	uint64_t used;
	uint64_t high;      /* up to here it may be used: what was taken, as far as the limit */
	uint64_t low;       /* from here on too much is kept */
	uint64_t taken;     /* of the quota; at least what is used */
	uint64_t spare_max; /* taken and not used: no more than that is kept */
};

/* Of one shard. */
struct users {
	struct list all;
	struct quotas *quotas;
	bool starved; /* a user's limit refused something; the shard clears it */
};

struct user {
	struct list link; /* of users.all */
	struct users *users;
	struct quota *quota;
	uint64_t session_count; /* on this shard */
	struct share shares[RESOURCE_COUNT];
};

/* @limits is the caller's, does not change, and must live longer. */
void quotas_init(struct quotas *quotas, const struct limits *limits, unsigned shard_count);

/* All users must be gone. */
void quotas_deinit(struct quotas *quotas);

void users_init(struct users *users, struct quotas *quotas);

/* Gives back all that is taken and not used: another shard starves. */
void users_give_back(struct users *users);

/*
 * The user of @uid in @users, made where there is none. Counts a session of it: @ret_count is how
 * many there are on all shards. NULL when memory is short.
 */
struct user *user_enter(struct users *users, uid_t uid, uint64_t *ret_count);

/* The session has ended: nothing of it may be charged any more. */
void user_leave(struct user *user);

/* What the user has in use, on all shards; with what others keep. */
uint64_t user_total(const struct user *user, enum resource resource);

/*
 * Counts @size bytes of messages that are not whole yet, or modulo 2^64 less of them; gives how
 * many there are, on all shards.
 */
uint64_t user_add_input(struct user *user, uint64_t size);

/* The slow ways of those below. */
bool user_take(struct user *user, enum resource resource, uint64_t amount);
void user_force(struct user *user, enum resource resource, uint64_t amount);
void user_give_back(struct user *user, enum resource resource);
bool user_could_take(struct user *user, enum resource resource, uint64_t amount);

/* Charges @amount; false: the user's limit forbids it. */
static inline bool user_charge(struct user *user, enum resource resource, uint64_t amount)
{
	struct share *share = &user->shares[resource];
	uint64_t wanted;

	if (unlikely(__builtin_add_overflow(share->used, amount, &wanted) || wanted > share->high))
		return user_take(user, resource, amount);
	share->used = wanted;
	return true;
}

/* Whether @amount could be charged, as things stand. */
static inline bool user_has_room(struct user *user, enum resource resource, uint64_t amount)
{
	const struct share *share = &user->shares[resource];

	return likely(share->used < share->high && amount <= share->high - share->used) ||
		user_could_take(user, resource, amount);
}

static inline void user_release(struct user *user, enum resource resource, uint64_t amount)
{
	struct share *share = &user->shares[resource];

	assert(share->used >= amount);
	share->used -= amount;
	if (unlikely(share->used < share->low))
		user_give_back(user, resource);
}
