/*
 * The envelope: MessagePack-RPC messages,
 * https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md.
 *
 *      request       [0, msgid, method, params]
 *      response      [1, msgid, error, result]
 *      notification  [2, method, params]
 *
 * And errors, which on the wire are [code, message] or [code, message, data]: the one place where
 * an errno becomes a wire error and the other way round.
 */
#pragma once

#include <stdarg.h>

#include "proto/limits.h"
#include "proto/pack.h"
#include "proto/reader.h"

enum rpc_type { RPC_REQUEST = 0, RPC_RESPONSE = 1, RPC_NOTIFICATION = 2 };

struct rpc_message {
	enum rpc_type type;
	uint32_t msgid;     /* not of a notification */
	const char *method; /* request, notification; not terminated */
	size_t method_size;
	uint32_t param_count; /* request, notification */
	struct reader params; /* at the first parameter */
	struct reader error;  /* response: at the value */
	struct reader result; /* response: at the value */
};

/*
 * Takes a frame apart. 0, or -EBADMSG: it is no MessagePack-RPC message, and @ret_reason, a static
 * string, says why. Where msgid and type could be read they are written, so that a broken request
 * can be answered.
 */
int rpc_parse(const uint8_t *frame, size_t size, struct rpc_message *ret_message,
	const char **ret_reason);

/* ---- errors ---- */

/* Errors of the protocol, numbered as in JSON-RPC 2.0. All others are errno values, positive. */
enum {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL_ERROR = -32603,
};

enum { RPC_ERROR_MESSAGE_SIZE = 256 };

struct rpc_error {
	int32_t code; /* 0: no error */
	char message[RPC_ERROR_MESSAGE_SIZE];
	const struct limit_info *limit; /* the limit that was reached, or NULL */
	uint64_t limit_max;
	uint64_t limit_used;
};

/*
 * Sets @error. With an errno the message becomes "ENAME: what: text of the errno", else "NAME:
 * what".
 */
void rpc_error_set(struct rpc_error *error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A limit is reached: @code names it, its value and its use. */
void rpc_error_set_limit(struct rpc_error *error, int code, enum limit limit, uint64_t max,
	uint64_t used);

/*
 * Whether a call of @name has from @min to @max parameters. False: @error says what it takes; where
 * there are too few, @next is the name of the first that is missing.
 */
bool rpc_check_count(const char *name, uint32_t min, uint32_t max, uint32_t count, const char *next,
	struct rpc_error *error);

/* "ENOENT", "INVALID_PARAMS". */
const char *rpc_error_name(int code);

/*
 * Reads an error value. -EBADMSG where it has not the shape. A negative code that this library does
 * not know is kept.
 */
int rpc_error_parse(struct reader reader, struct rpc_error *ret_error);

/* ---- packing ---- */

/* The caller packs @param_count parameters after it. */
void rpc_pack_request(struct pack *pack, uint32_t msgid, const char *method, size_t param_count);

/* The caller packs the result after it. */
void rpc_pack_success(struct pack *pack, uint32_t msgid);

/*
 * The notification of a result that is not the last of call @msgid; the caller packs the result
 * after it.
 */
void rpc_pack_completion(struct pack *pack, uint32_t msgid);

/* The error as a value. */
void rpc_pack_error_value(struct pack *pack, const struct rpc_error *error);

/* A response with it. */
void rpc_pack_error(struct pack *pack, uint32_t msgid, const struct rpc_error *error);

/*
 * What rpc_pack_success() or rpc_pack_completion() and pack_bin_header() take at most: room to
 * leave before bytes that answer a request.
 */
enum { RPC_BYTES_HEADER_MAX = 1 + 1 + sizeof("completion") + 1 + 5 + 5 };

/* What rpc_pack_completion() and pack_bin_header() take at most before up to 255 bytes. */
enum { RPC_SHOT_HEADER_MAX = 1 + 1 + sizeof("completion") + 1 + 5 + 2 };

/* What rpc_pack_error() takes at most beside a message of up to 255 bytes, without a limit. */
enum { RPC_ERROR_FRAME_MAX = 1 + 1 + 5 + 1 + 5 + 2 + 1 };
