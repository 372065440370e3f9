/*
 * An operation becomes a submission.
 *
 * Time specifications rest in the slot; for what else an operation points to see uring_keep.c.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "driver/syscall.h"
#include "driver/uring.h"
#include "driver/work.h"

static void prep_timeout(struct io_uring_sqe *sqe, uint64_t duration_ns, struct slot *slot)
{
	slot->timespec[0] = (int64_t)(duration_ns / NSEC_PER_SEC);
	slot->timespec[1] = (int64_t)(duration_ns % NSEC_PER_SEC);
	_Static_assert(sizeof(struct __kernel_timespec) == sizeof(slot->timespec),
		"the kernel reads it as such");
	io_uring_prep_timeout(sqe, (struct __kernel_timespec *)slot->timespec, 0, 0);
}

static void prep_accept(const struct uring *uring, struct io_uring_sqe *sqe,
	const struct proactor_op *op)
{
	struct proactor_address *address = op->accept.address;

	if (address)
		address->size = sizeof(address->storage);
	io_uring_prep_accept(sqe, syscall_fd(op->accept.file), address ? &address->any : NULL,
		address ? &address->size : NULL, SOCK_CLOEXEC);
	if (op->flags & PROACTOR_MULTISHOT && uring->multishot_accept)
		sqe->ioprio |= IORING_ACCEPT_MULTISHOT;
	sqe->user_data |= URING_MAKES_FILE;
}

static void prep_poll(const struct uring *uring, struct io_uring_sqe *sqe,
	const struct proactor_op *op)
{
	io_uring_prep_poll_add(sqe, syscall_fd(op->poll.file), op->poll.events);
	if (op->flags & PROACTOR_MULTISHOT && uring->multishot_poll)
		sqe->len |= IORING_POLL_ADD_MULTI;
}

#ifdef __SANITIZE_THREAD__
/* Of sanitizer/linux_syscall_hooks.h, which gcc does not install: a close(2) that it cannot see. */
void __sanitizer_syscall_pre_impl_close(long fd);
#endif

static void prep_close(struct io_uring_sqe *sqe, const struct proactor_op *op)
{
	int fd = syscall_fd(op->close.file);

#ifdef __SANITIZE_THREAD__
	/* or it takes the number's next owner, in another thread, for a race with this one */
	__sanitizer_syscall_pre_impl_close(fd);
#endif
	io_uring_prep_close(sqe, fd);
}

/* A read or write within registered memory names it. */
static __attribute__((noinline)) void use_region(const struct uring *uring,
	struct io_uring_sqe *sqe, const struct proactor_op *op)
{
	bool reads = op->opcode == PROACTOR_READ;
	int index = reads || op->opcode == PROACTOR_WRITE
		? uring_region_of(uring, op->read.data, op->read.size)
		: -1;

	if (index < 0)
		return;
	sqe->opcode = reads ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;
	sqe->buf_index = (uint16_t)index;
}

/* The others, out of line, so that the frequent ones need not save what these use. */
static __attribute__((noinline)) int prep_rare(struct uring *uring, struct io_uring_sqe *sqe,
	const struct proactor_op *op, struct slot *slot)
{
	switch ((enum proactor_opcode)op->opcode) {
	case PROACTOR_TIMEOUT: prep_timeout(sqe, op->timeout.duration_ns, slot); break;
	case PROACTOR_CLOSE: prep_close(sqe, op); break;
	case PROACTOR_FSYNC:
		io_uring_prep_fsync(sqe, syscall_fd(op->fsync.file),
			op->fsync.data_only ? IORING_FSYNC_DATASYNC : 0);
		break;
	case PROACTOR_SOCKET:
		io_uring_prep_socket(sqe, op->socket.domain, op->socket.type | SOCK_CLOEXEC,
			op->socket.protocol, 0);
		sqe->user_data |= URING_MAKES_FILE;
		break;
	case PROACTOR_LISTEN:
		io_uring_prep_rw(URING_OP_LISTEN, sqe, syscall_fd(op->listen.file), NULL,
			(unsigned)op->listen.backlog, 0);
		break;
	case PROACTOR_ACCEPT: prep_accept(uring, sqe, op); break;
	case PROACTOR_SHUTDOWN:
		io_uring_prep_shutdown(sqe, syscall_fd(op->shutdown.file), op->shutdown.how);
		break;
	case PROACTOR_POLL: prep_poll(uring, sqe, op); break;
	case PROACTOR_RECVMSG:
		io_uring_prep_recvmsg(sqe, syscall_fd(op->recvmsg.file), op->recvmsg.message,
			op->recvmsg.flags | MSG_CMSG_CLOEXEC);
		break;
	case PROACTOR_SENDMSG:
		io_uring_prep_sendmsg(sqe, syscall_fd(op->sendmsg.file), op->sendmsg.message,
			op->sendmsg.flags | MSG_NOSIGNAL);
		break;
	case PROACTOR_FALLOCATE:
		io_uring_prep_fallocate(sqe, syscall_fd(op->fallocate.file), op->fallocate.mode,
			op->fallocate.offset, op->fallocate.size);
		break;
	case PROACTOR_FTRUNCATE:
		io_uring_prep_rw(URING_OP_FTRUNCATE, sqe, syscall_fd(op->ftruncate.file), NULL, 0,
			(uint64_t)op->ftruncate.size);
		break;
	case PROACTOR_SPLICE:
		io_uring_prep_splice(sqe, syscall_fd(op->splice.in), op->splice.in_offset,
			syscall_fd(op->splice.out), op->splice.out_offset,
			syscall_transfer_size((uint64_t)op->splice.size), op->splice.flags);
		break;
	default: return uring_prep_kept(uring, sqe, op, slot);
	}
	return 0;
}

