/* The pool of threads: starting, queueing, taking back, interrupting, ending. */
#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "driver/threads.h"

/* ---- tasks ---- */

struct job {
	struct task task;
	sem_t *gate; /* waited for first, where there is one */
	sem_t ended;
	int run_count;
	int order; /* the how manyth that ran */
	pid_t tid;
};

static _Atomic int running, running_most, run_order;

static void run_job(struct task *task)
{
	struct job *job = container_of(task, struct job, task);
	int now = ++running, most = running_most;

	while (now > most && !atomic_compare_exchange_weak(&running_most, &most, now))
		continue;
	while (job->gate && sem_wait(job->gate) < 0)
		continue;
	job->run_count++;
	job->order = run_order++;
	job->tid = gettid();
	running--;
	must(sem_post(&job->ended));
}

static void push(struct proactor_threads *threads, struct job *job, sem_t *gate)
{
	*job = (struct job){.task.run = run_job, .gate = gate};
	must(sem_init(&job->ended, 0, 0));
	must(threads_push(threads, &job->task));
}

static void await(struct job *job)
{
	while (sem_wait(&job->ended) < 0)
		ck_assert_int_eq(errno, EINTR);
}

static struct proactor_threads *threads_new(uint32_t count_max, uint32_t idle_ms)
{
	struct proactor_threads *threads;

	must(proactor_threads_new(&threads, count_max, idle_ms));
	return threads;
}

static void sleep_ms(unsigned ms)
{
	struct timespec time = clock_timespec(ms * NSEC_PER_MSEC);

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static void await_thread_count(int count)
{
	for (int waited = 0; thread_count() != count && waited < 10000; waited++)
		sleep_ms(1);
	ck_assert_int_eq(thread_count(), count);
}

static void await_running(int count)
{
	for (int waited = 0; running != count && waited < 10000; waited++)
		sleep_ms(1);
	ck_assert_int_eq(running, count);
}

/* ---- running ---- */

START_TEST(each_task_runs_once)
{
	enum { COUNT = 500 };
	struct proactor_threads *threads = threads_new(0, 0);
	static struct job jobs[COUNT];

	for (int i = 0; i < COUNT; i++)
		push(threads, &jobs[i], NULL);
	for (int i = 0; i < COUNT; i++)
		await(&jobs[i]);
	proactor_threads_free(threads);
	for (int i = 0; i < COUNT; i++) {
		ck_assert_int_eq(jobs[i].run_count, 1);
		ck_assert_int_ne(jobs[i].tid, getpid());
	}
}
END_TEST

START_TEST(tasks_beyond_the_limit_wait_their_turn)
{
	enum { COUNT = 60, MAX = 3 };
	struct proactor_threads *threads = threads_new(MAX, 0);
	struct job jobs[COUNT];
	sem_t gate;

	must(sem_init(&gate, 0, 0));
	for (int i = 0; i < COUNT; i++)
		push(threads, &jobs[i], &gate);
	await_running(MAX);
	sleep_ms(20);
	ck_assert_int_eq(running, MAX);
	for (int i = 0; i < COUNT; i++)
		must(sem_post(&gate));
	for (int i = 0; i < COUNT; i++)
		await(&jobs[i]);
	ck_assert_int_eq(running_most, MAX);
	proactor_threads_free(threads);
}
END_TEST

START_TEST(one_thread_keeps_the_order)
{
	enum { COUNT = 100 };
	struct proactor_threads *threads = threads_new(1, 0);
	static struct job jobs[COUNT];

	for (int i = 0; i < COUNT; i++)
		push(threads, &jobs[i], NULL);
	for (int i = 0; i < COUNT; i++) {
		await(&jobs[i]);
		ck_assert_int_eq(jobs[i].order, i);
		ck_assert_int_eq(jobs[i].tid, jobs[0].tid);
	}
	proactor_threads_free(threads);
}
END_TEST

START_TEST(thread_that_is_idle_is_used_again)
{
	struct proactor_threads *threads = threads_new(0, 0);
	int before = thread_count();
	struct job job;
	pid_t tid;

	push(threads, &job, NULL);
	await(&job);
	tid = job.tid;
	for (int i = 0; i < 20; i++) {
		/* it says that it is done a moment before it is idle */
		sleep_ms(5);
		push(threads, &job, NULL);
		await(&job);
		ck_assert_int_eq(job.tid, tid);
	}
	ck_assert_int_eq(thread_count(), before + 1);
	proactor_threads_free(threads);
	await_thread_count(before);
}
END_TEST

START_TEST(threads_without_work_end)
{
	enum { COUNT = 5 };
	int before = thread_count();
	struct proactor_threads *threads = threads_new(COUNT, is_slow() ? 300 : 30);
	struct job jobs[COUNT];
	sem_t gate;

	must(sem_init(&gate, 0, 0));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < COUNT; i++)
			push(threads, &jobs[i], &gate);
		ck_assert_int_eq(thread_count(), before + COUNT);
		for (int i = 0; i < COUNT; i++)
			must(sem_post(&gate));
		for (int i = 0; i < COUNT; i++)
			await(&jobs[i]);
		await_thread_count(before);
	}
	proactor_threads_free(threads);
}
END_TEST

