/* The listening socket. Each test works in an empty directory of its own. */
#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/listener.h"

static char error[LISTENER_ERROR_SIZE];

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(fd_closep) int fd = must(socket(AF_UNIX, SOCK_STREAM, 0));

	memcpy(address.sun_path, path, strlen(path) + 1);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

START_TEST(socket_takes_connections_and_is_gone_afterwards)
{
	struct listener listener;
	struct stat found;

	must(listener_open(&listener, "socket", 0620, (gid_t)-1, error));
	must(connect_to("socket"));
	must(stat("socket", &found));
	ck_assert_uint_eq(found.st_mode & 07777, 0620);
	ck_assert_int_eq(fcntl(listener.fd, F_GETFD), FD_CLOEXEC);
	listener_close(&listener);
	ck_assert_int_lt(access("socket", F_OK), 0);
	ck_assert_int_lt(access("socket.lock", F_OK), 0);
	listener_close(&listener);
}
END_TEST

START_TEST(umask_is_left_as_it_was)
{
	struct listener listener;

	(void)umask(0027);
	must(listener_open(&listener, "socket", 0666, (gid_t)-1, error));
	ck_assert_uint_eq(umask(0022), 0027);
	listener_close(&listener);
}
END_TEST

START_TEST(second_daemon_is_refused_and_the_first_goes_on)
{
	struct listener listener, other;

	must(listener_open(&listener, "socket", 0600, (gid_t)-1, error));
	assert_result(listener_open(&other, "socket", 0600, (gid_t)-1, error), -EADDRINUSE);
	ck_assert_str_eq(error, "another proactord is serving socket");
	listener_close(&other);
	must(connect_to("socket"));
	listener_close(&listener);
}
END_TEST

START_TEST(socket_of_a_daemon_that_died_is_replaced)
{
	struct listener dead, listener;

	must(listener_open(&dead, "socket", 0600, (gid_t)-1, error));
	fd_close(dead.fd);
	fd_close(dead.lock_fd);
	assert_result(connect_to("socket"), -ECONNREFUSED);
	must(listener_open(&listener, "socket", 0600, (gid_t)-1, error));
	must(connect_to("socket"));
	listener_close(&listener);
}
END_TEST

static void check_left_alone(const char *path, const char *reason)
{
	struct listener listener;
	struct stat before, after;

	must(lstat(path, &before));
	ck_assert_int_lt(listener_open(&listener, path, 0600, (gid_t)-1, error), 0);
	ck_assert_msg(strstr(error, reason), "\"%s\" says nothing of \"%s\"", error, reason);
	listener_close(&listener);
	must(lstat(path, &after));
	ck_assert_uint_eq(after.st_ino, before.st_ino);
	ck_assert_uint_eq(after.st_mode, before.st_mode);
}

START_TEST(what_is_no_socket_is_left_alone)
{
	fd_close(must(open("file", O_CREAT | O_WRONLY, 0600)));
	check_left_alone("file", "exists and is not a socket");
	must(mkdir("directory", 0700));
	check_left_alone("directory", "exists and is not a socket");
	must(symlink("nowhere", "link"));
	check_left_alone("link", "exists and is not a socket");
	ck_assert_int_lt(access("nowhere", F_OK), 0);
}
END_TEST

START_TEST(lock_that_is_a_symbolic_link_is_not_followed)
{
	struct listener listener;

	must(symlink("victim", "socket.lock"));
	assert_result(listener_open(&listener, "socket", 0600, (gid_t)-1, error), -ELOOP);
	ck_assert_int_lt(access("victim", F_OK), 0);
}
END_TEST

START_TEST(failure_leaves_nothing_behind)
{
	struct listener listener;

	assert_result(listener_open(&listener, "missing/socket", 0600, (gid_t)-1, error), -ENOENT);
	ck_assert_ptr_nonnull(strstr(error,
		"cannot open missing/socket.lock: No such file or directory (ENOENT)"));
	ck_assert_int_lt(listener.fd, 0);
	listener_close(&listener);
}
END_TEST

