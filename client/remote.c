/*
 * The remote driver: proactor.h over the daemon's socket.
 *
 * An operation becomes a request whose msgid is its slot's index, and ends with the response. A
 * cancellation is a request of its own, and since the daemon takes requests in order, it can never
 * meet a later operation that got the same index: that one is pushed, and so sent, after it. Calls
 * that are waited for (attach, detach) have msgids with the highest bit set.
 *
 * No more is with the daemon than it takes at a time (window.h); beyond that, requests are held
 * back, and an operation that is cancelled while it is held ends here.
 *
 * Requests collect in the connection's buffer and leave with one send when the caller polls; all
 * the responses that have come are taken at once. The caller's buffers are touched in poll alone,
 * so that nothing is to be waited for at the end.
 *
 * The daemon is not trusted more than a peer has to be: a response to nothing, or one that does not
 * have the shape of the operation's result, ends the connection.
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
#include "client/call.h"
#include "client/connection.h"
#include "client/proactor-client.h"
#include "client/socket_path.h"
#include "client/window.h"
#include "driver/driver.h"
#include "proto/codec.h"

#define CONTROL_MSGID    (UINT32_C(1) << 31)
#define HELLO_TIMEOUT_NS (10 * NSEC_PER_SEC)

/* REQUEST_HEADER_SIZE: what a request with data has besides the data, at most. */
enum { SEND_EARLY_SIZE = 256 * 1024, RESULT_ERRNO_MAX = 4095, REQUEST_HEADER_SIZE = 64 };

struct remote {
	struct proactor base;
	struct connection connection;
	struct window window;
	struct buffer scratch; /* a request that is to be held, while it is packed */
	size_t transfer_size;  /* the daemon's limit */
	uint32_t control_count;
	uint32_t awaited_msgid;  /* of the call that is waited for; 0: none */
	uint32_t awaited_opcode; /* of an operation with the same result */
	int64_t awaited_result;
	int epoll_fd;      /* for proactor_fd(); -EBADF until asked for */
	bool watches_send; /* the epoll set looks for room in the socket too */
};

static struct remote *remote_of(struct proactor *proactor)
{
	return container_of(proactor, struct remote, base);
}

/* ---- the end of the connection ---- */

/* The connection is lost: what is in flight ends. */
static void end_all(struct remote *remote)
{
	struct slots *slots = &remote->base.slots;

	for (uint32_t i = 0; i < slots_count(slots); i++) {
		struct slot *slot = slots_at(slots, i);

		if (slot->state == SLOT_IN_FLIGHT)
			driver_end(&remote->base, slot, -ECONNRESET);
	}
	window_deinit(&remote->window);
}

static void lose(struct remote *remote)
{
	(void)connection_fail(&remote->connection, -ECONNRESET);
	end_all(remote);
}

/* ---- requests ---- */

/* What is missing when memory runs out in the middle of a message cannot be taken back. */
static int finish_request(struct remote *remote, const struct pack *pack)
{
	if (pack->failed) {
		lose(remote);
		return -ENOMEM;
	}
	if (buffer_size(&remote->connection.out) >= SEND_EARLY_SIZE)
		(void)connection_send(&remote->connection);
	return 0;
}

/* The request that makes a file of @fd, which is the connection's from then on, also on failure. */
static int send_attach(struct remote *remote, uint32_t msgid, int fd)
{
	struct connection *connection = &remote->connection;
	struct pack pack = pack_into(&connection->out);
	int r = connection_attach_fd(connection, buffer_size(&connection->out), fd);

	if (r < 0) {
		fd_close(fd);
		return r;
	}
	rpc_pack_request(&pack, msgid, "attach", 0);
	return finish_request(remote, &pack);
}

/* The bytes that @slot's operation transfers at most. */
static size_t data_size(const struct slot *slot)
{
	enum op_result kind = op_table[slot->opcode].result;

	return kind == OP_RESULT_BYTES || kind == OP_RESULT_COUNT ? slot->space.size : 0;
}

