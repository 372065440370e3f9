/*
 * Accounts: what a session uses of the limited resources.
 *
 * A resource is charged before it is used, to the session and to its user (user.h), or to neither;
 * and released once.
 */
#pragma once

#include "daemon/user.h"

struct account {
	uint64_t used[RESOURCE_COUNT];
};

/* Which limit refused a charge, and how far it would have been exceeded. */
struct shortage {
	enum limit limit;
	uint64_t max;
	uint64_t wanted; /* in use with what was asked for */
};

/* Charges @amount. False: a limit forbids it, nothing was charged, and @ret_shortage says which. */
bool account_charge(struct account *session, struct user *user, const struct limits *limits,
	enum resource resource, uint64_t amount, struct shortage *ret_shortage);

/* Charges @amount whatever the limits say: for what has to be, and is bounded by something else. */
void account_force(struct account *session, struct user *user, enum resource resource,
	uint64_t amount);

void account_release(struct account *session, struct user *user, enum resource resource,
	uint64_t amount);

/* Whether one more could be charged, as things stand. */
bool account_has_room(const struct account *session, struct user *user, const struct limits *limits,
	enum resource resource);

/*
 * Whether @amount could be charged to a session and a user that use nothing: else waiting for room
 * is in vain.
 */
bool account_fits_at_all(const struct limits *limits, enum resource resource, uint64_t amount,
	struct shortage *ret_shortage);
