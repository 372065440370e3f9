/*
 * Submissions of operations that point to something: paths, addresses, arrays of pieces.
 *
 * The kernel reads these when it takes the submission (IORING_FEAT_SUBMIT_STABLE, 5.5), the caller
 * may drop them at push. In between they rest in a copy that the slot owns until pop.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <linux/limits.h>

#include "driver/syscall.h"
#include "driver/uring.h"

/* What is kept for recvfrom and sendto, which have no submission of their own. */
struct message {
	struct msghdr header;
	struct iovec piece;
	struct proactor_address address; /* of sendto */
};

_Static_assert(sizeof(struct message) <= STASH_SHORT_SIZE, "fits where most is kept");

static void *stash(struct uring *uring, struct slot *slot, size_t size)
{
	enum uring_stash kind = size <= STASH_SHORT_SIZE ? STASH_SHORT
		: size <= PATH_MAX                       ? STASH_PATH
							 : STASH_ALLOCATED;

	slot->stash = kind == STASH_SHORT ? slab_take(&uring->shorts)
		: kind == STASH_PATH      ? slab_take(&uring->paths)
					  : malloc(size);
	if (slot->stash)
		slot->stash_kind = kind;
	return slot->stash;
}

void uring_unstash(struct uring *uring, struct slot *slot)
{
	if (slot->opcode == PROACTOR_RECVFROM && slot->stash_kind == STASH_SHORT && slot->address)
		slot->address->size = ((struct message *)slot->stash)->header.msg_namelen;
	switch ((enum uring_stash)slot->stash_kind) {
	case STASH_SHORT: slab_give(&uring->shorts, slot->stash); break;
	case STASH_PATH: slab_give(&uring->paths, slot->stash); break;
	case STASH_ALLOCATED: free(slot->stash); break;
	case STASH_NONE:
	case STASH_BUFFER: break;
	}
	slot->stash_kind = STASH_NONE;
}

/* ---- messages ---- */

static struct message *stash_message(struct uring *uring, struct slot *slot, void *data,
	size_t size)
{
	struct message *message = stash(uring, slot, sizeof(*message));

	if (!message)
		return NULL;
	message->piece = (struct iovec){data, syscall_transfer_size(size)};
	message->header = (struct msghdr){.msg_iov = &message->piece, .msg_iovlen = 1};
	return message;
}

static int prep_recvfrom(struct uring *uring, struct io_uring_sqe *sqe,
	const struct proactor_op *op, struct slot *slot)
{
	struct message *message = stash_message(uring, slot, op->recvfrom.data, op->recvfrom.size);

	if (!message)
		return -ENOMEM;
	slot->address = op->recvfrom.address;
	if (slot->address) {
		message->header.msg_name = &slot->address->storage;
		message->header.msg_namelen = sizeof(slot->address->storage);
	}
	io_uring_prep_recvmsg(sqe, syscall_fd(op->recvfrom.file), &message->header,
		op->recvfrom.flags);
	return 0;
}

static int prep_sendto(struct uring *uring, struct io_uring_sqe *sqe, const struct proactor_op *op,
	struct slot *slot)
{
	struct message *message =
		stash_message(uring, slot, (void *)op->sendto.data, op->sendto.size);

	if (!message)
		return -ENOMEM;
	message->address = *op->sendto.address;
	message->header.msg_name = &message->address.storage;
	message->header.msg_namelen = message->address.size;
	io_uring_prep_sendmsg(sqe, syscall_fd(op->sendto.file), &message->header,
		op->sendto.flags | MSG_NOSIGNAL);
	return 0;
}

/* ---- the rest: prepared from a copy ---- */

/* bind and connect: the address in addr, its size in off (io_uring_prep_bind() of liburing 2.8) */
static void prep_address(struct io_uring_sqe *sqe, int opcode, int64_t file,
	const struct proactor_address *address)
{
	io_uring_prep_rw(opcode, sqe, syscall_fd(file), &address->any, 0, address->size);
}

static void prep_stat(struct io_uring_sqe *sqe, const struct proactor_op *op)
{
	int empty = *op->stat.path ? 0 : AT_EMPTY_PATH;

	io_uring_prep_statx(sqe, syscall_dir_fd(op->stat.dir), op->stat.path,
		(int)op->stat.flags | empty, op->stat.mask, op->stat.stat);
}

static void prep_copy(struct io_uring_sqe *sqe, const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_OPEN:
		io_uring_prep_openat(sqe, syscall_dir_fd(op->open.dir), op->open.path,
			op->open.flags | O_CLOEXEC, op->open.mode);
		sqe->user_data |= URING_MAKES_FILE;
		break;
	case PROACTOR_STAT: prep_stat(sqe, op); break;
	case PROACTOR_BIND:
		prep_address(sqe, URING_OP_BIND, op->bind.file, op->bind.address);
		break;
	case PROACTOR_CONNECT:
		prep_address(sqe, IORING_OP_CONNECT, op->connect.file, op->connect.address);
		break;
	case PROACTOR_READV:
		io_uring_prep_readv(sqe, syscall_fd(op->readv.file), op->readv.pieces,
			(unsigned)op->readv.count, (uint64_t)op->readv.offset);
		break;
	case PROACTOR_WRITEV:
		io_uring_prep_writev(sqe, syscall_fd(op->writev.file), op->writev.pieces,
			(unsigned)op->writev.count, (uint64_t)op->writev.offset);
		break;
	case PROACTOR_UNLINK:
		io_uring_prep_unlinkat(sqe, syscall_dir_fd(op->unlink.dir), op->unlink.path,
			(int)op->unlink.flags);
		break;
	case PROACTOR_RENAME:
		io_uring_prep_renameat(sqe, syscall_dir_fd(op->rename.old_dir), op->rename.old_path,
			syscall_dir_fd(op->rename.new_dir), op->rename.new_path, op->rename.flags);
		break;
	case PROACTOR_MKDIR:
		io_uring_prep_mkdirat(sqe, syscall_dir_fd(op->mkdir.dir), op->mkdir.path,
			op->mkdir.mode);
		break;
	case PROACTOR_SYMLINK:
		io_uring_prep_symlinkat(sqe, op->symlink.target, syscall_dir_fd(op->symlink.dir),
			op->symlink.path);
		break;
	case PROACTOR_LINK:
		io_uring_prep_linkat(sqe, syscall_dir_fd(op->link.old_dir), op->link.old_path,
			syscall_dir_fd(op->link.new_dir), op->link.new_path, (int)op->link.flags);
		break;
	default: assert(!"every operation has a submission, or is lacking");
	}
}

int uring_prep_kept(struct uring *uring, struct io_uring_sqe *sqe, const struct proactor_op *op,
	struct slot *slot)
{
	size_t size = op_copy_size(op);
	struct proactor_op copy;
	void *room;

	if (op->opcode == PROACTOR_RECVFROM)
		return prep_recvfrom(uring, sqe, op, slot);
	if (op->opcode == PROACTOR_SENDTO)
		return prep_sendto(uring, sqe, op, slot);
	room = size > 0 ? stash(uring, slot, size) : NULL;
	if (size > 0 && !room)
		return -ENOMEM;
	op_copy(&copy, op, room);
	prep_copy(sqe, &copy);
	if (op->opcode == PROACTOR_WRITEV)
		sqe->rw_flags = uring->write_rwf;
	return 0;
}
