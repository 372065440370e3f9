/*
 * Brief frames: what is recognised at a glance means the same as what the general decoder makes of
 * it, and what is not recognised is left to that one.
 */
#include "tests/harness.h"

#include <stdlib.h>

#include "proto/brief.h"
#include "proto/scan.h"

static const uint32_t opcodes[] = {
	PROACTOR_READ, PROACTOR_WRITE, PROACTOR_RECV, PROACTOR_SEND, PROACTOR_CLOSE, PROACTOR_NOP};

static const uint64_t numbers[] = {0, 1, 127, 128, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000,
	0xfffffffe, 0xffffffff, UINT64_C(1) << 32, INT64_MAX - 1, INT64_MAX};

static struct limits limits;
static struct codec_scratch scratch;

static uint64_t any_number(uint64_t maximum)
{
	uint64_t number = random() % 3 == 0 ? (uint64_t)random() << 32 | (uint32_t)random()
					    : numbers[(size_t)random() % ARRAY_SIZE(numbers)];

	return maximum == UINT64_MAX ? number : number % (maximum + 1);
}

static bool has_offset(uint32_t opcode)
{
	return opcode == PROACTOR_READ || opcode == PROACTOR_WRITE;
}

/* An operation that has a brief form, and its region. */
static struct brief any_brief(uint32_t opcode)
{
	struct brief brief = {.msgid = (uint32_t)any_number(UINT32_MAX), .op.opcode = opcode};

	if (opcode == PROACTOR_NOP)
		return brief;
	brief.op.read.file = (int64_t)any_number(UINT32_MAX);
	if (!brief_has_region(opcode))
		return brief;
	brief.region.memory = 1 + any_number(UINT32_MAX - 1);
	brief.region.offset = any_number(INT64_MAX);
	brief.op.read.size = any_number(UINT32_MAX);
	if (has_offset(opcode))
		brief.op.read.offset =
			random() % 4 == 0 ? PROACTOR_CURRENT : (int64_t)any_number(INT64_MAX);
	else
		brief.op.recv.flags = (uint32_t)any_number(UINT32_MAX);
	return brief;
}

static struct queue_slot written(const struct brief *brief)
{
	struct queue_slot slot = {0};

	ck_assert(brief_write_request(&slot, brief->msgid, &brief->op,
		brief_has_region(brief->op.opcode) ? &brief->region : NULL));
	return slot;
}

/* What the general decoder makes of the frame. False: it refuses it. */
static bool read_generally(const struct queue_slot *slot, struct brief *ret_brief)
{
	const struct op_info *info;
	struct rpc_message message;
	struct rpc_error error;
	struct scan scan;
	const char *reason;

	scan_reset(&scan);
	if (scan_frame(&scan, slot->frame, slot->size, &limits) != SCAN_FRAME ||
		scan.size != slot->size ||
		rpc_parse(slot->frame, slot->size, &message, &reason) < 0 ||
		message.type != RPC_REQUEST)
		return false;
	info = op_find(message.method, message.method_size);
	if (!info)
		return false;
	*ret_brief =
		(struct brief){.msgid = message.msgid, .op.opcode = (uint32_t)(info - op_table)};
	if (!codec_read_params(info, message.params, message.param_count, &ret_brief->op, &scratch,
		    &error))
		return false;
	ret_brief->region =
		scratch.region_count > 0 ? scratch.regions[0] : (struct codec_region){0};
	return true;
}

static bool same(const struct brief *a, const struct brief *b)
{
	if (a->msgid != b->msgid || a->op.opcode != b->op.opcode)
		return false;
	if (a->op.opcode == PROACTOR_NOP)
		return true;
	if (!brief_has_region(a->op.opcode))
		return a->op.close.file == b->op.close.file;
	return a->region.memory == b->region.memory && a->region.offset == b->region.offset &&
		a->op.read.file == b->op.read.file && a->op.read.size == b->op.read.size &&
		(has_offset(a->op.opcode) ? a->op.read.offset == b->op.read.offset
					  : a->op.recv.flags == b->op.recv.flags);
}

/* ---- requests ---- */

