/*
 * A pool of threads that do one thing each after another, first come, first served.
 *
 *      threads_push() ──▶ queue ──▶ a thread: task->run() ──▶ the task is its owner's again
 *                           └──threads_remove()──▶ the task is its owner's again
 *
 * There are as many threads as there is work, up to a limit: one is started when a task comes and
 * none is idle, and one that has been idle for a while ends. Beyond the limit tasks wait in the
 * queue, which has no bound and never refuses. Idle threads wait on a stack, so that few of many
 * stay busy and the others get to end.
 *
 * The pool knows nothing of proactors: several of them, in as many threads, may share one, and the
 * last to let go ends it. Everything here may be called from any thread.
 *
 * A child of fork() has none of the threads. There a pool begins anew, and the tasks of before are
 * nobody's: threads_remove() gives them back.
 */
#pragma once

#include <sys/types.h>

#include "base/list.h"
#include "driver/proactor.h"

/* A part of something larger, which stays where it is from push to the end of run(). */
struct task {
	/* Does it, in a thread of the pool. The pool does not look at the task afterwards. */
	void (*run)(struct task *task);
	struct list link; /* in the queue, exactly while it was not begun */
	pid_t pid;        /* of the process in which it was pushed */
};

/* Another reference to @threads, for proactor_threads_free(). */
struct proactor_threads *threads_reference(struct proactor_threads *threads);

/*
 * Has @task->run() called by a thread, soon. -EAGAIN, -ENOMEM: there is no thread and none can be
 * made; @task was not taken.
 */
int threads_push(struct proactor_threads *threads, struct task *task);

/* Whether @task, pushed before, had not begun: then it is taken back, and never will. */
bool threads_remove(struct proactor_threads *threads, struct task *task);

/*
 * Makes the system call in which @task is at the moment, or will be next, fail with EINTR; time and
 * again, until run() is over. For tasks that expect it. Does nothing where it was not begun, or is
 * over.
 */
void threads_interrupt(struct proactor_threads *threads, struct task *task);
