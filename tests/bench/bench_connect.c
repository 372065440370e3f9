/*
 * How long it takes to become a client: connect, `hello`, close; against the same without a
 * protocol, two processes of which one connects, asks and hangs up, and the other accepts and
 * answers.
 *
 * By the socket: a ring is made once, by those who stay.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench_daemon.h"
#include "tests/bench/bench_plain.h"

struct raw {
	struct bench_child child;
	int listener;
	struct sockaddr_un address;
};

static int ours_run(void *context, uint64_t op_count, uint64_t seed)
{
	const struct bench_daemon *daemon = context;
	const char *absent;
	int r = 0;

	(void)seed;
	for (uint64_t i = 0; r >= 0 && i < op_count; i++) {
		struct proactor *proactor;

		r = bench_daemon_connect(daemon, BENCH_SOCKET, &proactor, &absent);
		proactor_free(proactor);
	}
	return r;
}

static void accept_all(int fd, void *context)
{
	const struct raw *raw = context;
	char bytes[BENCH_PING_SIZE];

	(void)fd;
	for (;;) {
		_cleanup_(fd_closep) int peer = accept4(raw->listener, NULL, NULL, SOCK_CLOEXEC);

		if (peer < 0)
			return;
		if (read(peer, bytes, sizeof(bytes)) == sizeof(bytes))
			(void)!write(peer, bytes, sizeof(bytes));
		/* as a server does, until the other end has gone */
		(void)!read(peer, bytes, sizeof(bytes));
	}
}

static int raw_run(void *context, uint64_t op_count, uint64_t seed)
{
	const struct raw *raw = context;
	char bytes[BENCH_PING_SIZE] = "";

	(void)seed;
	for (uint64_t i = 0; i < op_count; i++) {
		_cleanup_(fd_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 ||
			connect(fd, (const struct sockaddr *)&raw->address, sizeof(raw->address)) <
				0)
			return -errno;
		if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes) ||
			read(fd, bytes, sizeof(bytes)) != sizeof(bytes))
			return -EIO;
	}
	return 0;
}

static int raw_init(struct raw *raw, const struct bench *bench)
{
	static char path[sizeof(raw->address.sun_path)]; /* remembered until the end */

	*raw = (struct raw){.address.sun_family = AF_UNIX};
	raw->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (raw->listener < 0)
		return -errno;
	if ((size_t)snprintf(path, sizeof(path), "%s/raw.socket", bench->options.folder) >=
		sizeof(path))
		return -ENAMETOOLONG;
	memcpy(raw->address.sun_path, path, sizeof(path));
	bench_remove_later(path);
	if (bind(raw->listener, (const struct sockaddr *)&raw->address, sizeof(raw->address)) < 0 ||
		listen(raw->listener, SOMAXCONN) < 0)
		return -errno;
	return bench_child_start(&raw->child, accept_all, raw);
}

static void raw_deinit(struct raw *raw)
{
	bench_child_stop(&raw->child);
	raw->listener = fd_close(raw->listener);
}

int bench_connect(struct bench *bench)
{
	static const char name[] = "connect.vs_raw";
	struct bench_daemon daemon;
	struct raw raw = {.listener = -EBADF};
	const struct bench_side sides[] = {
		{.name = "proactord", .run = ours_run, .context = &daemon, .note = "by socket"},
		{.name = "raw socket", .run = raw_run, .context = &raw},
	};
	const char *absent;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = bench_daemon_init(&daemon, bench, NULL);
	if (r >= 0)
		r = raw_init(&raw, bench);
	absent = daemon.absent[0] ? daemon.absent : NULL;
	r = r < 0 ? bench_failed(name, "prepare", r)
		  : bench_pair(bench, name, absent ? NULL : &sides[0], &sides[1], absent);
	raw_deinit(&raw);
	bench_daemon_deinit(&daemon);
	return r;
}
