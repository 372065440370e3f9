/*
 * Responses: packed in the shard's scratch buffer, or for data right before it, and put into the
 * outbox.
 */
#pragma once

#include "daemon/operation.h"

/* An error. */
void reply_error(struct session *session, uint32_t msgid, const struct rpc_error *error);

/* Begins a success in the scratch buffer; the caller packs the result and calls reply_end(). */
struct pack reply_begin(struct session *session, uint32_t msgid);
void reply_end(struct session *session, struct pack *pack);

/* A success without a result. */
void reply_nil(struct session *session, uint32_t msgid);

/*
 * As reply_end(), by the socket, with @count descriptors (up to CHUNK_FDS_MAX) that ride on it and
 * are closed when it has gone. Each counts as a file of the session until then: the charge is
 * handed over.
 */
void reply_end_with_fds(struct session *session, struct pack *pack, const int *fds, unsigned count);

/* A result of @operation, which goes on. Data moves from its chunk to the outbox. */
void reply_shot(struct operation *operation, int64_t result);

/* How @operation ended. Data moves from its chunk to the outbox. */
void reply_operation(struct operation *operation, int64_t result);
