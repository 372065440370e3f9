/*
 * Work: operations that threads do, their way there and back, and their end at every moment.
 *
 * On the epoll driver, as any kernel has that; but for the interrupts nothing here is about it.
 */
#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "driver/threads.h"
#include "driver/work.h"

static const struct timespec no_time = {0};

static struct proactor *start(struct proactor_threads *threads, uint32_t count_max)
{
	struct proactor_options options = {
		.size = sizeof(options),
		.driver = PROACTOR_DRIVER_EPOLL,
		.threads = threads,
		.thread_count_max = count_max,
	};
	struct proactor *proactor;

	must(proactor_new(&proactor, &options));
	return proactor;
}

static uint64_t launch(struct proactor *proactor, struct proactor_op op)
{
	struct proactor_completion ready;
	uint64_t key;

	ck_assert_int_eq(must(proactor_push(proactor, &op, &key, &ready)), PROACTOR_PENDING);
	return key;
}

static struct proactor_op op_call(int64_t (*function)(void *), void *argument)
{
	return (struct proactor_op){
		.opcode = PROACTOR_CALL, .context = argument, .call = {function, argument}};
}

static struct proactor_op op_open(const char *path, int flags)
{
	return (struct proactor_op){
		.opcode = PROACTOR_OPEN, .open = {PROACTOR_CWD, path, flags, 0600}};
}

/* The next that ends. */
static struct proactor_completion next(struct proactor *proactor, uint64_t *ret_key)
{
	struct proactor_completion completion;
	struct proactor_entry entry;

	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	must(proactor_pop(proactor, &entry, &completion));
	*ret_key = entry.key;
	return completion;
}

static int64_t await(struct proactor *proactor, uint64_t key)
{
	uint64_t ended;
	int64_t result = next(proactor, &ended).result;

	ck_assert_uint_eq(ended, key);
	return result;
}

