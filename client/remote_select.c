/*
 * Receives that take their buffer when data comes (PROACTOR_BUFFER_SELECT), over a daemon that does
 * not share a pool of them (remote_pool.c).
 *
 *      push ──▶ poll ──ready──▶ a buffer is taken, recv that does not wait ──bytes──▶ the end
 *                ▲                  │ none is free: the front waits for one
 *                └──somebody else───┘
 *                   was faster
 *
 * Without a pool, a receive that waited in the daemon would have to bring its bytes to a buffer
 * that is reserved for it, or to none: then idle connections would hold all buffers, or bytes be
 * lost with a cancellation, since what was received cannot be put back. So it is readiness that is
 * waited for, which costs a second message, but for a further shot: there data is likely, and it is
 * asked for first.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "client/remote.h"
#include "driver/buffers.h"

enum { NO_BUFFER = -1 };

bool remote_selects(const struct slot *slot)
{
	return slot->stash_kind == REMOTE_STASH_SELECTS;
}

size_t remote_select_size(const struct remote *remote, const struct slot *slot)
{
	return slot->select.index == NO_BUFFER
		? 0
		: MIN(slot->select.buffers->size, remote->transfer_size);
}

static int send_poll(struct remote *remote, struct slot *slot)
{
	struct proactor_op op = {
		.opcode = PROACTOR_POLL,
		.poll = {slot->file, slot->select.flags & MSG_OOB ? POLLPRI : POLLIN},
	};

	return remote_send(remote, &op, slot, -1);
}

static int send_receive(struct remote *remote, struct slot *slot)
{
	struct proactor_op op = {.opcode = PROACTOR_RECV, .recv = {.file = slot->file}};
	int64_t index = buffers_take(slot->select.buffers, &op.recv.data, &op.recv.size);
	int r;

	if (index < 0) {
		driver_end(&remote->base, slot, index);
		return 0;
	}
	slot->select.index = (int32_t)index;
	op.recv.size = remote_select_size(remote, slot);
	op.recv.flags = slot->select.flags | MSG_DONTWAIT;
	r = remote_send(remote, &op, slot, -1);
	if (r < 0)
		remote_select_leave(slot);
	return r;
}

int remote_select(struct remote *remote, const struct proactor_op *op, struct slot *slot)
{
	slot->stash_kind = REMOTE_STASH_SELECTS;
	slot->select.buffers = op->recv.buffers;
	slot->select.index = NO_BUFFER;
	slot->select.flags = op->recv.flags;
	return slot->marks & SLOT_AGAIN || op->recv.flags & MSG_DONTWAIT
		? send_receive(remote, slot)
		: send_poll(remote, slot);
}

void remote_select_leave(struct slot *slot)
{
	int32_t index = slot->select.index;

	if (!remote_selects(slot) || index == NO_BUFFER)
		return;
	slot->select.index = NO_BUFFER;
	buffers_return(slot->select.buffers, (uint32_t)index);
}

void remote_select_room(const struct remote *remote, const struct slot *slot,
	struct codec_result *ret_result)
{
	*ret_result = (struct codec_result){.size = remote_select_size(remote, slot)};
	if (slot->select.index != NO_BUFFER)
		ret_result->data = buffers_at(slot->select.buffers, (uint32_t)slot->select.index);
}

uint32_t remote_select_opcode(const struct slot *slot)
{
	return slot->select.index == NO_BUFFER ? PROACTOR_POLL : PROACTOR_RECV;
}

/* The next step of an operation that has not come to its end. */
static void go_on(struct remote *remote, struct slot *slot,
	int (*step)(struct remote *remote, struct slot *slot))
{
	int r = slot->marks & SLOT_CANCELLED ? -ECANCELED : step(remote, slot);

	/* a connection that was lost meanwhile has ended it */
	if (r < 0 && slot->state == SLOT_IN_FLIGHT)
		driver_end(&remote->base, slot, r);
}

void remote_select_answered(struct remote *remote, struct slot *slot, int64_t result)
{
	int32_t index = slot->select.index;

	if (index == NO_BUFFER) {
		if (result >= 0)
			go_on(remote, slot, send_receive);
		else
			driver_end(&remote->base, slot, result);
		return;
	}
	if (result > 0) {
		slot->select.index = NO_BUFFER;
		driver_end_flagged(&remote->base, slot, result,
			PROACTOR_BUFFER | (uint32_t)index << 16);
		return;
	}
	remote_select_leave(slot);
	if (result == -EAGAIN && !(slot->select.flags & MSG_DONTWAIT))
		go_on(remote, slot, send_poll);
	else
		driver_end(&remote->base, slot, result);
}
