/*
 * Dispatch: from bytes, in the inbox or in a slot of the ring, to calls.
 */
#pragma once

#include "base/def.h"

struct session;

/*
 * Does what the whole frames in the inbox ask for, until they are used up, or there were enough for
 * a turn (then the session is on shard->waiting), or the session is stalled for want of room (the
 * frame that met it stays, and is tried again), or it has failed.
 */
void dispatch(struct session *session);

/*
 * Does what a frame of @size bytes asks for, which came by the ring. False: the session is stalled,
 * the frame is to be tried again; or it has failed.
 */
bool dispatch_frame(struct session *session, const uint8_t *bytes, size_t size);

/* The session cannot be followed any further, for this reason. */
void dispatch_fail(struct session *session, const char *reason);
