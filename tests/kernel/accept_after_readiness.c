/*
 * Promise: accept4(2) on a listening socket that polls readable takes the connection; the next says
 * EAGAIN where the listener is non-blocking. Whether it is so belongs to the open file description:
 * a listener of the caller that is blocking waits in an accept for which another was faster, or
 * whose connection was reset meanwhile.
 *
 * epoll.c leans on the first part, and has to do something about the second.
 */
#include "tests/kernel/kernel.h"

#include <netinet/in.h>

static int listening;
static struct sockaddr_in address;

static int connection(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	promise(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

static bool ready(int timeout_ms)
{
	struct pollfd pollfd = {.fd = listening, .events = POLLIN};

	return poll(&pollfd, 1, timeout_ms) == 1;
}

int main(void)
{
	socklen_t size = sizeof(address);

	alarm(60);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	promise(listen(listening, 8) == 0);
	promise(getsockname(listening, (struct sockaddr *)&address, &size) == 0);
	promise(!ready(0));
	for (int i = 0; i < 20; i++) {
		int client = connection(), server;

		promise(ready(-1));
		server = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		promise(server >= 0);
		/* nothing is inherited from the listener, or given to it */
		promise(fcntl(server, F_GETFL) & O_NONBLOCK);
		promise(!(fcntl(listening, F_GETFL) & O_NONBLOCK));
		promise(!ready(0));
		close(server);
		close(client);
	}
	promise(fcntl(listening, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	promise(accept4(listening, NULL, NULL, SOCK_CLOEXEC) == -1 && errno == EAGAIN);
	close(listening);
	return EXIT_SUCCESS;
}
