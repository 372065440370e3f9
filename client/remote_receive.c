/*
 * Responses to the remote driver. See remote.h.
 *
 * The daemon is not trusted more than a peer has to be: a response to nothing, or one that does not
 * have the shape of the operation's result, ends the connection.
 */
#include <errno.h>
#include <string.h>

#include "client/remote.h"
#include "proto/brief.h"

enum { RESULT_ERRNO_MAX = 4095 };

int64_t remote_result_of_error(const struct rpc_error *error)
{
	if (error->code > 0)
		return error->code <= RESULT_ERRNO_MAX ? -error->code : -EPROTO;
	switch (error->code) {
	case RPC_METHOD_NOT_FOUND: return -EOPNOTSUPP;
	case RPC_INVALID_PARAMS: return -EINVAL;
	default: return -EPROTO;
	}
}

/*
 * The result of @message in numbers; what else it brings goes where @slot says. -EBADMSG:
 * malformed.
 */
static int read_response(const struct rpc_message *message, uint32_t opcode,
	struct codec_result *result)
{
	struct reader reader = message->error;
	struct rpc_error error;
	struct value value;

	if (reader_next(&reader, &value) < 0)
		return -EBADMSG;
	if (value.token.type == TOKEN_NIL)
		return codec_read_result(opcode, message->result, result);
	if (rpc_error_parse(message->error, &error) < 0)
		return -EBADMSG;
	result->result = remote_result_of_error(&error);
	return 0;
}

/* Whether the daemon has still to answer. What threads do it was not asked. */
static bool is_awaited(const struct slot *slot)
{
	return slot_is_with_driver(slot) && slot->stash_kind != REMOTE_STASH_SHOT_LAST;
}

struct slot *remote_find_slot(struct remote *remote, uint32_t msgid)
{
	struct slots *slots = &remote->base.slots;
	uint32_t index = msgid & ~REMOTE_RING_MSGID;
	struct slot *slot = index < slots_count(slots) ? slots_at(slots, index) : NULL;

	if (!slot || slot->state != SLOT_IN_FLIGHT || slot->marks & SLOT_HELD ||
		!is_awaited(slot) || !(slot->marks & SLOT_BY_RING) != !(msgid & REMOTE_RING_MSGID))
		return NULL;
	return slot;
}

/* What its response has released. */
static void leave(struct remote *remote, struct slot *slot)
{
	window_leave(&remote->window, window_cost(remote_data_size(remote, slot)));
	if (slot->marks & SLOT_BY_RING) {
		assert(remote->ring.in_flight > 0);
		remote->ring.in_flight--;
	}
	slot->marks &= (uint8_t) ~(SLOT_BY_RING | SLOT_IN_MEMORY);
}

static int end_operation(struct remote *remote, const struct rpc_message *message)
{
	struct slot *slot = remote_find_slot(remote, message->msgid);
	struct proactor_address address = {0};
	struct codec_result result;
	uint32_t opcode, flags;

	if (!slot)
		return -EBADMSG;
	opcode = remote_selects(slot) ? remote_select_opcode(slot) : slot->opcode;
	remote_room_of(remote, slot, &result);
	result.is_in_memory = slot->marks & SLOT_IN_MEMORY;
	result.is_in_pool = remote_pools(slot);
	result.buffer = -1;
	if (op_table[opcode].result == OP_RESULT_MESSAGE)
		result.address = &address;
	if (read_response(message, opcode, &result) < 0 ||
		remote_pool_take(slot, result.result, result.buffer, &flags) < 0)
		return -EBADMSG;
	remote_fill_message(slot, &result, &address);
	remote_end_loan(remote, slot);
	leave(remote, slot);
	if (remote_shoots(slot))
		return remote_shoot(remote, slot, result.result, flags);
	if (remote_selects(slot))
		remote_select_answered(remote, slot, result.result);
	else if (remote_pools(slot))
		driver_end_flagged(&remote->base, slot, result.result, flags);
	else
		driver_end(&remote->base, slot, result.result);
	return 0;
}

static int end_control(struct remote *remote, const struct rpc_message *message)
{
	struct codec_result result = {0};

	/* what became of a cancellation is seen by the operation itself */
	if (message->msgid != remote->awaited_msgid)
		return 0;
	remote->awaited_msgid = 0;
	if (read_response(message, remote->awaited_opcode, &result) < 0)
		return -EBADMSG;
	remote->awaited_result = result.result;
	return 0;
}

static bool is_completion(const struct rpc_message *message)
{
	static const char name[] = "completion";

	return message->method_size == sizeof(name) - 1 &&
		memcmp(message->method, name, sizeof(name) - 1) == 0;
}

static int take_frame(struct remote *remote, const uint8_t *frame, size_t size)
{
	struct rpc_message message;
	const char *reason;

	if (rpc_parse(frame, size, &message, &reason) < 0 || message.type == RPC_REQUEST)
		return -EBADMSG;
	if (message.type == RPC_NOTIFICATION)
		/* "closed" may come as well, after which the connection ends by itself */
		return is_completion(&message) ? remote_take_shot(remote, &message) : 0;
	return message.msgid & REMOTE_CONTROL_MSGID ? end_control(remote, &message)
						    : end_operation(remote, &message);
}

/* ---- by the ring ---- */

/* Ends the operation of a brief response with an entry. False: it has another form. */
static bool take_brief(struct remote *remote, const struct queue_slot *response,
	struct proactor_entry *entries, unsigned *taken)
{
	enum op_result kind;
	struct slot *slot;
	uint32_t msgid, result;
	bool is_nil, fits;

