/* Envelope and errors. See rpc.h. */
#include "proto/rpc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "proto/utf8.h"

/* ---- taking apart ---- */

static const char *parse_call(struct reader *reader, struct rpc_message *message)
{
	const uint8_t *method;
	uint32_t count;

	if (reader_bytes(reader, &method, &message->method_size) < 0)
		return "the method is not a str";
	message->method = (const char *)method;
	if (reader_array(reader, &count) < 0)
		return "the params are not an array";
	message->param_count = count;
	message->params = *reader;
	return NULL;
}

static const char *parse_response(struct reader *reader, struct rpc_message *message)
{
	message->error = *reader;
	if (reader_skip(reader) < 0)
		return "the error is missing";
	message->result = *reader;
	if (reader_skip(reader) < 0)
		return "the result is missing";
	return NULL;
}

static const char *parse(struct reader *reader, struct rpc_message *message)
{
	static const uint32_t sizes[] = {
		[RPC_REQUEST] = 4, [RPC_RESPONSE] = 4, [RPC_NOTIFICATION] = 3};
	uint64_t type, msgid = 0;
	uint32_t count;

	if (reader_array(reader, &count) < 0)
		return "a message is an array";
	if (count == 0 || reader_uint(reader, RPC_NOTIFICATION, &type) < 0)
		return "the type is not 0, 1 or 2";
	if (count != sizes[type])
		return type == RPC_NOTIFICATION ? "a notification has 3 elements"
						: "a request or response has 4 elements";
	if (type != RPC_NOTIFICATION && reader_uint(reader, UINT32_MAX, &msgid) < 0)
		return "the msgid is not an integer from 0 to 4294967295";
	message->msgid = (uint32_t)msgid;
	message->type = (enum rpc_type)type;
	return type == RPC_RESPONSE ? parse_response(reader, message) : parse_call(reader, message);
}

int rpc_parse(const uint8_t *frame, size_t size, struct rpc_message *ret_message,
	const char **ret_reason)
{
	struct reader reader = reader_of(frame, size);
	const char *reason;

	*ret_message = (struct rpc_message){.type = RPC_NOTIFICATION};
	reason = parse(&reader, ret_message);
	if (!reason)
		return 0;
	*ret_reason = reason;
	return -EBADMSG;
}

/* ---- errors ---- */

const char *rpc_error_name(int code)
{
	switch (code) {
	case RPC_PARSE_ERROR: return "PARSE_ERROR";
	case RPC_INVALID_REQUEST: return "INVALID_REQUEST";
	case RPC_METHOD_NOT_FOUND: return "METHOD_NOT_FOUND";
	case RPC_INVALID_PARAMS: return "INVALID_PARAMS";
	case RPC_INTERNAL_ERROR: return "INTERNAL_ERROR";
	default: return code > 0 ? err_name(code) : "PROTOCOL_ERROR";
	}
}

void rpc_error_set(struct rpc_error *error, int code, const char *format, ...)
{
	char what[RPC_ERROR_MESSAGE_SIZE / 2];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	error->code = code;
	error->limit = NULL;
	if (code > 0)
		snprintf(error->message, sizeof(error->message), "%s: %s: %s", rpc_error_name(code),
			what, err_text(code));
	else
		snprintf(error->message, sizeof(error->message), "%s: %s", rpc_error_name(code),
			what);
	/*
	 * what clients call their methods and files need not be a str, and a cut can leave half a
	 * character
	 */
	utf8_clean(error->message);
}

void rpc_error_set_limit(struct rpc_error *error, int code, enum limit limit, uint64_t max,
	uint64_t used)
{
	const struct limit_info *info = &limit_table[limit];

	error->code = code;
	error->limit = info;
	error->limit_max = max;
	error->limit_used = used;
	snprintf(error->message, sizeof(error->message),
		"%s: the limit %s (%s) is %" PRIu64 " %s, this makes or asks for %" PRIu64,
		rpc_error_name(code), info->name, info->summary, max, info->unit, used);
}

bool rpc_check_count(const char *name, uint32_t min, uint32_t max, uint32_t count, const char *next,
	struct rpc_error *error)
{
	char takes[32];

	if (count >= min && count <= max)
		return true;
	if (min == max)
		snprintf(takes, sizeof(takes), "%u", max);
	else
		snprintf(takes, sizeof(takes), "%u to %u", min, max);
	if (count < min)
		rpc_error_set(error, RPC_INVALID_PARAMS,
			"%s: takes %s parameters, got %u: parameter %u \"%s\" is missing", name,
			takes, count, count + 1, next);
	else
		rpc_error_set(error, RPC_INVALID_PARAMS, "%s: takes %s parameters, got %u", name,
			takes, count);
	return false;
}

int rpc_error_parse(struct reader reader, struct rpc_error *ret_error)
{
	struct rpc_error error = {0};
	const uint8_t *message;
	size_t message_size;
	uint32_t count;
	int64_t code;

	if (reader_array(&reader, &count) < 0 || count < 2 ||
		reader_int(&reader, INT32_MIN, INT32_MAX, &code) < 0 || code == 0 ||
		reader_bytes(&reader, &message, &message_size) < 0)
		return -EBADMSG;
	error.code = (int32_t)code;
	message_size = MIN(message_size, sizeof(error.message) - 1);
	memcpy(error.message, message, message_size);
	error.message[message_size] = '\0';
	*ret_error = error;
	return 0;
}

/* ---- packing ---- */

void rpc_pack_request(struct pack *pack, uint32_t msgid, const char *method, size_t param_count)
{
	pack_array(pack, 4);
	pack_uint(pack, RPC_REQUEST);
	pack_uint(pack, msgid);
	pack_str(pack, method);
	pack_array(pack, param_count);
}

void rpc_pack_success(struct pack *pack, uint32_t msgid)
{
	pack_array(pack, 4);
	pack_uint(pack, RPC_RESPONSE);
	pack_uint(pack, msgid);
	pack_nil(pack);
}

void rpc_pack_completion(struct pack *pack, uint32_t msgid)
{
	pack_array(pack, 3);
	pack_uint(pack, RPC_NOTIFICATION);
	pack_str(pack, "completion");
	pack_array(pack, 2);
	pack_uint(pack, msgid);
}

void rpc_pack_error_value(struct pack *pack, const struct rpc_error *error)
{
	assert(error->code != 0);
	pack_array(pack, error->limit ? 3 : 2);
	pack_int(pack, error->code);
	pack_str(pack, error->message);
	if (error->limit) {
		pack_map(pack, 3);
		pack_pair_str(pack, "limit", error->limit->name);
		pack_pair_uint(pack, "max", error->limit_max);
		pack_pair_uint(pack, "used", error->limit_used);
	}
}

void rpc_pack_error(struct pack *pack, uint32_t msgid, const struct rpc_error *error)
{
	pack_array(pack, 4);
	pack_uint(pack, RPC_RESPONSE);
	pack_uint(pack, msgid);
	rpc_pack_error_value(pack, error);
	pack_nil(pack);
}
