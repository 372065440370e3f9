/*
 * Promise: with EPOLLET, what is ready when a descriptor is added is reported once; then each
 * arrival of data, and each room that is made after there was none, once, though the reader left
 * something. Both directions come in one event. The end of the peer is one more edge (epoll(7)).
 *
 * epoll.c leans on it: a descriptor is added once, tried until EAGAIN, and never asked about again.
 */
#include "tests/kernel/epoll.h"

static void fill(int fd)
{
	static const char zeros[4096];

	while (send(fd, zeros, sizeof(zeros), MSG_DONTWAIT) > 0)
		;
	promise(errno == EAGAIN);
}

static void drain(int fd)
{
	char bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	promise(errno == EAGAIN);
}

static void ask_in(int epoll)
{
	int fds[2];
	char byte;

	make_pair(fds);
	promise(write(fds[1], "x", 1) == 1);
	watch(epoll, fds[0], EPOLLIN);
	promise(edge(epoll, fds[0]) == EPOLLIN);
	promise(edge(epoll, fds[0]) == 0);
	promise(write(fds[1], "yz", 2) == 2);
	promise(edge(epoll, fds[0]) == EPOLLIN);
	promise(read(fds[0], &byte, 1) == 1);
	promise(edge(epoll, fds[0]) == 0);
	drain(fds[0]);
	promise(edge(epoll, fds[0]) == 0);
	promise(write(fds[1], "x", 1) == 1);
	promise(edge(epoll, fds[0]) == EPOLLIN);
	close_both(fds);
}

static void ask_both(int epoll)
{
	const uint32_t both = EPOLLIN | EPOLLOUT;
	int fds[2];

	make_pair(fds);
	watch(epoll, fds[0], both | EPOLLRDHUP);
	promise(edge(epoll, fds[0]) == EPOLLOUT);
	fill(fds[0]);
	promise(edge(epoll, fds[0]) == 0);
	promise(write(fds[1], "x", 1) == 1);
	drain(fds[1]);
	promise((edge(epoll, fds[0]) & both) == both);
	promise(edge(epoll, fds[0]) == 0);
	/* an edge in one direction tells of both */
	promise(write(fds[1], "x", 1) == 1);
	promise((edge(epoll, fds[0]) & both) == both);
	close(fds[1]);
	promise(edge(epoll, fds[0]) & EPOLLRDHUP);
	close(fds[0]);
}

static void ask_pipe(int epoll)
{
	int fds[2];
	char byte;

	make_pipe(fds);
	watch(epoll, fds[0], EPOLLIN);
	watch(epoll, fds[1], EPOLLOUT);
	promise(edge(epoll, fds[1]) == EPOLLOUT);
	for (int i = 0; i < 3; i++) {
		promise(write(fds[1], "x", 1) == 1);
		promise(edge(epoll, fds[0]) & EPOLLIN);
	}
	promise(read(fds[0], &byte, 1) == 1);
	close(fds[1]);
	promise(edge(epoll, fds[0]) & EPOLLHUP);
	close(fds[0]);
}

int main(void)
{
	int epoll = epoll_make();

	ask_in(epoll);
	ask_both(epoll);
	ask_pipe(epoll);
	close(epoll);
	return EXIT_SUCCESS;
}
