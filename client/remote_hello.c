/* What the daemon takes: the remote driver asks when it connects. See remote.h. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "client/call.h"
#include "client/remote.h"

#define HELLO_TIMEOUT_NS (10 * NSEC_PER_SEC)

/*
 * What a request with data has besides the data, at most; a piece that takes less is as much work.
 */
enum { REQUEST_HEADER_SIZE = 256, REQUEST_ELEMENTS = 16, PIECE_SIZE_MIN = 16 };

/* What a piece takes that is named: an array of three numbers. */
enum { NAMED_SIZE_MAX = 28, NAMED_ELEMENTS = 4 };

bool remote_find_key(struct reader *reader, const char *key)
{
	const uint8_t *name;
	uint32_t count;
	size_t size;

	if (reader_map(reader, &count) < 0)
		return false;
	for (; count > 0; count--) {
		if (reader_bytes(reader, &name, &size) < 0)
			return false;
		if (size == strlen(key) && memcmp(name, key, size) == 0)
			return true;
		if (reader_skip(reader) < 0)
			return false;
	}
	return false;
}

/*
 * A limit in what `hello` answered; one that a daemon does not tell is taken for its default.
 * False: it makes no sense.
 */
static bool find_limit(struct reader hello, enum limit limit, uint64_t *ret_value)
{
	struct reader limits;
	uint32_t count;

	*ret_value = limit_table[limit].fallback;
	if (!remote_find_key(&hello, "limits"))
		return false;
	limits = hello;
	if (reader_map(&limits, &count) < 0)
		return false;
	if (!remote_find_key(&hello, limit_table[limit].name))
		return true;
	return reader_uint(&hello, INT64_MAX, ret_value) == 0 && *ret_value > 0;
}

static bool has_feature(struct reader hello, const char *feature)
{
	const uint8_t *name;
	uint32_t count;
	size_t size;

	if (!remote_find_key(&hello, "features") || reader_array(&hello, &count) < 0)
		return false;
	for (; count > 0 && reader_bytes(&hello, &name, &size) == 0; count--)
		if (size == strlen(feature) && memcmp(name, feature, size) == 0)
			return true;
	return false;
}

int remote_hello(struct remote *remote)
{
	uint64_t transfer_size, frame_size, element_count, operation_count, memory_size;
	struct rpc_message response;
	struct rpc_error error;
	int r;

	r = call_run(&remote->connection, "hello", NULL, 0, clock_now_ns() + HELLO_TIMEOUT_NS,
		&response, &error);
	if (r < 0)
		return r;
	if (error.code != 0)
		return (int)remote_result_of_error(&error);
	if (!find_limit(response.result, LIMIT_TRANSFER_SIZE, &transfer_size) ||
		!find_limit(response.result, LIMIT_FRAME_SIZE, &frame_size) ||
		frame_size <= REQUEST_HEADER_SIZE ||
		!find_limit(response.result, LIMIT_FRAME_ELEMENTS, &element_count) ||
		element_count <= REQUEST_ELEMENTS ||
		!find_limit(response.result, LIMIT_OPERATIONS, &operation_count) ||
		!find_limit(response.result, LIMIT_MEMORY, &memory_size))
		return -EPROTO;
	remote->frame_room = frame_size - REQUEST_HEADER_SIZE;
	remote->transfer_size = MIN(transfer_size, remote->frame_room);
	remote->piece_count_max = MIN(remote->frame_room / PIECE_SIZE_MIN, (uint64_t)IOV_MAX);
	remote->piece_count_max = MIN(remote->piece_count_max, element_count - REQUEST_ELEMENTS);
	remote->named_count_max =
		MIN(remote->frame_room / NAMED_SIZE_MAX, (uint64_t)REMOTE_NAMED_MAX);
	remote->named_count_max =
		MIN(remote->named_count_max, (element_count - REQUEST_ELEMENTS) / NAMED_ELEMENTS);
	remote->has_memory = has_feature(response.result, "memory");
	remote->has_pools = has_feature(response.result, "pool");
	remote->has_rings = has_feature(response.result, "ring");
	window_init(&remote->window, operation_count, memory_size);
	return 0;
}
