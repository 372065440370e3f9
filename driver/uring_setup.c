/*
 * Making the ring: the best mode that the kernel grants, found by trying.
 *
 * No version is looked at: vendors backport, and sandboxes forbid. Setup flags are tried from the
 * newest set to none, the kernel answering EINVAL to what it does not know; features are bits that
 * it returns; operations are probed.
 *
 * Asked for: one issuer with deferred task work (6.1), so that completions are made when we wait,
 * by the thread that waits; a flag that says whether there are any to be made (5.19), so that a
 * look at an idle ring needs no system call; no indirection array (6.6); a registered ring
 * descriptor (5.18), which saves a look-up at each enter; not to count as waiting for I/O while
 * idle (6.15). Each is done without where it is missing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "driver/sigpipe.h"
#include "driver/uring.h"
#include "driver/uring_reason.h"

enum {
	CAPACITY_DEFAULT = 256,
	COMPLETIONS_PER_SUBMISSION = 4,
	CAPACITY_MAX = 32768, /* what the kernel clamps to */
	CAPACITY_SMALL = 64,
	WORKERS_DEFAULT = 256, /* as many as there are threads in a pool */
	MEMORY_TRIES = 40,
	MEMORY_NAP_NS = 10000000,
};

/* From the best on; the caller may ask for one further down, never for one further up. */
static const struct {
	enum proactor_taskrun taskrun;
	unsigned flags;
} modes[] = {
	{PROACTOR_TASKRUN_DEFERRED,
		IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_TASKRUN_FLAG | URING_SETUP_NO_SQARRAY},
	{PROACTOR_TASKRUN_DEFERRED,
		IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_TASKRUN_FLAG},
	{PROACTOR_TASKRUN_COOPERATIVE,
		IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG},
	{PROACTOR_TASKRUN_IMMEDIATE, IORING_SETUP_SUBMIT_ALL},
	{PROACTOR_TASKRUN_IMMEDIATE, 0},
};

/*
 * Without these we would have to lose completions (NODROP), keep copies (SUBMIT_STABLE) or race
 * with timers (EXT_ARG).
 */
enum {
	FEATURES_NEEDED = IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_EXT_ARG |
		IORING_FEAT_SINGLE_MMAP
};

/* What the options add to each mode. */
static unsigned more_flags(const struct proactor_options *options)
{
	return IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP |
		(options->flags & PROACTOR_SQPOLL ? IORING_SETUP_SQPOLL : 0) |
		(options->flags & PROACTOR_SQPOLL_CPU ? IORING_SETUP_SQ_AFF : 0);
}

/* The newest mode that the kernel knows, with queues of this size. */
static int try_modes(struct io_uring_params *ret_params, const struct proactor_options *options,
	unsigned capacity, unsigned completion_capacity)
{
	/* a thread of the kernel that submits goes with none of the others */
	uint32_t best =
		options->flags & PROACTOR_SQPOLL ? PROACTOR_TASKRUN_IMMEDIATE : options->taskrun;
	int fd = -EINVAL;

	for (size_t i = 0; i < ARRAY_SIZE(modes) && fd == -EINVAL; i++) {
		if (modes[i].taskrun < best)
			continue;
		*ret_params = (struct io_uring_params){
			.flags = modes[i].flags | more_flags(options),
			.cq_entries = MAX(completion_capacity, capacity),
			.sq_thread_idle = options->sqpoll_idle_ms,
			.sq_thread_cpu = options->sqpoll_cpu,
		};
		fd = io_uring_setup(capacity, ret_params);
	}
	return fd;
}

/*
 * Rings count as locked memory of an ordinary user (RLIMIT_MEMLOCK), and those of a proactor that
 * was freed are released by the kernel a moment after. So where memory is short a smaller ring is
 * taken, and the smallest is waited for a little.
 */
static int try_setup(struct io_uring_params *ret_params, const struct proactor_options *options)
{
	const struct timespec nap = {.tv_nsec = MEMORY_NAP_NS};
	unsigned capacity = options->capacity > 0 ? MIN(options->capacity, (unsigned)CAPACITY_MAX)
						  : (unsigned)CAPACITY_DEFAULT;
	unsigned completion_capacity =
		MIN(options->completion_capacity > 0 ? options->completion_capacity
						     : capacity * COMPLETIONS_PER_SUBMISSION,
			(unsigned)CAPACITY_MAX * 2);
	int fd = try_modes(ret_params, options, capacity, completion_capacity);

	for (unsigned i = 0; fd == -ENOMEM && i < MEMORY_TRIES; i++) {
		if (capacity > CAPACITY_SMALL)
			capacity /= 2;
		else
			(void)nanosleep(&nap, NULL);
		completion_capacity =
			MIN(completion_capacity, capacity * COMPLETIONS_PER_SUBMISSION);
		fd = try_modes(ret_params, options, capacity, completion_capacity);
	}
	return fd;
}

void uring_explain(const char *call, int error, char *reason)
{
	struct uring_facts facts;

	uring_facts_find(&facts);
	uring_facts_explain(&facts, call, error, reason, DRIVER_REASON_SIZE);
}

/*
 * Entry i of the queue is submission i, for good. liburing 2.3 would write this array even where
 * there is none.
 */
