/* Waiters: operations that wait for readiness, and what becomes of them. See epoll.h. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "driver/buffers.h"
#include "driver/epoll.h"
#include "driver/work.h"

/* ---- trying ---- */

/* As io_uring has it, for streams and what has the borders of messages in them alone. */
static bool is_stream_socket(int fd)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
		(type == SOCK_STREAM || type == SOCK_SEQPACKET);
}

/*
 * Whether a receive or send of all there is to transfer has more to do. (The kernel does this for
 * calls that block.)
 */
static bool wants_more(const struct proactor_op *op, int64_t result)
{
	uint32_t flags = op->opcode == PROACTOR_RECV ? op->recv.flags
		: op->opcode == PROACTOR_SEND        ? op->send.flags
						     : 0;

	return flags & MSG_WAITALL && !(flags & (MSG_DONTWAIT | MSG_PEEK)) && result > 0 &&
		(uint64_t)result < kept_size(op) && is_stream_socket(syscall_fd(op->recv.file));
}

enum epoll_outcome epoll_try(const struct proactor_op *op, enum syscall_kind kind, bool has_begun,
	int64_t *ret_result, uint32_t *ret_flags)
{
	int64_t r = has_begun                        ? syscall_try_connected(op)
		: op->flags & PROACTOR_BUFFER_SELECT ? buffers_receive(op, ret_flags)
						     : syscall_try(op, kind);

	*ret_result = r;
	if (r == SYSCALL_BLOCKS)
		return EPOLL_BLOCKS;
	if (r == -EAGAIN && !syscall_never_waits(op))
		return EPOLL_WAITS;
	if (r == -EINPROGRESS && op->opcode == PROACTOR_CONNECT)
		return EPOLL_BEGUN;
	return unlikely(wants_more(op, r)) ? EPOLL_PARTLY : EPOLL_ENDED;
}

/* ---- waiting ---- */

enum epoll_queue epoll_queue_of(const struct proactor_op *op)
{
	switch (syscall_events(op)) {
	case POLLIN: return EPOLL_QUEUE_IN;
	case POLLOUT: return EPOLL_QUEUE_OUT;
	case POLLPRI: return EPOLL_QUEUE_PRI;
	default: return EPOLL_QUEUE_POLL;
	}
}

bool epoll_is_queued(const struct epoll_file *file, const struct proactor_op *op)
{
	enum epoll_queue queue = epoll_queue_of(op);

	return file && (!list_empty(&file->queues[queue]) || file->is_at_work[queue]);
}

int epoll_wait_for(struct epoll *epoll, const struct proactor_op *op, struct slot *slot,
	struct epoll_file *file, struct waiter **ret_waiter)
{
	struct waiter *waiter = slab_take(&epoll->waiters);

	if (!waiter)
		return -ENOMEM;
	*waiter = (struct waiter){
		.slot = slot, .queue = (uint8_t)epoll_queue_of(op), .kind = file->kind};
	if (kept_init(&waiter->kept, op, &epoll->rooms) < 0) {
		slab_give(&epoll->waiters, waiter);
		return -ENOMEM;
	}
	list_append(&file->queues[waiter->queue], &waiter->link);
	slot->stash = waiter;
	slot->stash_kind = EPOLL_STASH_WAITER;
	*ret_waiter = waiter;
	return 0;
}

void epoll_waiter_advance(struct waiter *waiter, int64_t size)
{
	waiter->done += size;
	kept_advance(&waiter->kept, (uint64_t)size);
}

static void waiter_free(struct epoll *epoll, struct waiter *waiter)
{
	waiter->slot->stash = NULL;
	waiter->slot->stash_kind = EPOLL_STASH_NONE;
	list_remove(&waiter->link);
	kept_deinit(&waiter->kept, &epoll->rooms);
	slab_give(&epoll->waiters, waiter);
}

static void waiter_end(struct epoll *epoll, struct waiter *waiter, int64_t result, uint32_t flags)
{
	struct slot *slot = waiter->slot;

	if (waiter->done > 0)
		result = waiter->done + MAX(result, (int64_t)0);
	waiter_free(epoll, waiter);
	if (slot->extra)
		driver_end_flagged(&epoll->base, slot, result, flags);
	else
		driver_end(&epoll->base, slot, result);
}

/* ---- what a thread has ---- */

static void queue_goes_on(struct proactor *proactor, uint64_t data, enum epoll_queue queue)
{
	struct epoll_file *file = epoll_file_named(epoll_of(proactor), data);

	if (!file)
		return;
	file->is_at_work[queue] = false;
	epoll_serve(epoll_of(proactor), file, queue);
}

static void in_goes_on(struct proactor *proactor, uint64_t data)
{
	queue_goes_on(proactor, data, EPOLL_QUEUE_IN);
}

static void out_goes_on(struct proactor *proactor, uint64_t data)
{
	queue_goes_on(proactor, data, EPOLL_QUEUE_OUT);
}

