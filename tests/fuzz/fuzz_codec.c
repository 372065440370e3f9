/*
 * Messages and parameters: bytes that no scan has seen, as rpc_parse() and the codec must stand
 * them.
 *
 * Input: an opcode and a count of parameters, for bytes that are no call of an operation by
 * themselves; then the bytes. What is read as an operation is packed, read and packed again: the
 * two packings are the same.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "proto/codec.h"
#include "proto/method.h"

static const struct codec_region *regions_of(const struct codec_scratch *scratch)
{
	return scratch->region_count > 0 ? scratch->regions : NULL;
}

static void pack_again(const struct proactor_op *op, const struct codec_region *regions,
	struct buffer *first)
{
	static struct codec_scratch scratch;
	struct proactor_op again = {.opcode = op->opcode};
	struct buffer second = {0};
	struct pack pack = pack_into(first);
	struct rpc_message message;
	struct rpc_error error;
	const char *reason;

	codec_pack_request_in(&pack, 1, op, regions);
	assert(!pack.failed);
	assert(rpc_parse(buffer_bytes(first), buffer_size(first), &message, &reason) == 0);
	assert(op_find(message.method, message.method_size) == &op_table[op->opcode]);
	assert(codec_read_params(&op_table[op->opcode], message.params, message.param_count, &again,
		&scratch, &error));
	pack = pack_into(&second);
	codec_pack_request_in(&pack, 1, &again, regions_of(&scratch));
	assert(buffer_size(first) == buffer_size(&second));
	assert(memcmp(buffer_bytes(first), buffer_bytes(&second), buffer_size(first)) == 0);
	buffer_deinit(&second);
}

static void read_params(uint32_t opcode, struct reader params, uint32_t count)
{
	static struct codec_scratch scratch;
	struct proactor_op op = {.opcode = opcode};
	struct rpc_error error = {0};
	struct buffer buffer = {0};

	if (op_table[opcode].where != OP_WHERE_WIRE)
		return;
	if (codec_read_params(&op_table[opcode], params, count, &op, &scratch, &error))
		pack_again(&op, regions_of(&scratch), &buffer);
	else
		assert(error.code == RPC_INVALID_PARAMS &&
			memchr(error.message, '\0', sizeof(error.message)));
	buffer_deinit(&buffer);
}

static void read_result(struct reader reader)
{
	uint8_t *room = malloc(16);
	struct iovec pieces[] = {{room, 7}, {room + 7, 9}};
	struct proactor_address address;
	struct statx stat;

	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++) {
		struct codec_result result = {
			.data = room, .size = 16, .address = &address, .stat = &stat};

		if (opcode % 2)
			result.pieces = pieces;
		if (codec_read_result(opcode, reader, &result) == 0) {
			assert(result.result >= 0);
			assert(op_table[opcode].result != OP_RESULT_ACCEPTED ||
				address.size <= sizeof(address.storage));
		}
	}
	free(room);
}

static void read_call(const struct rpc_message *message)
{
	const struct op_info *info = op_find(message->method, message->method_size);
	enum method method = method_find(message->method, message->method_size);
	struct rpc_error error;

	if (info)
		read_params((uint32_t)(info - op_table), message->params, message->param_count);
	else if (method < METHOD_COUNT)
		(void)method_check_count(method, message->param_count, &error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rpc_message message;
	struct rpc_error error;
	const char *reason = NULL;

	if (size < 2)
		return 0;
	read_params(data[0] % PROACTOR_OPCODE_COUNT, reader_of(data + 2, size - 2), data[1] % 8);
	read_result(reader_of(data + 2, size - 2));
	if (rpc_parse(data + 2, size - 2, &message, &reason) < 0) {
		assert(reason);
		return 0;
	}
	if (message.type != RPC_RESPONSE) {
		read_call(&message);
		return 0;
	}
	if (rpc_error_parse(message.error, &error) == 0)
		assert(error.code != 0 && memchr(error.message, '\0', sizeof(error.message)));
	read_result(message.result);
	return 0;
}