static void sleep_ms(unsigned ms)
{
	struct timespec time = clock_timespec(ms * NSEC_PER_MSEC);

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* ---- what is called ---- */

static int64_t tell_thread(void *argument)
{
	*(pid_t *)argument = gettid();
	return INT64_C(1) << 40;
}

static int64_t give_back(void *argument)
{
	return (int64_t)(intptr_t)argument;
}

struct gate {
	sem_t entered, open;
	_Atomic int passed;
};

static int64_t pass(void *argument)
{
	struct gate *gate = argument;

	must(sem_post(&gate->entered));
	while (sem_wait(&gate->open) < 0)
		continue;
	return ++gate->passed;
}

static struct gate *gate_init(struct gate *gate)
{
	must(sem_init(&gate->entered, 0, 0));
	must(sem_init(&gate->open, 0, 0));
	gate->passed = 0;
	return gate;
}

static void await_entered(struct gate *gate)
{
	while (sem_wait(&gate->entered) < 0)
		continue;
}

/* ---- there and back ---- */

START_TEST(call_is_done_by_another_thread)
{
	struct proactor *proactor = start(NULL, 0);
	pid_t tid = 0;

	assert_result(await(proactor, launch(proactor, op_call(tell_thread, &tid))),
		INT64_C(1) << 40);
	ck_assert_int_ne(tid, 0);
	ck_assert_int_ne(tid, gettid());
	/* any value comes back as it is, an errno and all */
	assert_result(await(proactor, launch(proactor, op_call(give_back, (void *)-EINTR))),
		-EINTR);
	assert_result(await(proactor, launch(proactor, op_call(give_back, (void *)INT64_MIN))),
		INT64_MIN);
	proactor_free(proactor);
}
END_TEST

START_TEST(order_in_which_they_were_done_is_kept)
{
	enum { COUNT = 300 };
	struct proactor *proactor = start(NULL, 1);
	static uint64_t keys[COUNT];

	for (int round = 0; round < 5; round++) {
		for (intptr_t i = 0; i < COUNT; i++)
			keys[i] = launch(proactor, op_call(give_back, (void *)i));
		/* some come alone, some many at once */
		if (round % 2)
			sleep_ms(5);
		for (int i = 0; i < COUNT; i++)
			assert_result(await(proactor, keys[i]), i);
	}
	proactor_free(proactor);
}
END_TEST

START_TEST(more_work_than_threads_is_done_all_the_same)
{
	enum { COUNT = 5000 };
	struct proactor *proactor = start(NULL, 3);
	static uint8_t seen[COUNT];

	for (intptr_t i = 0; i < COUNT; i++)
		(void)launch(proactor, op_call(give_back, (void *)i));
	for (int i = 0; i < COUNT; i++) {
		uint64_t key;

		seen[next(proactor, &key).result]++;
	}
	for (int i = 0; i < COUNT; i++)
		ck_assert_uint_eq(seen[i], 1);
	proactor_free(proactor);
}
END_TEST

START_TEST(steady_load_needs_no_more_memory)
{
	struct proactor *proactor = start(NULL, 0);
	struct slab_block *works, *rooms;

	close((int)await(proactor, launch(proactor, op_open("file", O_RDWR | O_CREAT))));
	works = proactor->mailbox->works.blocks;
	rooms = proactor->mailbox->rooms.blocks;
	for (int i = 0; i < 1000; i++) {
		int64_t fd = await(proactor, launch(proactor, op_open("file", O_RDONLY)));

		close((int)must(fd));
	}
	ck_assert_ptr_eq(proactor->mailbox->works.blocks, works);
	ck_assert_ptr_eq(proactor->mailbox->rooms.blocks, rooms);
	ck_assert_uint_eq(proactor->mailbox->works.used_count, 0);
	ck_assert_uint_eq(proactor->mailbox->rooms.used_count, 0);
	proactor_free(proactor);
}
END_TEST

START_TEST(long_paths_are_kept_as_short_ones_are)
{
	struct proactor *proactor = start(NULL, 1);
	struct gate gate;
	static char path[4000];
	uint64_t key;

	memset(path, '/', sizeof(path));
	path[0] = '.';
	memcpy(path + sizeof(path) - 5, "file", 5);
	(void)launch(proactor, op_call(pass, gate_init(&gate)));
	await_entered(&gate);
	key = launch(proactor, op_open(path, O_RDWR | O_CREAT));
	memset(path, 'x', sizeof(path));
	must(sem_post(&gate.open));
	(void)next(proactor, &(uint64_t){0});
	close((int)must(await(proactor, key)));
	must(access("file", F_OK));
	proactor_free(proactor);
}
END_TEST

/* ---- waking ---- */

START_TEST(wake_up_is_no_notification)
{
	struct proactor_handle *handle;

	must(handle_new(&handle));
	/* awake: it prevents the next sleep, at no cost */
	handle_wake(handle);
	handle_wake(handle);
	ck_assert(!handle_begin_sleep(handle));
	ck_assert(!handle_end_sleep(handle));
	ck_assert(handle_begin_sleep(handle));
	/* asleep: it ends that, once */
	handle_wake(handle);
	handle_wake(handle);
	ck_assert_int_eq(read(handle->eventfd, &(uint64_t){0}, 8), 8);
	ck_assert_int_eq(read(handle->eventfd, &(uint64_t){0}, 8), -1);
	ck_assert(!handle_end_sleep(handle));
	/* looked after before the sleep: nothing is left of it */
	handle_wake(handle);
	handle_settle(handle);
	ck_assert(handle_begin_sleep(handle));
	handle_settle(handle);
	ck_assert(handle_begin_sleep(handle));
	ck_assert(!handle_end_sleep(handle));
	proactor_handle_free(handle);
}
END_TEST

START_TEST(notification_survives_wake_ups)
{
	struct proactor_handle *handle;

	must(handle_new(&handle));
	handle_wake(handle);
	proactor_notify(handle);
	handle_wake(handle);
	handle_settle(handle);
	ck_assert(!handle_begin_sleep(handle));
	ck_assert(handle_end_sleep(handle));
	ck_assert(handle_begin_sleep(handle));
	handle_wake(handle);
	proactor_notify(handle);
	ck_assert(handle_end_sleep(handle));
	ck_assert(!handle_end_sleep(handle));
	proactor_handle_free(handle);
}
END_TEST

START_TEST(work_that_is_done_is_no_notification_to_poll)
{
	struct proactor *proactor = start(NULL, 0);

	for (int i = 0; i < (is_slow() ? 500 : 5000); i++) {
		struct proactor_entry entry;
		struct proactor_completion completion;

		(void)launch(proactor, op_call(give_back, NULL));
		if (i % 3 == 0)
			assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
		else
			while (proactor_poll(proactor, &no_time, &entry, 1) != 1)
				continue;
		must(proactor_pop(proactor, &entry, &completion));
		assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
	}
	proactor_free(proactor);
}
END_TEST

START_TEST(who_waits_outside_of_poll_is_woken_as_well)
{
	struct proactor *proactor = start(NULL, 0);
	struct pollfd pollfd = {.events = POLLIN};
	struct proactor_completion completion;
	struct proactor_entry entry;

	must(proactor_fd(proactor, &pollfd.fd));
	for (int i = 0; i < (is_slow() ? 300 : 3000); i++) {
		(void)launch(proactor, op_call(give_back, NULL));
		while (proactor_poll(proactor, &no_time, &entry, 1) == -ETIME)
			ck_assert_int_eq(must(poll(&pollfd, 1, 10000)), 1);
		must(proactor_pop(proactor, &entry, &completion));
	}
	proactor_free(proactor);
}
END_TEST

/* ---- cancelling ---- */

START_TEST(work_that_waits_for_a_thread_is_cancelled_at_once)
{
	struct proactor *proactor = start(NULL, 1);
	uint64_t keys[4], running;
	struct gate gate;

	running = launch(proactor, op_call(pass, gate_init(&gate)));
	await_entered(&gate);
	for (int i = 0; i < 4; i++)
		keys[i] = launch(proactor, op_call(pass, &gate));
	must(proactor_cancel(proactor, keys[2]));
	must(proactor_cancel(proactor, keys[1]));
	assert_result(await(proactor, keys[2]), -ECANCELED);
	assert_result(await(proactor, keys[1]), -ECANCELED);
	for (int i = 0; i < 3; i++)
		must(sem_post(&gate.open));
	assert_result(await(proactor, running), 1);
	assert_result(await(proactor, keys[0]), 2);
	assert_result(await(proactor, keys[3]), 3);
	proactor_free(proactor);
}
END_TEST

START_TEST(call_that_runs_ends_by_itself_alone)
{
	struct proactor *proactor = start(NULL, 0);
	struct proactor_entry entry;
	struct timespec while_ns = {.tv_nsec = 20000000};
	struct gate gate;
	uint64_t key = launch(proactor, op_call(pass, gate_init(&gate)));

	await_entered(&gate);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
	assert_result(proactor_poll(proactor, &while_ns, &entry, 1), -ETIME);
	must(sem_post(&gate.open));
	assert_result(await(proactor, key), 1);
	proactor_free(proactor);
}
END_TEST

START_TEST(system_call_that_lasts_for_ever_is_cancelled_at_any_moment)
{
	struct proactor *proactor = start(NULL, 0);

	must(mkfifo("fifo", 0600));
	for (int i = 0; i < (is_slow() ? 100 : 1000); i++) {
		struct timespec pause = {.tv_nsec = i % 60 * 1000};
		uint64_t key = launch(proactor, op_open("fifo", O_RDONLY));

		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		must(proactor_cancel(proactor, key));
		assert_result(await(proactor, key), -ECANCELED);
	}
	proactor_free(proactor);
}
END_TEST

/* As many opens as the pool has threads, and again as many behind them. */
START_TEST(all_threads_can_be_got_back)
{
	enum { COUNT = 20, MAX = 10 };
	struct proactor *proactor = start(NULL, MAX);
	uint64_t keys[COUNT], key;

	must(mkfifo("fifo", 0600));
	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor, op_open("fifo", O_RDONLY));
	sleep_ms(10);
	key = launch(proactor, op_call(give_back, (void *)7));
	for (int i = 0; i < COUNT; i++)
		must(proactor_cancel(proactor, keys[i]));
	for (int i = 0; i <= COUNT; i++) {
		uint64_t ended;
		int64_t result = next(proactor, &ended).result;

		assert_result(result, ended == key ? 7 : -ECANCELED);
	}
	proactor_free(proactor);
}
END_TEST