/* The descriptor of the submission may be in the table. */
static inline void use_fixed(const struct uring *uring, struct io_uring_sqe *sqe)
{
	if (uring_is_fixed(uring, sqe->fd))
		sqe->flags |= IOSQE_FIXED_FILE;
}

/* What most programs are made of. Calls nothing, needs nothing of the slot but its key. */
static inline __attribute__((always_inline)) void prep_frequent(struct uring *uring,
	struct io_uring_sqe *sqe, const struct proactor_op *op)
{
	switch ((enum proactor_opcode)op->opcode) {
	case PROACTOR_READ:
		io_uring_prep_read(sqe, syscall_fd(op->read.file), op->read.data,
			syscall_transfer_size(op->read.size), (uint64_t)op->read.offset);
		break;
	case PROACTOR_WRITE:
		io_uring_prep_write(sqe, syscall_fd(op->write.file), op->write.data,
			syscall_transfer_size(op->write.size), (uint64_t)op->write.offset);
		sqe->rw_flags = uring->write_rwf;
		break;
	case PROACTOR_RECV:
		io_uring_prep_recv(sqe, syscall_fd(op->recv.file), op->recv.data,
			syscall_transfer_size(op->recv.size), (int)op->recv.flags);
		break;
	case PROACTOR_SEND:
		io_uring_prep_send(sqe, syscall_fd(op->send.file), op->send.data,
			syscall_transfer_size(op->send.size), (int)(op->send.flags | MSG_NOSIGNAL));
		break;
	default: io_uring_prep_nop(sqe); return;
	}
	use_fixed(uring, sqe);
}

/* Fills @sqe for @op, and what @slot has to keep for it. -ENOMEM. */
static int prep(struct uring *uring, struct io_uring_sqe *sqe, const struct proactor_op *op,
	struct slot *slot)
{
	if (op->flags & PROACTOR_BUFFER_SELECT) {
		uring_prep_select(uring, sqe, op, slot);
		return 0;
	}
	if (unlikely(uring->op_special[op->opcode] & URING_SIGPIPE))
		uring_hold_sigpipe(uring, syscall_fd(op->write.file));
	if (uring->op_special[op->opcode] & URING_RARE)
		return prep_rare(uring, sqe, op, slot);
	prep_frequent(uring, sqe, op);
	if (uring->region_count > 0)
		use_region(uring, sqe, op);
	return 0;
}

/* What the kernel lacks: what never blocks is done at once, the rest by threads. */
static __attribute__((noinline)) int push_elsewhere(struct proactor *proactor,
	const struct proactor_op *op, struct slot *slot, uint64_t *ret_key,
	struct proactor_completion *ret_ready)
{
	switch (op->opcode) {
	case PROACTOR_SOCKET:
	case PROACTOR_BIND:
	case PROACTOR_LISTEN:
	case PROACTOR_SHUTDOWN:
		return driver_ready(proactor, slot, syscall_run(op), ret_key, ret_ready);
	default: return work_push(proactor, op, slot, ret_key, ret_ready);
	}
}

