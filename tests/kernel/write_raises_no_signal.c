/*
 * Promise: a write with RWF_NOSIGNAL (6.18) to a pipe or socket that nobody reads says EPIPE, and
 * raises no SIGPIPE, as a system call and as an operation, at once and after it had to wait. Where
 * the kernel has no such flag, a read with it says EOPNOTSUPP before it looks for data. A splice is
 * done by a worker, which takes no signals.
 *
 * sigpipe.c and uring_prep.c lean on it.
 */
#include <signal.h>
#include <sys/uio.h>

#include "tests/kernel/kernel.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

static bool is_known(void)
{
	char byte;
	struct iovec piece = {&byte, 1};
	ssize_t r;
	int fds[2];

	promise(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
	r = preadv2(fds[0], &piece, 1, -1, RWF_NOSIGNAL);
	promise(r < 0 && (errno == EAGAIN || errno == EOPNOTSUPP));
	r = errno;
	close_both(fds);
	return r == EAGAIN;
}

static void make(bool is_pipe, int ret_fds[2])
{
	if (is_pipe)
		make_pipe(ret_fds);
	else
		make_pair(ret_fds);
}

static void ask_system_call(bool is_pipe)
{
	char byte = 0;
	struct iovec piece = {&byte, 1};
	int fds[2];

	make(is_pipe, fds);
	close(fds[0]);
	promise(pwritev2(fds[1], &piece, 1, -1, RWF_NOSIGNAL) < 0 && errno == EPIPE);
	promise(signals == 0);
	close(fds[1]);
}

static void fill(int fd)
{
	static const char page[4096];

	promise(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	while (write(fd, page, sizeof(page)) > 0)
		continue;
	promise(fcntl(fd, F_SETFL, 0) == 0);
}

/* The reader goes before the write, or while that waits for room. */
static void ask_operation(struct io_uring *ring, bool is_pipe, bool waits)
{
	static const char page[4096];
	struct io_uring_sqe *sqe;
	int fds[2];

	make(is_pipe, fds);
	if (waits)
		fill(fds[1]);
	else
		close(fds[0]);
	sqe = next_sqe(ring, 1);
	io_uring_prep_write(sqe, fds[1], page, sizeof(page), (uint64_t)-1);
	sqe->user_data = 1;
	sqe->rw_flags = RWF_NOSIGNAL;
	if (waits) {
		promise(!has_cqe(ring));
		close(fds[0]);
	}
	promise(next_cqe(ring).res == -EPIPE);
	promise(signals == 0);
	close(fds[1]);
}

static void ask_splice(struct io_uring *ring)
{
	int from[2], to[2];

	make_pipe(from);
	make_pipe(to);
	close(to[0]);
	promise(write(from[1], "x", 1) == 1);
	io_uring_prep_splice(next_sqe(ring, 1), from[0], -1, to[1], -1, 1, 0);
	promise(next_cqe(ring).res == -EPIPE);
	promise(signals == 0);
	close_both(from);
	close(to[1]);
}

int main(void)
{
	signal(SIGPIPE, count_signal);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		ask_splice(&ring);
		for (int k = 0; k < 4 && is_known(); k++)
			ask_operation(&ring, k & 1, k & 2);
		io_uring_queue_exit(&ring);
	}
	if (!is_known())
		return EXIT_SKIPPED;
	ask_system_call(true);
	ask_system_call(false);
	return EXIT_SUCCESS;
}
