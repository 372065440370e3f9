/* Accounts. See account.h. */
#include "daemon/account.h"

#include <stdlib.h>

static const struct {
	enum limit session_limit;
	enum limit user_limit;
} resources[RESOURCE_COUNT] = {
	[RESOURCE_OPERATIONS] = {LIMIT_OPERATIONS, LIMIT_USER_OPERATIONS},
	[RESOURCE_FILES] = {LIMIT_FILES, LIMIT_USER_FILES},
	[RESOURCE_MEMORY] = {LIMIT_MEMORY, LIMIT_USER_MEMORY},
	[RESOURCE_SHARED_MEMORY] = {LIMIT_SHARED_MEMORY, LIMIT_USER_SHARED_MEMORY},
};

struct user *user_enter(struct list *users, uid_t uid)
{
	struct user *user;

	list_for_each_entry (user, users, link) {
		if (user->uid == uid) {
			user->session_count++;
			return user;
		}
	}
	user = calloc(1, sizeof(*user));
	if (!user)
		return NULL;
	user->uid = uid;
	user->session_count = 1;
	list_append(users, &user->link);
	return user;
}

void user_leave(struct user *user)
{
	assert(user->session_count > 0);
	if (--user->session_count > 0)
		return;
	for (size_t i = 0; i < RESOURCE_COUNT; i++)
		assert(user->account.used[i] == 0);
	list_remove(&user->link);
	free(user);
}

static bool fits(uint64_t used, uint64_t amount, enum limit limit, const struct limits *limits,
	struct shortage *ret_shortage)
{
	uint64_t max = limits->value[limit], wanted;

	if (!__builtin_add_overflow(used, amount, &wanted) && wanted <= max)
		return true;
	*ret_shortage = (struct shortage){.limit = limit, .max = max, .wanted = used + amount};
	return false;
}

void account_force(struct account *session, struct user *user, enum resource resource,
	uint64_t amount)
{
	session->used[resource] += amount;
	user->account.used[resource] += amount;
}

bool account_charge(struct account *session, struct user *user, const struct limits *limits,
	enum resource resource, uint64_t amount, struct shortage *ret_shortage)
{
	if (!fits(session->used[resource], amount, resources[resource].session_limit, limits,
		    ret_shortage) ||
		!fits(user->account.used[resource], amount, resources[resource].user_limit, limits,
			ret_shortage))
		return false;
	account_force(session, user, resource, amount);
	return true;
}

void account_release(struct account *session, struct user *user, enum resource resource,
	uint64_t amount)
{
	assert(session->used[resource] >= amount && user->account.used[resource] >= amount);
	session->used[resource] -= amount;
	user->account.used[resource] -= amount;
}

bool account_fits_at_all(const struct limits *limits, enum resource resource, uint64_t amount,
	struct shortage *ret_shortage)
{
	return fits(0, amount, resources[resource].session_limit, limits, ret_shortage) &&
		fits(0, amount, resources[resource].user_limit, limits, ret_shortage);
}
