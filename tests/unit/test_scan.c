/*
 * The scan: where a frame ends, and what is refused before anything else looks at it.
 *
 * Random frames are written by a generator of our own that uses every format, short and long forms
 * alike, from a seed that is printed with a failure.
 */
#include "tests/harness.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "proto/scan.h"

enum { FRAME_MAX = 1 << 16, RANDOM_FRAMES = 20000, DEPTH_OF_RANDOM = 6 };

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static struct limits defaults(void)
{
	struct limits limits;

	limits_init(&limits);
	return limits;
}

static struct limits with_limit(enum limit limit, uint64_t value)
{
	struct limits limits = defaults();

	limits.value[limit] = value;
	return limits;
}

static enum scan_result scan_once(struct scan *scan, const uint8_t *bytes, size_t size,
	const struct limits *limits)
{
	scan_reset(scan);
	return scan_frame(scan, bytes, size, limits);
}

static void check_bad(const uint8_t *bytes, size_t size, const struct limits *limits,
	const char *reason)
{
	struct scan scan;

	ck_assert_int_eq(scan_once(&scan, bytes, size, limits), SCAN_BAD);
	ck_assert_msg(strstr(scan.reason, reason), "\"%s\" says nothing of \"%s\"", scan.reason,
		reason);
}

/* ---- random frames ---- */

struct writer {
	uint64_t random; /* state, not 0 */
	size_t size;
	unsigned elements;
	uint8_t bytes[FRAME_MAX];
};

static uint64_t next_random(struct writer *writer)
{
	writer->random ^= writer->random << 13;
	writer->random ^= writer->random >> 7;
	writer->random ^= writer->random << 17;
	return writer->random;
}

static void put(struct writer *writer, uint8_t tag, uint64_t number, unsigned number_size)
{
	writer->bytes[writer->size++] = tag;
	while (number_size-- > 0)
		writer->bytes[writer->size++] = (uint8_t)(number >> (8 * number_size));
}

static void put_body(struct writer *writer, size_t size)
{
	while (size-- > 0)
		writer->bytes[writer->size++] = (uint8_t)next_random(writer);
}

/*
 * A container or body of @size in one of the formats that can say it; @tags are those with 1, 2, 4
 * bytes of size; 0: none.
 */
static void put_sized(struct writer *writer, const uint8_t tags[3], uint8_t fix, unsigned fix_max,
	uint32_t size)
{
	unsigned form = (unsigned)(next_random(writer) % 4);

	if (fix && form == 0 && size <= fix_max)
		put(writer, (uint8_t)(fix | size), 0, 0);
	else if (tags[0] && form == 1 && size <= UINT8_MAX)
		put(writer, tags[0], size, 1);
	else if (form <= 2 && size <= UINT16_MAX)
		put(writer, tags[1], size, 2);
	else
		put(writer, tags[2], size, 4);
}

static void put_scalar(struct writer *writer)
{
	static const struct {
		uint8_t tag;
		uint8_t number_size;
	} forms[] = {{0x05, 0}, {0xe5, 0}, {0xc0, 0}, {0xc2, 0}, {0xc3, 0}, {0xca, 4}, {0xcb, 8},
		{0xcc, 1}, {0xcd, 2}, {0xce, 4}, {0xcf, 8}, {0xd0, 1}, {0xd1, 2}, {0xd2, 4},
		{0xd3, 8}, {0xd4, 2}, {0xd5, 3}, {0xd6, 5}, {0xd7, 9}, {0xd8, 17}};
	size_t form = next_random(writer) % ARRAY_SIZE(forms);

	put(writer, forms[form].tag, 0, 0);
	put_body(writer, forms[form].number_size);
}

