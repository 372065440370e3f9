/* The plan. See fault.h. */
#include "tests/fault/fault.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char *const names[FAULT_CALL_COUNT] = {
	[FAULT_ALLOCATE] = "malloc",
	[FAULT_MMAP] = "mmap",
	[FAULT_EVENTFD] = "eventfd",
	[FAULT_TIMERFD] = "timerfd_create",
	[FAULT_THREAD] = "pthread_create",
	[FAULT_TIMER] = "timer_create",
	[FAULT_SETUP] = "io_uring_setup",
	[FAULT_MAP_QUEUES] = "io_uring_queue_mmap",
	[FAULT_PROBE] = "io_uring_register_probe",
	[FAULT_REGISTER_RING] = "io_uring_register_ring_fd",
	[FAULT_REGISTER_EVENTFD] = "io_uring_register_eventfd",
	[FAULT_REGISTER_TABLE] = "io_uring_register_…_sparse",
	[FAULT_UPDATE_TABLE] = "io_uring_register_…_update",
	[FAULT_EMPTY_TABLE] = "io_uring_register_files_update with -1",
	[FAULT_ENTER] = "io_uring_enter",
	[FAULT_TAKE_CANCEL] = "ASYNC_CANCEL",
	[FAULT_TAKE_TRANSFER] = "READ, WRITE, RECV or SEND",
	[FAULT_EPOLL_CREATE] = "epoll_create1",
	[FAULT_EPOLL_CTL] = "epoll_ctl",
	[FAULT_EPOLL_WAIT] = "epoll_wait",
	[FAULT_TRANSFER] = "preadv2 or recv",
	[FAULT_ACCEPT] = "accept4",
	[FAULT_POLL] = "poll",
};

const int fault_errors[FAULT_CALL_COUNT][FAULT_ERRORS_MAX] = {
	[FAULT_ALLOCATE] = {ENOMEM},
	[FAULT_MMAP] = {ENOMEM},
	[FAULT_EVENTFD] = {EMFILE, ENOMEM},
	[FAULT_TIMERFD] = {EMFILE, ENOMEM},
	[FAULT_THREAD] = {EAGAIN},
	[FAULT_TIMER] = {EAGAIN},
	[FAULT_SETUP] = {EPERM, ENOSYS, ENOMEM, EINVAL, EMFILE},
	[FAULT_MAP_QUEUES] = {ENOMEM},
	[FAULT_PROBE] = {ENOMEM, EPERM, EINVAL},
	[FAULT_REGISTER_RING] = {EINVAL, ENOMEM, EBUSY},
	[FAULT_REGISTER_EVENTFD] = {ENOMEM, EBUSY},
	[FAULT_REGISTER_TABLE] = {EINVAL, ENOMEM, EMFILE},
	[FAULT_UPDATE_TABLE] = {ENOMEM, EFAULT},
	[FAULT_EMPTY_TABLE] = {ENOMEM, EINVAL},
	[FAULT_ENTER] = {EINTR, EAGAIN, EBUSY, ENOMEM, FAULT_SHORT},
	[FAULT_TAKE_CANCEL] = {ENOENT, EALREADY},
	[FAULT_TAKE_TRANSFER] = {FAULT_SHORT},
	[FAULT_EPOLL_CREATE] = {EMFILE, ENOMEM},
	[FAULT_EPOLL_CTL] = {ENOMEM, ENOSPC},
	[FAULT_EPOLL_WAIT] = {EINTR},
	[FAULT_TRANSFER] = {EAGAIN, FAULT_SHORT},
	[FAULT_ACCEPT] = {EPERM, EMFILE},
	[FAULT_POLL] = {ENOMEM},
};

/* All of this is under @lock: threads of the pool ask too. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct fault plan[FAULT_PLAN_MAX];
static size_t plan_count;
static unsigned calls[FAULT_CALL_COUNT], hits;
static uint32_t chance, chance_calls;
static unsigned chance_one_in; /* 0: nothing is left to chance */
static char text[400];

