/* What a user is charged on several shards, which take from one quota. */
#include "tests/harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "daemon/user.h"

enum { SHARDS = 2, FILES_MAX = 5, OPERATIONS_MAX = 3200, BURST_MAX = 700 };

static struct limits limits;
static struct quotas quotas;
static struct users shards[SHARDS];
static struct user *users[SHARDS];

/* A user on each shard: 5 files, of which a shard keeps none; 3200 operations, of which 100. */
static void set_up(void)
{
	uint64_t count;

	limits_init(&limits);
	limits.value[LIMIT_USER_FILES] = FILES_MAX;
	limits.value[LIMIT_USER_OPERATIONS] = OPERATIONS_MAX;
	quotas_init(&quotas, &limits, SHARDS);
	for (unsigned i = 0; i < SHARDS; i++) {
		users_init(&shards[i], &quotas);
		users[i] = user_enter(&shards[i], 1000, &count);
		ck_assert_uint_eq(count, i + 1);
	}
}

/* The quota asserts that nothing is taken of it when its last user leaves. */
static void tear_down(void)
{
	for (unsigned i = 0; i < SHARDS; i++)
		user_leave(users[i]);
	quotas_deinit(&quotas);
}

static uint64_t taken(enum resource resource)
{
	return atomic_load(&users[0]->quota->taken[resource]);
}

START_TEST(limit_that_is_an_error_is_exact_over_shards)
{
	set_up();
	ck_assert(user_charge(users[0], RESOURCE_FILES, 3));
	ck_assert(user_charge(users[1], RESOURCE_FILES, 2));
	ck_assert(!user_charge(users[0], RESOURCE_FILES, 1));
	ck_assert(!user_charge(users[1], RESOURCE_FILES, 1));
	ck_assert_uint_eq(user_total(users[0], RESOURCE_FILES), FILES_MAX);
	user_release(users[0], RESOURCE_FILES, 1);
	ck_assert(user_charge(users[1], RESOURCE_FILES, 1));
	ck_assert(!user_charge(users[0], RESOURCE_FILES, 1));
	user_release(users[0], RESOURCE_FILES, 2);
	user_release(users[1], RESOURCE_FILES, 3);
	ck_assert_uint_eq(taken(RESOURCE_FILES), 0);
	tear_down();
}
END_TEST

START_TEST(shard_keeps_a_little_and_gives_it_back_when_asked)
{
	set_up();
	ck_assert(user_charge(users[0], RESOURCE_OPERATIONS, 1));
	ck_assert_uint_gt(taken(RESOURCE_OPERATIONS), 1);
	ck_assert_uint_le(taken(RESOURCE_OPERATIONS), 1 + OPERATIONS_MAX / 16 / SHARDS);
	user_release(users[0], RESOURCE_OPERATIONS, 1);
	ck_assert_uint_gt(taken(RESOURCE_OPERATIONS), 0);
	/* what one keeps the other cannot have, and says so */
	ck_assert(!user_charge(users[1], RESOURCE_OPERATIONS, OPERATIONS_MAX));
	ck_assert(!user_has_room(users[1], RESOURCE_OPERATIONS, OPERATIONS_MAX));
	ck_assert(shards[1].starved && !shards[0].starved);
	users_give_back(&shards[0]);
	ck_assert_uint_eq(taken(RESOURCE_OPERATIONS), 0);
	ck_assert(user_has_room(users[1], RESOURCE_OPERATIONS, OPERATIONS_MAX));
	ck_assert(user_charge(users[1], RESOURCE_OPERATIONS, OPERATIONS_MAX));
	user_release(users[1], RESOURCE_OPERATIONS, OPERATIONS_MAX);
	ck_assert_uint_le(taken(RESOURCE_OPERATIONS), OPERATIONS_MAX / 16 / SHARDS);
	tear_down();
}
END_TEST

START_TEST(nothing_is_kept_from_who_starves)
{
	set_up();
	atomic_store(&quotas.starving, 2);
	ck_assert(user_charge(users[0], RESOURCE_OPERATIONS, 7));
	ck_assert_uint_eq(taken(RESOURCE_OPERATIONS), 7);
	user_release(users[0], RESOURCE_OPERATIONS, 7);
	tear_down();
}
END_TEST

START_TEST(what_is_forced_counts_on_every_shard)
{
	set_up();
	user_force(users[0], RESOURCE_FILES, FILES_MAX + 2);
	ck_assert_uint_eq(user_total(users[1], RESOURCE_FILES), FILES_MAX + 2);
	ck_assert(!user_charge(users[1], RESOURCE_FILES, 1));
	user_release(users[0], RESOURCE_FILES, 2);
	ck_assert(!user_charge(users[1], RESOURCE_FILES, 1));
	ck_assert(!user_charge(users[0], RESOURCE_FILES, 1));
	user_release(users[0], RESOURCE_FILES, 1);
	ck_assert(user_charge(users[1], RESOURCE_FILES, 1));
	user_release(users[0], RESOURCE_FILES, FILES_MAX - 1);
	user_release(users[1], RESOURCE_FILES, 1);
	tear_down();
}
END_TEST

