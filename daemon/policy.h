/*
 * What a client may ask the daemon to do with the daemon's rights.
 *
 * The daemon acts on files that clients donated: those they opened with their own rights. Whatever
 * looks something up by name (a path, a socket's address in the file system, a privileged port)
 * would use the daemon's, and is for the daemon's own user only.
 */
#pragma once

#include "daemon/session.h"
#include "proto/rpc.h"

/*
 * Whether @session may attach @fd. False: @error says why not.
 *
 * A message on a Unix socket carries the credentials of who sends it, and that is the daemon: for
 * strangers it would speak in its own name. And a client's end of its own connection would keep the
 * connection open for ever.
 */
bool policy_allows_fd(const struct session *session, int fd, struct rpc_error *error);

/* Whether @fd is a regular file or a block device, whose data may be at hand. */
bool policy_is_on_disk(int fd);

/* Whether @fd is a TCP socket. */
bool policy_is_tcp(int fd);

/*
 * Whether @session may do @op, as decoded. False: @error says why not.
 *
 * For everybody: the flags of recv and send are those under which the kernel writes and reads no
 * more than the memory that it is given, and no longer than the operation lasts; those of splice
 * leave descriptors what they are.
 */
bool policy_allows(const struct session *session, const struct proactor_op *op,
	struct rpc_error *error);
