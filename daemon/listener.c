/* The listening socket. See listener.h. */
#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/err.h"

enum { LISTEN_FDS_START = 3, LOCK_PATH_SIZE = 128 };

static int fail(char *error, int r, const char *what, const char *path)
{
	snprintf(error, LISTENER_ERROR_SIZE, "%s %s: %s (%s)", what, path, err_text(-r),
		err_name(-r));
	return r;
}

static void lock_path(const struct listener *listener, char *ret_path)
{
	snprintf(ret_path, LOCK_PATH_SIZE, "%s.lock", listener->path);
}

/*
 * Whether @fd is still what stands at @path: whoever had the lock before may have removed it
 * meanwhile.
 */
static bool is_at(int fd, const char *path)
{
	struct stat opened, found;

	return fstat(fd, &opened) == 0 && stat(path, &found) == 0 &&
		opened.st_ino == found.st_ino && opened.st_dev == found.st_dev;
}

static int take_lock(struct listener *listener, char *error)
{
	char path[LOCK_PATH_SIZE];

	lock_path(listener, path);
	for (;;) {
		_cleanup_(fd_closep) int fd =
			open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return fail(error, -errno, "cannot open", path);
		if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
			snprintf(error, LISTENER_ERROR_SIZE, "another proactord is serving %s",
				listener->path);
			return -EADDRINUSE;
		}
		if (!is_at(fd, path))
			continue;
		listener->lock_fd = TAKE_FD(fd);
		return 0;
	}
}

/* The lock goes last, and with it the right to remove. */
static void drop_lock(struct listener *listener)
{
	char path[LOCK_PATH_SIZE];

	lock_path(listener, path);
	(void)unlink(path);
	listener->lock_fd = fd_close(listener->lock_fd);
}

static int remove_stale(const struct listener *listener, char *error)
{
	struct stat found;

	if (lstat(listener->path, &found) < 0)
		return errno == ENOENT ? 0 : fail(error, -errno, "cannot look at", listener->path);
	if (!S_ISSOCK(found.st_mode)) {
		snprintf(error, LISTENER_ERROR_SIZE, "%s exists and is not a socket",
			listener->path);
		return -EEXIST;
	}
	if (unlink(listener->path) < 0)
		return fail(error, -errno, "cannot remove the stale socket", listener->path);
	return 0;
}

static int make_socket(struct listener *listener, mode_t mode, gid_t group, char *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask = umask(0177); /* nobody gets in before mode and group are right */
	int r;

	if (fd < 0) {
		(void)umask(mask);
		return fail(error, -errno, "cannot make a socket for", listener->path);
	}
	memcpy(address.sun_path, listener->path, strlen(listener->path));
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	(void)umask(mask);
	if (r < 0)
		return fail(error, r, "cannot bind", listener->path);
	if ((group != (gid_t)-1 && chown(listener->path, (uid_t)-1, group) < 0) ||
		chmod(listener->path, mode) < 0)
		r = fail(error, -errno, "cannot set group or mode of", listener->path);
	else if (listen(fd, SOMAXCONN) < 0)
		r = fail(error, -errno, "cannot listen on", listener->path);
	if (r < 0)
		(void)unlink(listener->path);
	else
		listener->fd = TAKE_FD(fd);
	return r;
}

int listener_open(struct listener *listener, const char *path, mode_t mode, gid_t group,
	char *error)
{
	int r;

	*listener = (struct listener){.fd = -EBADF, .lock_fd = -EBADF};
	if (*path == '\0') {
		snprintf(error, LISTENER_ERROR_SIZE, "the socket's path is empty");
		return -EINVAL;
	}
	if (strlen(path) >= sizeof(listener->path)) {
		snprintf(error, LISTENER_ERROR_SIZE,
			"the socket's path is longer than 107 bytes: %s", path);
		return -ENAMETOOLONG;
	}
	memcpy(listener->path, path, strlen(path) + 1);
	r = take_lock(listener, error);
	if (r >= 0)
		r = remove_stale(listener, error);
	if (r >= 0)
		r = make_socket(listener, mode, group, error);
	if (r < 0 && listener->lock_fd >= 0) {
		drop_lock(listener);
		listener->path[0] = '\0';
	}
	return r;
}

static bool is_listening_socket(int fd)
{
	struct sockaddr address = {0};
	int type = 0, listening = 0;
	socklen_t size = sizeof(address), int_size = sizeof(int);

	return getsockname(fd, &address, &size) == 0 && address.sa_family == AF_UNIX &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &int_size) == 0 && type == SOCK_STREAM &&
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &int_size) == 0 && listening;
}

int listener_inherit(struct listener *listener, char *error)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	*listener = (struct listener){.fd = -EBADF, .lock_fd = -EBADF};
	if (!pid || !count || strtol(pid, NULL, 10) != getpid())
		return 0;
	if (strcmp(count, "1") != 0 || !is_listening_socket(LISTEN_FDS_START)) {
		snprintf(error, LISTENER_ERROR_SIZE,
			"socket activation: wanted one listening Unix stream socket, got %s descriptors or another kind",
			count);
		return -EINVAL;
	}
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (fcntl(LISTEN_FDS_START, F_SETFD, FD_CLOEXEC) < 0)
		return fail(error, -errno, "socket activation:", "fd 3");
	listener->fd = LISTEN_FDS_START;
	return 1;
}

void listener_close(struct listener *listener)
{
	listener->fd = fd_close(listener->fd);
	if (listener->lock_fd < 0)
		return;
	(void)unlink(listener->path);
	drop_lock(listener);
}
