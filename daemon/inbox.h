/*
 * The inbox: what comes in from a client, bytes and descriptors, until it is a whole frame.
 *
 * One receive is always in flight while the session is open and not stalled. Its buffer starts
 * small and follows what the client sends. Not to receive is how a client is held back: then only
 * the end of the connection is watched for.
 */
#pragma once

#include <sys/socket.h>

#include "base/buffer.h"
#include "daemon/loop.h"
#include "proto/scan.h"

struct session;

struct inbox {
	struct task receiving;
	struct task watching; /* for the end of the connection, while stalled */
	struct buffer bytes;
	size_t receive_size; /* how much to ask for; follows the client */
	struct scan scan;
	int fds[RPC_FDS_MAX]; /* that came and were not taken yet, in order */
	unsigned fd_count;
	bool fds_cut;          /* more came than there was room for */
	bool ended;            /* there is, and will be, nothing more to receive */
	uint64_t charged_size; /* of the buffer, to the user */

	struct msghdr message;
	struct iovec room;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int) * RPC_FDS_MAX)];
};

void inbox_init(struct inbox *inbox);

/* Closes what was not taken, and releases what the user was charged. Nothing may be in flight. */
void inbox_deinit(struct session *session);

/* Goes on with the frames that are there, then with receiving. */
void inbox_resume(struct session *session);

/* Watches for the end of the connection, instead of receiving. */
void inbox_watch(struct session *session);

/*
 * The next descriptor that came, now the caller's. -EBADF: none did. -EMFILE: one did, and there
 * was no room for it.
 */
int inbox_take_fd(struct inbox *inbox);

/* Closes what came unasked; called between frames when all bytes are dispatched. */
void inbox_drop_fds(struct session *session);