static void put_value(struct writer *writer, unsigned depth)
{
	static const uint8_t strs[] = {0xd9, 0xda, 0xdb}, bins[] = {0xc4, 0xc5, 0xc6},
			     exts[] = {0xc7, 0xc8, 0xc9};
	static const uint8_t arrays[] = {0, 0xdc, 0xdd}, maps[] = {0, 0xde, 0xdf};
	uint32_t count = (uint32_t)(next_random(writer) % 4),
		 size = (uint32_t)(next_random(writer) % 40);
	unsigned kind = (unsigned)(next_random(writer) % 8);

	if (kind >= 6 && (depth == 0 || writer->elements > 200))
		kind = 0;
	switch (kind) {
	case 3:
		put_sized(writer, strs, 0xa0, 31, size);
		put_body(writer, size);
		break;
	case 4:
		put_sized(writer, bins, 0, 0, size);
		put_body(writer, size);
		break;
	case 5:
		put_sized(writer, exts, 0, 0, size);
		put_body(writer, size + 1);
		break;
	case 6:
	case 7:
		put_sized(writer, kind == 6 ? arrays : maps, kind == 6 ? 0x90 : 0x80, 15, count);
		count *= kind == 6 ? 1 : 2;
		writer->elements += count;
		while (count-- > 0)
			put_value(writer, depth - 1);
		break;
	default: put_scalar(writer);
	}
}

/* A frame: an array, of what a message could have and more. */
static void put_frame(struct writer *writer, uint64_t seed)
{
	unsigned count;

	writer->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	writer->size = writer->elements = 0;
	count = 1 + (unsigned)(next_random(writer) % 4);
	put(writer, (uint8_t)(0x90 | count), 0, 0);
	while (count-- > 0)
		put_value(writer, DEPTH_OF_RANDOM);
}

static struct writer writer;

/* ---- framing ---- */

START_TEST(frame_is_as_long_as_its_values)
{
	struct limits limits = defaults();
	struct scan scan;

	/* [0, 1, "ping", []], and the first byte of the next */
	ck_assert_int_eq(scan_once(&scan, BYTES(0x94, 0, 1, 0xa4, 'p', 'i', 'n', 'g', 0x90, 0x94),
				 &limits),
		SCAN_FRAME);
	ck_assert_uint_eq(scan.size, 9);
	ck_assert_int_eq(scan_once(&scan, BYTES(0x90), &limits), SCAN_FRAME);
	ck_assert_uint_eq(scan.size, 1);
	/* [{[]: {}}, ext] */
	ck_assert_int_eq(scan_once(&scan, BYTES(0x92, 0x81, 0x90, 0x80, 0xd4, 5, 6), &limits),
		SCAN_FRAME);
	ck_assert_uint_eq(scan.size, 7);
	ck_assert_int_eq(scan_once(&scan, NULL, 0, &limits), SCAN_MORE);
}
END_TEST

/* In two pieces at @split, with @after bytes of the next frame at the end. */
static void check_split(const uint8_t *frame, size_t size, size_t split, size_t after,
	uint64_t seed)
{
	struct limits limits = defaults();
	struct scan scan;

	scan_reset(&scan);
	ck_assert_msg(scan_frame(&scan, frame, split, &limits) == SCAN_MORE,
		"seed %" PRIu64 " at %zu: %s", seed, split, scan.reason);
	ck_assert_msg(scan_frame(&scan, frame, size + after, &limits) == SCAN_FRAME,
		"seed %" PRIu64 " at %zu of %zu: does not end", seed, split, size);
	ck_assert_msg(scan.size == size, "seed %" PRIu64 " at %zu: %zu, not %zu", seed, split,
		scan.size, size);
}

START_TEST(frame_in_two_pieces_is_the_same_wherever_it_is_split)
{
	uint64_t seeds = is_slow() ? 50 : 400;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		put_frame(&writer, seed);
		for (size_t split = 0; split < writer.size; split++) {
			check_split(writer.bytes, writer.size, split, /* after= */ 0, seed);
			writer.bytes[writer.size] = 0x94;
			check_split(writer.bytes, writer.size, split, /* after= */ 1, seed);
		}
	}
}
END_TEST

