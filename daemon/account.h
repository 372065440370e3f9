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

/* Which limit it was that refused a charge. */
void account_explain(const struct account *session, const struct user *user,
	const struct limits *limits, enum resource resource, uint64_t amount,
	struct shortage *ret_shortage);

/*
 * Charges @amount. False: a limit forbids it, nothing was charged, and @ret_shortage says which.
 * Here, since every operation does so, with a resource that its caller knows.
 */
static inline bool account_charge(struct account *session, struct user *user,
	const struct limits *limits, enum resource resource, uint64_t amount,
	struct shortage *ret_shortage)
{
	uint64_t wanted, max = limits->value[resource_table[resource].session_limit];

	if (likely(!__builtin_add_overflow(session->used[resource], amount, &wanted) &&
		    wanted <= max && user_charge(user, resource, amount))) {
		session->used[resource] = wanted;
		return true;
	}
	account_explain(session, user, limits, resource, amount, ret_shortage);
	return false;
}

/* Charges @amount whatever the limits say: for what has to be, and is bounded by something else. */
void account_force(struct account *session, struct user *user, enum resource resource,
	uint64_t amount);

static inline void account_release(struct account *session, struct user *user,
	enum resource resource, uint64_t amount)
{
	assert(session->used[resource] >= amount);
	session->used[resource] -= amount;
	user_release(user, resource, amount);
}

/* Whether one more could be charged, as things stand. */
static inline bool account_has_room(const struct account *session, struct user *user,
	const struct limits *limits, enum resource resource)
{
	return session->used[resource] < limits->value[resource_table[resource].session_limit] &&
		user_has_room(user, resource, 1);
}

/*
 * Whether @amount could be charged to a session and a user that use nothing: else waiting for room
 * is in vain.
 */
bool account_fits_at_all(const struct limits *limits, enum resource resource, uint64_t amount,
	struct shortage *ret_shortage);
