/*
 * What the programs of this folder share: each asks the running kernel for one promise that the
 * driver leans on.
 *
 * Exit status 0: it keeps it. 1: it does not, and the line that says so is on stderr. 77: it cannot
 * be asked here.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/def.h"

enum { EXIT_SKIPPED = 77 };

#define promise(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s (errno %d)\n", __FILE__, __LINE__,      \
				#condition, errno);                                                \
			exit(EXIT_FAILURE);                                                        \
		}                                                                                  \
	} while (0)

/* The modes in which the driver may run a ring. */
#define MODE_DEFERRED                                                                              \
	(IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)
static const unsigned modes[] = {
	MODE_DEFERRED, IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN, 0};

/* False: this kernel has no such mode. Without io_uring there is nothing to ask. */
static inline bool ring_init(struct io_uring *ring, unsigned entries, unsigned flags)
{
	int r = io_uring_queue_init(entries, ring, flags);

	alarm(60); /* a promise that is not kept is one that is waited for */
	if (r == -EINVAL)
		return false;
	if (r == -ENOSYS || r == -EPERM)
		exit(EXIT_SKIPPED);
	promise(r == 0);
	return true;
}

static inline struct io_uring_sqe *next_sqe(struct io_uring *ring, uint64_t user_data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	promise(sqe);
	sqe->user_data = user_data;
	return sqe;
}

struct completion {
	uint64_t user_data;
	int32_t res;
	uint32_t flags;
};

/* Waits for the next completion, and takes it. */
static inline struct completion next_cqe(struct io_uring *ring)
{
	struct completion completion;
	struct io_uring_cqe *cqe;

	promise(io_uring_submit_and_wait(ring, 1) >= 0);
	promise(io_uring_wait_cqe(ring, &cqe) == 0);
	completion = (struct completion){cqe->user_data, cqe->res, cqe->flags};
	io_uring_cqe_seen(ring, cqe);
	return completion;
}

/* Whether a completion is there now. */
static inline bool has_cqe(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	return io_uring_submit_and_get_events(ring) >= 0 && io_uring_peek_cqe(ring, &cqe) == 0;
}

/* Takes what is there now, which must be there. */
static inline struct completion ready_cqe(struct io_uring *ring)
{
	promise(has_cqe(ring));
	return next_cqe(ring);
}

/* For what a program prepares before it asks. */
static inline void make_pair(int ret_sockets[2])
{
	promise(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_sockets) == 0);
}

static inline void make_pipe(int ret_pipe[2])
{
	promise(pipe2(ret_pipe, O_CLOEXEC) == 0);
}

static inline void close_both(const int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

/* A file of the working directory without a name, with @size bytes of @content. */
static inline int make_file(const void *content, size_t size)
{
	char path[] = "proactor-kernel-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	promise(fd >= 0 && unlink(path) == 0);
	promise(write(fd, content, size) == (ssize_t)size);
	return fd;
}
