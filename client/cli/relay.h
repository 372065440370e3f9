/*
 * Bytes both ways between a connection and the standard streams, all through the daemon.
 *
 *      stdin  ── read ──▶ buffer ── send ──▶ socket
 *      stdout ◀── write ── buffer ◀── recv ── socket
 *
 * Each way has one operation in flight: a read of one side, then as many writes to the other as it
 * takes.
 *
 * The end of stdin is passed on as the end of sending; the end of the peer ends the relay, once
 * stdin has been silent for a second: a peer that ends its own sending first still gets what there
 * is, and one that has gone is not waited for, which looks the same from here.
 */
#pragma once

#include "client/cli/io.h"

/*
 * Relays until it is over, reports what failed, and ends @io. @socket is a connected socket of it.
 * Returns the exit status.
 */
int relay_run(struct io *io, int64_t socket);