START_TEST(frame_that_ends_in_a_body_ends_there_in_pieces_too)
{
	/* [0, 1, "write", [1, bin]], as clients send it */
	static const uint8_t frame[] = {
		0x94, 0, 1, 0xa5, 'w', 'r', 'i', 't', 'e', 0x92, 1, 0xc4, 3, 'a', 'b', 'c'};

	for (size_t split = 0; split < sizeof(frame); split++)
		check_split(frame, sizeof(frame), split, /* after= */ 0, /* seed= */ 0);
}
END_TEST

START_TEST(frame_that_comes_byte_by_byte_is_gone_over_once)
{
	uint64_t seeds = is_slow() ? 100 : 1000;
	struct limits limits = defaults();

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct scan scan;
		size_t before = 0;

		put_frame(&writer, seed);
		scan_reset(&scan);
		for (size_t size = 0; size < writer.size; size++) {
			/* what was gone over may be gone: the scan does not look at it again */
			uint8_t *rest = malloc(size + 1);
			size_t kept = size - MIN(before, size);

			memset(rest, 0xc1, size + 1);
			memcpy(rest + size - kept, writer.bytes + size - kept, kept);
			ck_assert_msg(scan_frame(&scan, rest, size, &limits) == SCAN_MORE,
				"seed %" PRIu64 ": %s", seed, scan.reason);
			free(rest);
			ck_assert_uint_ge(scan.size, before);
			before = scan.size;
		}
		ck_assert_msg(scan_frame(&scan, writer.bytes, writer.size, &limits) == SCAN_FRAME,
			"seed %" PRIu64, seed);
		ck_assert_uint_eq(scan.size, writer.size);
	}
}
END_TEST

/* ---- limits ---- */

START_TEST(message_that_is_no_array_is_refused_at_its_first_byte)
{
	struct limits limits = defaults();

	check_bad(BYTES(0xc0), &limits, "not nil");
	check_bad(BYTES(0x80), &limits, "not a map");
	check_bad(BYTES(0x05), &limits, "not an integer");
	check_bad(BYTES(0xa0), &limits, "not a str");
	check_bad(BYTES(0xc1), &limits, "0xc1");
	check_bad(BYTES(0x92, 0x00, 0xc1), &limits, "0xc1");
}
END_TEST

START_TEST(announced_count_is_weighed_before_anything_follows)
{
	struct limits limits = defaults();

	check_bad(BYTES(0xdd, 0xff, 0xff, 0xff, 0xff), &limits, "frame_elements");
	check_bad(BYTES(0x91, 0xdd, 0xff, 0xff, 0xff, 0xff), &limits, "frame_elements");
	check_bad(BYTES(0x91, 0xdf, 0xff, 0xff, 0xff, 0xff), &limits, "frame_elements");
	check_bad(BYTES(0x91, 0xdc, 0xff, 0xff), &limits, "frame_elements");
	check_bad(BYTES(0x91, 0xde, 0xff, 0xff), &limits, "frame_elements");
	check_bad(BYTES(0x91, 0xdb, 0xff, 0xff, 0xff, 0xff), &limits, "frame_size");
	check_bad(BYTES(0x91, 0xc6, 0xff, 0xff, 0xff, 0xff), &limits, "frame_size");
	check_bad(BYTES(0x91, 0xc9, 0xff, 0xff, 0xff, 0xff, 0x01), &limits, "frame_size");
}
END_TEST

/* 2 × (2^32 - 1) is more than 32 bits hold, and what is left of it would be within the limit. */
START_TEST(count_of_a_map_does_not_wrap)
{
	struct limits limits = with_limit(LIMIT_FRAME_ELEMENTS, UINT32_MAX);

	check_bad(BYTES(0x91, 0xdf, 0xff, 0xff, 0xff, 0xff), &limits, "frame_elements");
	check_bad(BYTES(0x91, 0xdf, 0x80, 0x00, 0x00, 0x00), &limits, "frame_elements");
}
END_TEST