START_TEST(request_is_read_as_it_was_written)
{
	srandom(1);
	for (unsigned i = 0; i < 20000; i++) {
		struct brief brief = any_brief(opcodes[i % ARRAY_SIZE(opcodes)]), again;
		struct queue_slot slot = written(&brief);

		if (!brief_read_request(&slot, &again) || !same(&brief, &again))
			ck_abort_msg("%s, number %u", op_table[brief.op.opcode].name, i);
	}
}
END_TEST

START_TEST(request_is_a_frame_like_any_other)
{
	srandom(2);
	for (unsigned i = 0; i < 20000; i++) {
		struct brief brief = any_brief(opcodes[i % ARRAY_SIZE(opcodes)]), again;
		struct queue_slot slot = written(&brief);

		if (!read_generally(&slot, &again) || !same(&brief, &again))
			ck_abort_msg("%s, number %u", op_table[brief.op.opcode].name, i);
	}
}
END_TEST

/* In the shortest form of each integer it is another frame, and the same request. */
START_TEST(shortest_form_means_the_same)
{
	struct buffer buffer = {0};
	struct pack pack = pack_into(&buffer);
	unsigned fitting = 0;

	srandom(3);
	for (unsigned i = 0; i < 20000; i++) {
		struct brief brief = any_brief(opcodes[i % ARRAY_SIZE(opcodes)]), again;
		struct queue_slot slot = {0};

		buffer_clear(&buffer);
		codec_pack_request_in(&pack, brief.msgid, &brief.op,
			brief_has_region(brief.op.opcode) ? &brief.region : NULL);
		ck_assert(!pack.failed);
		if (buffer_size(&buffer) > QUEUE_FRAME_SIZE_MAX)
			continue;
		fitting++;
		slot.size = (uint8_t)buffer_size(&buffer);
		memcpy(slot.frame, buffer_bytes(&buffer), slot.size);
		if (!read_generally(&slot, &again) || !same(&brief, &again))
			ck_abort_msg("%s, number %u", op_table[brief.op.opcode].name, i);
		if (brief_read_request(&slot, &again) && !same(&brief, &again))
			ck_abort_msg("%s, number %u, at a glance", op_table[brief.op.opcode].name,
				i);
	}
	ck_assert_uint_gt(fitting, 10000);
	buffer_deinit(&buffer);
}
END_TEST

/* The daemon refuses, at a glance too, what names no memory or begins beyond any. */
static bool names_nothing(const struct brief *brief)
{
	return brief->region.memory == 0 || brief->region.offset > INT64_MAX;
}

static void check_mutant(const struct queue_slot *slot, size_t place)
{
	struct brief brief, general;

	if (!brief_read_request(slot, &brief))
		return;
	if (brief_has_region(brief.op.opcode) && names_nothing(&brief))
		return;
	if (!read_generally(slot, &general) || !same(&brief, &general))
		ck_abort_msg("byte %zu as %02x means two things", place,
			((const uint8_t *)slot)[place]);
}

START_TEST(every_other_byte_is_refused_or_means_the_same)
{
	srandom(4);
	for (unsigned i = 0; i < 20 * ARRAY_SIZE(opcodes); i++) {
		struct brief brief = any_brief(opcodes[i % ARRAY_SIZE(opcodes)]);
		struct queue_slot slot = written(&brief);

		/* the size, and each byte of the frame */
		for (size_t place = 1; place < 2U + slot.size; place++)
			for (unsigned byte = 0; byte < 256; byte++) {
				struct queue_slot mutant = slot;

				((uint8_t *)&mutant)[place] = (uint8_t)byte;
				check_mutant(&mutant, place);
			}
	}
}
END_TEST

START_TEST(what_is_behind_the_frame_does_not_matter)
{
	srandom(5);
	for (unsigned i = 0; i < 1000; i++) {
		struct brief brief = any_brief(opcodes[i % ARRAY_SIZE(opcodes)]), again;
		struct queue_slot slot = written(&brief);

		for (size_t place = slot.size; place < QUEUE_FRAME_SIZE_MAX; place++)
			slot.frame[place] = (uint8_t)random();
		ck_assert(brief_read_request(&slot, &again) && same(&brief, &again));
	}
}
END_TEST

