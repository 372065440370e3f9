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

void account_explain(const struct account *session, const struct user *user,
	const struct limits *limits, enum resource resource, uint64_t amount,
	struct shortage *ret_shortage)
{
	enum limit limit = resource_table[resource].user_limit;

	if (!fits(session->used[resource], amount, resource_table[resource].session_limit, limits,
		    ret_shortage))
		return;
	*ret_shortage = (struct shortage){
		.limit = limit,
		.max = limits->value[limit],
		.wanted = user_total(user, resource) + amount,
	};
}

bool account_fits_at_all(const struct limits *limits, enum resource resource, uint64_t amount,
	struct shortage *ret_shortage)
{
	return fits(0, amount, resource_table[resource].session_limit, limits, ret_shortage) &&
		fits(0, amount, resource_table[resource].user_limit, limits, ret_shortage);
}
