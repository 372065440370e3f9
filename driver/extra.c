/* Extras. See extra.h. */
#include "driver/extra.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/pieces.h"
#include "driver/buffers.h"

#define EXPIRE_RETRY_NS NSEC_PER_MSEC

/* ---- having one ---- */

static bool is_multishot(const struct extra *extra)
{
	return extra->op.flags & PROACTOR_MULTISHOT;
}

static bool is_ours(const struct proactor *proactor, const struct proactor_op *op)
{
	return op->opcode == PROACTOR_TIMEOUT && proactor->driver->lacks_timeout;
}

static struct extras *extras_of(struct proactor *proactor)
{
	struct extras *extras = proactor->extras;

	if (extras)
		return extras;
	extras = calloc(1, sizeof(*extras));
	if (!extras)
		return NULL;
	slab_init(&extras->slab, sizeof(struct extra));
	extras->alarm_fd = -EBADF;
	extras->alarm_ns = CLOCK_NEVER;
	return proactor->extras = extras;
}

static int extra_add(struct proactor *proactor, struct slot *slot, const struct proactor_op *op)
{
	struct extras *extras = extras_of(proactor);
	struct extra *extra = extras ? slab_take(&extras->slab) : NULL;
	size_t size = op_copy_size(op);

	if (!extra)
		return -ENOMEM;
	*extra = (struct extra){.slot = slot};
	extra->room = size > 0 ? malloc(size) : NULL;
	if (size > 0 && !extra->room) {
		slab_give(&extras->slab, extra);
		return -ENOMEM;
	}
	op_copy(&extra->op, op, extra->room);
	if (op->flags & PROACTOR_BUFFER_SELECT)
		buffers_use(op->recv.buffers);
	slot->extra = extra;
	return 0;
}

/* What ends with the operation, though not yet popped. */
static void extra_leave(struct proactor *proactor, struct extra *extra)
{
	deadlines_remove(&proactor->extras->deadlines, &extra->deadline);
	list_remove(&extra->starved);
	if (extra->op.flags & PROACTOR_BUFFER_SELECT) {
		buffers_unuse(extra->op.recv.buffers);
		extra->op.flags &= ~(uint32_t)PROACTOR_BUFFER_SELECT;
	}
	if (proactor->chain == extra->slot)
		proactor->chain = NULL;
}

void extra_forget(struct proactor *proactor, struct slot *slot)
{
	struct extra *extra = slot->extra;

	extra_leave(proactor, extra);
	free(extra->room);
	slab_give(&proactor->extras->slab, extra);
	slot->extra = NULL;
}

void extra_free_all(struct proactor *proactor)
{
	struct extras *extras = proactor->extras;

	if (!extras)
		return;
	deadlines_deinit(&extras->deadlines);
	slab_deinit(&extras->slab);
	fd_close(extras->alarm_fd);
	free(extras);
	proactor->extras = NULL;
}

/* ---- starting ---- */

static bool flags_fit(const struct proactor *proactor, const struct proactor_op *op)
{
	bool selects = op->flags & PROACTOR_BUFFER_SELECT;

	if (selects &&
		(op->opcode != PROACTOR_RECV || !op->recv.buffers || op->recv.data ||
			op->recv.size > 0 || op->recv.buffers->proactor != proactor ||
			op->recv.buffers->dying || op->recv.flags & MSG_WAITALL))
		return false;
	if (!(op->flags & PROACTOR_MULTISHOT))
		return true;
	switch (op->opcode) {
	case PROACTOR_ACCEPT: return !op->accept.address;
	case PROACTOR_RECV: return selects;
	case PROACTOR_POLL: return true;
	default: return false;
	}
}

static int set_deadline(struct proactor *proactor, struct extra *extra, uint64_t duration_ns)
{
	struct timespec duration = clock_timespec(duration_ns);

	return deadlines_add(&proactor->extras->deadlines, &extra->deadline,
		clock_deadline_ns(&duration));
}

/* A TIMEOUT that the driver has not is a deadline which is no failure. */
static int start_timeout(struct proactor *proactor, struct slot *slot)
{
	struct extra *extra = slot->extra;
	struct deadlines *deadlines = &proactor->extras->deadlines;
	uint64_t limit_ns = extra->deadline.place > 0 ? extra->deadline.at_ns : CLOCK_NEVER;
	int r;

	deadlines_remove(deadlines, &extra->deadline);
	r = set_deadline(proactor, extra, extra->op.timeout.duration_ns);
	if (r < 0)
		return r;
	slot->marks |= SLOT_WAITS;
	extra->is_in_time = extra->deadline.at_ns <= limit_ns;
	if (extra->is_in_time)
		return 0;
	deadlines_remove(deadlines, &extra->deadline);
	return deadlines_add(deadlines, &extra->deadline, limit_ns);
}

/*
 * Hands @slot's operation to the driver: for the first time, or again. Refused, it ends with that
 * error, as there may be a key already.
 */
