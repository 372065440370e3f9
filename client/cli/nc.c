/*
 * proactl nc: a byte pipe between the standard streams and a connection, whose sockets the daemon
 * drives.
 *
 * Names are resolved here: whom to ask is the caller's business, and the daemon never waits for a
 * name server.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "client/cli/interrupt.h"
#include "client/cli/io.h"
#include "client/cli/relay.h"

enum { NAME_SIZE = NI_MAXHOST + NI_MAXSERV + 4, BACKLOG = 1 };

struct nc {
	struct cli *cli;
	bool listen;
	bool is_unix;
	int family; /* AF_UNSPEC, or the one that was asked for */
	const char *host;
	const char *port;
	const char *path;
	bool bound_path; /* true exactly while there is a socket at path that was made here */
};

/* ---- addresses ---- */

static void name_of(const struct sockaddr *address, socklen_t size, char name[NAME_SIZE])
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	bool v6 = address->sa_family == AF_INET6;

	if (getnameinfo(address, size, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(name, NAME_SIZE, "?");
	else
		snprintf(name, NAME_SIZE, "%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

/* The errors of getaddrinfo(3) that a user can do something about. */
static const char *eai_name(int error)
{
	switch (error) {
	case EAI_AGAIN: return "EAI_AGAIN";
	case EAI_FAIL: return "EAI_FAIL";
	case EAI_NONAME: return "EAI_NONAME";
	case EAI_SERVICE: return "EAI_SERVICE";
	default: return "EAI_FAIL";
	}
}

static int resolve(const struct nc *nc, struct addrinfo **ret_list)
{
	struct addrinfo hints = {.ai_family = nc->family,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = nc->listen ? AI_PASSIVE : 0};
	int r = getaddrinfo(nc->host, nc->port, &hints, ret_list);

	if (r == 0)
		return 0;
	if (r == EAI_SYSTEM)
		return cli_fail(nc->cli, -errno, "looking up %s", nc->host);
	return cli_fail_text(nc->cli, EHOSTUNREACH, eai_name(r), "%s%s%s: %s: %s",
		nc->host ? nc->host : "", nc->host ? ":" : "", nc->port, eai_name(r),
		gai_strerror(r));
}

static int unix_address(const char *path, struct sockaddr_un *ret_address)
{
	*ret_address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret_address->sun_path))
		return -ENAMETOOLONG;
	memcpy(ret_address->sun_path, path, strlen(path) + 1);
	return 0;
}

/* ---- connecting ---- */

static int connect_to(struct io *io, const struct sockaddr *address, socklen_t size,
	int64_t *ret_file)
{
	struct proactor_op make = {.opcode = PROACTOR_SOCKET};
	struct proactor_op join = {.opcode = PROACTOR_CONNECT};
	struct proactor_address to = {.size = size};
	int64_t file, result;

	make.socket.domain = address->sa_family;
	make.socket.type = SOCK_STREAM;
	file = io_run(io, &make);
	if (file < 0)
		return (int)file;
	memcpy(&to.storage, address, size);
	join.connect.file = file;
	join.connect.address = &to;
	result = io_run(io, &join);
	if (result < 0) {
		(void)io_close(io, &file);
		return (int)result;
	}
	*ret_file = file;
	return 0;
}

/*
 * Tries all addresses of a name in their order. The last failure is reported, with all that was
 * tried.
 */
static int connect_inet(const struct nc *nc, struct io *io, int64_t *ret_file)
{
	char what[1024], name[NAME_SIZE];
	struct addrinfo *list;
	int r = -EHOSTUNREACH, status = resolve(nc, &list);
	size_t size =
		(size_t)snprintf(what, sizeof(what), "connecting to %s:%s (", nc->host, nc->port);

	if (status != 0)
		return status;
	for (const struct addrinfo *at = list; at; at = at->ai_next) {
		r = connect_to(io, at->ai_addr, at->ai_addrlen, ret_file);
		if (r == 0 || interrupt_signal() || r == -ECONNRESET)
			break;
		name_of(at->ai_addr, at->ai_addrlen, name);
		if (size < sizeof(what))
			size += (size_t)snprintf(what + size, sizeof(what) - size, "%s%s",
				at == list ? "" : ", ", name);
	}
	freeaddrinfo(list);
	if (size < sizeof(what))
		snprintf(what + size, sizeof(what) - size, ")");
	return r < 0 ? io_fail(io, r, what, "") : 0;
}

static int connect_unix(const struct nc *nc, struct io *io, int64_t *ret_file)
{
	struct sockaddr_un address;
	int r = unix_address(nc->path, &address);

	if (r == 0)
		r = connect_to(io, (struct sockaddr *)&address, sizeof(address), ret_file);
	return r < 0 ? io_fail(io, r, "connecting to", nc->path) : 0;
}

/* ---- listening ---- */

/*
 * The socket is made and bound here, and given to the daemon: so is known which port it got before
 * anything is said about it, and a path is made with the caller's rights.
 */
static int bind_to(const struct sockaddr *address, socklen_t size, int *ret_fd)
{
	_cleanup_(fd_closep) int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -errno;
	if (address->sa_family != AF_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address, size) < 0)
		return -errno;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int bind_inet(const struct nc *nc, char name[NAME_SIZE], int *ret_fd)
{
	struct sockaddr_storage bound;
	socklen_t size = sizeof(bound);
	struct addrinfo *list;
	int r = -EADDRNOTAVAIL, status = resolve(nc, &list);

	if (status != 0)
		return status;
	for (const struct addrinfo *at = list; at && r < 0; at = at->ai_next) {
		r = bind_to(at->ai_addr, at->ai_addrlen, ret_fd);
		name_of(at->ai_addr, at->ai_addrlen, name);
	}
	freeaddrinfo(list);
	if (r == 0 && getsockname(*ret_fd, (struct sockaddr *)&bound, &size) < 0)
		r = -errno;
	if (r < 0)
		return cli_fail(nc->cli, r, "listening on %s", name);
	name_of((struct sockaddr *)&bound, size, name);
	return 0;
}

static int bind_unix(struct nc *nc, int *ret_fd)
{
	struct sockaddr_un address;
	int r = unix_address(nc->path, &address);

	if (r == 0)
		r = bind_to((struct sockaddr *)&address, sizeof(address), ret_fd);
	if (r < 0)
		return cli_fail(nc->cli, r, "listening on %s", nc->path);
	nc->bound_path = true;
	return 0;
}

/* Takes one connection of @fd, which is taken over. */
static int accept_one(struct io *io, int fd, const char *name, int64_t *ret_file)
{
	struct proactor_op listen_op = {.opcode = PROACTOR_LISTEN},
			   accept_op = {.opcode = PROACTOR_ACCEPT};
	int64_t listener, result;
	int r = proactor_attach(io->proactor, fd, &listener);

	if (r < 0) {
		(void)close(fd);
		return io_fail(io, r, "listening on", name);
	}
	listen_op.listen.file = listener;
	listen_op.listen.backlog = BACKLOG;
	result = io_run(io, &listen_op);
	if (result < 0)
		return io_fail(io, (int)result, "listening on", name);
	fprintf(stderr, "listening on %s\n", name);
	accept_op.accept.file = listener;
	result = io_run(io, &accept_op);
	if (result < 0)
		return io_fail(io, (int)result, "accepting on", name);
	*ret_file = result;
	(void)io_close(io, &listener);
	return 0;
}

static int listen_for(struct nc *nc, struct io *io, int64_t *ret_file)
{
	char name[NAME_SIZE] = "?";
	int fd, status = nc->is_unix ? bind_unix(nc, &fd) : bind_inet(nc, name, &fd);

	return status == 0 ? accept_one(io, fd, nc->is_unix ? nc->path : name, ret_file) : status;
}

/* ---- the command ---- */

static int run(struct nc *nc)
{
	struct io io;
	int64_t file;
	int status = io_init(&io, nc->cli);

	if (status != 0)
		return status;
	if (nc->listen)
		status = listen_for(nc, &io, &file);
	else
		status = nc->is_unix ? connect_unix(nc, &io, &file) : connect_inet(nc, &io, &file);
	if (nc->bound_path)
		(void)unlink(nc->path);
	if (status == 0)
		status = relay_run(&io, file);
	io_deinit(&io);
	return status;
}

static int parse_arguments(struct nc *nc, int argc, char **argv)
{
	int count = argc - optind;
	int max = nc->is_unix ? 1 : 2, min = nc->is_unix || nc->listen ? 1 : 2;
	uint64_t port;

	if (!cli_check_count(nc->cli, argc, min, max))
		return nc->cli->status;
	if (nc->is_unix) {
		nc->path = argv[optind];
		return -1;
	}
	nc->host = count == 2 ? argv[optind] : NULL;
	nc->port = argv[argc - 1];
	/* getaddrinfo(3) takes 99999 for 34463; a name begins with a letter */
	if (nc->port[0] >= '0' && nc->port[0] <= '9' &&
		!cli_parse_number(nc->port, 0, UINT16_MAX, &port))
		return cli_fail_usage(nc->cli, "%s is not a port, from 0 to 65535", nc->port);
	return -1;
}

/* -1: go on; else the exit status. */
static int parse(struct nc *nc, int argc, char **argv)
{
	static const struct option options[] = {CLI_OPTIONS, {"listen", no_argument, NULL, 'l'},
		{"unix", no_argument, NULL, 'U'}, {0}};
	int option;

	while ((option = cli_option(nc->cli, argc, argv, ":hlUN46", options)) != -1) {
		switch (option) {
		case 'l': nc->listen = true; break;
		case 'U': nc->is_unix = true; break;
		case 'N': break; /* others must be told to end sending with stdin */
		case '4': nc->family = AF_INET; break;
		case '6': nc->family = AF_INET6; break;
		default: return nc->cli->status;
		}
	}
	return parse_arguments(nc, argc, argv);
}

int command_nc(struct cli *cli, int argc, char **argv)
{
	struct nc nc = {.cli = cli, .family = AF_UNSPEC};
	int status = parse(&nc, argc, argv);

	if (status >= 0)
		return status;
	cli->data_on_stdout = true;
	return run(&nc);
}