START_TEST(noise_is_refused_or_means_the_same)
{
	srandom(6);
	for (unsigned i = 0; i < (is_slow() ? 20000 : 200000); i++) {
		struct brief brief = any_brief(opcodes[i % ARRAY_SIZE(opcodes)]);
		struct queue_slot slot = written(&brief);

		for (int changes = 1 + (int)random() % 4; changes > 0; changes--)
			((uint8_t *)&slot)[1 + random() % 63] ^= (uint8_t)(1U << random() % 8);
		if (slot.size > 0 && slot.size <= QUEUE_FRAME_SIZE_MAX)
			check_mutant(&slot, 1);
	}
}
END_TEST

START_TEST(what_has_no_brief_form_is_not_written)
{
	struct codec_region region = {.memory = 1};
	struct queue_slot slot;

	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++) {
		struct proactor_op op = {.opcode = opcode};
		bool has_form = false;

		for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
			has_form = has_form || opcodes[i] == opcode;
		ck_assert_int_eq(brief_write_request(&slot, 1, &op, &region),
			has_form && brief_has_region(opcode));
		ck_assert_int_eq(brief_write_request(&slot, 1, &op, NULL),
			has_form && !brief_has_region(opcode));
	}
}
END_TEST

START_TEST(numbers_that_are_too_wide_are_not_written)
{
	struct proactor_op closing = {.opcode = PROACTOR_CLOSE, .close = {UINT32_MAX}};
	struct queue_slot closed;

	ck_assert(brief_write_request(&closed, 1, &closing, NULL));
	closing.close.file++;
	ck_assert(!brief_write_request(&closed, 1, &closing, NULL));
	closing.close.file = -1;
	ck_assert(!brief_write_request(&closed, 1, &closing, NULL));
	for (size_t i = 0; i < 4; i++) {
		struct codec_region region = {.memory = UINT32_MAX};
		struct proactor_op op = {
			.opcode = opcodes[i], .read = {.file = UINT32_MAX, .size = UINT32_MAX}};
		struct queue_slot slot;

		ck_assert(brief_write_request(&slot, 1, &op, &region));
		op.read.file++;
		ck_assert(!brief_write_request(&slot, 1, &op, &region));
		op.read.file = -1;
		ck_assert(!brief_write_request(&slot, 1, &op, &region));
		op.read.file = 0;
		op.read.size++;
		ck_assert(!brief_write_request(&slot, 1, &op, &region));
		op.read.size = 0;
		region.memory++;
		ck_assert(!brief_write_request(&slot, 1, &op, &region));
		region.memory = 1;
		if (!has_offset(op.opcode))
			continue;
		op.read.offset = PROACTOR_CURRENT - 1;
		ck_assert(!brief_write_request(&slot, 1, &op, &region));
	}
}
END_TEST

/* ---- responses ---- */

/* What the general decoder makes of a response of a read. */
static bool read_response_generally(const struct queue_slot *slot, uint32_t *ret_msgid,
	bool *ret_is_nil, uint32_t *ret_result)
{
	struct codec_result result = {.size = UINT32_MAX, .is_in_memory = true};
	struct rpc_message message;
	struct reader reader;
	struct value value;
	struct scan scan;
	const char *reason;

	scan_reset(&scan);
	if (scan_frame(&scan, slot->frame, slot->size, &limits) != SCAN_FRAME ||
		scan.size != slot->size ||
		rpc_parse(slot->frame, slot->size, &message, &reason) < 0 ||
		message.type != RPC_RESPONSE)
		return false;
	reader = message.error;
	if (reader_next(&reader, &value) < 0 || value.token.type != TOKEN_NIL)
		return false;
	reader = message.result;
	if (reader_next(&reader, &value) < 0)
		return false;
	*ret_msgid = message.msgid;
	*ret_is_nil = value.token.type == TOKEN_NIL;
	*ret_result = 0;
	if (*ret_is_nil)
		return true;
	if (codec_read_result(PROACTOR_READ, message.result, &result) < 0)
		return false;
	*ret_result = (uint32_t)result.result;
	return true;
}