static void start(struct proactor *proactor, struct slot *slot)
{
	struct proactor_completion ready;
	int64_t result;
	uint64_t key;
	int r;

	slot->marks &= (uint8_t)~SLOT_WAITS;
	slot->file = slot->extra->op.read.file;
	if (driver_shortcut(proactor, &slot->extra->op, &result)) {
		driver_end(proactor, slot, result);
		return;
	}
	r = is_ours(proactor, &slot->extra->op)
		? start_timeout(proactor, slot)
		: proactor->driver->push(proactor, &slot->extra->op, slot, &key, &ready);
	assert(r <= 0);
	if (r < 0)
		driver_end(proactor, slot, r);
}

int extra_push(struct proactor *proactor, const struct proactor_op *op, uint64_t *ret_key)
{
	struct slot *slot, *previous = proactor->chain;
	int r;

	if (!flags_fit(proactor, op))
		return -EINVAL;
	slot = driver_start(proactor, op);
	if (!slot)
		return -ENOMEM;
	r = extra_add(proactor, slot, op);
	if (r < 0)
		return driver_refuse(proactor, slot, r);
	r = op->timeout_ns > 0 ? set_deadline(proactor, slot->extra, op->timeout_ns) : 0;
	if (r < 0) {
		extra_forget(proactor, slot);
		return driver_refuse(proactor, slot, r);
	}
	proactor->chain = op->flags & PROACTOR_CHAIN ? slot : NULL;
	if (previous) {
		previous->extra->next = slot_key(slot);
		slot->marks |= SLOT_WAITS;
	} else {
		start(proactor, slot);
	}
	*ret_key = slot_key(slot);
	return PROACTOR_PENDING;
}

/* ---- the next in the chain ---- */

/* What a transfer was asked for; 0: any result is a success. */
static uint64_t wanted_size(const struct proactor_op *op)
{
	switch (op->opcode) {
	case PROACTOR_READ: return op->read.size;
	case PROACTOR_WRITE: return op->write.size;
	case PROACTOR_SEND: return op->send.size;
	case PROACTOR_SENDTO: return op->sendto.size;
	case PROACTOR_SPLICE: return (uint64_t)op->splice.size;
	case PROACTOR_READV:
	case PROACTOR_WRITEV:
		/* both members are alike, see the assertions in op.c */
		return pieces_size(op->readv.pieces, op->readv.count);
	case PROACTOR_SENDMSG:
		return pieces_size(op->sendmsg.message->msg_iov, op->sendmsg.message->msg_iovlen);
	default: return 0;
	}
}

static void continue_chain(struct proactor *proactor, const struct extra *extra, int64_t result)
{
	struct slot *next = extra->next ? slots_find(&proactor->slots, extra->next) : NULL;

	/* cancelled meanwhile, or out of time */
	if (!next || next->state != SLOT_IN_FLIGHT)
		return;
	if (result >= 0 && (uint64_t)result >= wanted_size(&extra->op) && !proactor->stopping)
		start(proactor, next);
	else
		driver_end(proactor, next, -ECANCELED);
}

/* ---- waiting for a buffer ---- */

static bool starves(const struct proactor *proactor, const struct slot *slot, int64_t result)
{
	return result == -ENOBUFS && slot->extra->op.flags & PROACTOR_BUFFER_SELECT &&
		!(slot->marks & SLOT_CANCELLED) && !proactor->stopping;
}

static void wait_for_buffer(struct proactor *proactor, struct slot *slot)
{
	struct proactor_buffers *buffers = slot->extra->op.recv.buffers;

	slot->state = SLOT_IN_FLIGHT;
	if (buffers_has_free(buffers)) {
		start(proactor, slot);
		return;
	}
	slot->marks |= SLOT_WAITS;
	list_append(&buffers->starved, &slot->extra->starved);
}

void extra_feed(struct proactor_buffers *buffers)
{
	struct list starved, *link;

	if (buffers->proactor->stopping)
		return;
	/* who gets none waits for the next that becomes free */
	list_steal(&starved, &buffers->starved);
	while (buffers_has_free(buffers) && (link = list_pop(&starved)))
		start(buffers->proactor, list_entry(link, struct extra, starved)->slot);
	while ((link = list_pop(&starved)))
		list_append(&buffers->starved, link);
}

/* ---- ending, or going on ---- */

static bool goes_on(const struct proactor *proactor, const struct slot *slot, int64_t result,
	uint32_t flags)
{
	if (flags & PROACTOR_MORE)
		return true;
	if (!is_multishot(slot->extra) || slot->marks & SLOT_CANCELLED || proactor->stopping)
		return false;
	return slot->opcode == PROACTOR_ACCEPT ? result >= 0 : result > 0;
}

/* The entry of a shot; the operation is in flight again. */
static void take_shot(struct proactor *proactor, struct slot *slot, int64_t result, uint32_t flags,
	struct proactor_entry *ret_entry)
{
	bool was_queued = slot->state == SLOT_QUEUED;

