/* What systemd is told. */
#include "tests/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/notify.h"

/* A socket as systemd has it, at @path or, with @, at an abstract name; $NOTIFY_SOCKET says so. */
static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = must(socket(AF_UNIX, SOCK_DGRAM, 0));

	setenv("NOTIFY_SOCKET", path, 1);
	memcpy(address.sun_path, path, strlen(path));
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	must(bind(fd, (struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))));
	return fd;
}

static void check_hears(int fd, const char *state)
{
	char text[100];
	ssize_t size = must(recv(fd, text, sizeof(text), MSG_DONTWAIT));

	ck_assert_uint_eq((size_t)size, strlen(state));
	ck_assert_mem_eq(text, state, (size_t)size);
}

START_TEST(state_reaches_a_path)
{
	char path[108], directory[80];
	int fd;

	ck_assert_ptr_nonnull(getcwd(directory, sizeof(directory)));
	snprintf(path, sizeof(path), "%s/notify", directory);
	fd = listen_at(path);
	notify("READY=1\nSTATUS=x");
	check_hears(fd, "READY=1\nSTATUS=x");
	close(fd);
}
END_TEST

START_TEST(state_reaches_an_abstract_name)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "@proactor-test-%d", (int)getpid());
	fd = listen_at(name);
	notify("STOPPING=1");
	check_hears(fd, "STOPPING=1");
	close(fd);
}
END_TEST

START_TEST(without_a_socket_or_with_a_strange_one_nothing_happens)
{
	char path[200];

	unsetenv("NOTIFY_SOCKET");
	notify("READY=1");
	setenv("NOTIFY_SOCKET", "relative", 1);
	notify("READY=1");
	setenv("NOTIFY_SOCKET", "", 1);
	notify("READY=1");
	memset(path, '/', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	setenv("NOTIFY_SOCKET", path, 1);
	notify("READY=1");
	log_set_level(LOG_LEVEL_ERROR);
	setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
	notify("READY=1");
}
END_TEST

START_TEST(watchdog_is_for_this_process_only)
{
	char pid[16];

	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	ck_assert_uint_eq(notify_watchdog_ns(), 0);
	setenv("WATCHDOG_USEC", "3000000", 1);
	ck_assert_uint_eq(notify_watchdog_ns(), UINT64_C(3000000000));
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	ck_assert_uint_eq(notify_watchdog_ns(), UINT64_C(3000000000));
	setenv("WATCHDOG_PID", "1", 1);
	ck_assert_uint_eq(notify_watchdog_ns(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("notify");

	suite_add(suite, state_reaches_a_path);
	suite_add(suite, state_reaches_an_abstract_name);
	suite_add(suite, without_a_socket_or_with_a_strange_one_nothing_happens);
	suite_add(suite, watchdog_is_for_this_process_only);
	return suite_main(suite);
}
