/*
 * The remote driver: proactor.h over the daemon's socket.
 *
 * An operation becomes a request whose msgid is its slot's index, and ends with the response. A
 * cancellation is a request of its own, and since the daemon takes requests in order, it can never
 * meet a later operation that got the same index: that one is pushed, and so sent, after it. Calls
 * that are waited for (attach, detach) have msgids with the highest bit set.
 *
 * What more an operation may be than a request and a response has files of its own: multishot ones
 * have notifications before their response (remote_shots.c), receives that select a buffer have it
 * from a pool of the daemon's (remote_pool.c), or are several requests, one after another
 * (remote_select.c).
 *
 * Requests collect in the connection's buffer and leave with one send when the caller polls; all
 * the responses that have come are taken at once. The caller's buffers are touched in poll alone,
 * so that nothing is to be waited for at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "client/proactor-client.h"
#include "client/remote.h"
#include "client/socket_path.h"
#include "driver/buffers.h"
#include "driver/work.h"

/* Of the driver's name. */
#define RING_SUFFIX " (ring)"

static struct remote *remote_of(struct proactor *proactor)
{
	return container_of(proactor, struct remote, base);
}

/* ---- the end of the connection ---- */

/* The connection is lost: what is in flight ends. */
static void end_all(struct remote *remote)
{
	struct slots *slots = &remote->base.slots;

	/* the files that they brought are gone as well */
	buffer_clear(&remote->shots);
	for (uint32_t i = 0; i < slots_count(slots); i++) {
		struct slot *slot = slots_at(slots, i);

		if (!slot_is_with_driver(slot))
			continue;
		remote_select_leave(slot);
		driver_end(&remote->base, slot, -ECONNRESET);
	}
	window_deinit(&remote->window);
}

void remote_lose(struct remote *remote)
{
	(void)connection_fail(&remote->connection, -ECONNRESET);
	end_all(remote);
}

/* ---- starting and cancelling ---- */

/* What is negative is no file, and on the wire not even a parameter. */
static bool names_no_file(const struct proactor_op *op)
{
	for (const struct op_param *param = op_table[op->opcode].params; param->name; param++) {
		const int64_t *file = (const int64_t *)((const uint8_t *)op + param->offset);

		if (param->kind == OP_KIND_FILE && *file < 0)
			return true;
		if (param->kind == OP_KIND_DIR && *file < 0 && *file != PROACTOR_CWD)
			return true;
	}
	return false;
}

/* Ancillary data means something in one process only. */
static bool has_wire_form(const struct proactor_op *op)
{
	if (op->opcode == PROACTOR_RECVMSG || op->opcode == PROACTOR_SENDMSG)
		return op->recvmsg.message->msg_controllen == 0;
	return op_table[op->opcode].where == OP_WHERE_WIRE;
}

static bool has_too_many_pieces(const struct proactor_op *op)
{
	return (op->opcode == PROACTOR_RECVMSG || op->opcode == PROACTOR_SENDMSG) &&
		op->recvmsg.message->msg_iovlen > IOV_MAX;
}

/* What is left of a request that was not sent. */
static void abandon(struct remote *remote, struct slot *slot)
{
	remote_end_loan(remote, slot);
	remote_forget(&remote->base, slot);
}

static int send_op(struct remote *remote, struct proactor_op *op, struct slot *slot,
	int64_t *ret_result)
{
	int r = remote_keep(remote, op, slot), lent = 0;

	/* nothing was asked yet: what is answered meanwhile is not for it */
	slot->marks |= SLOT_HELD;
	if (r >= 0)
		lent = remote_lend_directory(remote, op, slot);
	slot->marks &= (uint8_t)~SLOT_HELD;
	if (r >= 0 && lent >= 0)
		r = remote_send(remote, op, slot, -1);
	if (r < 0 || lent < 0)
		abandon(remote, slot);
	if (lent >= 0)
		return r < 0 ? r : PROACTOR_PENDING;
	*ret_result = lent;
	return PROACTOR_READY;
}

static int select_buffer(struct remote *remote, const struct proactor_op *op, struct slot *slot)
{
	int r = op->recv.buffers->in_engine ? remote_pool_push(remote, op, slot)
					    : remote_select(remote, op, slot);

	if (r >= 0)
		return PROACTOR_PENDING;
	abandon(remote, slot);
	return r;
}