START_TEST(response_is_a_frame_like_any_other_and_is_read_as_it_was_written)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		for (unsigned is_nil = 0; is_nil < 2; is_nil++) {
			uint32_t msgid = (uint32_t)numbers[i], result = ~msgid, got_msgid, got;
			struct queue_slot slot = {0};
			bool got_nil;

			brief_write_response(&slot, msgid, is_nil, result);
			ck_assert(brief_read_response(&slot, &got_msgid, &got_nil, &got));
			ck_assert(got_msgid == msgid && got_nil == is_nil &&
				got == (is_nil ? 0 : result));
			ck_assert(read_response_generally(&slot, &got_msgid, &got_nil, &got));
			ck_assert(got_msgid == msgid && got_nil == is_nil &&
				got == (is_nil ? 0 : result));
		}
}
END_TEST

static void check_response_mutant(const struct queue_slot *slot)
{
	uint32_t msgid[2], result[2];
	bool is_nil[2];

	if (!brief_read_response(slot, &msgid[0], &is_nil[0], &result[0]))
		return;
	if (!read_response_generally(slot, &msgid[1], &is_nil[1], &result[1]) ||
		msgid[0] != msgid[1] || is_nil[0] != is_nil[1] || result[0] != result[1])
		ck_abort_msg("a response means two things");
}

START_TEST(every_other_byte_of_a_response_is_refused_or_means_the_same)
{
	for (unsigned is_nil = 0; is_nil < 2; is_nil++) {
		struct queue_slot slot = {0};

		brief_write_response(&slot, 0x01020304, is_nil, 0x05060708);
		for (size_t place = 1; place < 2U + slot.size; place++)
			for (unsigned byte = 0; byte < 256; byte++) {
				struct queue_slot mutant = slot;

				((uint8_t *)&mutant)[place] = (uint8_t)byte;
				check_response_mutant(&mutant);
			}
	}
}
END_TEST

/* ---- shots ---- */

/* What the general decoder makes of the shot of an accept or a poll. */
/* Whether it is that notification, with two parameters; then @ret_params is at the first. */
static bool is_notification(const struct queue_slot *slot, const char *method,
	struct reader *ret_params)
{
	struct rpc_message message;
	const char *reason;
	struct scan scan;

	scan_reset(&scan);
	if (scan_frame(&scan, slot->frame, slot->size, &limits) != SCAN_FRAME ||
		scan.size != slot->size ||
		rpc_parse(slot->frame, slot->size, &message, &reason) < 0 ||
		message.type != RPC_NOTIFICATION || message.param_count != 2 ||
		message.method_size != strlen(method) ||
		memcmp(message.method, method, message.method_size) != 0)
		return false;
	*ret_params = message.params;
	return true;
}

static bool read_shot_generally(const struct queue_slot *slot, enum brief_kind kind,
	struct brief_shot *ret_shot)
{
	static const uint32_t shooters[] = {[BRIEF_NUMBER] = PROACTOR_POLL,
		[BRIEF_FILE] = PROACTOR_ACCEPT,
		[BRIEF_BUFFER] = PROACTOR_RECV};
	struct codec_result result = {.is_in_pool = kind == BRIEF_BUFFER};
	struct reader params;
	uint64_t msgid;

	if (!is_notification(slot, "completion", &params) ||
		reader_uint(&params, UINT32_MAX, &msgid) < 0 ||
		codec_read_result(shooters[kind], params, &result) < 0)
		return false;
	*ret_shot = (struct brief_shot){
		.kind = kind,
		.msgid = (uint32_t)msgid,
		.result = (uint32_t)result.result,
		.buffer = (uint32_t)result.buffer,
	};
	return result.result <= UINT32_MAX;
}

static bool shots_equal(const struct brief_shot *one, const struct brief_shot *other)
{
	return one->kind == other->kind && one->msgid == other->msgid &&
		one->result == other->result &&
		(one->kind != BRIEF_BUFFER || one->buffer == other->buffer);
}

