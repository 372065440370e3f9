/*
 * The system's calls, with faults. See fault.h; for those of liburing wrap_uring.c.
 *
 * With --wrap=NAME what the driver calls NAME is __wrap_NAME here, and __real_NAME the system's.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>

#include "base/clock.h"

#include "tests/fault/wrap.h"

/* What fails by -1 and errno. */
static int failure(enum fault_call call)
{
	int error = fault_of(call);

	if (error == 0)
		return 0;
	errno = error;
	return -1;
}

/* ---- memory ---- */

WRAP(void *, malloc, (size_t size))
{
	return failure(FAULT_ALLOCATE) ? NULL : __real_malloc(size);
}

WRAP(void *, calloc, (size_t count, size_t size))
{
	return failure(FAULT_ALLOCATE) ? NULL : __real_calloc(count, size);
}

WRAP(void *, realloc, (void *memory, size_t size))
{
	return failure(FAULT_ALLOCATE) ? NULL : __real_realloc(memory, size);
}

WRAP(void *, aligned_alloc, (size_t alignment, size_t size))
{
	return failure(FAULT_ALLOCATE) ? NULL : __real_aligned_alloc(alignment, size);
}

/* with offsets of 64 bits, as this program is built, mmap() is called so; likewise preadv2() */
WRAP(void *, mmap64, (void *start, size_t size, int protection, int flags, int fd, off_t offset))
{
	return failure(FAULT_MMAP) ? MAP_FAILED
				   : __real_mmap64(start, size, protection, flags, fd, offset);
}

/* ---- descriptors and threads ---- */

WRAP(int, eventfd, (unsigned count, int flags))
{
	return failure(FAULT_EVENTFD) ? -1 : __real_eventfd(count, flags);
}

WRAP(int, timerfd_create, (int clock, int flags))
{
	return failure(FAULT_TIMERFD) ? -1 : __real_timerfd_create(clock, flags);
}

WRAP(int, epoll_create1, (int flags))
{
	return failure(FAULT_EPOLL_CREATE) ? -1 : __real_epoll_create1(flags);
}

WRAP(int, pthread_create,
	(pthread_t * thread, const pthread_attr_t *attributes, void *(*function)(void *),
		void *argument))
{
	int error = fault_of(FAULT_THREAD);

	return error ? error : __real_pthread_create(thread, attributes, function, argument);
}

WRAP(int, timer_create, (clockid_t clock, struct sigevent *event, timer_t *timer))
{
	return failure(FAULT_TIMER) ? -1 : __real_timer_create(clock, event, timer);
}

/* ---- readiness ---- */

WRAP(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event))
{
	/* what is taken away takes no memory */
	if (operation == EPOLL_CTL_ADD && failure(FAULT_EPOLL_CTL))
		return -1;
	return __real_epoll_ctl(epoll, operation, fd, event);
}

WRAP(int, epoll_wait, (int epoll, struct epoll_event *events, int count, int timeout))
{
	return failure(FAULT_EPOLL_WAIT) ? -1 : __real_epoll_wait(epoll, events, count, timeout);
}

WRAP(int, epoll_pwait2,
	(int epoll, struct epoll_event *events, int count, const struct timespec *timeout,
		const sigset_t *mask))
{
	return failure(FAULT_EPOLL_WAIT) ? -1
					 : __real_epoll_pwait2(epoll, events, count, timeout, mask);
}

WRAP(int, poll, (struct pollfd * fds, nfds_t count, int timeout))
{
	return failure(FAULT_POLL) ? -1 : __real_poll(fds, count, timeout);
}

/* ---- transfers ---- */

static void sleep_slowly(void)
{
	struct timespec duration = clock_timespec(FAULT_SLOW_NS);

	(void)nanosleep(&duration, NULL);
}

/*
 * How much of @size is to be transferred; -1: nothing, as errno says. EAGAIN, where there is
 * something, is said only of files on a disk: what is not in memory is not waited for.
 */
static ssize_t granted(int fd, size_t size, bool may_be_busy)
{
	struct stat stat;
	int error = fault_of(FAULT_TRANSFER);

	if (error == FAULT_SHORT)
		return (ssize_t)(size > 1 ? size / 2 : size);
	/* one that must not wait does not */
	if (error == FAULT_SLOW && !may_be_busy)
		sleep_slowly();
	if (error != EAGAIN || !may_be_busy || fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode))
		return (ssize_t)size;
	errno = EAGAIN;
	return -1;
}

WRAP(ssize_t, preadv64v2, (int fd, const struct iovec *pieces, int count, off_t offset, int flags))
{
	struct iovec first = count > 0 ? pieces[0] : (struct iovec){0};
	ssize_t size;

	if (!fault_kernel_has_rwf(flags)) {
		errno = EOPNOTSUPP;
		return -1;
	}
	size = granted(fd, first.iov_len, flags & RWF_NOWAIT);
	if (size < 0)
		return -1;
	if ((size_t)size == first.iov_len)
		return __real_preadv64v2(fd, pieces, count, offset, flags);
	first.iov_len = (size_t)size;
	return __real_preadv64v2(fd, &first, 1, offset, flags);
}

WRAP(ssize_t, pwritev64v2, (int fd, const struct iovec *pieces, int count, off_t offset, int flags))
{
	struct iovec first = count > 0 ? pieces[0] : (struct iovec){0};
	ssize_t size;

	/* the driver asked by a read */
	assert(fault_kernel_has_rwf(flags));
	size = granted(fd, first.iov_len, flags & RWF_NOWAIT);
	if (size < 0)
		return -1;
	if ((size_t)size == first.iov_len)
		return __real_pwritev64v2(fd, pieces, count, offset, flags);
	first.iov_len = (size_t)size;
	return __real_pwritev64v2(fd, &first, 1, offset, flags);
}

WRAP(ssize_t, recv, (int fd, void *data, size_t size, int flags))
{
	return __real_recv(fd, data, (size_t)granted(fd, size, false), flags);
}

WRAP(ssize_t, send, (int fd, const void *data, size_t size, int flags))
{
	return __real_send(fd, data, (size_t)granted(fd, size, false), flags);
}

WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags))
{
	return failure(FAULT_ACCEPT) ? -1 : __real_accept4(fd, address, size, flags);
}