static void pack_request(struct pack *pack, const struct proactor_op *op, const struct slot *slot,
	int fd)
{
	if (fd >= 0)
		rpc_pack_request(pack, slot_index(slot), "attach", 0);
	else
		codec_pack_request(pack, slot_index(slot), op);
}

static int hold(struct remote *remote, const struct proactor_op *op, struct slot *slot,
	uint64_t cost, int fd)
{
	struct pack pack = pack_into(&remote->scratch);
	struct window_request request = {.key = slot_key(slot), .cost = cost, .fd = fd};

	buffer_clear(&remote->scratch);
	pack_request(&pack, op, slot, fd);
	request.size = (uint32_t)buffer_size(&remote->scratch);
	if (pack.failed ||
		window_hold(&remote->window, &request, buffer_bytes(&remote->scratch)) < 0) {
		fd_close(fd);
		return -ENOMEM;
	}
	slot->held = true;
	return 0;
}

/*
 * Sends the request for @slot, now or when there is room: @op, or what makes a file of @fd where
 * that is not -1.
 */
static int send_operation(struct remote *remote, const struct proactor_op *op, struct slot *slot,
	int fd)
{
	uint64_t cost = window_cost(data_size(slot));
	struct pack pack = pack_into(&remote->connection.out);

	if (!window_admits(&remote->window, cost))
		return hold(remote, op, slot, cost, fd);
	window_enter(&remote->window, cost);
	if (fd >= 0)
		return send_attach(remote, slot_index(slot), fd);
	codec_pack_request(&pack, slot_index(slot), op);
	return finish_request(remote, &pack);
}

/* Sends what was held and has room now; what was cancelled meanwhile is passed over. */
static void send_held(struct remote *remote)
{
	const struct window_request *request;

	while (remote->connection.error == 0 && (request = window_next(&remote->window))) {
		struct connection *connection = &remote->connection;
		struct slot *slot = slots_find(&remote->base.slots, request->key);
		int r = 0;

		if (!slot || !slot->held) {
			fd_close(request->fd);
			window_drop(&remote->window);
			continue;
		}
		if (request->fd >= 0)
			r = connection_attach_fd(connection, buffer_size(&connection->out),
				request->fd);
		if (r < 0 || buffer_append(&connection->out, request + 1, request->size) < 0) {
			lose(remote);
			return;
		}
		slot->held = false;
		window_enter(&remote->window, request->cost);
		window_drop(&remote->window);
	}
}

/* ---- operations that are done with the caller's own rights ---- */

static int open_here(const struct proactor_op *op)
{
	int fd = openat(AT_FDCWD, op->open.path, op->open.flags | O_CLOEXEC, op->open.mode);

	return fd < 0 ? -errno : fd;
}

static int socket_here(const struct proactor_op *op)
{
	int fd = socket(op->socket.domain, op->socket.type | SOCK_CLOEXEC, op->socket.protocol);

	return fd < 0 ? -errno : fd;
}

static int stat_here(const struct proactor_op *op)
{
	int flags = (int)op->stat.flags | (*op->stat.path ? 0 : AT_EMPTY_PATH);

	return statx(AT_FDCWD, op->stat.path, flags, op->stat.mask, op->stat.stat) < 0 ? -errno : 0;
}

/* Makes the file of @fd, made for @slot, the daemon's. */
static int donate(struct remote *remote, struct slot *slot, int fd, int64_t *ret_result)
{
	int r;

	if (fd < 0) {
		*ret_result = fd;
		return PROACTOR_READY;
	}
	r = send_operation(remote, NULL, slot, fd);
	return r < 0 ? r : PROACTOR_PENDING;
}

static bool is_done_here(const struct proactor_op *op)
{
	return (op->opcode == PROACTOR_OPEN && op->open.dir == PROACTOR_CWD) ||
		op->opcode == PROACTOR_SOCKET ||
		(op->opcode == PROACTOR_STAT && op->stat.dir == PROACTOR_CWD);
}

