/* The epoll driver: the calls of struct driver. See epoll.h. */
#include "driver/epoll.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "driver/threads.h"

enum { EVENTS_MAX = 128 };

/* ---- waiting ---- */

static uint64_t remaining_ns(uint64_t deadline_ns)
{
	uint64_t now_ns = deadline_ns > 0 ? clock_now_ns() : 0;

	return deadline_ns > now_ns ? deadline_ns - now_ns : 0;
}

/* Before Linux 5.11: in milliseconds, rounded up so that nobody is woken for nothing. */
static int wait_coarsely(struct epoll *epoll, struct epoll_event *events, uint64_t deadline_ns)
{
	uint64_t ms = (remaining_ns(deadline_ns) + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	int timeout = deadline_ns == CLOCK_NEVER ? -1 : (int)MIN(ms, (uint64_t)INT_MAX);

	return epoll_wait(epoll->fd, events, EVENTS_MAX, timeout);
}

static int wait_for_events(struct epoll *epoll, struct epoll_event *events, uint64_t deadline_ns)
{
	struct timespec timeout = clock_timespec(remaining_ns(deadline_ns));
	int count;

	if (unlikely(epoll->lacks_pwait2))
		return wait_coarsely(epoll, events, deadline_ns);
	count = epoll_pwait2(epoll->fd, events, EVENTS_MAX,
		deadline_ns == CLOCK_NEVER ? NULL : &timeout, NULL);
	/* a filter that is older than the system call says EPERM */
	if (likely(count >= 0) || (errno != ENOSYS && errno != EPERM))
		return count;
	epoll->lacks_pwait2 = true;
	return wait_coarsely(epoll, events, deadline_ns);
}

static int epoll_driver_wait(struct proactor *proactor, uint64_t deadline_ns)
{
	struct epoll *epoll = epoll_of(proactor);
	struct epoll_event events[EVENTS_MAX];
	int count = wait_for_events(epoll, events, deadline_ns);

	proactor->stats.enters++;
	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++)
		epoll_file_dispatch(epoll, events[i].data.u64, events[i].events);
	return 0;
}

static int epoll_driver_fd(struct proactor *proactor, int *ret_fd)
{
	*ret_fd = epoll_of(proactor)->fd;
	return 0;
}

/* ---- files ---- */

static int epoll_attach(struct proactor *proactor, int fd, int64_t *ret_file)
{
	int r;

	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	/* attached before and closed past us, it is another file now */
	epoll_file_end(epoll_of(proactor), fd);
	r = shortcuts_attach(&proactor->shortcuts, fd);
	if (r < 0)
		return r;
	*ret_file = fd;
	return 0;
}

static int epoll_detach(struct proactor *proactor, int64_t file, int *ret_fd)
{
	int fd = syscall_fd(file);

	if (fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	epoll_file_end(epoll_of(proactor), fd);
	*ret_fd = fd;
	return 0;
}

static void epoll_discard(struct proactor *proactor, int64_t file)
{
	epoll_file_end(epoll_of(proactor), (int)file);
	(void)close((int)file);
}

/* ---- the beginning and the end ---- */

static void epoll_stop(struct proactor *proactor)
{
	for (uint32_t i = 0; i < slots_count(&proactor->slots); i++) {
		struct slot *slot = slots_at(&proactor->slots, i);

		if (slot_is_with_driver(slot))
			(void)epoll_cancel(proactor, slot);
	}
}

static void epoll_free(struct proactor *proactor)
{
	struct epoll *epoll = epoll_of(proactor);

	fd_close(epoll->fd);
	epoll_files_deinit(epoll);
	slab_deinit(&epoll->waiters);
	slab_deinit(&epoll->rooms);
	free(epoll);
}

static const struct driver epoll_driver = {
	.lacks_timeout = true,
	.push = epoll_push,
	.cancel = epoll_cancel,
	.wait = epoll_driver_wait,
	.attach = epoll_attach,
	.detach = epoll_detach,
	.fd = epoll_driver_fd,
	.watch = epoll_watch,
	.stop = epoll_stop,
	.discard = epoll_discard,
	.free = epoll_free,
};

int epoll_new(struct proactor **ret_proactor, const struct proactor_options *options, char *reason)
{
	struct epoll *epoll = calloc(1, sizeof(*epoll));
	int r;

	if (!epoll)
		return -ENOMEM;
	epoll->fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll->fd < 0) {
		r = -errno;
		snprintf(reason, DRIVER_REASON_SIZE, "epoll: %s", strerror(-r));
		free(epoll);
		return r;
	}
	driver_init(&epoll->base, &epoll_driver, options);
	slab_init(&epoll->waiters, sizeof(struct waiter));
	slab_init(&epoll->rooms, KEPT_ROOM_SIZE);
	snprintf(epoll->base.name, sizeof(epoll->base.name), "epoll");
	*ret_proactor = &epoll->base;
	return 0;
}
