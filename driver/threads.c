/*
 * The pool of threads. See threads.h.
 *
 * One lock for all. It is held for a few pointers at a time, and while a thread is started; never
 * while a task runs.
 *
 * Every thread is joined: one that ends for want of work joins the one that ended before it, and
 * who frees the pool joins the last. So when the pool is gone no thread of it is left, not even on
 * its way out, and a library may be unloaded.
 */
#include "driver/threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "driver/nudge.h"

enum { COUNT_MAX_DEFAULT = 256, IDLE_MS_DEFAULT = 60000 };

/* More than any system call needs, and enough for what `call` is used for. Touched pages count. */
enum { STACK_SIZE = 512 * 1024 };

struct thread {
	struct proactor_threads *threads;
	pthread_t id;
	pid_t tid;
	/*
	 * in threads->idle exactly while nobody has work for it, in threads->busy while @task runs
	 */
	struct list link;
	pthread_cond_t work_came; /* it was taken off threads->idle, or the pool ends */
	struct task *task;        /* that runs, or ran last */
	struct nudge nudge;       /* of @task */
};

struct proactor_threads {
	_Atomic uint32_t references;
	uint32_t count_max;
	uint64_t idle_ns;
	pid_t pid; /* of the process that has the threads */

	pthread_mutex_t lock;      /* for all below */
	struct list queue;         /* of struct task, the oldest first */
	struct list idle;          /* of struct thread, the one idle for longest first */
	struct list busy;          /* of struct thread */
	uint32_t count;            /* threads that have not ended */
	struct thread *ended;      /* the last that ended and was not joined */
	pthread_cond_t count_is_0; /* waited for by who frees the pool */
	bool is_ending;
};

/* ---- a pool ---- */

/* Everything that is no option: as if no thread had ever been. */
static void begin(struct proactor_threads *threads)
{
	threads->pid = getpid();
	/*
	 * with default attributes these cannot fail (pthread_mutex_init(3), pthread_cond_init(3))
	 */
	(void)pthread_mutex_init(&threads->lock, NULL);
	(void)pthread_cond_init(&threads->count_is_0, NULL);
	threads->queue = LIST_INIT(threads->queue);
	threads->idle = LIST_INIT(threads->idle);
	threads->busy = LIST_INIT(threads->busy);
	threads->count = 0;
	threads->ended = NULL;
}

/*
 * Who has forked has none of the threads, and a lock that one of them may have held. What they left
 * is not looked at, as they may have been in the middle of it: their memory is lost.
 */
static void begin_anew_after_fork(struct proactor_threads *threads)
{
	if (unlikely(threads->pid != getpid()))
		begin(threads);
}

int proactor_threads_new(struct proactor_threads **ret_threads, uint32_t thread_count_max,
	uint32_t thread_idle_ms)
{
	struct proactor_threads *threads = calloc(1, sizeof(*threads));

	if (!threads)
		return -ENOMEM;
	threads->references = 1;
	threads->count_max = thread_count_max > 0 ? thread_count_max : COUNT_MAX_DEFAULT;
	threads->idle_ns = (thread_idle_ms > 0 ? thread_idle_ms : IDLE_MS_DEFAULT) * NSEC_PER_MSEC;
	(void)nudge_signal();
	begin(threads);
	*ret_threads = threads;
	return 0;
}

struct proactor_threads *threads_reference(struct proactor_threads *threads)
{
	atomic_fetch_add_explicit(&threads->references, 1, memory_order_relaxed);
	return threads;
}

static void join(struct thread *thread)
{
	if (!thread)
		return;
	(void)pthread_join(thread->id, NULL);
	(void)pthread_cond_destroy(&thread->work_came);
	free(thread);
}

static void end_threads(struct proactor_threads *threads)
{
	struct thread *thread;

	pthread_mutex_lock(&threads->lock);
	assert(list_empty(&threads->queue));
	threads->is_ending = true;
	list_for_each_entry (thread, &threads->idle, link)
		pthread_cond_signal(&thread->work_came);
	while (threads->count > 0)
		pthread_cond_wait(&threads->count_is_0, &threads->lock);
	thread = threads->ended;
	pthread_mutex_unlock(&threads->lock);
	join(thread);
}

struct proactor_threads *proactor_threads_free(struct proactor_threads *threads)
{
	/* release, and acquire in the last one, so that all uses come before the end */
	if (!threads ||
		atomic_fetch_sub_explicit(&threads->references, 1, memory_order_acq_rel) > 1)
		return NULL;
	begin_anew_after_fork(threads);
	end_threads(threads);
	(void)pthread_cond_destroy(&threads->count_is_0);
	(void)pthread_mutex_destroy(&threads->lock);
	free(threads);
	return NULL;
}

/* ---- a thread: all of it with the lock, but for the tasks ---- */