static _Thread_local bool is_test;
static _Thread_local int depth;

void fault_thread_is_test(void)
{
	is_test = true;
}

void fault_driver_begin(void)
{
	depth++;
}

void fault_driver_end(void)
{
	depth--;
}

/* ---- making one ---- */

static const char *error_text(int error)
{
	switch (error) {
	case FAULT_SHORT: return "half";
	case FAULT_SLOW: return "slow";
	default: return strerrorname_np(error);
	}
}

static void reset(void)
{
	memset(calls, 0, sizeof(calls));
	hits = 0;
	plan_count = 0;
	chance_one_in = 0;
	text[0] = '\0';
}

static void describe(const struct fault *fault)
{
	size_t size = strlen(text);

	snprintf(text + size, sizeof(text) - size, "%s%s %u", size > 0 ? "; " : "",
		names[fault->call], fault->first);
	size = strlen(text);
	if (fault->count == UINT_MAX)
		snprintf(text + size, sizeof(text) - size, " and all after: ");
	else
		snprintf(text + size, sizeof(text) - size, " and %u after: ", fault->count - 1);
	strncat(text, error_text(fault->error), sizeof(text) - strlen(text) - 1);
}

void fault_plan(const struct fault *faults, size_t count)
{
	assert(count <= FAULT_PLAN_MAX);
	pthread_mutex_lock(&lock);
	reset();
	for (size_t i = 0; i < count; i++) {
		plan[i] = faults[i];
		describe(&faults[i]);
	}
	plan_count = count;
	pthread_mutex_unlock(&lock);
}

void fault_plan_random(uint32_t seed, uint32_t calls_wanted, unsigned one_in)
{
	pthread_mutex_lock(&lock);
	reset();
	chance = seed | 1;
	chance_calls = calls_wanted;
	chance_one_in = one_in;
	snprintf(text, sizeof(text), "SEED=%u, one call in %u", seed, one_in);
	pthread_mutex_unlock(&lock);
}

void fault_stop(void)
{
	pthread_mutex_lock(&lock);
	plan_count = 0;
	chance_one_in = 0;
	pthread_mutex_unlock(&lock);
}

unsigned fault_calls(enum fault_call call)
{
	unsigned count;

	pthread_mutex_lock(&lock);
	count = calls[call];
	pthread_mutex_unlock(&lock);
	return count;
}

unsigned fault_hits(void)
{
	unsigned count;

	pthread_mutex_lock(&lock);
	count = hits;
	pthread_mutex_unlock(&lock);
	return count;
}

const char *fault_text(void)
{
	return text[0] ? text : "no faults";
}

/* ---- asking it ---- */

/* xorshift32 */
static uint32_t draw(void)
{
	chance ^= chance << 13;
	chance ^= chance >> 17;
	chance ^= chance << 5;
	return chance;
}

static int error_by_chance(enum fault_call call)
{
	int count = 0;

	if (chance_one_in == 0 || !(chance_calls >> call & 1) || draw() % chance_one_in != 0)
		return 0;
	while (count < FAULT_ERRORS_MAX && fault_errors[call][count] != 0)
		count++;
	return fault_errors[call][draw() % (unsigned)count];
}

static int error_by_plan(enum fault_call call)
{
	for (size_t i = 0; i < plan_count; i++)
		if (plan[i].call == call && calls[call] >= plan[i].first &&
			calls[call] - plan[i].first < plan[i].count)
			return plan[i].error;
	return 0;
}

int fault_of(enum fault_call call)
{
	int error;

	if (is_test && depth == 0)
		return 0;
	pthread_mutex_lock(&lock);
	calls[call]++;
	error = error_by_plan(call);
	if (error == 0)
		error = error_by_chance(call);
	hits += error != 0;
	pthread_mutex_unlock(&lock);
	return error;
}
