/*
 * How an operation begins: it is tried, or waits behind others, or goes to a thread. See epoll.h.
 *
 * Each function here ends as struct driver's push does, with the slot.
 */
#include <errno.h>

#include "driver/epoll.h"
#include "driver/work.h"

/* An operation that is being pushed. */
struct push {
	struct epoll *epoll;
	const struct proactor_op *op;
	struct slot *slot;
	uint64_t *ret_key;
	struct proactor_completion *ret_ready;
};

static int push_ended(const struct push *push, int64_t result, uint32_t flags)
{
	struct proactor *proactor = &push->epoll->base;

	/* the number may be known from before, if it was closed past us */
	if (result >= 0 && unlikely(op_makes_file(push->op->opcode)))
		epoll_file_end(push->epoll, (int)result);
	if (likely(!push->slot->extra))
		return driver_ready(proactor, push->slot, result, push->ret_key, push->ret_ready);
	driver_end_flagged(proactor, push->slot, result, flags);
	return driver_pending(push->slot, push->ret_key);
}

static int push_refused(const struct push *push, int error)
{
	return driver_refuse(&push->epoll->base, push->slot, error);
}

static int push_to_thread(const struct push *push, const struct proactor_op *op)
{
	return work_push(&push->epoll->base, op, push->slot, push->ret_key, push->ret_ready);
}

/* ---- files of file systems: always ready, which says nothing about how long it takes ---- */

/*
 * A part was done of what is to be done at once: the rest is tried, which at the end of the file
 * says that this is all, and else is left to a thread.
 */
static int push_rest(const struct push *push, int64_t done)
{
	int64_t wanted = syscall_transfer_size(kept_size(push->op)), r = done;
	struct slab *rooms = &push->epoll->rooms;
	struct kept kept;
	int result;

	if (kept_init(&kept, push->op, rooms) < 0)
		return push_ended(push, done, 0);
	do {
		kept_advance(&kept, (uint64_t)r);
		r = syscall_try(&kept.op, SYSCALL_KIND_DISK);
		if (r > 0)
			done += r;
	} while (r > 0 && done < wanted);
	if (r == SYSCALL_BLOCKS) {
		result = push_to_thread(push, &kept.op);
		if (result == PROACTOR_PENDING)
			work_set_done(push->slot, done);
	} else {
		result = push_ended(push, done, 0);
	}
	kept_deinit(&kept, rooms);
	return result;
}

static bool uses_position(const struct proactor_op *op)
{
	bool is_vector = op->opcode == PROACTOR_READV || op->opcode == PROACTOR_WRITEV;

	return (is_vector ? op->readv.offset : op->read.offset) == PROACTOR_CURRENT;
}

static void position_is_free(struct proactor *proactor, uint64_t data)
{
	struct epoll_file *file = epoll_file_named(epoll_of(proactor), data);

	if (file)
		file->position_user_count--;
}

/*
 * The file's own position is locked while a call uses it (f_pos_lock), however long that takes: so
 * it is not tried while a thread may be in one, which would not be in order either; nor where a
 * stranger may.
 */
static int push_disk(const struct push *push)
{
	const struct proactor_op *op = push->op;
	int fd = syscall_fd(op->read.file), result;
	struct epoll_file *file = epoll_file_find(push->epoll, fd);
	bool has_to_wait = uses_position(op) &&
		(push->epoll->base.shortcuts.shares_files || file->position_user_count > 0);
	int64_t r = SYSCALL_BLOCKS;

	if (!(op->flags & PROACTOR_MAY_BLOCK) && !has_to_wait)
		r = syscall_try(op, SYSCALL_KIND_DISK);
	if (r != SYSCALL_BLOCKS && (r <= 0 || r >= syscall_transfer_size(kept_size(op))))
		return push_ended(push, r, 0);
	result = r > 0 ? push_rest(push, r) : push_to_thread(push, op);
	if (uses_position(op) && result == PROACTOR_PENDING && push->slot->marks & SLOT_AT_WORK) {
		file->position_user_count++;
		work_on_end(push->slot, position_is_free, epoll_file_data(file, fd));
	}
	return result;
}

/* ---- what becomes ready ---- */

/* Goes to a thread; who comes later waits for that. */
static int push_stream_to_thread(const struct push *push)
{
	int result = push_to_thread(push, push->op);

	if (result == PROACTOR_PENDING)
		epoll_wait_for_work(push->epoll, push->op, push->slot);
	return result;
}

/* Waits, after @outcome. Where it cannot, a thread does it for us, or a part is all there is. */
static int push_waiting(const struct push *push, enum epoll_outcome outcome, int64_t result)
{
	/* a thread has no buffers to choose from */
	bool can_block = outcome != EPOLL_PARTLY && !(push->op->flags & PROACTOR_BUFFER_SELECT);
	int fd = syscall_fd(push->op->recv.file), r;
	struct epoll_file *file;
	struct waiter *waiter;

	r = epoll_file_need(push->epoll, fd, &file);
	if (r == 0) {
		r = epoll_file_register(push->epoll, file, fd);
		if (r < 0 && can_block)
			return push_to_thread(push, push->op);
	}
	if (r == 0)
		r = epoll_wait_for(push->epoll, push->op, push->slot, file, &waiter);
	if (r < 0)
		return outcome == EPOLL_PARTLY ? push_ended(push, result, 0)
					       : push_refused(push, r);
	waiter->has_begun = outcome == EPOLL_BEGUN;
	if (outcome == EPOLL_PARTLY) {
		epoll_waiter_advance(waiter, result);
		/* it is to be told EAGAIN before it waits */
		epoll_serve(push->epoll, file, waiter->queue);
	}
	return driver_pending(push->slot, push->ret_key);
}