/* Out of the idle ones once somebody has work for it. False: nobody had for too long. */
static bool wait_for_work(struct proactor_threads *threads, struct thread *thread)
{
	struct timespec until = clock_timespec(clock_now_ns() + threads->idle_ns);

	list_append(&threads->idle, &thread->link);
	while (list_linked(&thread->link) && !threads->is_ending)
		if (pthread_cond_timedwait(&thread->work_came, &threads->lock, &until) == ETIMEDOUT)
			break;
	if (!list_linked(&thread->link))
		return true;
	list_remove(&thread->link);
	return false;
}

static void run_task(struct proactor_threads *threads, struct thread *thread, struct task *task)
{
	thread->task = task;
	list_append(&threads->busy, &thread->link);
	pthread_mutex_unlock(&threads->lock);
	task->run(task);
	pthread_mutex_lock(&threads->lock);
	list_remove(&thread->link);
	nudge_end(&thread->nudge);
}

static void serve(struct proactor_threads *threads, struct thread *thread)
{
	struct list *link;

	do
		while ((link = list_pop(&threads->queue)))
			run_task(threads, thread, list_entry(link, struct task, link));
	while (wait_for_work(threads, thread));
}

/*
 * Only the signal that interrupts reaches a thread of ours, and those that a thread raises by its
 * own doing: blocked, these would kill the process past its handlers.
 */
static void block_signals(sigset_t *ret_previous)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
	sigset_t blocked;

	(void)sigfillset(&blocked);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		(void)sigdelset(&blocked, own[i]);
	if (nudge_signal() > 0)
		(void)sigdelset(&blocked, nudge_signal());
	(void)pthread_sigmask(SIG_SETMASK, &blocked, ret_previous);
}

static void *thread_main(void *argument)
{
	struct thread *thread = argument, *previous;
	struct proactor_threads *threads = thread->threads;

	(void)pthread_setname_np(pthread_self(), "proactor-work");
	pthread_mutex_lock(&threads->lock);
	thread->tid = gettid();
	serve(threads, thread);
	previous = threads->ended;
	threads->ended = thread;
	if (--threads->count == 0)
		pthread_cond_signal(&threads->count_is_0);
	pthread_mutex_unlock(&threads->lock);
	join(previous);
	return NULL;
}

static struct thread *thread_new(struct proactor_threads *threads)
{
	struct thread *thread = calloc(1, sizeof(*thread));
	pthread_condattr_t monotonic;

	if (!thread)
		return NULL;
	thread->threads = threads;
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&thread->work_came, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	return thread;
}

/* Starts a thread, which inherits its mask of signals from this one. */
static int start_thread(struct proactor_threads *threads)
{
	struct thread *thread = thread_new(threads);
	pthread_attr_t attributes;
	sigset_t previous;
	int error;

	if (!thread)
		return -ENOMEM;
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_SIZE);
	block_signals(&previous);
	error = pthread_create(&thread->id, &attributes, thread_main, thread);
	(void)pthread_sigmask(SIG_SETMASK, &previous, NULL);
	(void)pthread_attr_destroy(&attributes);
	if (error) {
		(void)pthread_cond_destroy(&thread->work_came);
		free(thread);
		return -error;
	}
	threads->count++;
	return 0;
}

/* ---- tasks ---- */

/* Sees to it that a thread will look at the queue. Fails only where there is none at all. */
static int rouse(struct proactor_threads *threads)
{
	int r;

	if (!list_empty(&threads->idle)) {
		struct thread *thread = list_entry(threads->idle.previous, struct thread, link);

		list_remove(&thread->link);
		/* with the lock: without it, the thread might have ended by now */
		pthread_cond_signal(&thread->work_came);
		return 0;
	}
	r = threads->count < threads->count_max ? start_thread(threads) : 0;
	return threads->count > 0 ? 0 : r;
}

int threads_push(struct proactor_threads *threads, struct task *task)
{
	int r;

	begin_anew_after_fork(threads);
	task->link = (struct list){0};
	task->pid = threads->pid;
	pthread_mutex_lock(&threads->lock);
	r = rouse(threads);
	if (r == 0)
		list_append(&threads->queue, &task->link);
	pthread_mutex_unlock(&threads->lock);
	return r;
}

bool threads_remove(struct proactor_threads *threads, struct task *task)
{
	bool was_queued;

	begin_anew_after_fork(threads);
	if (task->pid != threads->pid)
		return true;
	pthread_mutex_lock(&threads->lock);
	was_queued = list_linked(&task->link);
	list_remove(&task->link);
	pthread_mutex_unlock(&threads->lock);
	return was_queued;
}

void threads_interrupt(struct proactor_threads *threads, struct task *task)
{
	struct thread *thread;

	begin_anew_after_fork(threads);
	if (task->pid != threads->pid)
		return;
	pthread_mutex_lock(&threads->lock);
	/*
	 * a thread that is on its way out of run() may still seem to have a task which is over, and
	 * even one that has been pushed again: a needless signal there does no harm
	 */
	if (!list_linked(&task->link))
		list_for_each_entry (thread, &threads->busy, link)
			if (thread->task == task)
				nudge_begin(&thread->nudge, thread->tid);
	pthread_mutex_unlock(&threads->lock);
}
