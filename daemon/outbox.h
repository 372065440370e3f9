/*
 * The outbox: what is to go out to a client, as a queue of chunks, and the one send that carries
 * many of them.
 *
 * Small answers are collected in a chunk; data goes in the chunk that the operation filled.
 * Descriptors ride on the first byte of their chunk, so that a send never begins after it.
 */
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include "daemon/chunk.h"
#include "daemon/loop.h"

struct session;

enum { OUTBOX_CHUNKS_PER_SEND = 32 };

struct outbox {
	struct task sending;
	struct list chunks;
	size_t size;     /* bytes in all chunks */
	size_t capacity; /* of all chunks: what is charged for them */
	bool hurry;      /* the session has failed: send what goes at once, drop the rest */

	struct msghdr message;
	struct iovec pieces[OUTBOX_CHUNKS_PER_SEND];
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int) * CHUNK_FDS_MAX)];
};

void outbox_init(struct outbox *outbox);

/* Appends a copy of @bytes. False: memory is short, and the session was closed. */
bool outbox_append(struct session *session, const void *bytes, size_t size);

/* Appends @chunk, which is the outbox's from then on. */
void outbox_append_chunk(struct session *session, struct chunk *chunk);

/*
 * Starts a send where there is something to send and none is in flight. Once a turn, for the
 * sessions on the dirty list.
 */
void outbox_flush(struct session *session);

/* Frees all chunks. Nothing may be in flight. */
void outbox_clear(struct session *session);