/* Tasks come as the thread is about to end, or has just ended. */
START_TEST(task_that_meets_an_ending_thread_is_run)
{
	struct proactor_threads *threads = threads_new(1, 1);

	for (int i = 0; i < (is_slow() ? 100 : 500); i++) {
		struct timespec pause = {.tv_nsec = 900000 + i % 50 * 10000};
		struct job job;

		push(threads, &job, NULL);
		await(&job);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	proactor_threads_free(threads);
}
END_TEST

/* ---- taking back ---- */

START_TEST(task_that_waits_can_be_taken_back)
{
	struct proactor_threads *threads = threads_new(1, 0);
	struct job blocker, jobs[3];
	sem_t gate;

	must(sem_init(&gate, 0, 0));
	push(threads, &blocker, &gate);
	await_running(1);
	for (int i = 0; i < 3; i++)
		push(threads, &jobs[i], NULL);
	ck_assert(threads_remove(threads, &jobs[1].task));
	ck_assert(!threads_remove(threads, &jobs[1].task));
	ck_assert(!threads_remove(threads, &blocker.task));
	must(sem_post(&gate));
	await(&jobs[0]);
	await(&jobs[2]);
	ck_assert(!threads_remove(threads, &jobs[2].task));
	proactor_threads_free(threads);
	ck_assert_int_eq(jobs[1].run_count, 0);
	ck_assert_int_eq(blocker.run_count, 1);
}
END_TEST

/* ---- sharing ---- */

struct owner {
	struct proactor_threads *threads;
	pthread_t thread;
	int rounds;
};

static void *use_and_leave(void *argument)
{
	struct owner *owner = argument;

	for (int i = 0; i < owner->rounds; i++) {
		struct job jobs[4];

		for (int j = 0; j < 4; j++)
			push(owner->threads, &jobs[j], NULL);
		for (int j = 0; j < 4; j++)
			if (!threads_remove(owner->threads, &jobs[j].task))
				await(&jobs[j]);
	}
	proactor_threads_free(owner->threads);
	return NULL;
}

START_TEST(pool_ends_with_the_last_of_its_owners)
{
	int before = thread_count();
	struct proactor_threads *threads = threads_new(2, 0);
	struct owner owners[4];

	for (int i = 0; i < 4; i++) {
		owners[i] = (struct owner){
			.threads = threads_reference(threads), .rounds = is_slow() ? 50 : 500};
		ck_assert_int_eq(pthread_create(&owners[i].thread, NULL, use_and_leave, &owners[i]),
			0);
	}
	ck_assert_ptr_null(proactor_threads_free(threads));
	for (int i = 0; i < 4; i++)
		pthread_join(owners[i].thread, NULL);
	await_thread_count(before);
	ck_assert_ptr_null(proactor_threads_free(NULL));
}
END_TEST

/* ---- signals ---- */

static sigset_t mask_seen;

static void look_at_mask(struct task *task)
{
	pthread_sigmask(SIG_SETMASK, NULL, &mask_seen);
	run_job(task);
}

START_TEST(signals_of_the_program_are_not_for_these_threads)
{
	struct proactor_threads *threads = threads_new(1, 0);
	struct job job = {.task.run = look_at_mask};
	sigset_t before, after;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	must(sem_init(&job.ended, 0, 0));
	must(threads_push(threads, &job.task));
	await(&job);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	ck_assert_int_eq(sigismember(&mask_seen, SIGINT), 1);
	ck_assert_int_eq(sigismember(&mask_seen, SIGALRM), 1);
	ck_assert_int_eq(sigismember(&mask_seen, SIGRTMIN), 1);
	ck_assert_int_eq(sigismember(&mask_seen, SIGSEGV), 0);
	for (int number = 1; number < SIGRTMIN; number++)
		ck_assert_int_eq(sigismember(&before, number), sigismember(&after, number));
	proactor_threads_free(threads);
}
END_TEST

/* ---- interrupting ---- */

struct opening {
	struct job job;
	_Atomic bool is_over;
	int interrupted_count;
};

/* As work.c does: looks before each call. */
static void open_fifo(struct task *task)
{
	struct opening *opening = container_of(task, struct opening, job.task);

	while (!opening->is_over && open("fifo", O_RDONLY | O_CLOEXEC) < 0 && errno == EINTR)
		opening->interrupted_count++;
	run_job(task);
}

START_TEST(call_that_lasts_for_ever_is_interrupted_at_any_moment)
{
	struct proactor_threads *threads = threads_new(0, 0);

	must(mkfifo("fifo", 0600));
	for (int i = 0; i < (is_slow() ? 100 : 1000); i++) {
		struct opening opening = {.job.task.run = open_fifo};
		struct timespec pause = {.tv_nsec = i % 50 * 1000};

		must(sem_init(&opening.job.ended, 0, 0));
		must(threads_push(threads, &opening.job.task));
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		opening.is_over = true;
		if (threads_remove(threads, &opening.job.task))
			continue;
		threads_interrupt(threads, &opening.job.task);
		threads_interrupt(threads, &opening.job.task);
		await(&opening.job);
	}
	proactor_threads_free(threads);
}
END_TEST

static void sleep_soundly(struct task *task)
{
	struct timespec time = {.tv_nsec = 3000000};
	struct job *job = container_of(task, struct job, task);

	job->order = nanosleep(&time, NULL);
	must(sem_post(&job->ended));
}

START_TEST(task_after_one_that_was_interrupted_is_not)
{
	struct proactor_threads *threads = threads_new(1, 0);

	must(mkfifo("fifo", 0600));
	for (int i = 0; i < 50; i++) {
		struct opening opening = {.job.task.run = open_fifo};
		struct job sleeper = {.task.run = sleep_soundly};

		must(sem_init(&opening.job.ended, 0, 0));
		must(sem_init(&sleeper.ended, 0, 0));
		must(threads_push(threads, &opening.job.task));
		must(threads_push(threads, &sleeper.task));
		sleep_ms(1);
		opening.is_over = true;
		threads_interrupt(threads, &opening.job.task);
		await(&opening.job);
		await(&sleeper);
		ck_assert_int_eq(sleeper.order, 0);
	}
	proactor_threads_free(threads);
}
END_TEST

/* ---- when there are no threads ---- */

/* No address space is left for a stack. */
static void forbid_threads(struct rlimit *ret_previous)
{
	struct rlimit limit;
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%ld", &pages), 1);
	fclose(file);
	must(getrlimit(RLIMIT_AS, ret_previous));
	limit = *ret_previous;
	limit.rlim_cur = (rlim_t)pages * 4096 + 65536;
	must(setrlimit(RLIMIT_AS, &limit));
}

START_TEST(task_is_refused_only_where_there_is_no_thread)
{
	struct proactor_threads *threads = threads_new(4, 0);
	struct job blocker, job = {.task.run = run_job};
	struct rlimit previous;
	sem_t gate;

	must(sem_init(&gate, 0, 0));
	must(sem_init(&job.ended, 0, 0));
	forbid_threads(&previous);
	assert_result(threads_push(threads, &job.task), -EAGAIN);
	must(setrlimit(RLIMIT_AS, &previous));
	push(threads, &blocker, &gate);
	await_running(1);
	forbid_threads(&previous);
	assert_result(threads_push(threads, &job.task), 0);
	must(setrlimit(RLIMIT_AS, &previous));
	must(sem_post(&gate));
	await(&job);
	ck_assert_int_eq(job.tid, blocker.tid);
	proactor_threads_free(threads);
}
END_TEST

/* A sanitizer of threads starts none after a fork. */
#ifdef __SANITIZE_THREAD__
enum { FORKS_WITH_THREADS = false };
#else
enum { FORKS_WITH_THREADS = true };
#endif

static int in_child(struct proactor_threads *threads, struct job *running_job, struct job *queued)
{
	struct job job;

	if (!threads_remove(threads, &running_job->task) || !threads_remove(threads, &queued->task))
		return 1;
	threads_interrupt(threads, &running_job->task);
	if (FORKS_WITH_THREADS) {
		push(threads, &job, NULL);
		await(&job);
		if (job.run_count != 1 || queued->run_count != 0)
			return 2;
	}
	proactor_threads_free(threads);
	return 0;
}

START_TEST(child_of_fork_begins_anew)
{
	struct proactor_threads *threads = threads_new(1, 0);
	struct job blocker, queued;
	int status = -1;
	sem_t gate;
	pid_t pid;

	must(sem_init(&gate, 0, 0));
	push(threads, &blocker, &gate);
	await_running(1);
	push(threads, &queued, NULL);
	pid = must(fork());
	if (pid == 0)
		_exit(in_child(threads, &blocker, &queued));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	must(sem_post(&gate));
	await(&queued);
	proactor_threads_free(threads);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("threads");

	suite_add(suite, each_task_runs_once);
	suite_add(suite, tasks_beyond_the_limit_wait_their_turn);
	suite_add(suite, one_thread_keeps_the_order);
	suite_add(suite, thread_that_is_idle_is_used_again);
	suite_add(suite, threads_without_work_end);
	suite_add(suite, task_that_meets_an_ending_thread_is_run);
	suite_add(suite, task_that_waits_can_be_taken_back);
	suite_add(suite, pool_ends_with_the_last_of_its_owners);
	suite_add(suite, signals_of_the_program_are_not_for_these_threads);
	suite_add(suite, call_that_lasts_for_ever_is_interrupted_at_any_moment);
	suite_add(suite, task_after_one_that_was_interrupted_is_not);
	if (!is_slow())
		suite_add(suite, task_is_refused_only_where_there_is_no_thread);
	suite_add(suite, child_of_fork_begins_anew);
	return suite_main(suite);
}
