/*
 * A TCP server that sends 64 bytes back on each of 64 connections, written to proactor.h: with its
 * accepts, receives and sends done by the daemon, and the same in-process.
 *
 * Who sends is a process of its own, the same for both, with plain calls and epoll; one for each
 * server, of which one sleeps while the other is measured. With the daemon there are three
 * processes at work, so nothing is pinned: where each runs is the kernel's to say, as it would be.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench_daemon.h"

enum { CONNECTIONS = 64, MESSAGE_SIZE = 64, ROOM = 4096, BUFFER_COUNT = 256 };

/* ---- who sends ---- */

static int connect_all(const struct sockaddr_in *address, int epoll, int fds[CONNECTIONS])
{
	const int yes = 1;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = -1};

		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		event.data.fd = fds[i];
		if (fds[i] < 0 ||
			setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0 ||
			connect(fds[i], (const struct sockaddr *)address, sizeof(*address)) < 0 ||
			epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event) < 0)
			return -errno;
	}
	return 0;
}

static bool send_message(int fd)
{
	static const char message[MESSAGE_SIZE] = "ping";

	return send(fd, message, sizeof(message), MSG_NOSIGNAL) == sizeof(message);
}

/* @count messages there and back, one at a time on each connection. */
static bool exchange(int epoll, const int fds[CONNECTIONS], uint64_t count)
{
	struct epoll_event events[CONNECTIONS];
	char bytes[MESSAGE_SIZE];
	uint64_t sent = 0, received = 0;

	for (unsigned i = 0; i < CONNECTIONS && sent < count; i++, sent++)
		if (!send_message(fds[i]))
			return false;
	while (received < count) {
		int n = epoll_wait(epoll, events, CONNECTIONS, -1);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (recv(fd, bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes))
				return false;
			received++;
			if (sent < count && !send_message(fd))
				return false;
			sent += sent < count;
		}
	}
	return true;
}

/* Told a count, it does that many; then it says so. */
static void send_as_told(int fd, void *context)
{
	const struct sockaddr_in *address = context;
	int fds[CONNECTIONS], epoll = epoll_create1(EPOLL_CLOEXEC);
	uint64_t count;

	bench_unpin();
	if (epoll < 0 || connect_all(address, epoll, fds) < 0)
		return;
	while (read(fd, &count, sizeof(count)) == sizeof(count))
		if (!exchange(epoll, fds, count) ||
			write(fd, &count, sizeof(count)) != sizeof(count))
			return;
}

/* ---- the server ---- */

struct server {
	struct proactor *proactor;
	struct proactor_buffers *buffers;
	struct bench_child sender;
	uint64_t answered; /* bytes, in this run */
};

/* One receive for all that comes on @file, which its shots then have as their context. */
static int receive(struct server *server, int64_t file)
{
	const struct proactor_op op = {
		.opcode = PROACTOR_RECV,
		.flags = PROACTOR_MULTISHOT | PROACTOR_BUFFER_SELECT,
		.context = (void *)(intptr_t)file,
		.recv = {.file = file, .buffers = server->buffers},
	};
	struct proactor_completion ready;
	uint64_t key;

	return proactor_push(server->proactor, &op, &key, &ready);
}

/* What was sent is done with. */
static int sent(struct server *server, void *data, int64_t size)
{
	if (unlikely(size != MESSAGE_SIZE))
		return -EIO;
	server->answered += (uint64_t)size;
	return proactor_buffer_release(server->buffers, data);
}

/* Sends @size bytes back, from where they came. */
static int answer(struct server *server, int64_t file, void *data, int64_t size)
{
	const struct proactor_op op = {
		.opcode = PROACTOR_SEND,
		.context = data,
		.send = {.file = file, .data = data, .size = (size_t)size},
	};
	struct proactor_completion ready;
	uint64_t key;
	int r = proactor_push(server->proactor, &op, &key, &ready);

	return r == PROACTOR_READY ? sent(server, data, ready.result) : r;
}

static int take(struct server *server, const struct proactor_entry *entry)
{
	struct proactor_completion completion;
	int r = proactor_pop(server->proactor, entry, &completion);

	if (unlikely(r < 0))
		return r;
	if (completion.opcode == PROACTOR_SEND)
		return sent(server, completion.context, completion.result);
	if (unlikely(!(completion.flags & PROACTOR_MORE)))
		return -EIO;
	return answer(server, (int64_t)(intptr_t)completion.context,
		proactor_buffer_data(server->buffers, completion.flags), completion.result);
}

