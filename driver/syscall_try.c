/*
 * Operations as system calls that do not block. See syscall.h.
 *
 * Where no flag of the call itself says so, poll(2) is asked first and the call made where it says
 * that there is something. Between the two somebody else who has the same open file description may
 * take it; where that could happen without mistake on anybody's part, the call is not made here
 * (SYSCALL_BLOCKS).
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "driver/sigpipe.h"
#include "driver/syscall.h"

/* ---- reading and writing ---- */

static bool is_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && flags & O_NONBLOCK;
}

/* read(2) and write(2) on a socket, but for the flags, which they do not have. */
static int64_t try_socket(const struct proactor_op *op)
{
	bool is_vector = op->opcode == PROACTOR_READV || op->opcode == PROACTOR_WRITEV;
	bool is_read = op->opcode == PROACTOR_READ || op->opcode == PROACTOR_READV;
	struct iovec piece = {op->read.data, syscall_transfer_size(op->read.size)};
	struct msghdr message = {
		.msg_iov = is_vector ? (struct iovec *)op->readv.pieces : &piece,
		.msg_iovlen = is_vector ? op->readv.count : 1,
	};
	int64_t offset = is_vector ? op->readv.offset : op->read.offset;
	size_t size = 0;
	int fd = syscall_fd(op->read.file);

	/* a read of nothing takes nothing, where a recv of nothing takes a datagram */
	for (size_t i = 0; i < message.msg_iovlen && size == 0; i++)
		size = message.msg_iov[i].iov_len;
	if (offset != 0 && offset != PROACTOR_CURRENT)
		return offset < 0 ? -EINVAL : -ESPIPE;
	if (is_read)
		return size == 0 ? 0 : syscall_result(recvmsg(fd, &message, MSG_DONTWAIT));
	return syscall_result(sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/*
 * FIFOs, terminals, inotify and many devices do not know RWF_NOWAIT (Linux 6.18). Others may read
 * the same FIFO or terminal, so that being ready is not enough.
 */
static int64_t try_without_nowait(const struct proactor_op *op)
{
	int fd = syscall_fd(op->read.file);
	int64_t r = syscall_poll(fd, (uint32_t)syscall_events(op), 0);

	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	return is_nonblocking(fd) ? syscall_transfer(op, 0) : SYSCALL_BLOCKS;
}

static int64_t try_stream(const struct proactor_op *op)
{
	int64_t r = syscall_transfer(op, RWF_NOWAIT);

	return r == -EOPNOTSUPP ? try_without_nowait(op) : r;
}

static int64_t try_disk(const struct proactor_op *op)
{
	int64_t r = syscall_transfer(op, RWF_NOWAIT);

	return r == -EAGAIN || r == -EOPNOTSUPP ? SYSCALL_BLOCKS : r;
}

/* @function, which may raise SIGPIPE. */
static int64_t try_quietly(int64_t (*function)(const struct proactor_op *),
	const struct proactor_op *op)
{
	sigset_t previous;
	int64_t r;

	sigpipe_hold(&previous);
	r = function(op);
	sigpipe_release(&previous);
	return r;
}

static int64_t try_transfer(const struct proactor_op *op, enum syscall_kind kind)
{
	bool is_write = op->opcode == PROACTOR_WRITE || op->opcode == PROACTOR_WRITEV;

	if (kind == SYSCALL_KIND_SOCKET)
		return try_socket(op);
	if (kind == SYSCALL_KIND_DISK)
		return try_disk(op);
	return is_write && sigpipe_rwf() == 0 ? try_quietly(try_stream, op) : try_stream(op);
}

static int64_t splice_nonblocking(const struct proactor_op *op)
{
	return syscall_splice(op, SPLICE_F_NONBLOCK);
}

/* Both ends of what is read or written slowly at times would have to be waited for. */
static int64_t try_splice(const struct proactor_op *op)
{
	struct pollfd pollfds[] = {
		{.fd = syscall_fd(op->splice.in), .events = POLLIN},
		{.fd = syscall_fd(op->splice.out), .events = POLLOUT},
	};
	int64_t r;

	if (pollfds[0].fd < 0 || pollfds[1].fd < 0)
		return -EBADF;
	if (poll(pollfds, ARRAY_SIZE(pollfds), 0) < (int)ARRAY_SIZE(pollfds) ||
		syscall_kind(pollfds[0].fd) == SYSCALL_KIND_DISK ||
		syscall_kind(pollfds[1].fd) == SYSCALL_KIND_DISK)
		return SYSCALL_BLOCKS;
	r = try_quietly(splice_nonblocking, op);
	return r == -EAGAIN ? SYSCALL_BLOCKS : r;
}

/* ---- sockets ---- */

/* With MSG_WAITALL it waits for more than the kernel tells by readiness. */
static bool waits_for_all(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_RECVFROM: return op->recvfrom.flags & MSG_WAITALL;
	case PROACTOR_SENDTO: return op->sendto.flags & MSG_WAITALL;
	case PROACTOR_RECVMSG: return op->recvmsg.flags & MSG_WAITALL;
	case PROACTOR_SENDMSG: return op->sendmsg.flags & MSG_WAITALL;
	default: return false;
	}
}

/*
 * A Unix socket can be written although the queue of one receiver is full, which tells nobody when
 * it is not any more (unix_dgram_poll(), Linux 6.18, looks at the one it is connected to alone).
 */
static int64_t try_message(const struct proactor_op *op)
{
	uint32_t events = (uint32_t)syscall_events(op);
	int64_t r = -EAGAIN;

	if (!waits_for_all(op)) {
		r = syscall_message(op, MSG_DONTWAIT);
		if (r != -EAGAIN || syscall_never_waits(op) || syscall_is_in_order(op))
			return r;
	}
	r = syscall_poll(syscall_fd(op->recv.file), events, 0);
	return r > 0 ? SYSCALL_BLOCKS : r < 0 ? r : -EAGAIN;
}

/* Nothing to accept, or nobody ever will: accept(2) says why without blocking. */
static bool is_listening(int fd)
{
	int listens = 0;
	socklen_t size = sizeof(listens);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/*
 * accept4(2) has no flag for this. Where several processes or threads accept from one socket,
 * another may be faster between the two calls, and this one then waits for the next connection; who
 * shares a listening socket makes it O_NONBLOCK for that reason, with any event loop. A thread for
 * each accept would cost all the others several times what the connection does.
 */
static int64_t try_accept(const struct proactor_op *op)
{
	int fd = syscall_fd(op->accept.file);
	int64_t r = syscall_poll(fd, POLLIN, 0);

	if (r < 0)
		return r;
	if (r == 0 && is_listening(fd))
		return -EAGAIN;
	return syscall_accept(op);
}

/*
 * connect(2) has no flag either, nor does readiness come before it: a blocking connect would wait
 * for the network. So the socket is O_NONBLOCK for the instant of the call, the one exception to
 * what this file promises. A socket that is yet to be connected is hardly in use by others; who has
 * it too, and calls just then, may see an EAGAIN.
 */
static int64_t try_connect(const struct proactor_op *op)
{
	const struct proactor_address *address = op->connect.address;
	int fd = syscall_fd(op->connect.file), flags = fcntl(fd, F_GETFL);
	int64_t r;

	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	r = syscall_result(connect(fd, &address->any, address->size));
	if (!(flags & O_NONBLOCK))
		(void)fcntl(fd, F_SETFL, flags);
	/* a Unix socket whose peer has a full backlog: it tells nobody when there is room */
	return r == -EAGAIN ? SYSCALL_BLOCKS : r;
}

/*
 * An internet socket keeps in mind that its connect goes on until that was asked for: by another
 * connect, which then neither blocks nor begins anything; SO_ERROR does not count. Left in that
 * state, its next connect would give a success or ECONNABORTED that is about this one (Linux 6.18,
 * inet_stream_connect()).
 */
static int64_t settle_connected(int fd, const struct proactor_address *address)
{
	int64_t r = syscall_result(connect(fd, &address->any, address->size));

	return r == -EISCONN || r == -EALREADY || r == -EINPROGRESS ? 0 : r;
}

/* AF_UNSPEC dissolves what was to be a connection (connect(2)). */
static int64_t settle_failed(int fd, int error)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	(void)connect(fd, &nobody, sizeof(nobody));
	return -error;
}

int64_t syscall_try_connected(const struct proactor_op *op)
{
	const struct proactor_address *address = op->connect.address;
	bool is_inet = address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6;
	int fd = syscall_fd(op->connect.file), error = 0;
	socklen_t size = sizeof(error);
	int64_t r = syscall_poll(fd, POLLOUT, 0);

	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	if (!is_inet)
		return -error;
	return error ? settle_failed(fd, error) : settle_connected(fd, address);
}

/* ---- all ---- */

int64_t syscall_try(const struct proactor_op *op, enum syscall_kind kind)
{
	int64_t r;

	switch ((enum proactor_opcode)op->opcode) {
	case PROACTOR_READ:
	case PROACTOR_WRITE:
	case PROACTOR_READV:
	case PROACTOR_WRITEV: return try_transfer(op, kind);
	case PROACTOR_RECV:
	case PROACTOR_SEND:
	case PROACTOR_RECVFROM:
	case PROACTOR_SENDTO:
	case PROACTOR_RECVMSG:
	case PROACTOR_SENDMSG: return try_message(op);
	case PROACTOR_ACCEPT: return try_accept(op);
	case PROACTOR_CONNECT: return try_connect(op);
	case PROACTOR_SPLICE: return try_splice(op);
	case PROACTOR_POLL:
		r = syscall_poll(syscall_fd(op->poll.file), op->poll.events, 0);
		return r == 0 ? -EAGAIN : r;
	case PROACTOR_NOP:
	case PROACTOR_SOCKET:
	case PROACTOR_BIND:
	case PROACTOR_LISTEN:
	case PROACTOR_SHUTDOWN: return syscall_run(op);
	default: return SYSCALL_BLOCKS;
	}
}
