/*
 * An operation becomes a submission.
 *
 * The kernel copies addresses, paths and time specifications when it takes the submission
 * (IORING_FEAT_SUBMIT_STABLE, 5.5); the caller may drop them at push. In between they rest in the
 * slot, or in a copy that the slot owns until pop.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/limits.h>

#include "base/clock.h"
#include "driver/uring.h"

/*
 * The descriptor of a file. What is none becomes -1, and EBADF, rather than another file by losing
 * its upper bits.
 */
static int fd_of(int64_t file)
{
	return file >= 0 && file <= INT32_MAX ? (int)file : -1;
}

static int dir_fd_of(int64_t dir)
{
	return dir == PROACTOR_CWD ? AT_FDCWD : fd_of(dir);
}

static const void *stash(struct uring *uring, struct slot *slot, const void *bytes, size_t size)
{
	bool is_short = size <= STASH_SHORT_SIZE;

	assert(size <= PATH_MAX);
	slot->stash = slab_take(is_short ? &uring->addresses : &uring->paths);
	if (!slot->stash)
		return NULL;
	slot->stash_kind = is_short ? STASH_SHORT : STASH_PATH;
	return memcpy(slot->stash, bytes, size);
}

void uring_unstash(struct uring *uring, struct slot *slot)
{
	if (slot->stash_kind != STASH_NONE)
		slab_give(slot->stash_kind == STASH_SHORT ? &uring->addresses : &uring->paths,
			slot->stash);
	slot->stash_kind = STASH_NONE;
}

static const struct sockaddr *stash_address(struct uring *uring, struct slot *slot,
	const struct proactor_address *address)
{
	return stash(uring, slot, &address->any, address->size);
}

static const char *stash_path(struct uring *uring, struct slot *slot, const char *path)
{
	return *path ? stash(uring, slot, path, strlen(path) + 1) : "";
}

/* Out of line, so that the frequent operations need not save what these use. */
static __attribute__((noinline)) int prep_open(struct uring *uring, struct io_uring_sqe *sqe,
	const struct proactor_op *op, struct slot *slot)
{
	const char *path = stash_path(uring, slot, op->open.path);

	if (!path)
		return -ENOMEM;
	io_uring_prep_openat(sqe, dir_fd_of(op->open.dir), path, op->open.flags | O_CLOEXEC,
		op->open.mode);
	return 0;
}

static __attribute__((noinline)) int prep_stat(struct uring *uring, struct io_uring_sqe *sqe,
	const struct proactor_op *op, struct slot *slot)
{
	const char *path = stash_path(uring, slot, op->stat.path);
	int empty = *op->stat.path ? 0 : AT_EMPTY_PATH;

	if (!path)
		return -ENOMEM;
	io_uring_prep_statx(sqe, dir_fd_of(op->stat.dir), path, (int)op->stat.flags | empty,
		op->stat.mask, op->stat.stat);
	return 0;
}

/*
 * bind and connect: the address in addr, its size in off; bind is that of io_uring_prep_bind() in
 * liburing 2.8
 */
static __attribute__((noinline)) int prep_address(struct uring *uring, struct io_uring_sqe *sqe,
	int opcode, int64_t file, const struct proactor_address *address, struct slot *slot)
{
	const struct sockaddr *copy = stash_address(uring, slot, address);

	if (!copy)
		return -ENOMEM;
	io_uring_prep_rw(opcode, sqe, fd_of(file), copy, 0, address->size);
	return 0;
}

static void prep_timeout(struct io_uring_sqe *sqe, uint64_t duration_ns, struct slot *slot)
{
	slot->timespec[0] = (int64_t)(duration_ns / NSEC_PER_SEC);
	slot->timespec[1] = (int64_t)(duration_ns % NSEC_PER_SEC);
	_Static_assert(sizeof(struct __kernel_timespec) == sizeof(slot->timespec),
		"the kernel reads it as such");
	io_uring_prep_timeout(sqe, (struct __kernel_timespec *)slot->timespec, 0, 0);
}

static void prep_accept(struct io_uring_sqe *sqe, int64_t file, struct proactor_address *address)
{
	if (address)
		address->size = sizeof(address->storage);
	io_uring_prep_accept(sqe, fd_of(file), address ? &address->any : NULL,
		address ? &address->size : NULL, SOCK_CLOEXEC);
}

/*
 * The length of a transfer is 32 bits wide in a submission; more comes back as a short transfer, as
 * from read(2).
 */
static unsigned transfer_size(size_t size)
{
	return (unsigned)MIN(size, (size_t)0x7ffff000);
}