/* Readiness says nothing about what a terminal does, or the lookup of a socket's path. */
static bool may_block(const struct proactor_op *op, enum syscall_kind kind)
{
	return op->flags & PROACTOR_MAY_BLOCK &&
		(kind == SYSCALL_KIND_STREAM || op->opcode == PROACTOR_CONNECT);
}

static int push_stream(const struct push *push, enum syscall_kind kind)
{
	const struct proactor_op *op = push->op;
	const struct epoll_file *file = epoll_file_find(push->epoll, syscall_fd(op->recv.file));
	enum epoll_outcome outcome;
	int64_t result;
	uint32_t flags = 0;

	/* nobody overtakes those who wait */
	if (epoll_is_queued(file, op))
		return syscall_never_waits(op) ? push_ended(push, -EAGAIN, 0)
					       : push_waiting(push, EPOLL_WAITS, 0);
	if (unlikely(may_block(op, kind)))
		return push_stream_to_thread(push);
	outcome = epoll_try(op, kind, /* has_begun= */ false, &result, &flags);
	switch (outcome) {
	case EPOLL_ENDED: return push_ended(push, result, flags);
	case EPOLL_BLOCKS: return push_stream_to_thread(push);
	default: return push_waiting(push, outcome, result);
	}
}

/* read, write, readv and writev take files of all kinds */
static int push_transfer(const struct push *push)
{
	int kind = epoll_file_kind(push->epoll, syscall_fd(push->op->read.file));

	if (kind < 0)
		return kind == -ENOMEM ? push_refused(push, kind) : push_ended(push, kind, 0);
	return kind == SYSCALL_KIND_DISK ? push_disk(push) : push_stream(push, kind);
}

/* ---- poll ---- */

/*
 * Where epoll refuses a file, it is ready for what it ever will be. To wait for something else is
 * invalid, as for an io_uring (Linux 6.18). Who may block to say so is asked by a thread, once.
 */
static int push_poll(const struct push *push)
{
	const struct proactor_op *op = push->op;
	bool is_multishot = op->flags & PROACTOR_MULTISHOT, is_new;
	int fd = syscall_fd(op->poll.file), r;
	struct epoll_file *file;
	struct waiter *waiter;
	int64_t events;

	if (op->flags & PROACTOR_MAY_BLOCK)
		return push_to_thread(push, op);
	events = syscall_try(op, SYSCALL_KIND_UNKNOWN);
	if (events != -EAGAIN && (!is_multishot || events < 0))
		return push_ended(push, events, 0);
	r = epoll_file_need(push->epoll, fd, &file);
	if (r < 0)
		return push_refused(push, r);
	is_new = file->state == EPOLL_FILE_NEW;
	r = epoll_file_register(push->epoll, file, fd);
	if (r == -EPERM && events == -EAGAIN)
		return push_ended(push, -EINVAL, 0);
	if (r < 0 && r != -EPERM)
		return is_multishot ? push_refused(push, r) : push_to_thread(push, op);
	r = epoll_wait_for(push->epoll, op, push->slot, file, &waiter);
	if (r < 0)
		return push_refused(push, r);
	/* what is ready when a file is registered makes an event */
	if (events > 0 && !(is_new && file->state == EPOLL_FILE_REGISTERED))
		epoll_report(push->epoll, push->slot, events);
	return driver_pending(push->slot, push->ret_key);
}

/* ---- all ---- */

static int push_close(const struct push *push)
{
	epoll_file_end(push->epoll, syscall_fd(push->op->close.file));
	if (push->op->flags & PROACTOR_MAY_BLOCK)
		return push_to_thread(push, push->op);
	return push_ended(push, syscall_run(push->op), 0);
}

/* Done at once, or not at all without a thread. */
static int push_directly(const struct push *push)
{
	int64_t r = push->op->flags & PROACTOR_MAY_BLOCK
		? SYSCALL_BLOCKS
		: syscall_try(push->op, SYSCALL_KIND_UNKNOWN);

	return r == SYSCALL_BLOCKS ? push_to_thread(push, push->op) : push_ended(push, r, 0);
}

/* It is there to measure the way there and back, so it goes that way. */
static int push_nop(const struct push *push)
{
	driver_end(&push->epoll->base, push->slot, 0);
	return driver_pending(push->slot, push->ret_key);
}

int epoll_push(struct proactor *proactor, const struct proactor_op *op, struct slot *slot,
	uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	const struct push push = {epoll_of(proactor), op, slot, ret_key, ret_ready};

	switch ((enum proactor_opcode)op->opcode) {
	case PROACTOR_NOP: return push_nop(&push);
	case PROACTOR_CLOSE: return push_close(&push);
	case PROACTOR_POLL: return push_poll(&push);
	case PROACTOR_SOCKET:
	case PROACTOR_BIND:
	case PROACTOR_LISTEN:
	case PROACTOR_SHUTDOWN:
	case PROACTOR_SPLICE: return push_directly(&push);
	case PROACTOR_READ:
	case PROACTOR_WRITE:
	case PROACTOR_READV:
	case PROACTOR_WRITEV: return push_transfer(&push);
	case PROACTOR_ACCEPT:
	case PROACTOR_CONNECT:
	case PROACTOR_RECV:
	case PROACTOR_SEND:
	case PROACTOR_RECVFROM:
	case PROACTOR_SENDTO:
	case PROACTOR_RECVMSG:
	case PROACTOR_SENDMSG: return push_stream(&push, SYSCALL_KIND_UNKNOWN);
	default: return push_to_thread(&push, op);
	}
}
