/* What sessions and users are charged. */
#include "tests/harness.h"

#include "daemon/account.h"

static struct quotas quotas;
static struct users users;
static struct limits limits;
static uint64_t count;
static struct account first, second;

/* Two sessions of one user, who may have 3 files each and 4 together. */
static struct user *set_up(void)
{
	struct user *user;

	first = second = (struct account){0};
	limits_init(&limits);
	limits.value[LIMIT_FILES] = 3;
	limits.value[LIMIT_USER_FILES] = 4;
	quotas_init(&quotas, &limits, 1);
	users_init(&users, &quotas);
	user = user_enter(&users, 1000, &count);
	ck_assert_ptr_eq(user_enter(&users, 1000, &count), user);
	ck_assert_uint_eq(count, 2);
	return user;
}

static void tear_down(struct user *user)
{
	user_leave(user);
	user_leave(user);
	ck_assert(list_empty(&users.all));
	quotas_deinit(&quotas);
}

START_TEST(charge_is_allowed_up_to_the_limit_of_the_session)
{
	struct user *user = set_up();
	struct shortage shortage;

	ck_assert(account_charge(&first, user, &limits, RESOURCE_FILES, 2, &shortage));
	ck_assert(account_charge(&first, user, &limits, RESOURCE_FILES, 1, &shortage));
	ck_assert(!account_charge(&first, user, &limits, RESOURCE_FILES, 1, &shortage));
	ck_assert_int_eq(shortage.limit, LIMIT_FILES);
	ck_assert_uint_eq(shortage.max, 3);
	ck_assert_uint_eq(shortage.wanted, 4);
	ck_assert_uint_eq(first.used[RESOURCE_FILES], 3);
	ck_assert_uint_eq(user_total(user, RESOURCE_FILES), 3);
	account_release(&first, user, RESOURCE_FILES, 3);
	tear_down(user);
}
END_TEST

START_TEST(charge_is_allowed_up_to_the_limit_of_the_user)
{
	struct user *user = set_up();
	struct shortage shortage;

	ck_assert(account_charge(&first, user, &limits, RESOURCE_FILES, 3, &shortage));
	ck_assert(!account_charge(&second, user, &limits, RESOURCE_FILES, 2, &shortage));
	ck_assert_int_eq(shortage.limit, LIMIT_USER_FILES);
	ck_assert_uint_eq(shortage.max, 4);
	ck_assert_uint_eq(shortage.wanted, 5);
	ck_assert_uint_eq(second.used[RESOURCE_FILES], 0);
	ck_assert_uint_eq(user_total(user, RESOURCE_FILES), 3);
	ck_assert(account_charge(&second, user, &limits, RESOURCE_FILES, 1, &shortage));
	account_release(&first, user, RESOURCE_FILES, 3);
	ck_assert(account_charge(&second, user, &limits, RESOURCE_FILES, 2, &shortage));
	account_release(&second, user, RESOURCE_FILES, 3);
	tear_down(user);
}
END_TEST

START_TEST(resources_and_users_do_not_pay_for_each_other)
{
	struct user *user = set_up(), *other = user_enter(&users, 1001, &count);
	struct shortage shortage;

	ck_assert_ptr_ne(other, user);
	ck_assert(account_charge(&first, user, &limits, RESOURCE_FILES, 3, &shortage));
	ck_assert(account_charge(&first, user, &limits, RESOURCE_OPERATIONS, 5, &shortage));
	ck_assert(account_charge(&second, other, &limits, RESOURCE_FILES, 3, &shortage));
	account_release(&first, user, RESOURCE_FILES, 3);
	account_release(&first, user, RESOURCE_OPERATIONS, 5);
	account_release(&second, other, RESOURCE_FILES, 3);
	user_leave(other);
	tear_down(user);
}
END_TEST

START_TEST(amount_that_overflows_is_refused)
{
	struct user *user = set_up();
	struct shortage shortage;

	limits.value[LIMIT_MEMORY] = limits.value[LIMIT_USER_MEMORY] = UINT64_MAX;
	ck_assert(account_charge(&first, user, &limits, RESOURCE_MEMORY, 10, &shortage));
	ck_assert(!account_charge(&first, user, &limits, RESOURCE_MEMORY, UINT64_MAX - 9,
		&shortage));
	ck_assert_int_eq(shortage.limit, LIMIT_MEMORY);
	account_release(&first, user, RESOURCE_MEMORY, 10);
	tear_down(user);
}
END_TEST

START_TEST(what_has_to_be_is_charged_beyond_the_limit_and_counts)
{
	struct user *user = set_up();
	struct shortage shortage;

	account_force(&first, user, RESOURCE_FILES, 5);
	ck_assert(!account_charge(&first, user, &limits, RESOURCE_FILES, 0, &shortage));
	ck_assert(!account_charge(&second, user, &limits, RESOURCE_FILES, 1, &shortage));
	account_release(&first, user, RESOURCE_FILES, 5);
	tear_down(user);
}
END_TEST

START_TEST(what_never_fits_is_told_from_what_does_not_fit_now)
{
	struct user *user = set_up();
	struct shortage shortage;

	account_force(&first, user, RESOURCE_FILES, 3);
	ck_assert(account_fits_at_all(&limits, RESOURCE_FILES, 3, &shortage));
	ck_assert(!account_fits_at_all(&limits, RESOURCE_FILES, 4, &shortage));
	ck_assert_int_eq(shortage.limit, LIMIT_FILES);
	limits.value[LIMIT_FILES] = 10;
	ck_assert(!account_fits_at_all(&limits, RESOURCE_FILES, 5, &shortage));
	ck_assert_int_eq(shortage.limit, LIMIT_USER_FILES);
	account_release(&first, user, RESOURCE_FILES, 3);
	tear_down(user);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("account");

	suite_add(suite, charge_is_allowed_up_to_the_limit_of_the_session);
	suite_add(suite, charge_is_allowed_up_to_the_limit_of_the_user);
	suite_add(suite, resources_and_users_do_not_pay_for_each_other);
	suite_add(suite, amount_that_overflows_is_refused);
	suite_add(suite, what_has_to_be_is_charged_beyond_the_limit_and_counts);
	suite_add(suite, what_never_fits_is_told_from_what_does_not_fit_now);
	return suite_main(suite);
}
