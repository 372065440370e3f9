/*
 * A hostile client's stream, and a whole server (server.h).
 *
 * Input: a byte of flags, the size of the pieces (0: all at once); then the client's stream.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <unistd.h>

#include "base/def.h"
#include "tests/fuzz/server.h"

enum {
	/* ends its side of the connection, and reads until the daemon has ended */
	FLAG_END = 1,
	FLAG_DESCRIPTORS = 2, /* sends some with the first bytes */
	FLAG_DEAF = 4,        /* reads nothing */
	FLAG_PATIENT = 8,     /* gives the daemon a moment before it goes */
};

/* ---- the client ---- */

static void read_some(int fd, int timeout_ms)
{
	static uint8_t room[65536];
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	if (poll(&poll_fd, 1, timeout_ms) > 0)
		(void)!recv(fd, room, sizeof(room), MSG_DONTWAIT);
}

/* Sends all, while the daemon takes it. */
static void talk(int fd, uint8_t flags, size_t piece, const uint8_t *bytes, size_t size)
{
	bool with_descriptors = flags & FLAG_DESCRIPTORS;
	int waits = 0;

	while (size > 0 && waits < 3) {
		size_t part = piece > 0 ? MIN(piece, size) : size;
		ssize_t sent = with_descriptors
			? fuzz_server_send_descriptors(fd, bytes, part)
			: send(fd, bytes, part, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent > 0) {
			with_descriptors = false;
			bytes += sent;
			size -= (size_t)sent;
		}
		if (sent < 0)
			waits++;
		if (!(flags & FLAG_DEAF))
			read_some(fd, sent < 0);
	}
}

/* Until the daemon has read all, or does not want to. */
static void linger(int fd, uint8_t flags)
{
	int unread = 1;

	for (int i = 0; i < 40 && unread > 0; i++) {
		if (ioctl(fd, SIOCOUTQ, &unread) < 0)
			return;
		if (flags & FLAG_DEAF)
			usleep(50);
		else
			read_some(fd, 0);
		sched_yield();
	}
	if (flags & FLAG_PATIENT)
		usleep(500);
}

static void read_to_the_end(int fd)
{
	uint8_t room[65536];
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	(void)shutdown(fd, SHUT_WR);
	while (poll(&poll_fd, 1, 2) > 0 && recv(fd, room, sizeof(room), MSG_DONTWAIT) > 0)
		continue;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_server_start();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd;

	if (size < 2)
		return 0;
	fd = fuzz_server_connect(data, size);
	talk(fd, data[0], data[1], data + 2, size - 2);
	linger(fd, data[0]);
	if (data[0] & FLAG_END)
		read_to_the_end(fd);
	close(fd);
	fuzz_server_check_nothing_is_left();
	fuzz_server_sweep();
	return 0;
}
