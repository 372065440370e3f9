/*
 * A client's end of the daemon's socket: bytes out, frames in, descriptors both ways.
 *
 * It frames and carries, and knows nothing of what the messages mean. Sending and receiving never
 * block; connection_wait() does. The daemon's bytes are not trusted: they go through the same scan
 * as a client's do in the daemon.
 *
 * Once the connection is lost it stays lost: every call says why, first -ECONNRESET for all that
 * the other side can do.
 */
#pragma once

#include "base/buffer.h"
#include "proto/limits.h"
#include "proto/scan.h"

struct connection {
	int fd;
	int error; /* 0, or the negative errno that ended it */
	struct buffer in;
	size_t receive_size; /* room for what comes next */
	struct buffer out;
	struct buffer out_fds; /* struct connection_fd, in order */
	uint64_t sent_size;    /* bytes sent since the beginning: places in the stream */
	struct scan scan;
	struct limits limits; /* for what comes in */
	int fds[RPC_FDS_MAX]; /* that came in and were not taken, in order */
	unsigned fd_count;
	bool fds_cut;        /* more came than this process has room for */
	uint32_t last_msgid; /* for whoever calls by it */
};

/* Connects to the socket at @path. -ENOENT, -ECONNREFUSED, -EACCES, -ENAMETOOLONG. */
int connection_init(struct connection *connection, const char *path);

/* Closes. Idempotent, also on a zeroed one. */
void connection_deinit(struct connection *connection);

/*
 * What was packed at the tail of connection->out since it held @size_before bytes carries @fd,
 * which then is the connection's and is closed once sent. -ENOMEM.
 */
int connection_attach_fd(struct connection *connection, size_t size_before, int fd);

/* Sends what can be sent now. 0, also when some remains. */
int connection_send(struct connection *connection);

/*
 * Receives what is there now; with @blocks, waits until something is. 0, also when nothing was, or
 * a signal came. -ECONNRESET at the end of the stream.
 */
int connection_receive(struct connection *connection, bool blocks);

/*
 * The next whole frame that was received. 1 and the frame, which stays valid until
 * connection_consume(); 0: none yet. -ECONNRESET: what came is no frame.
 */
int connection_frame(struct connection *connection, const uint8_t **ret_frame, size_t *ret_size);

void connection_consume(struct connection *connection, size_t size);

/*
 * The next descriptor that came, now the caller's. -EMFILE: there was no room; -EBADMSG: there is
 * none.
 */
int connection_take_fd(struct connection *connection, int *ret_fd);

static inline bool connection_has_output(const struct connection *connection)
{
	return buffer_size(&connection->out) > 0;
}

/* What else ends a wait: descriptors, -1 for none. */
enum { CONNECTION_WAKE_FDS = 2 };

/*
 * Blocks until the socket can be received from, or sent to where there is output, or one of
 * @wake_fds (or NULL) is readable, or @deadline_ns has come (0: does not block). Bit i is set where
 * @wake_fds[i] is readable; 0: anything else, a signal among it.
 */
int connection_wait(struct connection *connection, const int wake_fds[CONNECTION_WAKE_FDS],
	uint64_t deadline_ns);

/* Ends the connection with @error, negative, where it has not ended yet. Returns how it ended. */
int connection_fail(struct connection *connection, int error);
