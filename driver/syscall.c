/* Operations as system calls that may block. See syscall.h. */
#include "driver/syscall.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_type.h"
#include "driver/sigpipe.h"

/* ---- readiness ---- */

int64_t syscall_poll(int fd, uint32_t events, int timeout_ms)
{
	struct pollfd pollfd = {.fd = fd, .events = (short)events};

	/* poll(2) has no complaint about these */
	if (fd < 0)
		return -EBADF;
	if (poll(&pollfd, 1, timeout_ms) < 0)
		return -errno;
	return pollfd.revents & POLLNVAL ? -EBADF : pollfd.revents;
}

/* 0 where it takes none. */
static uint32_t message_flags(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_RECV: return op->recv.flags;
	case PROACTOR_SEND: return op->send.flags;
	case PROACTOR_RECVFROM: return op->recvfrom.flags;
	case PROACTOR_SENDTO: return op->sendto.flags;
	case PROACTOR_RECVMSG: return op->recvmsg.flags;
	case PROACTOR_SENDMSG: return op->sendmsg.flags;
	default: return 0;
	}
}

short syscall_events(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_RECV:
	case PROACTOR_RECVFROM:
	case PROACTOR_RECVMSG:
		return message_flags(op) & (MSG_OOB | MSG_ERRQUEUE) ? POLLPRI : POLLIN;
	case PROACTOR_READ:
	case PROACTOR_READV:
	case PROACTOR_ACCEPT: return POLLIN;
	case PROACTOR_WRITE:
	case PROACTOR_WRITEV:
	case PROACTOR_SEND:
	case PROACTOR_SENDTO:
	case PROACTOR_SENDMSG:
	case PROACTOR_CONNECT: return POLLOUT;
	default: return 0;
	}
}

/* A message that says where it goes does not wait for one that goes elsewhere. */
bool syscall_is_in_order(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_CONNECT:
	case PROACTOR_SENDTO: return false;
	case PROACTOR_SENDMSG: return !op->sendmsg.message->msg_name;
	default: return true;
	}
}

bool syscall_never_waits(const struct proactor_op *op)
{
	return message_flags(op) & MSG_DONTWAIT;
}

/* ---- reading and writing ---- */

int syscall_kind(int fd)
{
	int type = file_type(fd);

	if (type < 0)
		return type;
	switch (type) {
	case S_IFSOCK: return SYSCALL_KIND_SOCKET;
	case S_IFREG:
	case S_IFDIR:
	case S_IFBLK: return SYSCALL_KIND_DISK;
	default: return SYSCALL_KIND_STREAM;
	}
}

/* What is no offset, or no size: that the file is none comes first, as with an io_uring. */
static int64_t refuse_offset(int fd)
{
	return fcntl(fd, F_GETFD) < 0 ? -EBADF : -EINVAL;
}

static int64_t transfer_pieces(const struct proactor_op *op, const struct iovec *pieces,
	size_t count, int64_t offset, int rwf)
{
	bool is_read = op->opcode == PROACTOR_READ || op->opcode == PROACTOR_READV;
	int fd = syscall_fd(op->read.file);

	int quietly = is_read ? 0 : sigpipe_rwf();
	int64_t r;

	/* an offset of -1 is the file's own position (preadv2(2)) */
	if (is_read)
		return syscall_result(preadv2(fd, pieces, (int)count, offset, rwf));
	r = syscall_result(pwritev2(fd, pieces, (int)count, offset, rwf | quietly));
	/* files that know no flags at all (an eventfd, many devices) raise no signal either */
	if (r != -EOPNOTSUPP || quietly == 0)
		return r;
	return syscall_result(pwritev2(fd, pieces, (int)count, offset, rwf));
}

int64_t syscall_transfer(const struct proactor_op *op, int rwf)
{
	bool is_vector = op->opcode == PROACTOR_READV || op->opcode == PROACTOR_WRITEV;
	struct iovec piece = {op->read.data, syscall_transfer_size(op->read.size)};
	const struct iovec *pieces = is_vector ? op->readv.pieces : &piece;
	size_t count = is_vector ? op->readv.count : 1;
	int64_t offset = is_vector ? op->readv.offset : op->read.offset, r;
	int fd = syscall_fd(op->read.file);

	if (offset < PROACTOR_CURRENT)
		return refuse_offset(fd);
	r = transfer_pieces(op, pieces, count, offset, rwf);
	if (r != -ESPIPE || offset == PROACTOR_CURRENT)
		return r;
	/*
	 * What cannot seek takes any offset from an io_uring and does not look at it, but for
	 * sockets, which take 0 (Linux 6.18, io_uring/rw.c and sock_read_iter()).
	 */
	if (offset > 0 && syscall_kind(fd) == SYSCALL_KIND_SOCKET)
		return -ESPIPE;
	return transfer_pieces(op, pieces, count, PROACTOR_CURRENT, rwf);
}

