/*
 * Dispatch: from the bytes in the inbox to calls.
 */
#pragma once

struct session;

/*
 * Does what the whole frames in the inbox ask for, until they are used up, or there were enough for
 * a turn (then the session is on server->waiting), or the session is stalled for want of room (the
 * frame that met it stays, and is tried again), or it has failed.
 */
void dispatch(struct session *session);
