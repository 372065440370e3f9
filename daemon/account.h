/*
 * Accounts: what a session uses of the limited resources, and what all sessions of its user use
 * together.
 *
 * A resource is charged before it is used, to the session and to its user, or to neither; and
 * released once. A user exists as long as it has a session.
 */
#pragma once

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

struct account {
	uint64_t used[RESOURCE_COUNT];
};

struct user {
	struct list link;
	uid_t uid;
	uint64_t session_count;
	uint64_t input_size; /* bytes of buffers for messages that are not whole yet */
	struct account account;
};

/* Which limit refused a charge, and how far it would have been exceeded. */
struct shortage {
	enum limit limit;
	uint64_t max;
	uint64_t wanted; /* in use with what was asked for */
};

/*
 * The user of @uid in @users, made where there is none. Counts a session of it. NULL when memory is
 * short.
 */
struct user *user_enter(struct list *users, uid_t uid);

/* The session has ended: nothing of it may be charged any more. */
void user_leave(struct user *user);

/* Charges @amount. False: a limit forbids it, nothing was charged, and @ret_shortage says which. */
bool account_charge(struct account *session, struct user *user, const struct limits *limits,
	enum resource resource, uint64_t amount, struct shortage *ret_shortage);

/* Charges @amount whatever the limits say: for what has to be, and is bounded by something else. */
void account_force(struct account *session, struct user *user, enum resource resource,
	uint64_t amount);

void account_release(struct account *session, struct user *user, enum resource resource,
	uint64_t amount);

/*
 * Whether @amount could be charged to a session and a user that use nothing: else waiting for room
 * is in vain.
 */
bool account_fits_at_all(const struct limits *limits, enum resource resource, uint64_t amount,
	struct shortage *ret_shortage);
