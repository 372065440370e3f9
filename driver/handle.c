/* Waking a proactor from anywhere. See handle.h. */
#include "driver/handle.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { AWAKE, ASLEEP, WOKEN, NOTIFIED };

int handle_new(struct proactor_handle **ret_handle)
{
	struct proactor_handle *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return -ENOMEM;
	handle->references = 1;
	handle->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (handle->eventfd < 0) {
		int r = -errno;

		free(handle);
		return r;
	}
	*ret_handle = handle;
	return 0;
}

struct proactor_handle *handle_reference(struct proactor_handle *handle)
{
	atomic_fetch_add_explicit(&handle->references, 1, memory_order_relaxed);
	return handle;
}

struct proactor_handle *proactor_handle_free(struct proactor_handle *handle)
{
	/*
	 * release, and acquire in the last one, so that all uses of the eventfd come before its
	 * close
	 */
	if (handle &&
		atomic_fetch_sub_explicit(&handle->references, 1, memory_order_acq_rel) == 1) {
		close(handle->eventfd);
		free(handle);
	}
	return NULL;
}

/*
 * A write can only fail with EAGAIN, at 2^64 - 1 wake-ups that nobody read: then the eventfd is
 * ready anyway.
 */
static void ring(const struct proactor_handle *handle)
{
	(void)!write(handle->eventfd, &(uint64_t){1}, sizeof(uint64_t));
}

void proactor_notify(struct proactor_handle *handle)
{
	int saved = errno; /* a signal handler must not change it under the program */

	if (!handle)
		return;
	if (atomic_exchange(&handle->state, NOTIFIED) == ASLEEP)
		ring(handle);
	errno = saved;
}

void handle_wake(struct proactor_handle *handle)
{
	uint32_t state = atomic_load_explicit(&handle->state, memory_order_relaxed);
	int saved = errno;

	/*
	 * written also where it stays what it is, so that who ends the sleep has seen all that came
	 * before this
	 */
	while (!atomic_compare_exchange_weak(&handle->state, &state,
		state == NOTIFIED ? NOTIFIED : WOKEN))
		continue;
	if (state == ASLEEP)
		ring(handle);
	errno = saved;
}

void handle_settle(struct proactor_handle *handle)
{
	uint32_t state = WOKEN;

	(void)atomic_compare_exchange_strong(&handle->state, &state, AWAKE);
}

bool handle_begin_sleep(struct proactor_handle *handle)
{
	uint32_t state = AWAKE;

	return atomic_compare_exchange_strong(&handle->state, &state, ASLEEP) || state == ASLEEP;
}

bool handle_was_rung(const struct proactor_handle *handle)
{
	return atomic_load_explicit(&handle->state, memory_order_relaxed) != ASLEEP;
}

bool handle_end_sleep(struct proactor_handle *handle)
{
	return atomic_exchange(&handle->state, AWAKE) == NOTIFIED;
}