static int start(struct proactor *proactor, const struct proactor_op *given, struct slot *slot,
	int64_t *ret_result)
{
	struct remote *remote = remote_of(proactor);
	struct proactor_op op = *given;

	if (!has_wire_form(&op))
		return -EOPNOTSUPP;
	if (remote->connection.error < 0) {
		*ret_result = -ECONNRESET;
		return PROACTOR_READY;
	}
	if (names_no_file(&op)) {
		*ret_result = -EBADF;
		return PROACTOR_READY;
	}
	if (has_too_many_pieces(&op)) {
		*ret_result = -EMSGSIZE;
		return PROACTOR_READY;
	}
	if (remote_is_local(&op))
		return remote_push_local(remote, &op, slot, ret_result);
	return op.flags & PROACTOR_BUFFER_SELECT ? select_buffer(remote, &op, slot)
						 : send_op(remote, &op, slot, ret_result);
}

/* What is done in this process, and might hold it up; what makes a file goes on from there. */
static bool is_for_threads(const struct proactor_op *op)
{
	return op->flags & PROACTOR_MAY_BLOCK && remote_is_local(op) && !op_makes_file(op->opcode);
}

static int remote_push(struct proactor *proactor, const struct proactor_op *op, struct slot *slot,
	uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	int64_t result;
	int r;

	if (likely(remote_push_brief(remote_of(proactor), op, slot)))
		return driver_pending(slot, ret_key);
	if (op->opcode == PROACTOR_CALL || is_for_threads(op))
		return work_push(proactor, op, slot, ret_key, ret_ready);
	r = start(proactor, op, slot, &result);
	/*
	 * memory that ran out in the middle of the request has lost the connection, and ended this
	 * operation with all others
	 */
	if (r == PROACTOR_PENDING || slot->state == SLOT_QUEUED)
		return driver_pending(slot, ret_key);
	return r == PROACTOR_READY ? driver_ready(proactor, slot, result, ret_key, ret_ready)
				   : driver_refuse(proactor, slot, r);
}

uint32_t remote_control_msgid(struct remote *remote)
{
	return REMOTE_CONTROL_MSGID | (++remote->control_count & (REMOTE_CONTROL_MSGID - 1));
}

static int remote_cancel(struct proactor *proactor, struct slot *slot)
{
	struct remote *remote = remote_of(proactor);
	struct pack pack = pack_into(&remote->connection.out);

	if (slot->marks & SLOT_HELD) {
		remote_end_loan(remote, slot);
		remote_select_leave(slot);
		slot->marks &= (uint8_t)~SLOT_HELD;
		driver_end(proactor, slot, -ECANCELED);
		return 0;
	}
	/* the way that the operation went, so that it cannot come before it */
	if (slot->marks & SLOT_BY_RING)
		return remote_ring_cancel(remote, remote_control_msgid(remote), slot_index(slot));
	rpc_pack_request(&pack, remote_control_msgid(remote), "cancel", 1);
	pack_uint(&pack, slot_index(slot));
	return remote_finish_request(remote, &pack);
}

/* ---- files ---- */

int64_t remote_await(struct remote *remote, uint32_t msgid, uint32_t opcode)
{
	remote->awaited_msgid = msgid;
	remote->awaited_opcode = opcode;
	while (remote->awaited_msgid != 0) {
		if (remote->connection.error < 0)
			return -ECONNRESET;
		(void)connection_send(&remote->connection);
		if (connection_wait(&remote->connection, /* wake_fds= */ NULL, CLOCK_NEVER) >= 0)
			(void)connection_receive(&remote->connection, false);
		remote_receive(remote);
	}
	return remote->awaited_result;
}

static int remote_attach(struct proactor *proactor, int fd, int64_t *ret_file)
{
	struct remote *remote = remote_of(proactor);
	uint32_t msgid = remote_control_msgid(remote);
	int64_t file;
	int copy, r;

	if (remote->connection.error < 0)
		return -ECONNRESET;
	/* a copy travels, so that on failure the caller still has its own */
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	r = remote_send_attach(remote, msgid, copy);
	if (r < 0)
		return r;
	file = remote_await(remote, msgid, PROACTOR_OPEN);
	if (file < 0)
		return (int)file;
	fd_close(fd);
	*ret_file = file;
	return 0;
}

static int remote_detach(struct proactor *proactor, int64_t file, int *ret_fd)
{
	struct remote *remote = remote_of(proactor);
	struct pack pack = pack_into(&remote->connection.out);
	uint32_t msgid = remote_control_msgid(remote);
	int r;

	if (file < 0)
		return -EBADF;
	if (remote->connection.error < 0)
		return -ECONNRESET;
	rpc_pack_request(&pack, msgid, "detach", 1);
	pack_int(&pack, file);
	r = remote_finish_request(remote, &pack);
	if (r >= 0)
		r = (int)remote_await(remote, msgid, PROACTOR_NOP);
	return r < 0 ? r : connection_take_fd(&remote->connection, ret_fd);
}

