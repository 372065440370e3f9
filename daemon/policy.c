/* What a client may ask for. See policy.h. */
#include "daemon/policy.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

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

bool policy_allows_fd(const struct session *session, int fd, struct rpc_error *error)
{
	int domain;
	socklen_t size = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 || domain != AF_UNIX)
		return true;
	if (!session->trusted)
		return refuse(error,
			"attach: on a unix socket the daemon would speak in its own name");
	return !is_connected_to_us(session->server, fd) ||
		refuse(error, "attach: this is a connection to the daemon itself");
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

bool policy_allows(const struct session *session, const struct proactor_op *op,
	struct rpc_error *error)
{
	if (session->trusted)
		return true;
	switch (op->opcode) {
	case PROACTOR_OPEN:
		return refuse(error,
			"open: paths are for the daemon's own user; open it yourself and attach it");
	case PROACTOR_STAT:
		return !*op->stat.path ||
			refuse(error, "stat: paths are for the daemon's own user; attach the file");
	case PROACTOR_SOCKET:
		return refuse(error,
			"socket: is for the daemon's own user; make it yourself and attach it");
	case PROACTOR_BIND:
		if (op->bind.address->any.sa_family == AF_UNIX)
			return refuse(error,
				"bind: paths are for the daemon's own user; bind it yourself");
		return !is_privileged_port(op->bind.address) ||
			refuse(error,
				"bind: ports below 1024 are for the daemon's own user; bind it yourself");
	case PROACTOR_CONNECT:
		return op->connect.address->any.sa_family != AF_UNIX ||
			refuse(error,
				"connect: paths are for the daemon's own user; connect it yourself");
	default: return true;
	}
}