START_TEST(path_that_is_too_long_is_refused)
{
	struct listener listener;
	char path[200];

	memset(path, 'x', sizeof(path));
	path[108] = '\0';
	assert_result(listener_open(&listener, path, 0600, (gid_t)-1, error), -ENAMETOOLONG);
	path[107] = '\0';
	must(listener_open(&listener, path, 0600, (gid_t)-1, error));
	listener_close(&listener);
}
END_TEST

/* ---- socket activation ---- */

enum { PASSED_FD = 3 };

/* Puts @fd where systemd would, and what was there away. */
static int pass(int fd, const char *count)
{
	char pid[16];
	int saved = fcntl(PASSED_FD, F_DUPFD_CLOEXEC, 10);

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", count, 1);
	if (fd != PASSED_FD)
		must(dup2(fd, PASSED_FD));
	return saved;
}

static void put_back(int saved)
{
	close(PASSED_FD);
	if (saved >= 0) {
		must(dup2(saved, PASSED_FD));
		close(saved);
	}
}

/* Out of the way of where systemd puts it. */
static int listening(int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "activated"};
	int fd = must(socket(AF_UNIX, type, 0)), high = must(fcntl(fd, F_DUPFD_CLOEXEC, 20));

	must(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	if (type != SOCK_DGRAM)
		must(listen(fd, 1));
	close(fd);
	return high;
}

START_TEST(without_systemd_nothing_is_inherited)
{
	struct listener listener;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	ck_assert_int_eq(listener_inherit(&listener, error), 0);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_PID", "1", 1);
	ck_assert_int_eq(listener_inherit(&listener, error), 0);
	ck_assert_int_lt(listener.fd, 0);
}
END_TEST

START_TEST(socket_from_systemd_is_taken_and_its_path_left_alone)
{
	struct listener listener;
	int fd = listening(SOCK_STREAM), saved = pass(fd, "1");

	ck_assert_int_eq(listener_inherit(&listener, error), 1);
	ck_assert_int_eq(listener.fd, PASSED_FD);
	ck_assert_int_eq(fcntl(PASSED_FD, F_GETFD), FD_CLOEXEC);
	ck_assert_ptr_null(getenv("LISTEN_FDS"));
	listener_close(&listener);
	must(access("activated", F_OK));
	put_back(saved);
	close(fd);
}
END_TEST

START_TEST(anything_else_from_systemd_is_refused)
{
	struct listener listener;
	int fd = listening(SOCK_STREAM), saved = pass(fd, "2");

	assert_result(listener_inherit(&listener, error), -EINVAL);
	put_back(saved);
	unlink("activated");
	close(fd);
	fd = listening(SOCK_SEQPACKET);
	saved = pass(fd, "1");
	assert_result(listener_inherit(&listener, error), -EINVAL);
	put_back(saved);
	close(fd);
	fd = must(open("/dev/null", O_RDONLY));
	saved = pass(fd, "1");
	assert_result(listener_inherit(&listener, error), -EINVAL);
	ck_assert_ptr_nonnull(strstr(error, "wanted one listening Unix stream socket"));
	put_back(saved);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listener");

	suite_add(suite, socket_takes_connections_and_is_gone_afterwards);
	suite_add(suite, umask_is_left_as_it_was);
	suite_add(suite, second_daemon_is_refused_and_the_first_goes_on);
	suite_add(suite, socket_of_a_daemon_that_died_is_replaced);
	suite_add(suite, what_is_no_socket_is_left_alone);
	suite_add(suite, lock_that_is_a_symbolic_link_is_not_followed);
	suite_add(suite, failure_leaves_nothing_behind);
	suite_add(suite, path_that_is_too_long_is_refused);
	suite_add(suite, without_systemd_nothing_is_inherited);
	suite_add(suite, socket_from_systemd_is_taken_and_its_path_left_alone);
	suite_add(suite, anything_else_from_systemd_is_refused);
	return suite_main(suite);
}