	if (!brief_read_response(response, &msgid, &is_nil, &result))
		return false;
	slot = remote_find_slot(remote, msgid);
	/* one that selects is another operation to its caller */
	if (unlikely(!slot || !(slot->marks & SLOT_BY_RING) || remote_selects(slot)))
		return false;
	kind = op_table[slot->opcode].result;
	fits = is_nil ? kind == OP_RESULT_NOTHING
		      : (kind == OP_RESULT_COUNT ||
				(kind == OP_RESULT_BYTES && slot->marks & SLOT_IN_MEMORY)) &&
			result <= slot->space.size;
	if (unlikely(!fits))
		return false;
	leave(remote, slot);
	*taken += driver_entry(&remote->base, slot, result, /* flags= */ 0, &entries[*taken]);
	return true;
}

static enum brief_kind kind_of_shot(const struct slot *slot)
{
	switch (slot->opcode) {
	case PROACTOR_ACCEPT: return BRIEF_FILE;
	case PROACTOR_RECV: return BRIEF_BUFFER;
	default: return BRIEF_NUMBER;
	}
}

/*
 * As above, a brief shot, which has an entry and does not end its operation. False also where shots
 * wait that came before it.
 */
static bool take_brief_shot(struct remote *remote, const struct queue_slot *notification,
	struct proactor_entry *entries, unsigned *taken)
{
	struct brief_shot shot;
	struct slot *slot;
	uint32_t flags = 0;

	if (!brief_read_shot(notification, &shot) || buffer_size(&remote->shots) > 0)
		return false;
	slot = remote_find_slot(remote, shot.msgid);
	if (unlikely(!slot || !remote_shoots(slot) || shot.kind != kind_of_shot(slot)))
		return false;
	if (shot.kind == BRIEF_BUFFER &&
		(shot.buffer > UINT16_MAX ||
			remote_pool_take(slot, shot.result, (int32_t)shot.buffer, &flags) < 0))
		return false;
	*taken += driver_entry(&remote->base, slot, shot.result, flags | PROACTOR_MORE,
		&entries[*taken]);
	return true;
}

/* Takes one response or shot; what it ends has an entry, or is queued. */
static int take_slot(struct remote *remote, struct proactor_entry *entries, unsigned *taken)
{
	struct queue_slot slot;

	if (!queue_copy(&remote->ring.responses, &slot))
		return -EBADMSG;
	queue_advance(&remote->ring.responses);
	if (likely(take_brief(remote, &slot, entries, taken) ||
		    take_brief_shot(remote, &slot, entries, taken)))
		return 0;
	return take_frame(remote, slot.frame, slot.size);
}

/* What the daemon has put before its end. */
static void take_last(struct remote *remote)
{
	struct remote_ring *ring = &remote->ring;
	struct queue_slot slot;

	if (!remote_ring_is_open(ring))
		return;
	for (uint32_t i = 0; i < ring->responses.entries && queue_has(&ring->responses); i++) {
		if (!queue_copy(&ring->responses, &slot) ||
			take_frame(remote, slot.frame, slot.size) < 0)
			return;
		queue_advance(&ring->responses);
	}
}

/* ---- by the socket ---- */

void remote_receive(struct remote *remote)
{
	const uint8_t *frame;
	size_t size;
	int r;

	while ((r = connection_frame(&remote->connection, &frame, &size)) == 1) {
		if (take_frame(remote, frame, size) < 0) {
			r = -EBADMSG;
			break;
		}
		connection_consume(&remote->connection, size);
	}
	if (r >= 0) {
		remote_send_held(remote);
		return;
	}
	/* who has ended the connection in good order has answered before */
	if (r != -EBADMSG)
		take_last(remote);
	remote_lose(remote);
}

/* ---- as the driver ---- */

static void look_at_socket(struct remote *remote)
{
	remote->ring.looks = 0;
	if (remote_has_many_shots(remote))
		return;
	if (remote->connection.error == 0)
		(void)connection_receive(&remote->connection, false);
	(void)connection_send(&remote->connection);
	remote_receive(remote);
}

/* Takes what has come by the ring; where too many shots wait, it stays there and others with it. */
static unsigned reap_ring(struct remote *remote, struct proactor_entry *entries, unsigned count)
{
	struct queue *responses = &remote->ring.responses;
	unsigned taken = 0;
	bool found = false;

	while (taken < count && queue_has(responses) && !remote_has_many_shots(remote)) {
		found = true;
		if (unlikely(take_slot(remote, entries, &taken) < 0)) {
			remote_lose(remote);
			return taken;
		}
	}
	if (unlikely(remote->ring.sleeps))
		remote_ring_end_sleep(&remote->ring);
	if (found) {
		queue_release(responses);
		remote_send_held(remote);
		/* who always finds something never waits, where the daemon is told else */
		if (remote_ring_is_untold(&remote->ring))
			remote_ring_flush(&remote->ring);
	}
	if (++remote->ring.looks >= REMOTE_RING_LOOKS_MAX)
		look_at_socket(remote);
	return taken;
}

unsigned remote_reap(struct proactor *proactor, struct proactor_entry *entries, unsigned count)
{
	struct remote *remote = container_of(proactor, struct remote, base);
	unsigned taken = 0;

	/* the oldest first */
	if (unlikely(buffer_size(&remote->shots) > 0))
		taken = remote_reap_shots(proactor, entries, count);
	if (remote_ring_is_open(&remote->ring) && remote->connection.error == 0)
		taken += reap_ring(remote, entries + taken, count - taken);
	if (unlikely(buffer_size(&remote->shots) > 0))
		taken += remote_reap_shots(proactor, entries + taken, count - taken);
	return taken;
}