/* ---- the end ---- */

static void remote_stop(struct proactor *proactor)
{
	remote_lose(remote_of(proactor));
}

/* The session is over, and its files with it. */
static void remote_discard(struct proactor *proactor, int64_t file)
{
	(void)proactor;
	(void)file;
}

static void remote_free(struct proactor *proactor)
{
	struct remote *remote = remote_of(proactor);

	connection_deinit(&remote->connection);
	remote_ring_close(&remote->ring);
	window_deinit(&remote->window);
	buffer_deinit(&remote->scratch);
	buffer_deinit(&remote->shots);
	fd_close(remote->epoll_fd);
	slab_deinit(&remote->rooms);
	free(remote);
}

static const struct driver remote_driver = {
	.push = remote_push,
	.cancel = remote_cancel,
	.reap = remote_reap,
	.wait = remote_wait,
	.flush = remote_flush,
	.attach = remote_attach,
	.detach = remote_detach,
	.fd = remote_fd,
	.watch = remote_watch,
	.memory_add = remote_memory_add,
	.memory_remove = remote_memory_remove,
	.buffers_new = remote_buffers_new,
	.buffers_free = remote_buffers_free,
	.buffers_give = remote_buffers_give,
	.forget = remote_forget,
	.stop = remote_stop,
	.discard = remote_discard,
	.free = remote_free,
};

/* ---- the beginning ---- */

static int explain(char *reason, const char *path, int r)
{
	snprintf(reason, DRIVER_REASON_SIZE, "the daemon at %.160s: %s", path, err_name(-r));
	return r;
}

/* How long to look before sleeping: not where this process and the daemon share one processor. */
static uint64_t spin_window_ns(const struct remote *remote, const struct proactor_options *options)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (options->spin_us == PROACTOR_SPIN_NEVER ||
		getsockopt(remote->connection.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
		!spin_pays(peer.pid))
		return 0;
	return (options->spin_us > 0 ? options->spin_us : SPIN_US_DEFAULT) * NSEC_PER_USEC;
}

/* The way that operations go: $PROACTOR_TRANSPORT, else by a ring where the daemon has them. */
static int open_transport(struct remote *remote, uint32_t capacity)
{
	const char *name = secure_getenv("PROACTOR_TRANSPORT");
	bool must = name && strcmp(name, "ring") == 0;
	int r;

	if (name && *name && !must && strcmp(name, "socket") != 0)
		return -EINVAL;
	if (name && *name && !must)
		return 0;
	r = remote->has_rings ? remote_ring_open(remote, capacity) : 0;
	return r == 0 && must && !remote_ring_is_open(&remote->ring) ? -EOPNOTSUPP : r;
}

int remote_new(struct proactor **ret_proactor, const struct proactor_options *options, char *reason)
{
	struct remote *remote;
	char path[DRIVER_NAME_SIZE];
	int r;

	r = socket_path(options->socket_path, path, sizeof(path) - strlen("unix:" RING_SUFFIX));
	if (r < 0)
		return r;
	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++)
		if (options->required_ops & UINT64_C(1) << opcode &&
			op_table[opcode].where != OP_WHERE_WIRE)
			return explain(reason, path, -EOPNOTSUPP);
	remote = calloc(1, sizeof(*remote));
	if (!remote)
		return -ENOMEM;
	remote->epoll_fd = -EBADF;
	remote_rooms_init(remote);
	driver_init(&remote->base, &remote_driver, options);
	r = connection_init(&remote->connection, path);
	if (r >= 0)
		r = remote_hello(remote);
	if (r >= 0)
		r = open_transport(remote, options->capacity);
	if (r < 0) {
		proactor_threads_free(remote->base.threads);
		remote_free(&remote->base);
		return explain(reason, path, r);
	}
	snprintf(remote->base.name, sizeof(remote->base.name), "unix:%.*s%s",
		(int)(sizeof(path) - sizeof("unix:" RING_SUFFIX)), path,
		remote_ring_is_open(&remote->ring) ? RING_SUFFIX : "");
	spin_init(&remote->spin, spin_window_ns(remote, options));
	*ret_proactor = &remote->base;
	return 0;
}

int proactor_client_socket_path(char *ret_path, size_t size)
{
	return socket_path(NULL, ret_path, size);
}