/* However the race ends, the file is the caller's or there is none. */
START_TEST(file_that_was_made_in_spite_of_it_is_not_lost)
{
	struct proactor *proactor = start(NULL, 0);
	int made = 0, before;

	close(must(open("file", O_RDWR | O_CREAT, 0600)));
	close((int)await(proactor, launch(proactor, op_open("file", O_RDONLY))));
	before = fd_count();
	for (int i = 0; i < (is_slow() ? 200 : 2000); i++) {
		struct timespec pause = {.tv_nsec = i % 40 * 1000};
		uint64_t key = launch(proactor, op_open("file", O_RDONLY));
		int64_t result;

		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		must(proactor_cancel(proactor, key));
		result = await(proactor, key);
		if (result >= 0) {
			made++;
			close((int)result);
		} else {
			assert_result(result, -ECANCELED);
		}
	}
	ck_assert_int_gt(made, 0);
	ck_assert_int_eq(fd_count(), before);
	proactor_free(proactor);
}
END_TEST

/* ---- the end ---- */

START_TEST(proactor_goes_with_work_waiting_and_running)
{
	struct proactor *proactor = start(NULL, 2);
	struct gate gate;

	gate_init(&gate);
	must(mkfifo("fifo", 0600));
	(void)launch(proactor, op_open("fifo", O_RDONLY));
	(void)launch(proactor, op_open("fifo", O_RDONLY));
	for (int i = 0; i < 20; i++)
		(void)launch(proactor, op_call(pass, &gate));
	sleep_ms(5);
	proactor_free(proactor);
	ck_assert_int_eq(gate.passed, 0);
}
END_TEST

