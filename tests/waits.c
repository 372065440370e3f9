/*
 * Waiting where valgrind can see it: its build has these in place of liburing's and the C
 * library's.
 *
 * valgrind lets one thread run at a time, and another one only where it knows that a system call
 * may block. Of io_uring_enter(2) it does not know that (3.19), and who waits there holds up all;
 * epoll_pwait2(2) it does not have. poll(2) it knows: so who would wait in enter submits, polls the
 * ring and fetches. That is what the driver's callers may do as well, but not with deferred work
 * (tests/kernel/ring_fd_wakes_poll.c): a ring of that kind is refused, as an older kernel does. So
 * is the descriptor's registration, since an index cannot be polled. And it does not know that the
 * close(2) of a socket may wait until all is sent (SO_LINGER).
 */
#include <errno.h>
#include <liburing.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int enter(unsigned fd, unsigned to_submit, unsigned flags)
{
	long r = syscall(__NR_io_uring_enter, fd, to_submit, 0, flags, NULL, _NSIG / 8);

	return r < 0 ? -errno : (int)r;
}

/* -ETIME, or as ppoll(2) fails. */
static int wait_for(unsigned fd, const struct timespec *timeout)
{
	struct pollfd pollfd = {.fd = (int)fd, .events = POLLIN};
	int r = ppoll(&pollfd, 1, timeout, NULL);

	return r > 0 ? 0 : r == 0 ? -ETIME : -errno;
}

int io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min_complete, unsigned flags,
	sigset_t *signals, size_t size)
{
	const struct io_uring_getevents_arg *argument =
		flags & IORING_ENTER_EXT_ARG ? (const void *)signals : NULL;
	const struct timespec *timeout =
		argument ? (const struct timespec *)(uintptr_t)argument->ts : NULL;
	int submitted, r;

	(void)size;
	flags &= ~IORING_ENTER_EXT_ARG;
	submitted = enter(fd, to_submit, flags);
	if (submitted < 0 || min_complete == 0 || (unsigned)submitted < to_submit)
		return submitted;
	r = wait_for(fd, timeout);
	if (r == 0)
		r = enter(fd, 0, flags);
	/* as the kernel has it: an error is told where nothing was submitted */
	return submitted > 0 ? submitted : r;
}

int io_uring_setup(unsigned entries, struct io_uring_params *params)
{
	long r = -1;

	errno = EINVAL;
	if (!(params->flags & IORING_SETUP_DEFER_TASKRUN))
		r = syscall(__NR_io_uring_setup, entries, params);
	return r < 0 ? -errno : (int)r;
}

int io_uring_register_ring_fd(struct io_uring *ring)
{
	(void)ring;
	return -EINVAL;
}

/* Some tests have one of their own, which counts (tests/unit/epoll_counted.h). */
__attribute__((weak)) int epoll_pwait2(int epoll, struct epoll_event *events, int count,
	const struct timespec *timeout, const sigset_t *mask)
{
	(void)epoll;
	(void)events;
	(void)count;
	(void)timeout;
	(void)mask;
	errno = ENOSYS;
	return -1;
}

/* It waits where it is the last of its descriptors: threads close such, tests close copies. */
static bool lingers(int fd)
{
	struct linger linger = {0};
	socklen_t size = sizeof(linger);
	int unsent = 0;

	return gettid() != getpid() && getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 &&
		linger.l_onoff != 0 && linger.l_linger > 0 && ioctl(fd, SIOCOUTQ, &unsent) == 0 &&
		unsent > 0;
}

/* Until the other end has gone; or a signal comes, and then what there is to send is sent. */
int close(int fd)
{
	struct pollfd pollfd = {.fd = fd};
	int r = 0;

	while (r == 0 && lingers(fd))
		r = poll(&pollfd, 1, 1);
	if (r >= 0)
		return (int)syscall(__NR_close, fd);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){0}, sizeof(struct linger));
	(void)syscall(__NR_close, fd);
	errno = EINTR;
	return -1;
}
