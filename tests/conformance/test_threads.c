/* Pools of threads: how many there are, who shares them, and how long they live. */
#include "tests/conformance/conformance.h"

#include <pthread.h>
#include <stdatomic.h>

/* An ended thread is there for a moment after those who wait for it were told. */
static void expect_thread_count(int count)
{
	uint64_t deadline_ns = clock_now_ns() + 5 * NSEC_PER_SEC;

	while (thread_count() != count && clock_now_ns() < deadline_ns)
		usleep(1000);
	ck_assert_int_eq(thread_count(), count);
}

static struct proactor *start_with_pool(struct proactor_threads *threads)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;

	options.threads = threads;
	must(proactor_new(&proactor, &options));
	return proactor;
}

/* How many calls are in it at once, and how many were at most. */
struct crowd {
	_Atomic int inside, most, calls;
};

static int64_t join_crowd(void *argument)
{
	struct crowd *crowd = argument;
	int inside = ++crowd->inside, most = crowd->most;

	while (inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside))
		continue;
	usleep(500);
	crowd->inside--;
	return ++crowd->calls;
}

static void collect(struct proactor *proactor, int count)
{
	struct proactor_entry entry;

	for (int i = 0; i < count; i++)
		ck_assert_int_gt(next(proactor, &entry).result, 0);
	expect_quiet(proactor);
}

static void push_calls(struct proactor *proactor, struct crowd *crowd, int count)
{
	for (int i = 0; i < count; i++)
		(void)launch(proactor, op_call(join_crowd, crowd));
}

START_TEST(one_thread_does_it_all_one_after_another)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;
	struct crowd crowd = {0};
	struct proactor_entry entry;

	options.thread_count_max = 1;
	must(proactor_new(&proactor, &options));
	push_calls(proactor, &crowd, 100);
	for (int i = 1; i <= 100; i++)
		assert_result(next(proactor, &entry).result, i);
	ck_assert_int_eq(crowd.most, 1);
	ck_assert_int_eq(crowd.calls, 100);
	stop(proactor);
}
END_TEST

START_TEST(threads_are_no_more_than_they_may_be)
{
	struct proactor_options options = options_for_engine();
	int before = thread_count();
	struct proactor *proactor;
	struct crowd crowd = {0};

	options.thread_count_max = 3;
	must(proactor_new(&proactor, &options));
	push_calls(proactor, &crowd, 100);
	ck_assert_int_le(thread_count() - before, 3);
	collect(proactor, 100);
	ck_assert_int_le(crowd.most, 3);
	ck_assert_int_ge(crowd.most, 2);
	ck_assert_int_le(thread_count() - before, 3);
	stop(proactor);
	expect_thread_count(before);
}
END_TEST

START_TEST(threads_without_work_end_after_a_while)
{
	struct proactor_options options = options_for_engine();
	int before = thread_count();
	struct proactor *proactor;
	struct crowd crowd = {0};

	options.thread_idle_ms = 20;
	must(proactor_new(&proactor, &options));
	for (int i = 0; i < 2; i++) {
		push_calls(proactor, &crowd, 4);
		collect(proactor, 4);
		expect_thread_count(before);
	}
	stop(proactor);
}
END_TEST

START_TEST(pool_is_shared_by_several_proactors)
{
	struct proactor_threads *threads;
	struct proactor *a, *b;
	struct crowd crowd = {0};

	must(proactor_threads_new(&threads, 2, 0));
	a = start_with_pool(threads);
	b = start_with_pool(threads);
	push_calls(a, &crowd, 30);
	push_calls(b, &crowd, 30);
	collect(a, 30);
	collect(b, 30);
	ck_assert_int_eq(crowd.calls, 60);
	ck_assert_int_le(crowd.most, 2);
	stop(a);
	push_calls(b, &crowd, 5);
	collect(b, 5);
	stop(b);
	ck_assert_ptr_null(proactor_threads_free(threads));
}
END_TEST

START_TEST(pool_lives_as_long_as_its_last_proactor)
{
	int before = thread_count();
	struct proactor_threads *threads;
	struct crowd crowd = {0};
	struct proactor *proactor;

	must(proactor_threads_new(&threads, 0, 0));
	proactor = start_with_pool(threads);
	ck_assert_ptr_null(proactor_threads_free(threads));
	push_calls(proactor, &crowd, 10);
	collect(proactor, 10);
	stop(proactor);
	expect_thread_count(before);
	ck_assert_ptr_null(proactor_threads_free(NULL));
	must(proactor_threads_new(&threads, 1, 1));
	ck_assert_ptr_null(proactor_threads_free(threads));
}
END_TEST

/* ---- in two threads ---- */

struct user {
	struct proactor_threads *threads;
	struct crowd *crowd;
	int rounds, failed;
};

static void *use_pool(void *argument)
{
	struct user *user = argument;

	for (int i = 0; i < user->rounds; i++) {
		struct proactor *proactor = start_with_pool(user->threads);
		struct proactor_entry entry;

		push_calls(proactor, user->crowd, 20);
		/* some are left to free */
		for (int j = 0; j < 15; j++)
			user->failed += next(proactor, &entry).result <= 0;
		proactor_free(proactor);
	}
	return NULL;
}

START_TEST(pool_is_shared_by_proactors_in_two_threads)
{
	struct proactor_threads *threads;
	struct crowd crowd = {0};
	struct user users[2];
	pthread_t thread;

	must(proactor_threads_new(&threads, 4, 1));
	for (int i = 0; i < 2; i++)
		users[i] = (struct user){threads, &crowd, is_slow() ? 10 : 40, 0};
	ck_assert_int_eq(pthread_create(&thread, NULL, use_pool, &users[1]), 0);
	(void)use_pool(&users[0]);
	pthread_join(thread, NULL);
	proactor_threads_free(threads);
	ck_assert_int_eq(users[0].failed + users[1].failed, 0);
	ck_assert_int_le(crowd.most, 4);
	ck_assert_int_eq(crowd.inside, 0);
}
END_TEST

/* ---- one proactor that ends does not wait for the work of another ---- */

struct gate {
	_Atomic bool inside, open;
};

static int64_t pass(void *argument)
{
	struct gate *gate = argument;

	gate->inside = true;
	while (!gate->open)
		usleep(200);
	return 1;
}

START_TEST(proactor_that_ends_waits_for_its_own_work_alone)
{
	struct proactor_threads *threads;
	struct gate gate = {0};
	struct proactor *a, *b;
	uint64_t key;

	must(proactor_threads_new(&threads, 1, 0));
	a = start_with_pool(threads);
	b = start_with_pool(threads);
	key = launch(a, op_call(pass, &gate));
	while (!gate.inside)
		usleep(200);
	/* waits for a thread, and never gets one */
	(void)launch(b, op_call(pass, &gate));
	proactor_free(b);
	gate.open = true;
	assert_result(await(a, key), 1);
	stop(a);
	proactor_threads_free(threads);
}
END_TEST

void add_threads(Suite *suite)
{
	suite_add(suite, one_thread_does_it_all_one_after_another);
	suite_add(suite, threads_are_no_more_than_they_may_be);
	suite_add(suite, threads_without_work_end_after_a_while);
	suite_add(suite, pool_is_shared_by_several_proactors);
	suite_add(suite, pool_lives_as_long_as_its_last_proactor);
	suite_add(suite, pool_is_shared_by_proactors_in_two_threads);
	suite_add(suite, proactor_that_ends_waits_for_its_own_work_alone);
}