int64_t syscall_splice(const struct proactor_op *op, uint32_t flags)
{
	int in = syscall_fd(op->splice.in), out = syscall_fd(op->splice.out);
	off64_t in_offset = op->splice.in_offset, out_offset = op->splice.out_offset;

	if (in_offset < PROACTOR_CURRENT || out_offset < PROACTOR_CURRENT || op->splice.size < 0)
		return refuse_offset(in);
	return syscall_result(splice(in, in_offset == PROACTOR_CURRENT ? NULL : &in_offset, out,
		out_offset == PROACTOR_CURRENT ? NULL : &out_offset,
		syscall_transfer_size((uint64_t)op->splice.size), op->splice.flags | flags));
}

/* ---- sockets ---- */

static int64_t run_recvfrom(const struct proactor_op *op, uint32_t msg)
{
	struct proactor_address *address = op->recvfrom.address;

	if (address)
		address->size = sizeof(address->storage);
	return syscall_result(recvfrom(syscall_fd(op->recvfrom.file), op->recvfrom.data,
		syscall_transfer_size(op->recvfrom.size), (int)(op->recvfrom.flags | msg),
		address ? &address->any : NULL, address ? &address->size : NULL));
}

int64_t syscall_message(const struct proactor_op *op, uint32_t msg)
{
	int fd = syscall_fd(op->recv.file), flags = (int)(message_flags(op) | msg);

	switch (op->opcode) {
	case PROACTOR_RECV:
		return syscall_result(recv(fd, op->recv.data, syscall_transfer_size(op->recv.size),
			flags));
	case PROACTOR_SEND:
		return syscall_result(send(fd, op->send.data, syscall_transfer_size(op->send.size),
			flags | MSG_NOSIGNAL));
	case PROACTOR_RECVFROM: return run_recvfrom(op, msg);
	case PROACTOR_SENDTO:
		return syscall_result(sendto(fd, op->sendto.data,
			syscall_transfer_size(op->sendto.size), flags | MSG_NOSIGNAL,
			&op->sendto.address->any, op->sendto.address->size));
	case PROACTOR_RECVMSG:
		return syscall_result(recvmsg(fd, op->recvmsg.message, flags | MSG_CMSG_CLOEXEC));
	case PROACTOR_SENDMSG:
		return syscall_result(sendmsg(fd, op->sendmsg.message, flags | MSG_NOSIGNAL));
	default: assert(!"one of these");
	}
	return -EOPNOTSUPP;
}

int64_t syscall_accept(const struct proactor_op *op)
{
	struct proactor_address *address = op->accept.address;

	if (address)
		address->size = sizeof(address->storage);
	return syscall_result(accept4(syscall_fd(op->accept.file), address ? &address->any : NULL,
		address ? &address->size : NULL, SOCK_CLOEXEC));
}

/*
 * A Unix socket that is O_NONBLOCK and meets a full backlog says EAGAIN, and there is nothing that
 * would tell when there is room: it asks again.
 */
static int64_t run_connect(const struct proactor_op *op)
{
	const struct timespec pause = clock_timespec(10 * NSEC_PER_MSEC);
	const struct proactor_address *address = op->connect.address;
	int fd = syscall_fd(op->connect.file);
	int64_t r;

	while ((r = syscall_result(connect(fd, &address->any, address->size))) == -EAGAIN)
		if (nanosleep(&pause, NULL) < 0)
			return -errno;
	if (r != -EINPROGRESS)
		return r;
	r = syscall_poll(fd, POLLOUT, -1);
	return r < 0 ? r : syscall_try_connected(op);
}

/* ---- the others ---- */

static int64_t run_timeout(uint64_t duration_ns)
{
	struct timespec duration = clock_timespec(duration_ns);

	return -clock_nanosleep(CLOCK_MONOTONIC, 0, &duration, NULL);
}

/* EINTR says that the descriptor is gone, as any other result (close(2), "Dealing with error"). */
static int64_t run_close(int fd)
{
	int64_t r = syscall_result(close(fd));

	return r == -EINTR ? 0 : r;
}

static int64_t run_stat(const struct proactor_op *op)
{
	int empty = *op->stat.path ? 0 : AT_EMPTY_PATH;

	return syscall_result(statx(syscall_dir_fd(op->stat.dir), op->stat.path,
		(int)op->stat.flags | empty, op->stat.mask, op->stat.stat));
}

static int64_t run_fsync(const struct proactor_op *op)
{
	int fd = syscall_fd(op->fsync.file);

	return syscall_result(op->fsync.data_only ? fdatasync(fd) : fsync(fd));
}