static int push_submission(struct proactor *proactor, const struct proactor_op *op,
	struct slot *slot, uint64_t *ret_key)
{
	struct uring *uring = uring_of(proactor);
	struct io_uring_sqe *sqe = uring_sqe(uring);
	int r;

	if (!sqe)
		return driver_refuse(proactor, slot, -ENOMEM);
	/* what is kept of an earlier shot is not needed any more */
	if (slot->stash_kind != STASH_NONE)
		uring_unstash(uring, slot);
	/* none of the preparations touches it */
	sqe->user_data = slot_key(slot);
	r = prep(uring, sqe, op, slot);
	if (op->flags & PROACTOR_MAY_BLOCK)
		sqe->flags |= IOSQE_ASYNC;
	if (r == 0)
		return driver_pending(slot, ret_key);
	uring_sqe_undo(uring);
	return driver_refuse(proactor, slot, r);
}

/* ---- what is always ready ---- */

/*
 * Whether there is nothing to wait for on @fd (a regular file, /dev/null), which epoll_ctl(2) tells
 * by EPERM. Who asks somebody to find out was not to be asked here, see shortcut.h.
 */
static bool never_changes(int fd)
{
	struct epoll_event event = {0};
	struct stat stat;
	int epoll_fd;
	bool refused;

	if (fstat(fd, &stat) < 0 || S_ISSOCK(stat.st_mode) || S_ISFIFO(stat.st_mode))
		return false;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	refused = epoll_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 &&
		errno == EPERM;
	fd_close(epoll_fd);
	return refused;
}

/*
 * The kernel's own multishot poll would report the same for ever: here it is reported once, and the
 * operation then waits to be cancelled.
 */
static int push_ready_for_ever(struct proactor *proactor, const struct proactor_op *op,
	struct slot *slot, uint64_t *ret_key)
{
	int64_t events = syscall_poll(syscall_fd(op->poll.file), op->poll.events, 0);

	if (events > 0) {
		slot->marks |= SLOT_WAITS;
		driver_end_flagged(proactor, slot, events, PROACTOR_MORE);
	} else {
		driver_end(proactor, slot, events < 0 ? events : -EINVAL);
	}
	return driver_pending(slot, ret_key);
}

static bool is_ready_for_ever(const struct proactor_op *op)
{
	return op->opcode == PROACTOR_POLL && op->flags & PROACTOR_MULTISHOT &&
		!(op->flags & PROACTOR_MAY_BLOCK) && never_changes(syscall_fd(op->poll.file));
}

/* The others are out of line, so that the frequent ones have nothing to do with them. */
static __attribute__((noinline)) int push_any(struct proactor *proactor,
	const struct proactor_op *op, struct slot *slot, uint64_t *ret_key,
	struct proactor_completion *ret_ready)
{
	struct uring *uring = uring_of(proactor);

	if (uring->op_special[op->opcode] & URING_LACKS)
		return push_elsewhere(proactor, op, slot, ret_key, ret_ready);
	if (is_ready_for_ever(op))
		return push_ready_for_ever(proactor, op, slot, ret_key);
	/* before its submission is in the queue: it may submit */
	if (uring->op_special[op->opcode] & URING_ENDS_FILE)
		uring_file_end(uring, op->close.file);
	/*
	 * The kernel's workers do what blocks in a close after they have said that they are idle,
	 * and then all that is for them waits for it.
	 */
	if (op->opcode == PROACTOR_CLOSE && op->flags & PROACTOR_MAY_BLOCK)
		return push_elsewhere(proactor, op, slot, ret_key, ret_ready);
	return push_submission(proactor, op, slot, ret_key);
}

int uring_push(struct proactor *proactor, const struct proactor_op *op, struct slot *slot,
	uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	struct uring *uring = uring_of(proactor);
	struct io_uring_sqe *sqe;

	/* so that what follows calls nothing, and needs no stack frame */
	if (unlikely((op->flags | slot->stash_kind | uring->op_special[op->opcode]) != 0 ||
		    !uring_has_room(uring)))
		return push_any(proactor, op, slot, ret_key, ret_ready);
	sqe = uring_sqe_next(uring);
	sqe->user_data = slot_key(slot);
	prep_frequent(uring, sqe, op);
	return driver_pending(slot, ret_key);
}
