/*
 * The acceptor: takes connections, on the first shard, and has them placed.
 *
 * Errors at accept are weather: no descriptors, no memory, a client that is gone already. None of
 * them ends the service; where trying again at once would fail again, it is tried after a pause.
 */
#pragma once

#include "daemon/server.h"

/* Starts accepting on server->listener. */
void acceptor_start(struct server *server);

/* Takes no more connections, and closes the listener when the last accept has ended. */
void acceptor_stop(struct server *server);
