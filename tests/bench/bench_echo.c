/*
 * Ping-pong over TCP: the process on the servers' processor that sends everything back, to us and
 * to the yardstick.
 *
 * There are many connections and one thread on each end, as in a server with clients: a turn of
 * either loop finds several of them ready. The answering process does the least that one can do
 * with epoll, so that the other end is the one that is waited for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench_echo.h"

enum { EVENTS = 64 };

static bool watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void answer(int fd)
{
	char bytes[BENCH_ECHO_ROOM];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	/* the end of a connection; closing takes it out of the epoll */
	if (n <= 0 || send(fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
		(void)close(fd);
}

static void answer_all(int fd, void *context)
{
	int listener = ((struct bench_echo *)context)->listener;
	int epoll = epoll_create1(EPOLL_CLOEXEC), count;
	struct epoll_event events[EVENTS];

	(void)fd;
	if (epoll < 0 || !watch(epoll, listener))
		return;
	while ((count = epoll_wait(epoll, events, EVENTS, -1)) > 0) {
		for (int i = 0; i < count; i++) {
			if (events[i].data.fd != listener)
				answer(events[i].data.fd);
			else if (!watch(epoll, accept4(listener, NULL, NULL, SOCK_CLOEXEC)))
				return;
		}
	}
}

/* ---- in the measuring process ---- */

int bench_echo_init(struct bench_echo *echo)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int yes = 1;

	*echo = (struct bench_echo){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	if (echo->listener < 0)
		return -errno;
	/* what is accepted has its options */
	if (setsockopt(echo->listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0 ||
		bind(echo->listener, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(echo->listener, BENCH_ECHO_CONNECTIONS) < 0)
		return -errno;
	return bench_child_start(&echo->child, answer_all, echo);
}

void bench_echo_deinit(struct bench_echo *echo)
{
	bench_child_stop(&echo->child);
	echo->listener = fd_close(echo->listener);
}

int bench_echo_connect(const struct bench_echo *echo, int *ret_fd)
{
	_cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	const int yes = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0 ||
		getsockname(echo->listener, (struct sockaddr *)&address, &size) < 0 ||
		connect(fd, (const struct sockaddr *)&address, size) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}