static int push_here(struct remote *remote, const struct proactor_op *op, struct slot *slot,
	int64_t *ret_result)
{
	switch (op->opcode) {
	case PROACTOR_OPEN: return donate(remote, slot, open_here(op), ret_result);
	case PROACTOR_SOCKET: return donate(remote, slot, socket_here(op), ret_result);
	default: *ret_result = stat_here(op); return PROACTOR_READY;
	}
}

/* ---- starting and cancelling ---- */

/* Keeps what the response is to be written to, and cuts the transfer to what the daemon takes. */
static void keep_outputs(const struct remote *remote, struct proactor_op *op, struct slot *slot)
{
	switch (op->opcode) {
	case PROACTOR_READ:
	case PROACTOR_RECV:
	case PROACTOR_WRITE:
	case PROACTOR_SEND:
		/* memory and its size stand at the same place in the four */
		op->read.size = MIN(op->read.size, remote->transfer_size);
		slot->space.data = op->read.data;
		slot->space.size = op->read.size;
		break;
	case PROACTOR_ACCEPT: slot->address = op->accept.address; break;
	case PROACTOR_STAT: slot->stat = op->stat.stat; break;
	default: break;
	}
}

_Static_assert(offsetof(struct proactor_op, read.size) ==
			offsetof(struct proactor_op, write.size) &&
		offsetof(struct proactor_op, read.size) ==
			offsetof(struct proactor_op, recv.size) &&
		offsetof(struct proactor_op, read.size) == offsetof(struct proactor_op, send.size),
	"keep_outputs() takes them together");

/* What is negative is no file, and on the wire not even a parameter. */
static bool names_no_file(const struct proactor_op *op)
{
	const struct op_param *param = op_table[op->opcode].params;
	int64_t file;

	/* a file or directory is always the first */
	if (!param->name || (param->kind != OP_KIND_FILE && param->kind != OP_KIND_DIR))
		return false;
	memcpy(&file, (const uint8_t *)op + param->offset, sizeof(file));
	return file < 0 && !(param->kind == OP_KIND_DIR && file == PROACTOR_CWD);
}

static int start(struct proactor *proactor, const struct proactor_op *given, struct slot *slot,
	int64_t *ret_result)
{
	struct remote *remote = remote_of(proactor);
	struct proactor_op op = *given;
	int r;

	if (op_table[op.opcode].where != OP_WHERE_WIRE)
		return -EOPNOTSUPP;
	if (remote->connection.error < 0) {
		*ret_result = -ECONNRESET;
		return PROACTOR_READY;
	}
	if (names_no_file(&op)) {
		*ret_result = -EBADF;
		return PROACTOR_READY;
	}
	if (is_done_here(&op))
		return push_here(remote, &op, slot, ret_result);
	keep_outputs(remote, &op, slot);
	r = send_operation(remote, &op, slot, -1);
	return r < 0 ? r : PROACTOR_PENDING;
}

static int remote_push(struct proactor *proactor, const struct proactor_op *op, uint64_t *ret_key,
	struct proactor_completion *ret_ready)
{
	struct slot *slot = driver_start(proactor, op);
	int64_t result;
	int r;

	if (!slot)
		return -ENOMEM;
	r = start(proactor, op, slot, &result);
	/*
	 * memory that ran out in the middle of the request has lost the connection, and ended this
	 * operation with all others
	 */
	if (r == PROACTOR_PENDING || slot->state == SLOT_QUEUED)
		return driver_pending(proactor, slot, ret_key);
	return r == PROACTOR_READY ? driver_ready(proactor, slot, result, ret_ready)
				   : driver_refuse(proactor, slot, r);
}

static uint32_t control_msgid(struct remote *remote)
{
	return CONTROL_MSGID | (++remote->control_count & (CONTROL_MSGID - 1));
}

static int remote_cancel(struct proactor *proactor, struct slot *slot)
{
	struct remote *remote = remote_of(proactor);
	struct pack pack = pack_into(&remote->connection.out);

	if (slot->held) {
		slot->held = false;
		driver_end(proactor, slot, -ECANCELED);
		return 0;
	}
	rpc_pack_request(&pack, control_msgid(remote), "cancel", 1);
	pack_uint(&pack, slot_index(slot));
	return finish_request(remote, &pack);
}

