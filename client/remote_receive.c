/*
 * Responses to the remote driver. See remote.h.
 *
 * The daemon is not trusted more than a peer has to be: a response to nothing, or one that does not
 * have the shape of the operation's result, ends the connection.
 */
#include <errno.h>
#include <string.h>

#include "client/remote.h"

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

static int end_operation(struct remote *remote, const struct rpc_message *message)
{
	struct slots *slots = &remote->base.slots;
	struct slot *slot =
		message->msgid < slots_count(slots) ? slots_at(slots, message->msgid) : NULL;
	struct proactor_address address = {0};
	struct codec_result result;
	uint32_t opcode;

	if (!slot || slot->state != SLOT_IN_FLIGHT || slot->marks & SLOT_HELD || !is_awaited(slot))
		return -EBADMSG;
	opcode = remote_selects(slot) ? remote_select_opcode(slot) : slot->opcode;
	remote_room_of(remote, slot, &result);
	if (op_table[opcode].result == OP_RESULT_MESSAGE)
		result.address = &address;
	if (read_response(message, opcode, &result) < 0)
		return -EBADMSG;
	remote_fill_message(slot, &result, &address);
	remote_end_loan(remote, slot);
	window_leave(&remote->window, window_cost(remote_data_size(remote, slot)));
	if (remote_shoots(slot))
		return remote_shoot(remote, slot, result.result, /* is_last= */ true);
	if (remote_selects(slot))
		remote_select_answered(remote, slot, result.result);
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

static int take_message(struct remote *remote, const uint8_t *frame, size_t size)
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

void remote_receive(struct remote *remote)
{
	const uint8_t *frame;
	size_t size;
	int r;

	while ((r = connection_frame(&remote->connection, &frame, &size)) == 1) {
		if (take_message(remote, frame, size) < 0) {
			r = -EBADMSG;
			break;
		}
		connection_consume(&remote->connection, size);
	}
	if (r < 0)
		remote_lose(remote);
	else
		remote_send_held(remote);
}