START_TEST(size_is_allowed_up_to_the_limit_and_not_beyond)
{
	const size_t max = limit_table[LIMIT_FRAME_SIZE].minimum;
	struct limits limits = with_limit(LIMIT_FRAME_SIZE, max);
	uint8_t frame[8192] = {0x91, 0xc5};
	struct scan scan;

	frame[2] = (uint8_t)((max - 4) >> 8);
	frame[3] = (uint8_t)(max - 4);
	ck_assert_int_eq(scan_once(&scan, frame, 4, &limits), SCAN_MORE);
	ck_assert_uint_eq(scan.size, max);
	ck_assert_int_eq(scan_once(&scan, frame, max, &limits), SCAN_FRAME);
	frame[3]++;
	check_bad(frame, 4, &limits, "frame_size");
	/* the limit holds for the sum as well */
	memcpy(frame, ((const uint8_t[]){0x92, 0xc5, 0x0f, 0xf8}), 4);
	frame[4 + 0xff8] = 0xa3;
	ck_assert_int_eq(scan_once(&scan, frame, max, &limits), SCAN_FRAME);
	frame[4 + 0xff8] = 0xa4;
	check_bad(frame, 4 + 0xff8 + 1, &limits, "frame_size");
}
END_TEST

START_TEST(elements_are_allowed_up_to_the_limit_and_not_beyond)
{
	struct limits limits = with_limit(LIMIT_FRAME_ELEMENTS, 64);
	uint8_t frame[200];
	struct scan scan;

	memset(frame, 0xc0, sizeof(frame));
	memcpy(frame, ((const uint8_t[]){0xdc, 0, 64}), 3);
	ck_assert_int_eq(scan_once(&scan, frame, 3 + 64, &limits), SCAN_FRAME);
	frame[2] = 65;
	check_bad(frame, 3, &limits, "frame_elements");
	/* one map of 31 pairs and what it lies in: 2 + 62 */
	memcpy(frame, ((const uint8_t[]){0x92, 0xde, 0, 31}), 4);
	ck_assert_int_eq(scan_once(&scan, frame, 4 + 62 + 1, &limits), SCAN_FRAME);
	frame[3] = 32;
	check_bad(frame, 4, &limits, "frame_elements");
}
END_TEST

START_TEST(depth_is_allowed_up_to_the_limit_and_not_beyond)
{
	for (uint64_t max = 4; max <= SCAN_DEPTH_MAX; max++) {
		struct limits limits = with_limit(LIMIT_FRAME_DEPTH, max);
		uint8_t frame[SCAN_DEPTH_MAX + 2];
		struct scan scan;

		memset(frame, 0x91, sizeof(frame));
		frame[max] = 0xc0;
		ck_assert_int_eq(scan_once(&scan, frame, max + 1, &limits), SCAN_FRAME);
		frame[max] = 0x90; /* an empty one opens no level */
		ck_assert_int_eq(scan_once(&scan, frame, max + 1, &limits), SCAN_FRAME);
		frame[max] = 0x91;
		check_bad(frame, max + 1, &limits, "frame_depth");
	}
}
END_TEST

START_TEST(depth_beyond_what_the_scan_has_counters_for_is_refused)
{
	struct limits limits = with_limit(LIMIT_FRAME_DEPTH, 1000);
	uint8_t frame[SCAN_DEPTH_MAX + 1];

	memset(frame, 0x91, sizeof(frame));
	check_bad(frame, sizeof(frame), &limits, "frame_depth");
}
END_TEST

START_TEST(levels_that_are_complete_do_not_count)
{
	struct limits limits = with_limit(LIMIT_FRAME_DEPTH, 4);
	uint8_t frame[1 + 5 * 4] = {0x95};
	struct scan scan;

	for (size_t i = 0; i < 5; i++)
		memcpy(frame + 1 + 4 * i, ((const uint8_t[]){0x91, 0x91, 0x91, 0xc0}), 4);
	ck_assert_int_eq(scan_once(&scan, frame, sizeof(frame), &limits), SCAN_FRAME);
	ck_assert_uint_eq(scan.size, sizeof(frame));
}
END_TEST