void epoll_wait_for_work(struct epoll *epoll, const struct proactor_op *op, struct slot *slot)
{
	enum epoll_queue queue = epoll_queue_of(op);
	int fd = syscall_fd(op->recv.file);
	struct epoll_file *file;

	/* without memory for the file, nobody waits there */
	if (!syscall_is_in_order(op) || epoll_file_need(epoll, fd, &file) < 0)
		return;
	if (queue != EPOLL_QUEUE_IN && queue != EPOLL_QUEUE_OUT)
		return;
	file->is_at_work[queue] = true;
	work_on_end(slot, queue == EPOLL_QUEUE_IN ? in_goes_on : out_goes_on,
		epoll_file_data(file, fd));
}

/* ---- being served ---- */

/* It is ready, and yet only a thread can tell: from here on it is the thread's. */
static void hand_over(struct epoll *epoll, struct waiter *waiter)
{
	struct slot *slot = waiter->slot;
	int r = work_start(&epoll->base, &waiter->kept.op, slot);

	if (r < 0) {
		waiter_end(epoll, waiter, r, 0);
		return;
	}
	work_set_done(slot, waiter->done);
	epoll_wait_for_work(epoll, &waiter->kept.op, slot);
	/* the slot's stash is the work now */
	slot->stash_kind = EPOLL_STASH_NONE;
	list_remove(&waiter->link);
	kept_deinit(&waiter->kept, &epoll->rooms);
	slab_give(&epoll->waiters, waiter);
}

/* False: it waits on, and so do those behind it. */
static bool serve_first(struct epoll *epoll, struct waiter *waiter)
{
	uint32_t flags = 0;
	int64_t result;

	switch (epoll_try(&waiter->kept.op, waiter->kind, waiter->has_begun, &result, &flags)) {
	case EPOLL_WAITS: return false;
	case EPOLL_BEGUN: waiter->has_begun = true; return false;
	case EPOLL_PARTLY: epoll_waiter_advance(waiter, result); return true;
	case EPOLL_BLOCKS: hand_over(epoll, waiter); return true;
	case EPOLL_ENDED: waiter_end(epoll, waiter, result, flags); return true;
	}
	return false;
}

static bool is_multishot(const struct waiter *waiter)
{
	return waiter->kept.op.flags & PROACTOR_MULTISHOT;
}

void epoll_report(struct epoll *epoll, struct slot *slot, int64_t events)
{
	/* the shot before was not taken yet: this one goes with it */
	if (slot->state == SLOT_QUEUED)
		slot->result |= events;
	else
		driver_end_flagged(&epoll->base, slot, events, PROACTOR_MORE);
}

static void look(struct epoll *epoll, struct waiter *waiter)
{
	int64_t events = syscall_try(&waiter->kept.op, SYSCALL_KIND_UNKNOWN);

	if (events == -EAGAIN)
		return;
	if (is_multishot(waiter) && events > 0)
		epoll_report(epoll, waiter->slot, events);
	else if (waiter->slot->state == SLOT_IN_FLIGHT)
		waiter_end(epoll, waiter, events, 0);
}

void epoll_serve(struct epoll *epoll, struct epoll_file *file, enum epoll_queue queue)
{
	struct list *waiters = &file->queues[queue];
	struct waiter *waiter, *following;

	if (queue == EPOLL_QUEUE_POLL)
		list_for_each_entry_safe (waiter, following, waiters, link)
			look(epoll, waiter);
	else
		while (!list_empty(waiters) && !file->is_at_work[queue] &&
			serve_first(epoll, list_entry(waiters->next, struct waiter, link)))
			continue;
}

/* ---- being told to end ---- */

void epoll_retire(struct epoll *epoll, struct epoll_file *file, enum epoll_queue queue)
{
	struct list *link;

	while ((link = list_pop(&file->queues[queue]))) {
		struct waiter *waiter = list_entry(link, struct waiter, link);

		if (waiter->slot->state == SLOT_IN_FLIGHT)
			waiter_end(epoll, waiter, -ECANCELED, 0);
		else
			/* a shot is to be taken: the front cancels it then */
			waiter->slot->marks |= SLOT_CANCELLED;
	}
}

/*
 * Those who wait to write may wait for different amounts of room, so that with the first out of the
 * way the next may have enough, and no edge tells. Those who read all wait for the same.
 */
int epoll_cancel(struct proactor *proactor, struct slot *slot)
{
	struct epoll *epoll = epoll_of(proactor);
	struct waiter *waiter = slot->stash;
	struct epoll_file *file;
	bool was_first_to_write;

	assert(slot->stash_kind == EPOLL_STASH_WAITER);
	file = epoll_file_find(epoll, syscall_fd(waiter->kept.op.recv.file));
	was_first_to_write = waiter->queue == EPOLL_QUEUE_OUT &&
		file->queues[EPOLL_QUEUE_OUT].next == &waiter->link;
	waiter_end(epoll, waiter, -ECANCELED, 0);
	if (was_first_to_write)
		epoll_serve(epoll, file, EPOLL_QUEUE_OUT);
	return 0;
}
