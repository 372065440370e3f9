/*
 * The front: everything of proactor.h that does not depend on where the I/O is done.
 *
 * The way of an operation: push checks it, takes a slot and hands both to the driver. Poll lets the
 * driver write entries, or takes them from the queue of slots that the driver has ended; when there
 * are none it sleeps in the driver's wait, in a loop that alone knows the deadline, so that neither
 * EINTR nor a spurious wake-up nor a full ring can end it early. Pop retires the key.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "driver/driver.h"

enum { CAPACITY_DEFAULT = 256, COMPLETIONS_PER_SUBMISSION = 4 };

void driver_init(struct proactor *proactor, const struct driver *driver)
{
	proactor->driver = driver;
	proactor->ended_first = SLOT_NONE;
	proactor->ended_last = SLOT_NONE;
	slots_init(&proactor->slots);
}

/* ---- choosing a driver ---- */

/* $PROACTOR_DRIVER on top of @options. -EINVAL where it names nothing known. */
static int options_from_environment(struct proactor_options *options)
{
	const char *name = secure_getenv("PROACTOR_DRIVER");

	if (options->driver != PROACTOR_DRIVER_AUTO || !name || !*name)
		return 0;
	if (strcmp(name, "io_uring") == 0) {
		options->driver = PROACTOR_DRIVER_IO_URING;
	} else if (strncmp(name, "unix:", 5) == 0 && name[5] != '\0') {
		options->driver = PROACTOR_DRIVER_REMOTE;
		options->socket_path = name + 5;
	} else {
		return -EINVAL;
	}
	return 0;
}

/* Copies what the caller's version of the structure has; what it has beyond ours must be zero. */
static int options_read(struct proactor_options *ret_options, const struct proactor_options *given)
{
	struct proactor_options options = {0};
	size_t given_size = given ? given->size : 0;

	if (given && given_size < offsetof(struct proactor_options, capacity))
		return -EINVAL;
	for (size_t i = sizeof(options); i < given_size; i++)
		if (((const uint8_t *)given)[i] != 0)
			return -EINVAL;
	if (given)
		memcpy(&options, given, MIN(given_size, sizeof(options)));
	options.size = sizeof(options);
	if (options.driver > PROACTOR_DRIVER_REMOTE || options.reserved != 0)
		return -EINVAL;
	if (options.required_ops >> PROACTOR_OPCODE_COUNT)
		return -EOPNOTSUPP;
	if (options.capacity == 0)
		options.capacity = CAPACITY_DEFAULT;
	if (options.completion_capacity == 0 &&
		__builtin_mul_overflow(options.capacity, COMPLETIONS_PER_SUBMISSION,
			&options.completion_capacity))
		options.completion_capacity = UINT32_MAX;
	*ret_options = options;
	return options_from_environment(ret_options);
}

static int new_remote(struct proactor **ret_proactor, const struct proactor_options *options,
	char *reason)
{
	if (remote_new)
		return remote_new(ret_proactor, options, reason);
	snprintf(reason, DRIVER_REASON_SIZE,
		"the daemon: libproactor-client is not linked into this program");
	return -EOPNOTSUPP;
}

static int new_auto(struct proactor **ret_proactor, const struct proactor_options *options)
{
	char uring_reason[DRIVER_REASON_SIZE] = "", remote_reason[DRIVER_REASON_SIZE] = "";
	int uring_error = uring_new(ret_proactor, options, uring_reason), r;

	if (uring_error >= 0)
		return uring_error;
	r = new_remote(ret_proactor, options, remote_reason);
	if (r < 0)
		/* without a daemon in sight, what the ring said is what helps */
		return r == -ENOENT || r == -EOPNOTSUPP ? uring_error : r;
	memcpy((*ret_proactor)->reason, uring_reason, sizeof(uring_reason));
	return 0;
}

int proactor_new(struct proactor **ret_proactor, const struct proactor_options *given)
{
	char reason[DRIVER_REASON_SIZE];
	struct proactor_options options;
	int r;

	if (!ret_proactor)
		return -EINVAL;
	r = options_read(&options, given);
	if (r < 0)
		return r;
	switch (options.driver) {
	case PROACTOR_DRIVER_IO_URING: return uring_new(ret_proactor, &options, reason);
	case PROACTOR_DRIVER_REMOTE: return new_remote(ret_proactor, &options, reason);
	default: return new_auto(ret_proactor, &options);
	}
}

