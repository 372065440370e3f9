/* What a client may ask for. See policy.h. */
#include "daemon/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static bool refuse(struct rpc_error *error, const char *what)
{
	rpc_error_set(error, EACCES, "%s", what);
	return false;
}

/*
 * Whether the socket @fd, whose own address is @address, is the other end of a connection to our
 * listener.
 */
static bool is_connected_to_us(const struct server *server, int fd)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);

	return server->address.size > sizeof(sa_family_t) &&
		getpeername(fd, (struct sockaddr *)&peer, &size) == 0 &&
		size == server->address.size && memcmp(&peer, &server->address.storage, size) == 0;
}

/* An option that is a number; -1 where @fd has none. */
static int socket_option(int fd, int name)
{
	int value;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) < 0 ? -1 : value;
}

static bool is_inet(int fd)
{
	int domain = socket_option(fd, SO_DOMAIN);

	return domain == AF_INET || domain == AF_INET6;
}

bool policy_is_tcp(int fd)
{
	return is_inet(fd) && socket_option(fd, SO_PROTOCOL) == IPPROTO_TCP;
}

bool policy_is_on_disk(int fd)
{
	struct stat found;

	return fstat(fd, &found) == 0 && (S_ISREG(found.st_mode) || S_ISBLK(found.st_mode));
}

/*
 * What a stranger may donate: what is the same whoever uses it. Not so are a signalfd, which would
 * read the daemon's signals, and sockets on which it would speak in its own name.
 */
static bool is_neutral(int fd)
{
	struct stat found;

	if (fstat(fd, &found) < 0)
		return false;
	switch (found.st_mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFIFO:
	case S_IFCHR:
	case S_IFBLK: return true;
	case S_IFSOCK: return is_inet(fd);
	default: return false;
	}
}

bool policy_allows_fd(const struct session *session, int fd, struct rpc_error *error)
{
	if (!session->trusted && !is_neutral(fd))
		return refuse(error,
			"attach: files, pipes, devices and inet sockets; the daemon would act as itself");
	return socket_option(fd, SO_DOMAIN) != AF_UNIX ||
		!is_connected_to_us(session->shard->server, fd) ||
		refuse(error, "attach: this is a connection to the daemon itself");
}

/*
 * An io_uring has a flag of its own for splice, with which the descriptor is one of the daemon's.
 * MSG_TRUNC gives a size beyond the memory, MSG_ZEROCOPY reads the memory after the operation has
 * ended; what is not known here might do either.
 */
enum {
	RECV_FLAGS = MSG_PEEK | MSG_WAITALL | MSG_DONTWAIT | MSG_OOB,
	SEND_FLAGS = MSG_OOB | MSG_DONTROUTE | MSG_DONTWAIT | MSG_EOR | MSG_MORE | MSG_CONFIRM |
		MSG_NOSIGNAL,
	SPLICE_FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE,
};

static uint32_t unsafe_flags(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_RECV:
		/* what is only looked at would come again and again */
		return op->recv.flags &
			~(uint32_t)(op->flags & PROACTOR_MULTISHOT ? RECV_FLAGS & ~MSG_PEEK
								   : RECV_FLAGS);
	case PROACTOR_SEND: return op->send.flags & ~(uint32_t)SEND_FLAGS;
	case PROACTOR_RECVFROM: return op->recvfrom.flags & ~(uint32_t)RECV_FLAGS;
	case PROACTOR_RECVMSG: return op->recvmsg.flags & ~(uint32_t)RECV_FLAGS;
	case PROACTOR_SENDTO: return op->sendto.flags & ~(uint32_t)SEND_FLAGS;
	case PROACTOR_SENDMSG: return op->sendmsg.flags & ~(uint32_t)SEND_FLAGS;
	case PROACTOR_SPLICE: return op->splice.flags & ~(uint32_t)SPLICE_FLAGS;
	default: return 0;
	}
}

static bool flags_are_safe(const struct proactor_op *op, struct rpc_error *error)
{
	uint32_t unsafe = unsafe_flags(op);

	if (unsafe == 0)
		return true;
	rpc_error_set(error, EINVAL, "%s: the flags 0x%x are not taken", op_table[op->opcode].name,
		unsafe);
	return false;
}

/* Whether it names something by a path. Only stat acts on the file itself where that is empty. */
static bool looks_up(const struct proactor_op *op)
{
	for (const struct op_param *param = op_table[op->opcode].params; param->name; param++)
		if (param->kind == OP_KIND_PATH)
			return op->opcode != PROACTOR_STAT || *op->stat.path;
	return false;
}

static bool is_privileged_port(const struct proactor_address *address)
{
	in_port_t port = 0;

	if (address->any.sa_family == AF_INET)
		port = ((const struct sockaddr_in *)&address->storage)->sin_port;
	else if (address->any.sa_family == AF_INET6)
		port = ((const struct sockaddr_in6 *)&address->storage)->sin6_port;
	return port != 0 && ntohs(port) < IPPORT_RESERVED;
}

/* The address that it names a socket by, or NULL. */
static const struct sockaddr *address_of(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_BIND: return &op->bind.address->any;
	case PROACTOR_CONNECT: return &op->connect.address->any;
	case PROACTOR_SENDTO: return &op->sendto.address->any;
	case PROACTOR_SENDMSG: return op->sendmsg.message->msg_name;
	default: return NULL;
	}
}

static bool refuse_path(const struct proactor_op *op, const char *more, struct rpc_error *error)
{
	rpc_error_set(error, EACCES, "%s: paths are for the daemon's own user; do it yourself%s",
		op_table[op->opcode].name, more);
	return false;
}

bool policy_allows(const struct session *session, const struct proactor_op *op,
	struct rpc_error *error)
{
	const struct sockaddr *address = address_of(op);

	if (!flags_are_safe(op, error))
		return false;
	if (session->trusted)
		return true;
	if (looks_up(op))
		return refuse_path(op, ", and attach what is open", error);
	if (address && address->sa_family == AF_UNIX)
		return refuse_path(op, "", error);
	switch (op->opcode) {
	case PROACTOR_SOCKET:
		return refuse(error,
			"socket: is for the daemon's own user; make it yourself and attach it");
	case PROACTOR_BIND:
		return !is_privileged_port(op->bind.address) ||
			refuse(error,
				"bind: ports below 1024 are for the daemon's own user; bind it yourself");
	default: return true;
	}
}
