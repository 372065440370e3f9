/* Accounts. See account.h. */
#include "daemon/account.h"

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
	user_force(user, resource, amount);
}

static void set_shortage_of_user(const struct user *user, const struct limits *limits,
	enum resource resource, uint64_t amount, struct shortage *ret_shortage)
{
	enum limit limit = resource_table[resource].user_limit;

	*ret_shortage = (struct shortage){
		.limit = limit,
		.max = limits->value[limit],
		.wanted = user_total(user, resource) + amount,
	};
}

bool account_charge(struct account *session, struct user *user, const struct limits *limits,
	enum resource resource, uint64_t amount, struct shortage *ret_shortage)
{
	if (!fits(session->used[resource], amount, resource_table[resource].session_limit, limits,
		    ret_shortage))
		return false;
	if (unlikely(!user_charge(user, resource, amount))) {
		set_shortage_of_user(user, limits, resource, amount, ret_shortage);
		return false;
	}
	session->used[resource] += amount;
	return true;
}

void account_release(struct account *session, struct user *user, enum resource resource,
	uint64_t amount)
{
	assert(session->used[resource] >= amount);
	session->used[resource] -= amount;
	user_release(user, resource, amount);
}

bool account_has_room(const struct account *session, struct user *user, const struct limits *limits,
	enum resource resource)
{
	enum limit limit = resource_table[resource].session_limit;

	return session->used[resource] < limits->value[limit] && user_has_room(user, resource, 1);
}

bool account_fits_at_all(const struct limits *limits, enum resource resource, uint64_t amount,
	struct shortage *ret_shortage)
{
	return fits(0, amount, resource_table[resource].session_limit, limits, ret_shortage) &&
		fits(0, amount, resource_table[resource].user_limit, limits, ret_shortage);
}