const char *proactor_driver_name(const struct proactor *proactor)
{
	return proactor->name;
}

const char *proactor_driver_reason(const struct proactor *proactor)
{
	return proactor->reason;
}

/* ---- the end ---- */

/* Files that ended up in results which nobody popped would stay open without a name. */
static void discard_unpopped_files(struct proactor *proactor)
{
	for (uint32_t i = 0; i < slots_count(&proactor->slots); i++) {
		struct slot *slot = slots_at(&proactor->slots, i);

		assert(slot->state != SLOT_IN_FLIGHT);
		if (slot->state == SLOT_FREE)
			continue;
		if (op_makes_file(slot->opcode) && slot->result >= 0)
			proactor->driver->discard(proactor, slot->result);
		if (slot->stash_kind != 0)
			proactor->driver->forget(proactor, slot);
	}
}

struct proactor *proactor_free(struct proactor *proactor)
{
	if (!proactor)
		return NULL;
	proactor->driver->stop(proactor);
	discard_unpopped_files(proactor);
	slots_deinit(&proactor->slots);
	proactor_handle_free(proactor->handle);
	proactor->driver->free(proactor);
	return NULL;
}

/* ---- files ---- */

int proactor_attach(struct proactor *proactor, int fd, int64_t *ret_file)
{
	return proactor->driver->attach(proactor, fd, ret_file);
}

int proactor_detach(struct proactor *proactor, int64_t file, int *ret_fd)
{
	return proactor->driver->detach(proactor, file, ret_fd);
}

/* ---- push, cancel, poll, pop ---- */

int proactor_push(struct proactor *proactor, const struct proactor_op *op, uint64_t *ret_key,
	struct proactor_completion *ret_ready)
{
	int r = op_check(op);

	return unlikely(r < 0) ? r : proactor->driver->push(proactor, op, ret_key, ret_ready);
}

int driver_ready(struct proactor *proactor, struct slot *slot, int64_t result,
	struct proactor_completion *ret_ready)
{
	proactor->stats.pushed++;
	proactor->stats.completed++;
	*ret_ready = (struct proactor_completion){
		.result = result,
		.context = slot->context,
		.opcode = slot->opcode,
	};
	slots_give(&proactor->slots, slot);
	return PROACTOR_READY;
}

int driver_refuse(struct proactor *proactor, struct slot *slot, int error)
{
	slots_give(&proactor->slots, slot);
	return error;
}

int proactor_cancel(struct proactor *proactor, uint64_t key)
{
	struct slot *slot = slots_find(&proactor->slots, key);
	int r;

	if (!slot)
		return -ENOENT;
	if (slot->state != SLOT_IN_FLIGHT)
		return PROACTOR_CANCEL_DONE;
	if (slot->cancelled)
		return PROACTOR_CANCEL_REQUESTED;
	r = proactor->driver->cancel(proactor, slot);
	if (r < 0)
		return r;
	slot->cancelled = true;
	return PROACTOR_CANCEL_REQUESTED;
}

void driver_end(struct proactor *proactor, struct slot *slot, int64_t result)
{
	assert(slot->state == SLOT_IN_FLIGHT);
	slot->state = SLOT_QUEUED;
	slot->result = result;
	slot->next = SLOT_NONE;
	if (proactor->ended_first == SLOT_NONE)
		proactor->ended_first = slot_index(slot);
	else
		slots_at(&proactor->slots, proactor->ended_last)->next = slot_index(slot);
	proactor->ended_last = slot_index(slot);
}

static unsigned take_ended(struct proactor *proactor, struct proactor_entry *entries,
	unsigned count)
{
	unsigned taken = 0;

	while (taken < count && proactor->ended_first != SLOT_NONE) {
		struct slot *slot = slots_at(&proactor->slots, proactor->ended_first);

		proactor->ended_first = slot->next;
		driver_entry(proactor, slot, slot->result, &entries[taken++]);
	}
	return taken;
}

/* What driver_end() was given, then what the driver has. */
static __attribute__((noinline)) unsigned reap_ended(struct proactor *proactor,
	struct proactor_entry *entries, unsigned count)
{
	unsigned taken = take_ended(proactor, entries, count);

	if (proactor->driver->reap && taken < count)
		taken += proactor->driver->reap(proactor, entries + taken, count - taken);
	return taken;
}