static void *open_gate_late(void *argument)
{
	struct gate *gate = argument;

	sleep_ms(50);
	must(sem_post(&gate->open));
	return NULL;
}

START_TEST(call_that_runs_is_waited_for)
{
	struct proactor *proactor = start(NULL, 0);
	struct gate gate;
	pthread_t thread;

	(void)launch(proactor, op_call(pass, gate_init(&gate)));
	await_entered(&gate);
	ck_assert_int_eq(pthread_create(&thread, NULL, open_gate_late, &gate), 0);
	proactor_free(proactor);
	ck_assert_int_eq(gate.passed, 1);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(files_that_nobody_popped_are_closed)
{
	int before = fd_count();
	struct proactor *proactor = start(NULL, 4);

	close(must(open("file", O_RDWR | O_CREAT, 0600)));
	for (int i = 0; i < 100; i++)
		(void)launch(proactor, op_open("file", O_RDONLY));
	sleep_ms(2);
	proactor_free(proactor);
	ck_assert_int_eq(fd_count(), before);
}
END_TEST

/* ---- a pool of several ---- */

struct user {
	struct proactor_threads *threads;
	pthread_t thread;
	int rounds;
};

static void *use_pool(void *argument)
{
	struct user *user = argument;

	for (int i = 0; i < user->rounds; i++) {
		struct proactor *proactor = start(user->threads, 0);

		for (intptr_t j = 0; j < 10; j++)
			(void)launch(proactor, op_call(give_back, (void *)j));
		for (int j = 0; j < i % 10; j++) {
			uint64_t key;

			(void)next(proactor, &key);
		}
		/* the rest waits or runs */
		proactor_free(proactor);
	}
	return NULL;
}

START_TEST(proactors_in_several_threads_share_a_pool)
{
	struct user users[4];
	struct proactor_threads *threads;

	must(proactor_threads_new(&threads, 2, 0));
	for (int i = 0; i < 4; i++) {
		users[i] = (struct user){.threads = threads, .rounds = is_slow() ? 20 : 200};
		ck_assert_int_eq(pthread_create(&users[i].thread, NULL, use_pool, &users[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(users[i].thread, NULL);
	proactor_threads_free(threads);
}
END_TEST

START_TEST(pool_lives_as_long_as_its_proactors)
{
	struct proactor_threads *threads;
	struct proactor *proactor;

	must(proactor_threads_new(&threads, 1, 0));
	proactor = start(threads, 0);
	proactor_threads_free(threads);
	assert_result(await(proactor, launch(proactor, op_call(give_back, (void *)3))), 3);
	proactor_free(proactor);
}
END_TEST

START_TEST(one_proactor_is_not_held_up_by_the_end_of_another)
{
	struct proactor_threads *threads;
	struct proactor *busy, *other;
	uint64_t key;

	must(mkfifo("fifo", 0600));
	must(proactor_threads_new(&threads, 1, 0));
	busy = start(threads, 0);
	other = start(threads, 0);
	(void)launch(busy, op_open("fifo", O_RDONLY));
	key = launch(other, op_call(give_back, (void *)5));
	proactor_free(busy);
	assert_result(await(other, key), 5);
	proactor_free(other);
	proactor_threads_free(threads);
}
END_TEST

START_TEST(child_of_fork_can_let_go)
{
	struct proactor *proactor = start(NULL, 1);
	struct gate gate;
	int status = -1;
	pid_t pid;

	(void)launch(proactor, op_call(pass, gate_init(&gate)));
	await_entered(&gate);
	(void)launch(proactor, op_call(pass, &gate));
	pid = must(fork());
	if (pid == 0) {
		proactor_free(proactor);
		_exit(gate.passed);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	must(sem_post(&gate.open));
	must(sem_post(&gate.open));
	(void)next(proactor, &(uint64_t){0});
	(void)next(proactor, &(uint64_t){0});
	ck_assert_int_eq(gate.passed, 2);
	proactor_free(proactor);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("work");

	suite_add(suite, call_is_done_by_another_thread);
	suite_add(suite, order_in_which_they_were_done_is_kept);
	suite_add(suite, more_work_than_threads_is_done_all_the_same);
	suite_add(suite, steady_load_needs_no_more_memory);
	suite_add(suite, long_paths_are_kept_as_short_ones_are);
	suite_add(suite, wake_up_is_no_notification);
	suite_add(suite, notification_survives_wake_ups);
	suite_add(suite, work_that_is_done_is_no_notification_to_poll);
	suite_add(suite, who_waits_outside_of_poll_is_woken_as_well);
	suite_add(suite, work_that_waits_for_a_thread_is_cancelled_at_once);
	suite_add(suite, call_that_runs_ends_by_itself_alone);
	suite_add(suite, system_call_that_lasts_for_ever_is_cancelled_at_any_moment);
	suite_add(suite, all_threads_can_be_got_back);
	suite_add(suite, file_that_was_made_in_spite_of_it_is_not_lost);
	suite_add(suite, proactor_goes_with_work_waiting_and_running);
	suite_add(suite, call_that_runs_is_waited_for);
	suite_add(suite, files_that_nobody_popped_are_closed);
	suite_add(suite, proactors_in_several_threads_share_a_pool);
	suite_add(suite, pool_lives_as_long_as_its_proactors);
	suite_add(suite, one_proactor_is_not_held_up_by_the_end_of_another);
	suite_add(suite, child_of_fork_can_let_go);
	return suite_main(suite);
}
