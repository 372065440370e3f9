/*
 * Connections for who accepts: a process on the servers' processor that connects to a listening
 * socket over loopback and hangs up.
 *
 * Making a connection costs several times what accepting it does, and whoever makes it pays for
 * both ends' part of the protocol. So one that is to measure accepting has as many as fit into the
 * backlog made first, and then measures while it is alone with them. It hangs up with a reset
 * (SO_LINGER of 0), which leaves no TIME_WAIT and thus does not run out of ports; Linux gives a
 * connection that was reset in the backlog to accept(2) all the same.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench_flood.h"

enum { BACKLOG = 4096 };

/* To the child; the answer is how many connections could be made, as a uint64_t. */
struct request {
	uint64_t count;
	struct sockaddr_in address;
};

/* ---- the child ---- */

static bool connect_once(const struct sockaddr_in *address)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	_cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0 &&
		connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0;
}

static void make_connections(int fd, void *context)
{
	struct request request;

	(void)context;
	while (recv(fd, &request, sizeof(request), MSG_WAITALL) == sizeof(request)) {
		uint64_t made = 0;

		while (made < request.count && connect_once(&request.address))
			made++;
		if (write(fd, &made, sizeof(made)) != sizeof(made))
			return;
	}
}

/* ---- the parent ---- */

static int listen_anywhere(int *ret_fd)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	_cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

/*
 * What listen(2) makes of BACKLOG, and less: at the brim the kernel drops a connection that is
 * being made, and who makes it waits a second.
 */
static unsigned backlog_room(void)
{
	FILE *file = fopen("/proc/sys/net/core/somaxconn", "re");
	unsigned most;

	if (!file || fscanf(file, "%u", &most) != 1)
		most = 128;
	if (file)
		(void)fclose(file);
	return MIN(most, (unsigned)BACKLOG) / 8 * 7;
}

int bench_flood_init(struct bench_flood *flood)
{
	int r = 0;

	*flood = (struct bench_flood){.listeners = {-EBADF, -EBADF}, .room = backlog_room()};
	for (unsigned i = 0; r >= 0 && i < ARRAY_SIZE(flood->listeners); i++)
		r = listen_anywhere(&flood->listeners[i]);
	return r < 0 ? r : bench_child_start(&flood->child, make_connections, NULL);
}

void bench_flood_deinit(struct bench_flood *flood)
{
	bench_child_stop(&flood->child);
	for (unsigned i = 0; i < ARRAY_SIZE(flood->listeners); i++)
		flood->listeners[i] = fd_close(flood->listeners[i]);
}

/* How many wait in the backlog: what TCP_INFO says in that field of a socket that listens. */
static int count_waiting(int listener, uint64_t *ret_count)
{
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);

	if (getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) < 0)
		return -errno;
	*ret_count = info.tcpi_unacked;
	return 0;
}

int bench_flood_make(const struct bench_flood *flood, unsigned index, uint64_t count)
{
	struct request request = {.count = count};
	socklen_t size = sizeof(request.address);
	uint64_t before, made, waiting;
	int listener, r;

	assert(index < ARRAY_SIZE(flood->listeners) && count <= flood->room);
	listener = flood->listeners[index];
	r = count_waiting(listener, &before);
	if (r < 0)
		return r;
	if (getsockname(listener, (struct sockaddr *)&request.address, &size) < 0)
		return -errno;
	if (before != 0 || write(flood->child.fd, &request, sizeof(request)) != sizeof(request) ||
		recv(flood->child.fd, &made, sizeof(made), MSG_WAITALL) != sizeof(made))
		return -EIO;
	r = count_waiting(listener, &waiting);
	if (r < 0)
		return r;
	return made == count && waiting == count ? 0 : -EIO;
}