/* ---- against msgpack-c ---- */

static void mutate(struct writer *mutant)
{
	size_t at = next_random(mutant) % mutant->size;

	switch (next_random(mutant) % 4) {
	case 0: mutant->bytes[at] = (uint8_t)next_random(mutant); break;
	case 1: mutant->bytes[at] ^= (uint8_t)(1U << next_random(mutant) % 8); break;
	case 2: mutant->size = at + 1; break;
	default: mutant->bytes[at] = 0xc1; break;
	}
}

/*
 * What the scan lets pass, msgpack-c reads, and finds its end at the same place; what the scan
 * calls half a frame, it does; what the scan calls no MessagePack, it does. What is over a limit it
 * is not shown: it would allocate what was announced.
 */
static void compare(const uint8_t *bytes, size_t size, uint64_t seed)
{
	struct limits limits = defaults();
	msgpack_unpack_return expected;
	msgpack_unpacked unpacked;
	struct scan scan;
	size_t end = 0;

	switch (scan_once(&scan, bytes, size, &limits)) {
	case SCAN_FRAME: expected = MSGPACK_UNPACK_SUCCESS; break;
	case SCAN_MORE: expected = MSGPACK_UNPACK_CONTINUE; break;
	default:
		if (!strstr(scan.reason, "is no MessagePack"))
			return;
		expected = MSGPACK_UNPACK_PARSE_ERROR;
	}
	msgpack_unpacked_init(&unpacked);
	ck_assert_msg(msgpack_unpack_next(&unpacked, (const char *)bytes, size, &end) == expected,
		"seed %" PRIu64, seed);
	if (expected == MSGPACK_UNPACK_SUCCESS)
		ck_assert_msg(end == scan.size, "seed %" PRIu64 ": %zu, not %zu", seed, scan.size,
			end);
	msgpack_unpacked_destroy(&unpacked);
}

START_TEST(random_frames_end_where_msgpack_c_says)
{
	for (uint64_t seed = 1; seed <= (is_slow() ? RANDOM_FRAMES / 20 : RANDOM_FRAMES); seed++) {
		struct limits limits = defaults();
		struct scan scan;

		put_frame(&writer, seed);
		ck_assert_int_eq(scan_once(&scan, writer.bytes, writer.size, &limits), SCAN_FRAME);
		compare(writer.bytes, writer.size, seed);
	}
}
END_TEST

START_TEST(damaged_frames_are_what_msgpack_c_says)
{
	for (uint64_t seed = 1; seed <= (is_slow() ? RANDOM_FRAMES / 20 : RANDOM_FRAMES); seed++) {
		put_frame(&writer, seed);
		for (uint64_t count = 1 + next_random(&writer) % 3; count > 0; count--)
			mutate(&writer);
		compare(writer.bytes, writer.size, seed);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scan");

	suite_add(suite, frame_is_as_long_as_its_values);
	suite_add(suite, frame_in_two_pieces_is_the_same_wherever_it_is_split);
	suite_add(suite, frame_that_ends_in_a_body_ends_there_in_pieces_too);
	suite_add(suite, frame_that_comes_byte_by_byte_is_gone_over_once);
	suite_add(suite, message_that_is_no_array_is_refused_at_its_first_byte);
	suite_add(suite, announced_count_is_weighed_before_anything_follows);
	suite_add(suite, count_of_a_map_does_not_wrap);
	suite_add(suite, size_is_allowed_up_to_the_limit_and_not_beyond);
	suite_add(suite, elements_are_allowed_up_to_the_limit_and_not_beyond);
	suite_add(suite, depth_is_allowed_up_to_the_limit_and_not_beyond);
	suite_add(suite, depth_beyond_what_the_scan_has_counters_for_is_refused);
	suite_add(suite, levels_that_are_complete_do_not_count);
	suite_add(suite, random_frames_end_where_msgpack_c_says);
	suite_add(suite, damaged_frames_are_what_msgpack_c_says);
	return suite_main(suite);
}
