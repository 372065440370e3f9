/*
 * Requests of the remote driver. See remote.h.
 *
 * No more is with the daemon than it takes at a time (window.h); beyond that, requests are held
 * back, and an operation that is cancelled while it is held ends in this process.
 */
#include <errno.h>

#include "base/cleanup.h"
#include "client/remote.h"
#include "proto/brief.h"

enum { SEND_EARLY_SIZE = 256 * 1024 };

/* What is missing when memory runs out in the middle of a message cannot be taken back. */
int remote_finish_request(struct remote *remote, const struct pack *pack)
{
	if (pack->failed) {
		remote_lose(remote);
		return -ENOMEM;
	}
	if (buffer_size(&remote->connection.out) >= SEND_EARLY_SIZE)
		(void)connection_send(&remote->connection);
	return 0;
}

int remote_send_attach(struct remote *remote, uint32_t msgid, int fd)
{
	struct connection *connection = &remote->connection;
	struct pack pack = pack_into(&connection->out);
	int r = connection_attach_fd(connection, buffer_size(&connection->out), fd);

	if (r < 0) {
		fd_close(fd);
		return r;
	}
	rpc_pack_request(&pack, msgid, "attach", 0);
	return remote_finish_request(remote, &pack);
}

size_t remote_data_size(const struct remote *remote, const struct slot *slot)
{
	enum op_result kind = op_table[slot->opcode].result;

	if (remote_selects(slot))
		return remote_select_size(remote, slot);
	/* what splice moves does not come by here, nor what both see */
	if (slot->opcode == PROACTOR_SPLICE || slot->marks & SLOT_IN_MEMORY || remote_pools(slot))
		return 0;
	return codec_result_has_bytes(kind) || kind == OP_RESULT_COUNT ? slot->space.size : 0;
}

static void pack_request(struct pack *pack, const struct proactor_op *op, const struct slot *slot,
	const struct codec_region *regions, int fd)
{
	if (fd >= 0)
		rpc_pack_request(pack, slot_index(slot), "attach", 0);
	else
		codec_pack_request_in(pack, slot_index(slot), op, regions);
}

static int hold(struct remote *remote, const struct proactor_op *op, struct slot *slot,
	const struct codec_region *regions, uint64_t cost, int fd)
{
	struct pack pack = pack_into(&remote->scratch);
	struct window_request request = {.key = slot_key(slot), .cost = cost, .fd = fd};

	buffer_clear(&remote->scratch);
	pack_request(&pack, op, slot, regions, fd);
	request.size = (uint32_t)buffer_size(&remote->scratch);
	if (pack.failed ||
		window_hold(&remote->window, &request, buffer_bytes(&remote->scratch)) < 0) {
		fd_close(fd);
		return -ENOMEM;
	}
	slot->marks |= SLOT_HELD;
	return 0;
}

int remote_send(struct remote *remote, const struct proactor_op *op, struct slot *slot, int fd)
{
	struct codec_region found, *regions = NULL;
	struct pack pack = pack_into(&remote->connection.out);
	uint64_t cost;

	if (slot->marks & SLOT_IN_MEMORY) {
		regions = remote->named; /* pieces, see remote_keep() */
	} else if (remote_pools(slot)) {
		found = remote_pool_region(slot);
		regions = &found;
	} else if (op && remote_region_of(remote, op, &found)) {
		regions = &found;
		slot->marks |= SLOT_IN_MEMORY;
	}
	cost = window_cost(remote_data_size(remote, slot));
	if (!window_admits(&remote->window, cost))
		return hold(remote, op, slot, regions, cost, fd);
	window_enter(&remote->window, cost);
	if (fd >= 0)
		return remote_send_attach(remote, slot_index(slot), fd);
	if (remote_ring_send(remote, op, slot, regions))
		return 0;
	codec_pack_request_in(&pack, slot_index(slot), op, regions);
	return remote_finish_request(remote, &pack);
}

static bool send_brief(struct remote *remote, const struct proactor_op *op, struct slot *slot,
	const struct codec_region *region)
{
	struct pack sent = pack_into(&remote->connection.out);
	struct queue_slot request = {0};

	if (remote_ring_is_open(&remote->ring))
		return remote_ring_send(remote, op, slot, region);
	if (!brief_write_request(&request, slot_index(slot), op, region) ||
		buffer_append(&remote->connection.out, request.frame, request.size) < 0)
		return false;
	(void)remote_finish_request(remote, &sent);
	return true;
}

bool remote_push_brief(struct remote *remote, const struct proactor_op *op, struct slot *slot)
{
	struct codec_region found = {0}, *region = brief_has_region(op->opcode) ? &found : NULL;
	uint64_t cost = window_cost(0);

	if (remote->connection.error < 0 || op->flags != 0 || !window_admits(&remote->window, cost))
		return false;
	if ((op->opcode != PROACTOR_NOP && op->read.file < 0) ||
		(region &&
			(!remote_region_of(remote, op, region) ||
				op->read.size > remote->transfer_size)))
		return false;
	slot->space.data = NULL;
	slot->space.size = region ? op->read.size : 0;
	if (region)
		slot->marks |= SLOT_IN_MEMORY;
	window_enter(&remote->window, cost);
	if (send_brief(remote, op, slot, region))
		return true;
	window_leave(&remote->window, cost);
	slot->marks &= (uint8_t)~SLOT_IN_MEMORY;
	return false;
}

/* Sends what was held and has room now; what was cancelled meanwhile is passed over. */
void remote_send_held(struct remote *remote)
{
	const struct window_request *request;

	while (remote->connection.error == 0 && (request = window_next(&remote->window))) {
		struct connection *connection = &remote->connection;
		struct slot *slot = slots_find(&remote->base.slots, request->key);
		int r = 0;

		if (!slot || !(slot->marks & SLOT_HELD)) {
			fd_close(request->fd);
			window_drop(&remote->window);
			continue;
		}
		/* room first: once it has the descriptor, the connection also closes it */
		r = buffer_reserve(&connection->out, request->size);
		if (r == 0 && request->fd >= 0)
			r = connection_attach_fd(connection, buffer_size(&connection->out),
				request->fd);
		if (r < 0 || buffer_append(&connection->out, request + 1, request->size) < 0) {
			remote_lose(remote);
			return;
		}
		slot->marks &= (uint8_t)~SLOT_HELD;
		window_enter(&remote->window, request->cost);
		window_drop(&remote->window);
	}
}