START_TEST(shot_is_a_frame_like_any_other_and_is_read_as_it_was_written)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		for (unsigned kind = BRIEF_NUMBER; kind <= BRIEF_BUFFER; kind++) {
			/* no bytes need no buffer */
			struct brief_shot shot = {kind, (uint32_t)numbers[i],
				~(uint32_t)numbers[i] | (kind == BRIEF_BUFFER),
				(uint16_t)numbers[i]};
			struct queue_slot slot = {0};
			struct brief_shot got;
			uint32_t msgid, result;
			bool is_nil;

			brief_write_shot(&slot, &shot);
			ck_assert(brief_read_shot(&slot, &got) && shots_equal(&got, &shot));
			ck_assert(read_shot_generally(&slot, kind, &got) &&
				shots_equal(&got, &shot));
			ck_assert(!brief_read_response(&slot, &msgid, &is_nil, &result));
		}
}
END_TEST

static void check_shot_mutant(const struct queue_slot *slot)
{
	struct brief_shot brief, general;

	/* a buffer beyond what a pool may have is refused by who reads a brief one */
	if (!brief_read_shot(slot, &brief) ||
		(brief.kind == BRIEF_BUFFER && brief.buffer > UINT16_MAX))
		return;
	if (!read_shot_generally(slot, brief.kind, &general) || !shots_equal(&brief, &general))
		ck_abort_msg("a shot means two things");
}

/* Calls @check with each frame that is @slot but for one byte. */
static void check_mutants(const struct queue_slot *slot,
	void (*check)(const struct queue_slot *mutant))
{
	for (size_t place = 1; place < 2U + slot->size; place++)
		for (unsigned byte = 0; byte < 256; byte++) {
			struct queue_slot mutant = *slot;

			((uint8_t *)&mutant)[place] = (uint8_t)byte;
			check(&mutant);
		}
}

START_TEST(every_other_byte_of_a_shot_is_refused_or_means_the_same)
{
	for (unsigned kind = BRIEF_NUMBER; kind <= BRIEF_BUFFER; kind++) {
		const struct brief_shot shot = {kind, 0x01020304, 0x05060708, 0x0900};
		struct queue_slot slot = {0};

		brief_write_shot(&slot, &shot);
		check_mutants(&slot, check_shot_mutant);
	}
}
END_TEST

static bool read_release_generally(const struct queue_slot *slot, uint64_t ret_numbers[2])
{
	struct reader params;

	return is_notification(slot, "pool_release", &params) &&
		reader_uint(&params, INT64_MAX, &ret_numbers[0]) == 0 &&
		reader_uint(&params, INT64_MAX, &ret_numbers[1]) == 0;
}

static void check_release_mutant(const struct queue_slot *slot)
{
	uint32_t pool, buffer;
	uint64_t got[2];

	if (!brief_read_release(slot, &pool, &buffer))
		return;
	if (!read_release_generally(slot, got) || got[0] != pool || got[1] != buffer)
		ck_abort_msg("a release means two things");
}

START_TEST(release_is_read_as_it_was_written_and_no_other_byte_means_another)
{
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint32_t given = (uint32_t)numbers[i], pool, buffer;
		struct queue_slot slot = {0};

		brief_write_release(&slot, given, ~given);
		ck_assert(brief_read_release(&slot, &pool, &buffer));
		ck_assert(pool == given && buffer == ~given);
		check_release_mutant(&slot);
		check_mutants(&slot, check_release_mutant);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("brief");

	limits_init(&limits);
	suite_add(suite, request_is_read_as_it_was_written);
	suite_add(suite, request_is_a_frame_like_any_other);
	suite_add(suite, shortest_form_means_the_same);
	suite_add(suite, every_other_byte_is_refused_or_means_the_same);
	suite_add(suite, what_is_behind_the_frame_does_not_matter);
	suite_add(suite, noise_is_refused_or_means_the_same);
	suite_add(suite, what_has_no_brief_form_is_not_written);
	suite_add(suite, numbers_that_are_too_wide_are_not_written);
	suite_add(suite, response_is_a_frame_like_any_other_and_is_read_as_it_was_written);
	suite_add(suite, every_other_byte_of_a_response_is_refused_or_means_the_same);
	suite_add(suite, shot_is_a_frame_like_any_other_and_is_read_as_it_was_written);
	suite_add(suite, every_other_byte_of_a_shot_is_refused_or_means_the_same);
	suite_add(suite, release_is_read_as_it_was_written_and_no_other_byte_means_another);
	return suite_main(suite);
}
