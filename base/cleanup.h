/*
 * Scope-bound ownership.
 *
 * A variable marked _cleanup_ releases what it owns when its scope ends; TAKE_PTR and TAKE_FD hand
 * the ownership on. A constructor owns its half-built object this way until its last line, so that
 * every early return is already right.
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(release) __attribute__((cleanup(release)))

#define TAKE_PTR(pointer)                                                                          \
	({                                                                                         \
		__typeof__(pointer) take_pointer = (pointer);                                      \
		(pointer) = NULL;                                                                  \
		take_pointer;                                                                      \
	})

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int take_fd = (fd);                                                                \
		(fd) = -EBADF;                                                                     \
		take_fd;                                                                           \
	})

/*
 * Closes @fd where there is one; gives -EBADF, so that `fd = fd_close(fd)` leaves no stale number
 * behind.
 */
static inline int fd_close(int fd)
{
	if (fd >= 0)
		(void)close(fd);
	return -EBADF;
}

static inline void fd_closep(int *fd)
{
	int saved = errno;

	*fd = fd_close(*fd);
	errno = saved;
}

/* For _cleanup_ on any pointer from malloc. */
static inline void freep(void *pointer)
{
	free(*(void **)pointer);
}
