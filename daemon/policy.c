/* What a client may ask for. See policy.h. */
#include "daemon/policy.h"

#include <errno.h>
#include <netinet/in.h>

static bool refuse(struct rpc_error *error, const char *what)
{
	rpc_error_set(error, EACCES, "%s", what);
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

bool policy_allows(const struct session *session, const struct proactor_op *op, struct rpc_error *error)
{
	if (session->trusted)
		return true;
	switch (op->opcode) {
	case PROACTOR_OPEN:
		return refuse(error, "open: paths are for the daemon's own user; open it yourself and attach it");
	case PROACTOR_STAT:
		return !*op->stat.path || refuse(error, "stat: paths are for the daemon's own user; attach the file");
	case PROACTOR_SOCKET:
		return refuse(error, "socket: is for the daemon's own user; make it yourself and attach it");
	case PROACTOR_BIND:
		if (op->bind.address->any.sa_family == AF_UNIX)
			return refuse(error, "bind: paths are for the daemon's own user; bind it yourself");
		return !is_privileged_port(op->bind.address) ||
			refuse(error, "bind: ports below 1024 are for the daemon's own user; bind it yourself");
	case PROACTOR_CONNECT:
		return op->connect.address->any.sa_family != AF_UNIX ||
			refuse(error, "connect: paths are for the daemon's own user; connect it yourself");
	default: return true;
	}
}