/* ---- responses ---- */

/* The one place where a wire error becomes an errno. */
static int64_t result_of_error(const struct rpc_error *error)
{
	if (error->code > 0)
		return error->code <= RESULT_ERRNO_MAX ? -error->code : -EPROTO;
	switch (error->code) {
	case RPC_METHOD_NOT_FOUND: return -EOPNOTSUPP;
	case RPC_INVALID_PARAMS: return -EINVAL;
	default: return -EPROTO;
	}
}

/*
 * The result of @message in numbers; what else it brings goes where @slot says. -EBADMSG:
 * malformed.
 */
static int read_response(const struct rpc_message *message, uint32_t opcode,
	struct codec_result *result)
{
	struct reader reader = message->error;
	struct rpc_error error;
	struct value value;

	if (reader_next(&reader, &value) < 0)
		return -EBADMSG;
	if (value.token.type == TOKEN_NIL)
		return codec_read_result(opcode, message->result, result);
	if (rpc_error_parse(message->error, &error) < 0)
		return -EBADMSG;
	result->result = result_of_error(&error);
	return 0;
}

static int end_operation(struct remote *remote, const struct rpc_message *message)
{
	struct slots *slots = &remote->base.slots;
	struct slot *slot =
		message->msgid < slots_count(slots) ? slots_at(slots, message->msgid) : NULL;
	struct codec_result result = {0};
	enum op_result kind;

	if (!slot || slot->state != SLOT_IN_FLIGHT)
		return -EBADMSG;
	if (slot->held)
		return -EBADMSG;
	kind = op_table[slot->opcode].result;
	if (kind == OP_RESULT_BYTES || kind == OP_RESULT_COUNT) {
		result.data = slot->space.data;
		result.size = slot->space.size;
	} else if (kind == OP_RESULT_ACCEPTED) {
		result.address = slot->address;
	} else if (kind == OP_RESULT_STAT) {
		result.stat = slot->stat;
	}
	if (read_response(message, slot->opcode, &result) < 0)
		return -EBADMSG;
	window_leave(&remote->window, window_cost(data_size(slot)));
	driver_end(&remote->base, slot, result.result);
	return 0;
}

static int end_control(struct remote *remote, const struct rpc_message *message)
{
	struct codec_result result = {0};

	/* what became of a cancellation is seen by the operation itself */
	if (message->msgid != remote->awaited_msgid)
		return 0;
	remote->awaited_msgid = 0;
	if (read_response(message, remote->awaited_opcode, &result) < 0)
		return -EBADMSG;
	remote->awaited_result = result.result;
	return 0;
}

static int take_message(struct remote *remote, const uint8_t *frame, size_t size)
{
	struct rpc_message message;
	const char *reason;

	if (rpc_parse(frame, size, &message, &reason) < 0 || message.type == RPC_REQUEST)
		return -EBADMSG;
	if (message.type == RPC_NOTIFICATION)
		return 0; /* "closed" among them, after which the connection ends by itself */
	return message.msgid & CONTROL_MSGID ? end_control(remote, &message)
					     : end_operation(remote, &message);
}

static void take_messages(struct remote *remote)
{
	const uint8_t *frame;
	size_t size;
	int r;

	while ((r = connection_frame(&remote->connection, &frame, &size)) == 1) {
		if (take_message(remote, frame, size) < 0) {
			r = -EBADMSG;
			break;
		}
		connection_consume(&remote->connection, size);
	}
	if (r < 0)
		lose(remote);
	else
		send_held(remote);
}

/* ---- waiting ---- */

static int watch_fd(struct remote *remote, int action, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};

	return epoll_ctl(remote->epoll_fd, action, fd, &event) < 0 ? -errno : 0;
}

/*
 * Who waits on proactor_fd() has to hear of room in the socket exactly while something is to be
 * sent.
 */