	*ret_entry = (struct proactor_entry){
		.key = slot_key(slot),
		.result = result,
		.context = slot->context,
		.flags = flags | PROACTOR_MORE,
	};
	slot->state = SLOT_IN_FLIGHT;
	slot->file = slot->extra->op.read.file;
	slot->extra->flags = 0;
	if (!(flags & PROACTOR_MORE)) {
		slot->marks |= SLOT_AGAIN;
		start(proactor, slot);
	} else if (was_queued && slot->marks & SLOT_CANCELLED) {
		/* the cancellation came while it could not be told to the driver */
		if (slot->marks & SLOT_WAITS)
			extra_cancel(proactor, slot);
		else
			(void)proactor->driver->cancel(proactor, slot);
	}
}

unsigned driver_entry_extra(struct proactor *proactor, struct slot *slot, int64_t result,
	uint32_t flags, struct proactor_entry *ret_entry)
{
	struct extra *extra = slot->extra;

	if (starves(proactor, slot, result)) {
		wait_for_buffer(proactor, slot);
		return 0;
	}
	/* cancelled before it could wait for one */
	if (result == -ENOBUFS && extra->op.flags & PROACTOR_BUFFER_SELECT)
		result = -ECANCELED;
	if (flags & PROACTOR_BUFFER)
		buffers_lend(extra->op.recv.buffers, flags >> 16);
	if (goes_on(proactor, slot, result, flags)) {
		take_shot(proactor, slot, result, flags, ret_entry);
		return 1;
	}
	if (extra->timed_out && result == -ECANCELED)
		result = -ETIME;
	driver_entry_final(proactor, slot, result, ret_entry);
	ret_entry->flags = extra->flags = flags;
	continue_chain(proactor, extra, result);
	extra_leave(proactor, extra);
	return 1;
}

/* ---- cancelling ---- */

void extra_cancel(struct proactor *proactor, struct slot *slot)
{
	assert(slot->marks & SLOT_WAITS);
	slot->marks &= (uint8_t)~SLOT_WAITS;
	list_remove(&slot->extra->starved);
	driver_end(proactor, slot, -ECANCELED);
}

int extra_cancel_queued(struct slot *slot)
{
	/* one that found no buffer would wait for one */
	if (!slot->extra ||
		!(slot->extra->op.flags & (PROACTOR_MULTISHOT | PROACTOR_BUFFER_SELECT)))
		return PROACTOR_CANCEL_DONE;
	slot->marks |= SLOT_CANCELLED;
	return PROACTOR_CANCEL_REQUESTED;
}

/* ---- out of time ---- */

static void expire(struct proactor *proactor, struct extra *extra)
{
	struct slot *slot = extra->slot;

	if (slot->state != SLOT_IN_FLIGHT) {
		/* a shot that nobody has taken is the last; who found no buffer waits for none */
		extra->timed_out = !(slot->marks & SLOT_CANCELLED) &&
			extra_cancel_queued(slot) == PROACTOR_CANCEL_REQUESTED;
		return;
	}
	if (extra->is_in_time) {
		slot->marks &= (uint8_t)~SLOT_WAITS;
		driver_end(proactor, slot, 0);
		return;
	}
	if (slot->marks & SLOT_CANCELLED)
		return;
	extra->timed_out = true;
	if (proactor_cancel(proactor, slot_key(slot)) < 0)
		/* no memory for that now: the room in the heap is there */
		(void)deadlines_add(&proactor->extras->deadlines, &extra->deadline,
			clock_now_ns() + EXPIRE_RETRY_NS);
}

void extra_expire(struct proactor *proactor)
{
	struct deadlines *deadlines = &proactor->extras->deadlines;
	struct deadline *deadline;
	uint64_t now_ns;

	if (deadlines->count == 0)
		return;
	now_ns = clock_now_ns();
	while ((deadline = deadlines_pop(deadlines, now_ns)))
		expire(proactor, container_of(deadline, struct extra, deadline));
}

int extra_need_alarm(struct proactor *proactor)
{
	struct extras *extras = extras_of(proactor);
	int fd, r;

	if (!extras)
		return -ENOMEM;
	if (extras->alarm_fd >= 0)
		return 0;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	r = proactor->driver->watch(proactor, fd);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	extras->alarm_fd = fd;
	return 0;
}

void extra_set_alarm(struct proactor *proactor, uint64_t next_ns)
{
	struct itimerspec when = {0};

	if (next_ns == proactor->extras->alarm_ns)
		return;
	if (next_ns != CLOCK_NEVER)
		when.it_value = clock_timespec(MAX(next_ns, UINT64_C(1)));
	(void)timerfd_settime(proactor->extras->alarm_fd, TFD_TIMER_ABSTIME, &when, NULL);
	proactor->extras->alarm_ns = next_ns;
}
