/*
 * libproactor-client: the daemon as a driver.
 *
 * A program that links this library beside libproactor (pkg-config proactor-client) needs no call
 * of its own: proactor_new() then knows PROACTOR_DRIVER_REMOTE, takes `PROACTOR_DRIVER=unix:PATH`
 * from the environment, and falls back to the daemon where no io_uring can be had. All of
 * proactor.h behaves as in-process, with these particulars:
 *
 *  - Files are handles of the session; proactor_attach() and proactor_detach() pass descriptors
 *    through the socket, and wait for the daemon's answer.
 *  - What names something by a path (open, stat, unlink, rename, …), and socket, is done in this
 *    process with the caller's own rights, and the result is donated: a path means here what it
 *    means to the caller. A path in a directory that is a file of the session, and a unix-domain
 *    address for bind and connect, is looked up by the daemon, for its own user only.
 *  - Operations go by rings that the daemon shares where it does, and their bytes stay in place
 *    where they are in memory of proactor_memory_new(). The environment variable PROACTOR_TRANSPORT
 *    chooses: `socket`, or `ring`, without which proactor_new() then fails with -EOPNOTSUPP; any
 *    other value is -EINVAL. It is not looked at in a set-user-ID program.
 *  - A receive that selects a buffer costs two messages where data has to be waited for.
 *  - Transfers are cut to the daemon's limit (1 MiB by default): a longer one comes back short, as
 *    any may.
 *  - When the daemon goes, every operation in flight ends with -ECONNRESET, and so does every later
 *    one.
 *  - recvmsg and sendmsg carry no ancillary data: with room for it, or with some, -EOPNOTSUPP.
 *  - MSG_TRUNC and MSG_ZEROCOPY are not taken: -EINVAL.
 */
#ifndef PROACTOR_CLIENT_H
#define PROACTOR_CLIENT_H

#include "proactor.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes the path of the daemon's socket to @ret_path, of @size bytes: $PROACTORD_SOCKET, else the
 * user's $XDG_RUNTIME_DIR/proactord/socket where that exists, else /run/proactord/socket.
 * -ENAMETOOLONG. Any thread.
 */
int proactor_client_socket_path(char *ret_path, size_t size);

#ifdef __cplusplus
}
#endif

#endif