static void follow_output(struct remote *remote)
{
	bool has_output = connection_has_output(&remote->connection);

	if (remote->epoll_fd < 0 || remote->connection.fd < 0 || remote->watches_send == has_output)
		return;
	if (watch_fd(remote, EPOLL_CTL_MOD, remote->connection.fd,
		    EPOLLIN | (has_output ? EPOLLOUT : 0)) == 0)
		remote->watches_send = has_output;
}

static int remote_wait(struct proactor *proactor, uint64_t deadline_ns)
{
	struct remote *remote = remote_of(proactor);
	int wake_fd = proactor->handle ? proactor->handle->eventfd : -1, r;
	uint64_t count;
	bool blocks;

	proactor->stats.enters++;
	(void)connection_send(&remote->connection);
	/* with nothing else to wait for, the receive itself can wait */
	blocks = wake_fd < 0 && deadline_ns == CLOCK_NEVER &&
		!connection_has_output(&remote->connection) && remote->connection.error == 0;
	if (!blocks && (deadline_ns != 0 || wake_fd >= 0)) {
		r = connection_wait(&remote->connection, wake_fd, deadline_ns);
		if (r < 0)
			return r;
		if (r > 0)
			(void)!read(wake_fd, &count, sizeof(count));
	}
	if (remote->connection.error == 0)
		(void)connection_receive(&remote->connection, blocks);
	take_messages(remote);
	follow_output(remote);
	return 0;
}

static int remote_fd(struct proactor *proactor, int *ret_fd)
{
	struct remote *remote = remote_of(proactor);
	int r = 0;

	if (remote->epoll_fd < 0) {
		remote->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		if (remote->epoll_fd < 0)
			return -errno;
		if (remote->connection.fd >= 0)
			r = watch_fd(remote, EPOLL_CTL_ADD, remote->connection.fd, EPOLLIN);
		if (r >= 0 && proactor->handle)
			r = watch_fd(remote, EPOLL_CTL_ADD, proactor->handle->eventfd, EPOLLIN);
		if (r < 0) {
			remote->epoll_fd = fd_close(remote->epoll_fd);
			return r;
		}
	}
	*ret_fd = remote->epoll_fd;
	return 0;
}

static int remote_watch(struct proactor *proactor)
{
	struct remote *remote = remote_of(proactor);

	return remote->epoll_fd < 0
		? 0
		: watch_fd(remote, EPOLL_CTL_ADD, proactor->handle->eventfd, EPOLLIN);
}

/* ---- files ---- */

/*
 * Waits for the answer to the control request that was packed last, whose result is as @opcode's.
 * Operations that end meanwhile wait to be polled.
 */
static int64_t await(struct remote *remote, uint32_t msgid, uint32_t opcode)
{
	remote->awaited_msgid = msgid;
	remote->awaited_opcode = opcode;
	while (remote->awaited_msgid != 0) {
		if (remote->connection.error < 0)
			return -ECONNRESET;
		(void)connection_send(&remote->connection);
		if (connection_wait(&remote->connection, -1, CLOCK_NEVER) >= 0)
			(void)connection_receive(&remote->connection, false);
		take_messages(remote);
	}
	return remote->awaited_result;
}

static int remote_attach(struct proactor *proactor, int fd, int64_t *ret_file)
{
	struct remote *remote = remote_of(proactor);
	uint32_t msgid = control_msgid(remote);
	int64_t file;
	int copy, r;

	if (remote->connection.error < 0)
		return -ECONNRESET;
	/* a copy travels, so that on failure the caller still has its own */
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	r = send_attach(remote, msgid, copy);
	if (r < 0)
		return r;
	file = await(remote, msgid, PROACTOR_OPEN);
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
	uint32_t msgid = control_msgid(remote);
	int r;

	if (file < 0)
		return -EBADF;
	if (remote->connection.error < 0)
		return -ECONNRESET;
	rpc_pack_request(&pack, msgid, "detach", 1);
	pack_int(&pack, file);
	r = finish_request(remote, &pack);
	if (r >= 0)
		r = (int)await(remote, msgid, PROACTOR_NOP);
	return r < 0 ? r : connection_take_fd(&remote->connection, ret_fd);
}

