/*
 * Promise: ASYNC_CANCEL by user_data ends a recv, a read from a pipe, an accept, a poll and a
 * timeout with ECANCELED; it finds what was submitted with it or before; what it does not find it
 * answers with ENOENT. One that a worker thread has is interrupted, answered with EALREADY, and
 * ends with an errno of an interrupted call, which may be one that no system call shows (512,
 * ERESTARTSYS; seen on 6.18).
 *
 * uring.c leans on it: a cancellation is a submission after the one it is for.
 */
#include "tests/kernel/kernel.h"

#include <sys/stat.h>

enum { RECV, READ, ACCEPT, POLL, TIMEOUT, KINDS, CANCEL };

static int sockets[2], pipes[2], listening;
static struct __kernel_timespec forever = {.tv_sec = 1000000};
static char byte;

static void prep(struct io_uring_sqe *sqe, int kind)
{
	switch (kind) {
	case RECV: io_uring_prep_recv(sqe, sockets[0], &byte, 1, 0); break;
	case READ: io_uring_prep_read(sqe, pipes[0], &byte, 1, (uint64_t)-1); break;
	case ACCEPT: io_uring_prep_accept(sqe, listening, NULL, NULL, 0); break;
	case POLL: io_uring_prep_poll_add(sqe, sockets[0], POLLIN); break;
	default: io_uring_prep_timeout(sqe, &forever, 0, 0);
	}
}

static void ask(struct io_uring *ring, int kind, bool waits)
{
	int cancelled = 0, cancels = 0;

	prep(next_sqe(ring, (uint64_t)kind), kind);
	if (waits)
		promise(!has_cqe(ring));
	io_uring_prep_cancel64(next_sqe(ring, CANCEL), (uint64_t)kind, 0);
	io_uring_prep_cancel64(next_sqe(ring, CANCEL), 12345, 0);
	for (int i = 0; i < 3; i++) {
		struct completion completion = next_cqe(ring);

		if (completion.user_data == CANCEL)
			promise(completion.res == (cancels++ == 0 ? 0 : -ENOENT));
		else
			promise(completion.res == -ECANCELED && ++cancelled == 1);
	}
	promise(!has_cqe(ring));
}

/* An open of a FIFO; with O_CREAT in a worker thread, and there it blocks. */
static void ask_worker(struct io_uring *ring, const char *path)
{
	for (int i = 0; i < 2; i++) {
		struct completion completion;

		if (i == 0) {
			io_uring_prep_openat(next_sqe(ring, 0), AT_FDCWD, path, O_RDONLY | O_CREAT,
				0600);
			promise(io_uring_submit(ring) == 1);
			usleep(20000);
			io_uring_prep_cancel64(next_sqe(ring, CANCEL), 0, 0);
		}
		completion = next_cqe(ring);
		if (completion.user_data == CANCEL)
			promise(completion.res == -EALREADY || completion.res == 0);
		else
			promise(completion.res == -EINTR || completion.res == -ECANCELED ||
				completion.res == -512);
	}
}

int main(void)
{
	char path[] = "/tmp/proactor-kernel-XXXXXX", fifo[64];

	promise(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0 &&
		pipe2(pipes, O_CLOEXEC) == 0);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	promise(listen(listening, 1) == 0 && mkdtemp(path));
	snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	promise(mkfifo(fifo, 0600) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		for (int kind = 0; kind < KINDS; kind++) {
			ask(&ring, kind, /* waits= */ true);
			ask(&ring, kind, /* waits= */ false);
		}
		ask_worker(&ring, fifo);
		io_uring_queue_exit(&ring);
	}
	unlink(fifo);
	rmdir(path);
	return EXIT_SUCCESS;
}
