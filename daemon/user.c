/* Users. See user.h. */
#include "daemon/user.h"

#include <stdlib.h>

/* All shards together keep no more than one part in so many of a limit that they do not use. */
enum { KEPT_PART = 16 };

void quotas_init(struct quotas *quotas, const struct limits *limits, unsigned shard_count)
{
	*quotas = (struct quotas){.limits = limits, .shard_count = shard_count};
	quotas->all = LIST_INIT(quotas->all);
	(void)pthread_mutex_init(&quotas->lock, NULL);
}

void quotas_deinit(struct quotas *quotas)
{
	assert(list_empty(&quotas->all));
	(void)pthread_mutex_destroy(&quotas->lock);
}

void users_init(struct users *users, struct quotas *quotas)
{
	*users = (struct users){.quotas = quotas};
	users->all = LIST_INIT(users->all);
}

/* ---- entering and leaving ---- */

/* Under the lock. NULL when memory is short. */
static struct quota *find_or_make(struct quotas *quotas, uid_t uid)
{
	struct quota *quota;

	list_for_each_entry (quota, &quotas->all, link)
		if (quota->uid == uid)
			return quota;
	quota = calloc(1, sizeof(*quota));
	if (!quota)
		return NULL;
	quota->uid = uid;
	list_append(&quotas->all, &quota->link);
	return quota;
}

static struct quota *quota_enter(struct quotas *quotas, uid_t uid, uint64_t *ret_count)
{
	struct quota *quota;

	(void)pthread_mutex_lock(&quotas->lock);
	quota = find_or_make(quotas, uid);
	if (quota)
		*ret_count = ++quota->session_count;
	(void)pthread_mutex_unlock(&quotas->lock);
	return quota;
}

static void quota_leave(struct quotas *quotas, struct quota *quota)
{
	(void)pthread_mutex_lock(&quotas->lock);
	assert(quota->session_count > 0);
	if (--quota->session_count == 0) {
		for (size_t i = 0; i < RESOURCE_COUNT; i++)
			assert(atomic_load_explicit(&quota->taken[i], memory_order_relaxed) == 0);
		list_remove(&quota->link);
		free(quota);
	}
	(void)pthread_mutex_unlock(&quotas->lock);
}

static uint64_t spare_max(const struct quotas *quotas, enum resource resource)
{
	uint64_t max = quotas->limits->value[resource_table[resource].user_limit];

	if (quotas->shard_count == 1)
		return UINT64_MAX;
	return resource_table[resource].is_waited_for ? max / KEPT_PART / quotas->shard_count : 0;
}

static struct user *find(struct users *users, uid_t uid)
{
	struct user *user;

	list_for_each_entry (user, &users->all, link)
		if (user->quota->uid == uid)
			return user;
	return NULL;
}

struct user *user_enter(struct users *users, uid_t uid, uint64_t *ret_count)
{
	struct quota *quota = quota_enter(users->quotas, uid, ret_count);
	struct user *user = quota ? find(users, uid) : NULL;

	if (quota && !user) {
		user = calloc(1, sizeof(*user));
		if (!user) {
			quota_leave(users->quotas, quota);
			return NULL;
		}
		user->users = users;
		user->quota = quota;
		for (unsigned i = 0; i < RESOURCE_COUNT; i++)
			user->shares[i].spare_max = spare_max(users->quotas, i);
		list_append(&users->all, &user->link);
	}
	if (user)
		user->session_count++;
	return user;
}

static void set_taken(struct user *user, enum resource resource, uint64_t taken)
{
	struct share *share = &user->shares[resource];
	uint64_t max = user->users->quotas->limits->value[resource_table[resource].user_limit];

	assert(taken >= share->used);
	share->taken = taken;
	share->high = MIN(taken, max);
	share->low = taken - MIN(taken, share->spare_max);
}

/* Gives back what is not used, but for @keep. */
static void give_back(struct user *user, enum resource resource, uint64_t keep)
{
	struct share *share = &user->shares[resource];
	uint64_t spare = share->taken - share->used;

	if (spare <= keep)
		return;
	(void)atomic_fetch_sub_explicit(&user->quota->taken[resource], spare - keep,
		memory_order_relaxed);
	set_taken(user, resource, share->used + keep);
}

void user_leave(struct user *user)
{
	struct users *users = user->users;
	struct quota *quota = user->quota;

	assert(user->session_count > 0);
	if (--user->session_count == 0) {
		for (unsigned i = 0; i < RESOURCE_COUNT; i++) {
			assert(user->shares[i].used == 0);
			give_back(user, i, 0);
		}
		list_remove(&user->link);
		free(user);
	}
	quota_leave(users->quotas, quota);
}

/* ---- taking and giving back ---- */

/*
 * The numbers are all that is shared: nobody concludes anything about other memory from them, so
 * they need no order.
 */
uint64_t user_total(const struct user *user, enum resource resource)
{
	const struct share *share = &user->shares[resource];
	uint64_t taken = atomic_load_explicit(&user->quota->taken[resource], memory_order_relaxed);

	return taken - share->taken + share->used;
}

uint64_t user_add_input(struct user *user, uint64_t size)
{
	return atomic_fetch_add_explicit(&user->quota->input_size, size, memory_order_relaxed) +
		size;
}

/* How much more to take than is needed: none while somebody starves. */
static uint64_t reserve(const struct user *user, enum resource resource)
{
	const struct quotas *quotas = user->users->quotas;

	return atomic_load_explicit(&quotas->starving, memory_order_relaxed) != 0
		? 0
		: user->shares[resource].spare_max / 2;
}

bool user_take(struct user *user, enum resource resource, uint64_t amount)
{
	struct share *share = &user->shares[resource];
	uint64_t max = user->users->quotas->limits->value[resource_table[resource].user_limit];
	uint64_t spare = share->taken - share->used, extra = reserve(user, resource);
	_Atomic uint64_t *taken = &user->quota->taken[resource];
	uint64_t before = atomic_load_explicit(taken, memory_order_relaxed), room, missing;

	do {
		/* what was forced may be beyond the limit */
		room = max - MIN(max, before);
		missing = amount - MIN(amount, spare);
		if (before > max || missing > room) {
			user->users->starved = true;
			return false;
		}
		missing += MIN(room - missing, extra);
	} while (!atomic_compare_exchange_weak_explicit(taken, &before, before + missing,
		memory_order_relaxed, memory_order_relaxed));
	share->used += amount;
	set_taken(user, resource, share->taken + missing);
	return true;
}

void user_force(struct user *user, enum resource resource, uint64_t amount)
{
	struct share *share = &user->shares[resource];
	uint64_t spare = share->taken - share->used, missing = amount - MIN(amount, spare);

	if (missing > 0)
		(void)atomic_fetch_add_explicit(&user->quota->taken[resource], missing,
			memory_order_relaxed);
	share->used += amount;
	set_taken(user, resource, share->taken + missing);
}

bool user_could_take(struct user *user, enum resource resource, uint64_t amount)
{
	uint64_t max = user->users->quotas->limits->value[resource_table[resource].user_limit];
	uint64_t total = user_total(user, resource);

	if (total < max && amount <= max - total)
		return true;
	user->users->starved = true;
	return false;
}

void user_give_back(struct user *user, enum resource resource)
{
	give_back(user, resource, user->shares[resource].spare_max / 2);
}

void users_give_back(struct users *users)
{
	struct user *user;

	list_for_each_entry (user, &users->all, link)
		for (unsigned i = 0; i < RESOURCE_COUNT; i++)
			give_back(user, i, 0);
}