/* ---- the end ---- */

static void remote_stop(struct proactor *proactor)
{
	lose(remote_of(proactor));
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
	window_deinit(&remote->window);
	buffer_deinit(&remote->scratch);
	fd_close(remote->epoll_fd);
	free(remote);
}

static const struct driver remote_driver = {
	.push = remote_push,
	.cancel = remote_cancel,
	.wait = remote_wait,
	.attach = remote_attach,
	.detach = remote_detach,
	.fd = remote_fd,
	.watch = remote_watch,
	.stop = remote_stop,
	.discard = remote_discard,
	.free = remote_free,
};

/* ---- the beginning ---- */

/* Finds @key in the map that @reader is at; the reader then is at its value. */
static bool find_key(struct reader *reader, const char *key)
{
	const uint8_t *name;
	uint32_t count;
	size_t size;

	if (reader_map(reader, &count) < 0)
		return false;
	for (; count > 0; count--) {
		if (reader_bytes(reader, &name, &size) < 0)
			return false;
		if (size == strlen(key) && memcmp(name, key, size) == 0)
			return true;
		if (reader_skip(reader) < 0)
			return false;
	}
	return false;
}

/*
 * A limit in what `hello` answered; one that a daemon does not tell is taken for its default.
 * False: it makes no sense.
 */
static bool find_limit(struct reader hello, enum limit limit, uint64_t *ret_value)
{
	struct reader limits;
	uint32_t count;

	*ret_value = limit_table[limit].fallback;
	if (!find_key(&hello, "limits"))
		return false;
	limits = hello;
	if (reader_map(&limits, &count) < 0)
		return false;
	if (!find_key(&hello, limit_table[limit].name))
		return true;
	return reader_uint(&hello, INT64_MAX, ret_value) == 0 && *ret_value > 0;
}

static int hello(struct remote *remote)
{
	uint64_t transfer_size, frame_size, operation_count, memory_size;
	struct rpc_message response;
	struct rpc_error error;
	int r;

	r = call_run(&remote->connection, "hello", NULL, 0, clock_now_ns() + HELLO_TIMEOUT_NS,
		&response, &error);
	if (r < 0)
		return r;
	if (error.code != 0)
		return (int)result_of_error(&error);
	if (!find_limit(response.result, LIMIT_TRANSFER_SIZE, &transfer_size) ||
		!find_limit(response.result, LIMIT_FRAME_SIZE, &frame_size) ||
		frame_size <= REQUEST_HEADER_SIZE ||
		!find_limit(response.result, LIMIT_OPERATIONS, &operation_count) ||
		!find_limit(response.result, LIMIT_MEMORY, &memory_size))
		return -EPROTO;
	remote->transfer_size = MIN(transfer_size, frame_size - REQUEST_HEADER_SIZE);
	window_init(&remote->window, operation_count, memory_size);
	return 0;
}

static int explain(char *reason, const char *path, int r)
{
	snprintf(reason, DRIVER_REASON_SIZE, "the daemon at %.160s: %s", path, err_name(-r));
	return r;
}

int remote_new(struct proactor **ret_proactor, const struct proactor_options *options, char *reason)
{
	struct remote *remote;
	char path[DRIVER_NAME_SIZE];
	int r;

	r = socket_path(options->socket_path, path, sizeof(path) - strlen("unix:"));
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
	driver_init(&remote->base, &remote_driver);
	r = connection_init(&remote->connection, path);
	if (r >= 0)
		r = hello(remote);
	if (r < 0) {
		remote_free(&remote->base);
		return explain(reason, path, r);
	}
	snprintf(remote->base.name, sizeof(remote->base.name), "unix:%.*s",
		(int)(sizeof(path) - strlen("unix:") - 1), path);
	*ret_proactor = &remote->base;
	return 0;
}

int proactor_client_socket_path(char *ret_path, size_t size)
{
	return socket_path(NULL, ret_path, size);
}
