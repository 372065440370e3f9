/* Where the daemon listens. */
#pragma once

#include <stddef.h>

/*
 * Writes the path of the daemon's socket: @given where it is not NULL, else $PROACTORD_SOCKET, else
 * the user's $XDG_RUNTIME_DIR/proactord/socket where that exists, else /run/proactord/socket.
 * -ENAMETOOLONG.
 */
int socket_path(const char *given, char *ret_path, size_t size);
