/*
 * Heavy operations: those that move so many bytes that others would wait for them.
 *
 * The daemon's thread copies what is in the page cache itself, at submission. So transfers beyond
 * HEAVY_SIZE wait here, each session's in order, the sessions taking turns; a turn of the loop
 * submits HEAVY_TURN_SIZE bytes of them together, and what is larger goes in pieces. Where a turn
 * also has light operations it does these alone, so that their answers need not wait for the
 * copying; the turn after it is the heavy ones' in any case.
 *
 *      session a ──▶ 1 MiB ──▶ 64 KiB          turn n:    a's first 256 KiB
 *      session b ──▶ 256 KiB                   turn n+1:  b's 256 KiB
 *                                              turn n+2:  a's next 256 KiB
 */
#pragma once

#include "base/list.h"

struct operation;
struct proactor_op;
struct shard;
struct session;

enum { HEAVY_SIZE = 32 * 1024, HEAVY_PIECE_SIZE = 256 * 1024, HEAVY_TURN_SIZE = HEAVY_PIECE_SIZE };

/* Whether @operation, about to start, is one of them: then it waits here from now on. */
bool heavy_takes(struct operation *operation);

/*
 * A piece of @operation, which is heavy, has ended with @result. True: there are more, it waits
 * again. False: it has ended; @ret_result is that of the whole.
 */
bool heavy_goes_on(struct operation *operation, int64_t result, int64_t *ret_result);

/* Asks it to end, where it waits. False: it does not wait. */
bool heavy_cancel(struct operation *operation);

/* Submits what this turn may have of them. */
void heavy_turn(struct shard *shard);
