/*
 * An operation: one call of a client that the proactor does, from its frame to its response.
 *
 * What the client names is translated (handles to files), what it is charged is charged, what it
 * may not do is refused, and memory is found for its data, before anything reaches the proactor.
 * The response goes out when it has ended, in whatever order that is.
 */
#pragma once

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "daemon/session.h"
#include "proto/rpc.h"

/* Of pieces, as many as find room here in any case; more are in the chunk. */
enum { OPERATION_FILES_MAX = 2, OPERATION_PIECES = 4 };

struct operation {
	struct task task;
	struct map_node node; /* of session->operations_by_msgid, by msgid */
	struct list link;     /* of session->operations */
	struct session *session;
	struct file *files[OPERATION_FILES_MAX]; /* that it acts on */
	unsigned file_count;
	struct chunk *chunk;    /* its data, or NULL */
	uint64_t memories;      /* the set of those that its data is in (memory.h); 0: none */
	struct pool *pool;      /* that it takes a buffer of; NULL: none */
	bool file_charged;      /* it may make a file, and that is paid for */
	bool by_ring;           /* where it came, and is answered, as far as that fits */
	bool is_heavy;          /* see heavy.h */
	struct list heavy_link; /* of session->heavy, while it waits for a turn */
	uint64_t left;          /* bytes, with those of the piece that is under way */
	uint64_t under_way;     /* the size of that */
	uint64_t done;
	bool multishot; /* see shots.h */
	bool cancelled;
	int64_t events;          /* of a multishot poll, to be reported when there is room */
	struct list paused_link; /* of server->paused, or unlinked */
	struct proactor_op op;
	union {
		struct statx stat;
		struct {
			struct proactor_address address;
			/* of recvmsg and sendmsg; named by @address */
			struct msghdr message;
			struct iovec pieces[OPERATION_PIECES];
		};
	};
};

enum operation_start {
	OPERATION_STARTED,
	OPERATION_REFUSED, /* the error says why */
	OPERATION_STALLED, /* no room now: to be tried again */
};

/* Starts what @message asks for, a call of @info's operation. */
enum operation_start operation_start(struct session *session, const struct op_info *info,
	const struct rpc_message *message, struct rpc_error *error);

/*
 * As above, from a brief frame. False: it was not started, and nothing was answered; the general
 * way finds out why.
 */
struct brief;
bool operation_start_brief(struct session *session, const struct brief *brief);

/*
 * Asks for the operation of that msgid to end. False: there is none. A close and a report cannot be
 * stopped, and are left alone.
 */
bool operation_cancel(struct session *session, uint32_t msgid);

/* As above, all operations of @session. */
void operation_cancel_all(struct session *session);