START_TEST(alone_a_shard_takes_all_at_once_and_no_more_than_the_limit)
{
	uint64_t count;

	limits_init(&limits);
	limits.value[LIMIT_USER_FILES] = FILES_MAX;
	quotas_init(&quotas, &limits, 1);
	users_init(&shards[0], &quotas);
	users[0] = user_enter(&shards[0], 1000, &count);
	ck_assert(user_charge(users[0], RESOURCE_FILES, 1));
	ck_assert_uint_eq(taken(RESOURCE_FILES), FILES_MAX);
	ck_assert_uint_eq(user_total(users[0], RESOURCE_FILES), 1);
	user_force(users[0], RESOURCE_FILES, FILES_MAX);
	ck_assert(!user_charge(users[0], RESOURCE_FILES, 1));
	user_release(users[0], RESOURCE_FILES, 1);
	ck_assert(!user_charge(users[0], RESOURCE_FILES, 1));
	user_release(users[0], RESOURCE_FILES, 1);
	ck_assert(user_charge(users[0], RESOURCE_FILES, 1));
	user_release(users[0], RESOURCE_FILES, FILES_MAX);
	user_leave(users[0]);
	quotas_deinit(&quotas);
}
END_TEST

START_TEST(sessions_and_input_are_counted_over_shards)
{
	uint64_t count;

	set_up();
	ck_assert_ptr_eq(user_enter(&shards[1], 1000, &count), users[1]);
	ck_assert_uint_eq(count, 3);
	ck_assert_ptr_ne(user_enter(&shards[1], 1001, &count), users[1]);
	ck_assert_uint_eq(count, 1);
	user_leave(list_entry(shards[1].all.previous, struct user, link));
	user_leave(users[1]);
	ck_assert_uint_eq(user_add_input(users[0], 100), 100);
	ck_assert_uint_eq(user_add_input(users[1], 20), 120);
	ck_assert_uint_eq(user_add_input(users[0], 0 - UINT64_C(100)), 20);
	ck_assert_uint_eq(user_add_input(users[1], 0 - UINT64_C(20)), 0);
	tear_down();
}
END_TEST

/* ---- at the same time ---- */

static _Atomic uint64_t files_in_use, operations_in_use, charged_count;

/* Charges, checks that all who have charged are within the limit, and releases. */
static void charge_once(struct user *user, enum resource resource, _Atomic uint64_t *in_use,
	uint64_t max, uint64_t amount)
{
	if (!user_charge(user, resource, amount))
		return;
	assert(atomic_fetch_add(in_use, amount) + amount <= max);
	atomic_fetch_add(&charged_count, 1);
	if (amount % 4 == 0)
		usleep(0);
	atomic_fetch_sub(in_use, amount);
	user_release(user, resource, amount);
}

static void *charge_and_release(void *argument)
{
	struct users *own = argument;
	unsigned state = (unsigned)(own - shards) + 1;
	int rounds = is_slow() ? 5000 : 50000;
	struct user *user;
	uint64_t count;

	user = user_enter(own, 1001, &count);
	for (int i = 0; i < rounds; i++) {
		state = state * 1103515245 + 12345;
		charge_once(user, RESOURCE_FILES, &files_in_use, FILES_MAX, 3 + state / 65536 % 3);
		charge_once(user, RESOURCE_OPERATIONS, &operations_in_use, OPERATIONS_MAX,
			1 + state / 65536 % BURST_MAX);
		if (state / 65536 % 100 == 0)
			users_give_back(own);
		if (state / 65536 % 1000 == 1) {
			user_leave(user);
			user = user_enter(own, 1001, &count);
		}
	}
	user_leave(user);
	return NULL;
}

START_TEST(two_shards_never_exceed_a_limit_together_and_lose_nothing)
{
	pthread_t threads[SHARDS];

	set_up();
	for (unsigned i = 0; i < SHARDS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, charge_and_release, &shards[i]),
			0);
	for (unsigned i = 0; i < SHARDS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_gt(charged_count, 0);
	/* the quota of that user has gone with it, and found that nothing was missing */
	ck_assert_ptr_eq(quotas.all.next, &users[0]->quota->link);
	ck_assert_ptr_eq(quotas.all.previous, &users[0]->quota->link);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("user");

	suite_add(suite, limit_that_is_an_error_is_exact_over_shards);
	suite_add(suite, shard_keeps_a_little_and_gives_it_back_when_asked);
	suite_add(suite, nothing_is_kept_from_who_starves);
	suite_add(suite, what_is_forced_counts_on_every_shard);
	suite_add(suite, alone_a_shard_takes_all_at_once_and_no_more_than_the_limit);
	suite_add(suite, sessions_and_input_are_counted_over_shards);
	suite_add(suite, two_shards_never_exceed_a_limit_together_and_lose_nothing);
	return suite_main(suite);
}
