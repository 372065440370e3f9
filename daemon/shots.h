/*
 * Shots: operations that go on. Each result but the last goes out as a notification, the last as
 * the response.
 *
 * accept and recv are pushed anew for each shot, once there is room for what it may bring: so a
 * client that does not read, or has no room for files, holds its own shots back, and goes on where
 * it stopped. A poll cannot be pushed anew, since it would report the same again: the proactor's
 * own goes on, and what it reports while there is no room is collected to one report. A recv from a
 * pool goes on as well: it needs no room, see pool.h.
 *
 *      push ──▶ in flight ──shot──▶ room? ──yes──▶ push
 *                   │                 └─no──▶ shard->paused ──room was made──▶ push
 *                   └──error, end──▶ response
 *
 * Room is, by the socket, half of the session's memory that what was not read may take, so that
 * calls, `cancel` among them, are read whatever the shots bring; and by the ring, a slot that the
 * client has taken. Beside what is in flight, each is charged as any operation is.
 *
 * An operation's shots and its response go one way, for between the two there is no order: back by
 * the ring only where all of them fit a slot, which is known when it is asked for. To an accept's
 * that holds for the file alone, so that there its address is left out.
 */
#pragma once

#include "daemon/operation.h"

/* Whether all that @operation, a multishot one, may come to fits a slot of a ring. */
bool shots_fit_ring(const struct operation *operation);

/*
 * A multishot operation came to @result; a file that it made has its handle. True: that was a shot,
 * which was delivered, and the operation goes on. False: it is over, with @result, which may have
 * become another.
 */
bool shots_take(struct operation *operation, int64_t *result);

/* Room was made: goes on with the shots that were held back. */
void shots_resume(struct shard *shard);

/* Asks @operation, which is held back, to end. False: it is not. */
bool shots_cancel(struct operation *operation);
