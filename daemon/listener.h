/*
 * The listening socket: made on a path, under a lock, or handed over by systemd.
 *
 * Two daemons cannot share a path: each holds an exclusive lock on PATH.lock as long as it lives.
 * Who has the lock may replace a socket that a dead daemon left behind, and nothing else: whatever
 * else stands at the path is left alone.
 */
#pragma once

#include <sys/types.h>

#include "base/def.h"

struct listener {
	int fd;         /* the socket, until it is taken; -EBADF */
	int lock_fd;    /* -EBADF where systemd owns the socket */
	char path[108]; /* "" where systemd owns the socket */
};

enum { LISTENER_ERROR_SIZE = 256 };

/*
 * Makes the socket at @path, with the permissions @mode and, unless it is -1, the group @group. On
 * failure @error, of LISTENER_ERROR_SIZE bytes, says what is wrong, and a negative errno is
 * returned: -EADDRINUSE where another daemon has it.
 */
int listener_open(struct listener *listener, const char *path, mode_t mode, gid_t group,
	char *error);

/*
 * Takes over the socket that systemd passed (sd_listen_fds(3)). 1: there was one; 0: there was
 * none. Negative, with @error: what was passed is no listening Unix stream socket.
 */
int listener_inherit(struct listener *listener, char *error);

/* Removes what listener_open() made from the file system. Idempotent. */
void listener_close(struct listener *listener);