static int server_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct proactor_entry entries[CONNECTIONS];
	struct server *server = context;
	int r = 0;

	(void)seed;
	server->answered = 0;
	if (write(server->sender.fd, &op_count, sizeof(op_count)) != sizeof(op_count))
		return -EIO;
	while (r >= 0 && server->answered < op_count * MESSAGE_SIZE) {
		int count = proactor_poll(server->proactor, NULL, entries, CONNECTIONS);

		if (count < 0)
			return count;
		for (int i = 0; r >= 0 && i < count; i++)
			r = take(server, &entries[i]);
	}
	if (r >= 0 && read(server->sender.fd, &op_count, sizeof(op_count)) != sizeof(op_count))
		return -EIO;
	return MIN(r, 0);
}

/* ---- its beginning ---- */

static int listen_anywhere(int *ret_fd, struct sockaddr_in *ret_address)
{
	_cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(*ret_address);
	const int yes = 1;

	*ret_address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	/* what is accepted has its options */
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) < 0 ||
		bind(fd, (const struct sockaddr *)ret_address, size) < 0 ||
		listen(fd, CONNECTIONS) < 0 ||
		getsockname(fd, (struct sockaddr *)ret_address, &size) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int accept_one(struct server *server, int64_t listener, int64_t *ret_file)
{
	const struct proactor_op op = {.opcode = PROACTOR_ACCEPT, .accept = {.file = listener}};
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;
	int r = proactor_push(server->proactor, &op, &key, &completion);

	if (r == PROACTOR_PENDING) {
		r = proactor_poll(server->proactor, NULL, &entry, 1);
		if (r == 1)
			r = proactor_pop(server->proactor, &entry, &completion);
	}
	if (r < 0 || completion.result < 0)
		return r < 0 ? r : (int)completion.result;
	*ret_file = completion.result;
	return 0;
}

static int accept_all(struct server *server, int listener_fd)
{
	int64_t listener, files[CONNECTIONS];
	int r = proactor_attach(server->proactor, listener_fd, &listener);

	if (r < 0) {
		(void)close(listener_fd);
		return r;
	}
	r = proactor_buffers_new(server->proactor, BUFFER_COUNT, ROOM, &server->buffers);
	for (unsigned i = 0; r >= 0 && i < CONNECTIONS; i++)
		r = accept_one(server, listener, &files[i]);
	for (unsigned i = 0; r >= 0 && i < CONNECTIONS; i++)
		r = receive(server, files[i]);
	return MIN(r, 0);
}

/* server->proactor is there. */
static int server_init(struct server *server)
{
	struct sockaddr_in address;
	int listener = -EBADF, r = listen_anywhere(&listener, &address);

	if (r < 0)
		return r;
	r = bench_child_start(&server->sender, send_as_told, &address);
	if (r < 0) {
		(void)close(listener);
		return r;
	}
	return accept_all(server, listener);
}

static void server_deinit(struct server *server)
{
	bench_child_stop(&server->sender);
	server->buffers = proactor_buffers_free(server->buffers);
	server->proactor = proactor_free(server->proactor);
}

/* ---- the rows ---- */

static int measure_on(struct bench *bench, const char *name, const struct bench_daemon *daemon,
	struct server *ours, const char *absent)
{
	struct server yardstick = {0};
	const struct bench_side sides[] = {
		{.name = "proactord",
			.run = server_run,
			.context = ours,
			.note = absent ? NULL : bench_daemon_note(daemon, ours->proactor)},
		{.name = "in-process", .run = server_run, .context = &yardstick},
	};
	int r = proactor_new(&yardstick.proactor, &bench_ring_options);

	if (r >= 0)
		r = server_init(&yardstick);
	if (r >= 0 && !absent)
		r = server_init(ours);
	r = r < 0 ? bench_failed(name, "prepare", r)
		  : bench_pair(bench, name, absent ? NULL : &sides[0], &sides[1], absent);
	server_deinit(&yardstick);
	return r;
}

static int measure(struct bench *bench, const char *name, enum bench_transport transport)
{
	struct bench_daemon daemon;
	struct server ours = {0};
	const char *absent;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	bench_unpin();
	r = bench_daemon_init(&daemon, bench, NULL);
	bench_server_pin(&daemon.server, false);
	if (r >= 0)
		r = bench_daemon_connect(&daemon, transport, &ours.proactor, &absent);
	if (r >= 0)
		r = measure_on(bench, name, &daemon, &ours, absent);
	server_deinit(&ours);
	bench_daemon_deinit(&daemon);
	bench_pin(BENCH_CPU_SELF);
	return r;
}

int bench_servers(struct bench *bench)
{
	int r = measure(bench, "echo64.c64.ring.vs_inprocess", BENCH_RING);
	int by_socket = measure(bench, "echo64.c64.socket.vs_inprocess", BENCH_SOCKET);

	return MIN(r, by_socket);
}