/* Fills @sqe for @op, and what @slot has to keep for it. -ENOMEM. */
static inline int prep(struct uring *uring, struct io_uring_sqe *sqe, const struct proactor_op *op,
	struct slot *slot)
{
	/* none of the preparations touches it */
	sqe->user_data = slot_key(slot);
	switch ((enum proactor_opcode)op->opcode) {
	case PROACTOR_NOP: io_uring_prep_nop(sqe); break;
	case PROACTOR_TIMEOUT: prep_timeout(sqe, op->timeout.duration_ns, slot); break;
	case PROACTOR_OPEN: return prep_open(uring, sqe, op, slot);
	case PROACTOR_CLOSE: io_uring_prep_close(sqe, fd_of(op->close.file)); break;
	case PROACTOR_READ:
		io_uring_prep_read(sqe, fd_of(op->read.file), op->read.data,
			transfer_size(op->read.size), (uint64_t)op->read.offset);
		break;
	case PROACTOR_WRITE:
		io_uring_prep_write(sqe, fd_of(op->write.file), op->write.data,
			transfer_size(op->write.size), (uint64_t)op->write.offset);
		break;
	case PROACTOR_FSYNC:
		io_uring_prep_fsync(sqe, fd_of(op->fsync.file),
			op->fsync.data_only ? IORING_FSYNC_DATASYNC : 0);
		break;
	case PROACTOR_STAT: return prep_stat(uring, sqe, op, slot);
	case PROACTOR_SOCKET:
		io_uring_prep_socket(sqe, op->socket.domain, op->socket.type | SOCK_CLOEXEC,
			op->socket.protocol, 0);
		break;
	case PROACTOR_BIND:
		return prep_address(uring, sqe, URING_OP_BIND, op->bind.file, op->bind.address,
			slot);
	case PROACTOR_LISTEN:
		io_uring_prep_rw(URING_OP_LISTEN, sqe, fd_of(op->listen.file), NULL,
			(unsigned)op->listen.backlog, 0);
		break;
	case PROACTOR_ACCEPT: prep_accept(sqe, op->accept.file, op->accept.address); break;
	case PROACTOR_CONNECT:
		return prep_address(uring, sqe, IORING_OP_CONNECT, op->connect.file,
			op->connect.address, slot);
	case PROACTOR_SHUTDOWN:
		io_uring_prep_shutdown(sqe, fd_of(op->shutdown.file), op->shutdown.how);
		break;
	case PROACTOR_RECV:
		io_uring_prep_recv(sqe, fd_of(op->recv.file), op->recv.data,
			transfer_size(op->recv.size), (int)op->recv.flags);
		break;
	case PROACTOR_SEND:
		io_uring_prep_send(sqe, fd_of(op->send.file), op->send.data,
			transfer_size(op->send.size), (int)(op->send.flags | MSG_NOSIGNAL));
		break;
	case PROACTOR_POLL:
		io_uring_prep_poll_add(sqe, fd_of(op->poll.file), op->poll.events);
		break;
	case PROACTOR_RECVMSG:
		io_uring_prep_recvmsg(sqe, fd_of(op->recvmsg.file), op->recvmsg.message,
			op->recvmsg.flags | MSG_CMSG_CLOEXEC);
		break;
	case PROACTOR_SENDMSG:
		io_uring_prep_sendmsg(sqe, fd_of(op->sendmsg.file), op->sendmsg.message,
			op->sendmsg.flags | MSG_NOSIGNAL);
		break;
	case PROACTOR_OPCODE_COUNT: assert(!"checked by op_check()");
	}
	return 0;
}

static int64_t result_of(int r)
{
	return r < 0 ? -errno : r;
}

/* For the few that never block. */
static __attribute__((noinline)) int64_t call(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_SOCKET:
		return result_of(socket(op->socket.domain, op->socket.type | SOCK_CLOEXEC,
			op->socket.protocol));
	case PROACTOR_BIND:
		return result_of(bind(fd_of(op->bind.file), &op->bind.address->any,
			op->bind.address->size));
	case PROACTOR_LISTEN: return result_of(listen(fd_of(op->listen.file), op->listen.backlog));
	case PROACTOR_SHUTDOWN:
		return result_of(shutdown(fd_of(op->shutdown.file), op->shutdown.how));
	default: return -EOPNOTSUPP;
	}
}

int uring_push(struct proactor *proactor, const struct proactor_op *op, uint64_t *ret_key,
	struct proactor_completion *ret_ready)
{
	struct uring *uring = uring_of(proactor);
	struct slot *slot = driver_start(proactor, op);
	struct io_uring_sqe *sqe;
	int r;

	if (unlikely(!slot))
		return -ENOMEM;
	if (unlikely(!uring->op_supported[op->opcode]))
		return driver_ready(proactor, slot, call(op), ret_ready);
	sqe = uring_sqe(uring);
	if (unlikely(!sqe))
		return driver_refuse(proactor, slot, -ENOMEM);
	r = prep(uring, sqe, op, slot);
	if (unlikely(op->flags & PROACTOR_MAY_BLOCK))
		sqe->flags |= IOSQE_ASYNC;
	if (likely(r == 0))
		return driver_pending(proactor, slot, ret_key);
	uring_sqe_undo(uring);
	return driver_refuse(proactor, slot, r);
}
