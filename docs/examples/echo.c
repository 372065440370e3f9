/*
 * echo: a TCP echo server, the same source on every driver.
 *
 *      echo io_uring                    on an io_uring of this process
 *      echo unix:/run/proactord/socket  on the daemon's
 *      echo DRIVER [PORT]               listens on 127.0.0.1; without PORT on one that is free
 *
 * Prints the port it listens on. Ends when its standard input does.
 *
 * What it shows: one operation in flight for each connection, whose context says what it was for;
 * files that come from operations (socket, accept) and from a descriptor (standard input); and that
 * nothing here depends on the driver.
 */
#include <errno.h>
#include <netinet/in.h>
#include <proactor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER_SIZE = 16384, ENTRIES = 64 };

enum step { ACCEPTING, RECEIVING, SENDING, CLOSING, INPUT };

/* What an operation in flight is for: its context. */
struct connection {
	enum step step;
	int64_t file;
	size_t size, sent; /* of what was received */
	char data[BUFFER_SIZE];
};

static struct proactor *proactor;

static void complete(const struct proactor_completion *completion);

static void check(int r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "echo: %s: %s\n", what, strerror(-r));
	exit(1);
}

/* Starts an operation; one that is ready at once is completed at once. */
static void push(struct connection *connection, enum step step, struct proactor_op *op)
{
	struct proactor_completion ready;
	uint64_t key;
	int r;

	connection->step = step;
	op->context = connection;
	r = proactor_push(proactor, op, &key, &ready);
	check(r, "push");
	if (r == PROACTOR_READY)
		complete(&ready);
}

static void receive(struct connection *connection)
{
	struct proactor_op op = {
		.opcode = PROACTOR_RECV,
		.recv = {.file = connection->file, .data = connection->data, .size = BUFFER_SIZE},
	};

	push(connection, RECEIVING, &op);
}

static void send_rest(struct connection *connection)
{
	struct proactor_op op = {
		.opcode = PROACTOR_SEND,
		.send = {.file = connection->file,
			.data = connection->data + connection->sent,
			.size = connection->size - connection->sent},
	};

	push(connection, SENDING, &op);
}

static void close_connection(struct connection *connection)
{
	struct proactor_op op = {.opcode = PROACTOR_CLOSE, .close = {.file = connection->file}};

	push(connection, CLOSING, &op);
}

static void accept_next(struct connection *listener)
{
	struct proactor_op op = {.opcode = PROACTOR_ACCEPT, .accept = {.file = listener->file}};

	push(listener, ACCEPTING, &op);
}

static void accepted(struct connection *listener, int64_t result)
{
	struct connection *connection = result < 0 ? NULL : calloc(1, sizeof(*connection));

	if (connection) {
		connection->file = result;
		receive(connection);
	}
	accept_next(listener);
}

static void complete(const struct proactor_completion *completion)
{
	struct connection *connection = completion->context;
	int64_t result = completion->result;

	switch (connection->step) {
	case ACCEPTING: accepted(connection, result); break;
	case RECEIVING:
		connection->size = result > 0 ? (size_t)result : 0;
		connection->sent = 0;
		if (result > 0)
			send_rest(connection);
		else
			close_connection(connection);
		break;
	case SENDING:
		connection->sent += result > 0 ? (size_t)result : 0;
		if (result < 0)
			close_connection(connection);
		else if (connection->sent < connection->size)
			send_rest(connection);
		else
			receive(connection);
		break;
	case CLOSING: free(connection); break;
	case INPUT: proactor_free(proactor); exit(0);
	}
}

/* A listening socket, made before the proactor gets it so that the port can be asked for. */
static int64_t listen_on(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t size = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	int64_t file;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
		bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, SOMAXCONN) < 0 ||
		getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		check(-errno, "listen");
	check(proactor_attach(proactor, fd, &file), "attach");
	printf("%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return file;
}

/* Standard input tells when to end: it becomes readable, or is closed. */
static void watch_input(struct connection *input)
{
	struct proactor_op op = {.opcode = PROACTOR_READ};
	int fd = dup(STDIN_FILENO);

	check(proactor_attach(proactor, fd, &input->file), "attach standard input");
	op.read.file = input->file;
	op.read.data = input->data;
	op.read.size = 1;
	op.read.offset = PROACTOR_CURRENT;
	push(input, INPUT, &op);
}

int main(int argc, char **argv)
{
	static struct connection listener, input;
	struct proactor_options options = {
		.size = sizeof(options), .driver = PROACTOR_DRIVER_IO_URING};
	struct proactor_entry entries[ENTRIES];
	struct proactor_completion completion;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: echo io_uring|unix:PATH [PORT]\n");
		return 2;
	}
	if (strncmp(argv[1], "unix:", 5) == 0) {
		options.driver = PROACTOR_DRIVER_REMOTE;
		options.socket_path = argv[1] + 5;
	}
	check(proactor_new(&proactor, &options), argv[1]);
	listener.file = listen_on(argc == 3 ? (uint16_t)atoi(argv[2]) : 0);
	accept_next(&listener);
	watch_input(&input);
	for (;;) {
		int count = proactor_poll(proactor, NULL, entries, ENTRIES);

		check(count, "poll");
		for (int i = 0; i < count; i++) {
			check(proactor_pop(proactor, &entries[i], &completion), "pop");
			complete(&completion);
		}
	}
}
