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

enum { CONNECTIONS = 64, MESSAGE_SIZE = 64, ROOM = 4096 };

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

struct connection {
	int64_t file;
	bool sends;  /* what is in flight, or to be started next, is the send */
	size_t size; /* of what it sends */
	uint8_t *data;
};

struct server {
	struct proactor *proactor;
	struct bench_child sender;
	uint64_t answered; /* bytes, in this run */
	struct connection connections[CONNECTIONS];
};

static int start(struct server *server, struct connection *connection,
	struct proactor_completion *ret_ready)
{
	struct proactor_op op = {.context = connection};
	uint64_t key;

	if (connection->sends) {
		op.opcode = PROACTOR_SEND;
		op.send.file = connection->file;
		op.send.data = connection->data;
		op.send.size = connection->size;
	} else {
		op.opcode = PROACTOR_RECV;
		op.recv.file = connection->file;
		op.recv.data = connection->data;
		op.recv.size = ROOM;
	}
	return proactor_push(server->proactor, &op, &key, ret_ready);
}

static bool take(struct server *server, struct connection *connection, int64_t result)
{
	if (result <= 0 || (connection->sends && (size_t)result != connection->size))
		return false;
	if (connection->sends)
		server->answered += connection->size;
	connection->size = (size_t)result;
	connection->sends = !connection->sends;
	return true;
}

/* Goes on until something is in flight on @connection. */
static int go_on(struct server *server, struct connection *connection)
{
	struct proactor_completion ready;
	int r;

	do
		r = start(server, connection, &ready);
	while (r == PROACTOR_READY && take(server, connection, ready.result));
	return r == PROACTOR_READY ? -EIO : r;
}

static int finish(struct server *server, const struct proactor_entry *entry)
{
	struct proactor_completion completion;
	int r = proactor_pop(server->proactor, entry, &completion);

	if (unlikely(r < 0))
		return r;
	if (unlikely(!take(server, completion.context, completion.result)))
		return -EIO;
	return go_on(server, completion.context);
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
			r = finish(server, &entries[i]);
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
	int64_t listener;
	void *memory;
	int r = proactor_attach(server->proactor, listener_fd, &listener);

	if (r < 0) {
		(void)close(listener_fd);
		return r;
	}
	r = proactor_memory_new(server->proactor, (size_t)CONNECTIONS * ROOM, &memory);
	for (unsigned i = 0; r >= 0 && i < CONNECTIONS; i++) {
		server->connections[i].data = (uint8_t *)memory + (size_t)i * ROOM;
		r = accept_one(server, listener, &server->connections[i].file);
	}
	for (unsigned i = 0; r >= 0 && i < CONNECTIONS; i++)
		r = go_on(server, &server->connections[i]);
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