/* What has a path, or two. */
static int64_t run_path(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_OPEN:
		return syscall_result(openat(syscall_dir_fd(op->open.dir), op->open.path,
			op->open.flags | O_CLOEXEC, op->open.mode));
	case PROACTOR_STAT: return run_stat(op);
	case PROACTOR_UNLINK:
		return syscall_result(unlinkat(syscall_dir_fd(op->unlink.dir), op->unlink.path,
			(int)op->unlink.flags));
	case PROACTOR_RENAME:
		return syscall_result(renameat2(syscall_dir_fd(op->rename.old_dir),
			op->rename.old_path, syscall_dir_fd(op->rename.new_dir),
			op->rename.new_path, op->rename.flags));
	case PROACTOR_MKDIR:
		return syscall_result(mkdirat(syscall_dir_fd(op->mkdir.dir), op->mkdir.path,
			op->mkdir.mode));
	case PROACTOR_SYMLINK:
		return syscall_result(symlinkat(op->symlink.target, syscall_dir_fd(op->symlink.dir),
			op->symlink.path));
	case PROACTOR_LINK:
		return syscall_result(linkat(syscall_dir_fd(op->link.old_dir), op->link.old_path,
			syscall_dir_fd(op->link.new_dir), op->link.new_path, (int)op->link.flags));
	default: assert(!"one of these");
	}
	return -EOPNOTSUPP;
}

static int64_t run_once(const struct proactor_op *op)
{
	switch ((enum proactor_opcode)op->opcode) {
	case PROACTOR_NOP: return 0;
	case PROACTOR_TIMEOUT: return run_timeout(op->timeout.duration_ns);
	case PROACTOR_CLOSE: return run_close(syscall_fd(op->close.file));
	case PROACTOR_READ:
	case PROACTOR_WRITE:
	case PROACTOR_READV:
	case PROACTOR_WRITEV: return syscall_transfer(op, 0);
	case PROACTOR_FSYNC: return run_fsync(op);
	case PROACTOR_SOCKET:
		return syscall_result(socket(op->socket.domain, op->socket.type | SOCK_CLOEXEC,
			op->socket.protocol));
	case PROACTOR_BIND:
		return syscall_result(bind(syscall_fd(op->bind.file), &op->bind.address->any,
			op->bind.address->size));
	case PROACTOR_LISTEN:
		return syscall_result(listen(syscall_fd(op->listen.file), op->listen.backlog));
	case PROACTOR_SHUTDOWN:
		return syscall_result(shutdown(syscall_fd(op->shutdown.file), op->shutdown.how));
	case PROACTOR_ACCEPT: return syscall_accept(op);
	case PROACTOR_CONNECT: return run_connect(op);
	case PROACTOR_RECV:
	case PROACTOR_SEND:
	case PROACTOR_RECVFROM:
	case PROACTOR_SENDTO:
	case PROACTOR_RECVMSG:
	case PROACTOR_SENDMSG: return syscall_message(op, 0);
	case PROACTOR_POLL: return syscall_poll(syscall_fd(op->poll.file), op->poll.events, -1);
	case PROACTOR_FALLOCATE:
		return syscall_result(fallocate(syscall_fd(op->fallocate.file), op->fallocate.mode,
			op->fallocate.offset, op->fallocate.size));
	case PROACTOR_FTRUNCATE:
		return syscall_result(ftruncate(syscall_fd(op->ftruncate.file),
			op->ftruncate.size));
	case PROACTOR_SPLICE: return syscall_splice(op, 0);
	case PROACTOR_CALL: return op->call.function(op->call.argument);
	case PROACTOR_OPEN:
	case PROACTOR_STAT:
	case PROACTOR_UNLINK:
	case PROACTOR_RENAME:
	case PROACTOR_MKDIR:
	case PROACTOR_SYMLINK:
	case PROACTOR_LINK: return run_path(op);
	case PROACTOR_OPCODE_COUNT: break;
	}
	assert(!"checked by op_check()");
	return -EINVAL;
}

int64_t syscall_run(const struct proactor_op *op)
{
	uint32_t events = (uint32_t)syscall_events(op);
	int64_t r = run_once(op);

	/*
	 * EAGAIN is the answer of descriptors that are O_NONBLOCK. Some devices are never ready and
	 * always say so: there it stays the answer.
	 */
	for (int i = 0; i < 100 && r == -EAGAIN && events != 0 && !syscall_never_waits(op); i++) {
		r = syscall_poll(syscall_fd(op->read.file), events, -1);
		if (r < 0)
			return r;
		r = run_once(op);
	}
	return r;
}