static inline unsigned reap(struct proactor *proactor, struct proactor_entry *entries,
	unsigned count)
{
	if (likely(proactor->ended_first == SLOT_NONE && proactor->driver->reap))
		return proactor->driver->reap(proactor, entries, count);
	return reap_ended(proactor, entries, count);
}

static bool timeout_valid(const struct timespec *timeout)
{
	return !timeout ||
		(timeout->tv_sec >= 0 && timeout->tv_nsec >= 0 &&
			timeout->tv_nsec < (long)NSEC_PER_SEC);
}

/*
 * Sleeps once, unless there is or comes a notification. 1: there was one. Negative: the driver is
 * broken.
 */
static int sleep_once(struct proactor *proactor, uint64_t deadline_ns)
{
	bool notified;
	int r;

	if (!proactor->handle)
		return proactor->driver->wait(proactor, deadline_ns);
	r = proactor->driver->wait(proactor,
		handle_begin_sleep(proactor->handle) ? deadline_ns : 0);
	notified = handle_end_sleep(proactor->handle);
	return r < 0 ? r : notified;
}

static int poll_asleep(struct proactor *proactor, const struct timespec *timeout,
	struct proactor_entry *entries, unsigned count)
{
	bool never_blocks = timeout && timeout->tv_sec == 0 && timeout->tv_nsec == 0;
	uint64_t deadline_ns = never_blocks ? 0
		: timeout                   ? clock_deadline_ns(timeout)
					    : CLOCK_NEVER;

	for (;;) {
		int notified = sleep_once(proactor, deadline_ns);
		unsigned taken = reap(proactor, entries, count);

		if (taken > 0)
			return (int)taken;
		if (notified != 0)
			return MIN(notified, 0);
		if (deadline_ns != CLOCK_NEVER && (never_blocks || clock_now_ns() >= deadline_ns))
			return -ETIME;
	}
}

int proactor_poll(struct proactor *proactor, const struct timespec *timeout,
	struct proactor_entry *entries, unsigned count)
{
	unsigned taken;
	int r;

	if (unlikely(count == 0 || count > INT32_MAX || !timeout_valid(timeout)))
		return -EINVAL;
	taken = reap(proactor, entries, count);
	if (taken > 0)
		return (int)taken;
	r = poll_asleep(proactor, timeout, entries, count);
	/*
	 * from here on the caller may wait on proactor_fd(): let a notification reach it there, or
	 * take one that just came
	 */
	if (proactor->external_loop && proactor->handle && !handle_begin_sleep(proactor->handle) &&
		r == -ETIME)
		return handle_end_sleep(proactor->handle) ? 0 : r;
	return r;
}

/* Out of line, so that most pops need no stack frame. */
static __attribute__((noinline)) int pop_stashed(struct proactor *proactor, struct slot *slot)
{
	proactor->driver->forget(proactor, slot);
	slots_give(&proactor->slots, slot);
	return 0;
}

int proactor_pop(struct proactor *proactor, const struct proactor_entry *entry,
	struct proactor_completion *ret_completion)
{
	struct slot *slot = slots_find(&proactor->slots, entry->key);

	if (unlikely(!slot || slot->state != SLOT_ENDED))
		return -ENOENT;
	*ret_completion = (struct proactor_completion){
		.result = slot->result,
		.context = slot->context,
		.opcode = slot->opcode,
	};
	if (unlikely(slot->stash_kind != 0))
		return pop_stashed(proactor, slot);
	slots_give(&proactor->slots, slot);
	return 0;
}

/* ---- waking, waiting from outside, counting ---- */

int proactor_handle(struct proactor *proactor, struct proactor_handle **ret_handle)
{
	int r;

	if (!proactor->handle) {
		r = handle_new(&proactor->handle);
		if (r < 0)
			return r;
		r = proactor->driver->watch(proactor);
		if (r < 0) {
			proactor->handle = proactor_handle_free(proactor->handle);
			return r;
		}
	}
	*ret_handle = handle_reference(proactor->handle);
	return 0;
}

int proactor_fd(struct proactor *proactor, int *ret_fd)
{
	int r = proactor->driver->fd(proactor, ret_fd);

	if (r >= 0)
		proactor->external_loop = true;
	return r;
}

void proactor_stats(const struct proactor *proactor, struct proactor_stats *ret_stats)
{
	*ret_stats = proactor->stats;
	ret_stats->in_flight = driver_in_flight(proactor);
}