static void fill_indirection(struct uring *uring, const struct io_uring_params *params)
{
	if (params->flags & URING_SETUP_NO_SQARRAY)
		return;
	for (unsigned i = 0; i < uring->ring.sq.ring_entries; i++)
		uring->ring.sq.array[i] = i;
}

static void use_features(struct uring *uring, const struct io_uring_params *params)
{
	uring->defers = params->flags & IORING_SETUP_DEFER_TASKRUN;
	uring->sqpoll = params->flags & IORING_SETUP_SQPOLL;
	uring->write_rwf = sigpipe_rwf();
	if (uring->write_rwf == 0) {
		uring->op_special[PROACTOR_WRITE] |= URING_SIGPIPE;
		uring->op_special[PROACTOR_WRITEV] |= URING_SIGPIPE;
	}
	uring->enter_flags = IORING_ENTER_GETEVENTS;
	if (params->features & URING_FEATURE_NO_IOWAIT)
		uring->wait_flags = URING_ENTER_NO_IOWAIT;
	uring->enter_fd = uring->ring.ring_fd;
	if (io_uring_register_ring_fd(&uring->ring) == 1) {
		uring->enter_fd = uring->ring.enter_ring_fd;
		uring->enter_flags |= IORING_ENTER_REGISTERED_RING;
	}
	/*
	 * a child of fork() must not share the queues; where this fails it still may not use them
	 */
	(void)io_uring_ring_dontfork(&uring->ring);
}

/*
 * The kernel has a few workers for files (4 for each processor, and no more than submissions),
 * which as many operations on a disk that does not answer would take up; then all others that need
 * one wait for that disk. Workers are made where the others sleep, and end when they are idle, so a
 * larger limit costs nothing until then. It is the thread's, for all of its rings: never made less.
 */
static void allow_workers(struct uring *uring)
{
	unsigned wanted = uring->options.thread_count_max > 0 ? uring->options.thread_count_max
							      : WORKERS_DEFAULT;
	unsigned counts[2] = {0, 0}; /* for files, for what may wait for ever; 0: as it is */

	if (io_uring_register_iowq_max_workers(&uring->ring, counts) < 0 || counts[0] >= wanted)
		return;
	counts[0] = wanted;
	counts[1] = 0;
	(void)io_uring_register_iowq_max_workers(&uring->ring, counts);
}

/* The caller's eventfd is to hear of completions. */
static int register_eventfd(struct uring *uring, char *reason)
{
	int r = 0;

	if (uring->options.flags & PROACTOR_EVENTFD)
		r = io_uring_register_eventfd(&uring->ring, uring->options.eventfd);
	if (r < 0)
		uring_explain("io_uring: registering the eventfd", r, reason);
	return r;
}

static int setup(struct uring *uring, const struct proactor_options *options, char *reason)
{
	struct io_uring_params params;
	int fd, r;

	uring->options = *options;
	fd = try_setup(&params, options);
	if (fd < 0) {
		uring_explain("io_uring_setup", fd, reason);
		return fd;
	}
	r = io_uring_queue_mmap(fd, &params, &uring->ring);
	if (r < 0) {
		close(fd);
		uring->ring = (struct io_uring){.ring_fd = -EBADF};
		uring_explain("io_uring: mapping the queues", r, reason);
		return r;
	}
	uring->ring.features = params.features;
	if ((params.features & FEATURES_NEEDED) != FEATURES_NEEDED) {
		snprintf(reason, DRIVER_REASON_SIZE,
			"io_uring: the kernel's is too old (before 5.11)");
		return -ENOSYS;
	}
	r = uring_probe(uring, &params, reason);
	if (r >= 0)
		r = register_eventfd(uring, reason);
	if (r < 0)
		return r;
	fill_indirection(uring, &params);
	use_features(uring, &params);
	allow_workers(uring);
	return 0;
}

int uring_setup(struct uring *uring, const struct proactor_options *options, char *reason)
{
	return setup(uring, options, reason);
}

int uring_setup_again(struct uring *uring, char *reason)
{
	struct uring other = {.base.stats = uring->base.stats};
	struct proactor_options options = uring->options;
	int r;

	options.taskrun = MAX(options.taskrun, (uint32_t)PROACTOR_TASKRUN_COOPERATIVE);
	r = setup(&other, &options, reason);
	if (r < 0) {
		uring_teardown(&other);
		return r;
	}
	uring_teardown(uring);
	uring->ring = other.ring;
	uring->submitted = uring->filled = uring->reaped = uring->posted_at_enter = 0;
	uring->enter_flags = other.enter_flags;
	uring->enter_fd = other.enter_fd;
	uring->options = options;
	uring->defers = other.defers;
	uring->fixed_count = 0;
	memset(uring->fixed, 0, sizeof(uring->fixed));
	uring->regions_refused = false;
	uring_memory_again(uring);
	uring->retry_armed = false;
	/* they went with the ring; wait() arms them again */
	for (uint8_t i = 0; i < uring->doorbell_count; i++)
		uring->doorbells[i].armed = false;
	return 0;
}

void uring_teardown(struct uring *uring)
{
	/* also unregisters the ring's descriptor, unmaps and closes */
	if (uring->ring.sq.ring_ptr)
		io_uring_queue_exit(&uring->ring);
	uring->ring = (struct io_uring){.ring_fd = -EBADF};
	buffer_deinit(&uring->backlog);
}
