/*
 * The scan against itself in pieces, the reader and msgpack-c, over a stream of frames.
 *
 * Input: the size of the pieces, one byte; then the stream.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "proto/reader.h"
#include "proto/scan.h"

static void check_in_pieces(const uint8_t *bytes, size_t size, size_t piece,
	const struct limits *limits, const struct scan *whole, enum scan_result expected)
{
	enum scan_result result = SCAN_MORE;
	size_t before = 0, part = 0;
	struct scan scan;

	scan_reset(&scan);
	while (result == SCAN_MORE && part < size) {
		part = MIN(part + piece, size);
		result = scan_frame(&scan, bytes, part, limits);
		assert(scan.size >= before);
		before = scan.size;
	}
	assert(result == expected);
	assert(scan.size == whole->size && scan.depth == whole->depth &&
		scan.elements == whole->elements);
	assert(result != SCAN_BAD || strcmp(scan.reason, whole->reason) == 0);
}

static void check_reader(const uint8_t *bytes, size_t size, const struct scan *scan,
	enum scan_result result)
{
	struct reader reader = reader_of(bytes, size);
	int r = reader_skip(&reader);

	if (result == SCAN_FRAME)
		assert(r == 0 && (size_t)(reader.at - bytes) == scan->size);
	else if (result == SCAN_MORE)
		assert(r == -EBADMSG);
}

/*
 * msgpack-c adds an ext's type to its size in 32 bits, and takes the largest ext for an empty one
 * before its type has come.
 */
static bool wraps_in_msgpack(const uint8_t *bytes, size_t size)
{
	return size >= 5 && memcmp(bytes + size - 5, "\xc9\xff\xff\xff\xff", 5) == 0;
}

/* Not for what is over a limit: msgpack-c allocates what is announced. */
static void check_msgpack(const uint8_t *bytes, size_t size, const struct scan *scan,
	enum scan_result result)
{
	msgpack_unpack_return unpacked_result;
	msgpack_unpacked unpacked;
	size_t end = 0;

	if (size == 0 || wraps_in_msgpack(bytes, size) ||
		(result == SCAN_BAD && !strstr(scan->reason, "is no MessagePack")))
		return;
	msgpack_unpacked_init(&unpacked);
	unpacked_result = msgpack_unpack_next(&unpacked, (const char *)bytes, size, &end);
	switch (result) {
	case SCAN_FRAME:
		assert(unpacked_result == MSGPACK_UNPACK_SUCCESS && end == scan->size);
		break;
	case SCAN_MORE: assert(unpacked_result == MSGPACK_UNPACK_CONTINUE); break;
	case SCAN_BAD: assert(unpacked_result == MSGPACK_UNPACK_PARSE_ERROR); break;
	}
	msgpack_unpacked_destroy(&unpacked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum scan_result result = SCAN_FRAME;
	struct limits limits;
	struct scan scan;
	size_t piece;

	if (size == 0)
		return 0;
	piece = MAX(*data++, 1);
	size--;
	limits_init(&limits);
	while (result == SCAN_FRAME && size > 0) {
		scan_reset(&scan);
		result = scan_frame(&scan, data, size, &limits);
		check_in_pieces(data, size, piece, &limits, &scan, result);
		check_reader(data, size, &scan, result);
		check_msgpack(data, size, &scan, result);
		if (result == SCAN_FRAME) {
			assert(scan.size > 0 && scan.size <= size);
			data += scan.size;
			size -= scan.size;
		}
	}
	return 0;
}
