/* Brief frames. See brief.h. */
#include "proto/brief.h"

#include <endian.h>
#include <string.h>

/* ---- integers, where they are ---- */

static inline uint32_t load32(const uint8_t *bytes)
{
	uint32_t number;

	memcpy(&number, bytes, sizeof(number));
	return be32toh(number);
}

static inline uint64_t load64(const uint8_t *bytes)
{
	uint64_t number;

	memcpy(&number, bytes, sizeof(number));
	return be64toh(number);
}

static inline uint8_t *store32(uint8_t *bytes, uint8_t tag, uint32_t number)
{
	number = htobe32(number);
	*bytes = tag;
	memcpy(bytes + 1, &number, sizeof(number));
	return bytes + 1 + sizeof(number);
}

static inline uint8_t *store64(uint8_t *bytes, uint8_t tag, uint64_t number)
{
	number = htobe64(number);
	*bytes = tag;
	memcpy(bytes + 1, &number, sizeof(number));
	return bytes + 1 + sizeof(number);
}

enum {
	TAG_ARRAY_2 = 0x92,
	TAG_ARRAY_3 = 0x93,
	TAG_ARRAY_4 = 0x94,
	TAG_NIL = 0xc0,
	TAG_UINT32 = 0xce,
	TAG_UINT64 = 0xcf,
	TAG_INT64 = 0xd3,
};

/* Places in a request: the method, and from its end on what follows the header of the params. */
enum { METHOD_AT = 7, FILE_AT = 0, REGION_AT = 5, LAST_AT = 25 };

/* The size of what follows that header. */
enum { BODY_READ = 34, BODY_RECV = 30, BODY_CLOSE = 5 };

/* ---- the forms ---- */

/* The method with the header of its params, as the first bytes of a number. */
static const struct form {
	uint64_t head;
	uint64_t mask;
	uint8_t head_size;
	uint8_t size; /* of the frame */
	uint8_t opcode;
} forms[] = {
	{UINT64_C(0xa472656164930000), UINT64_C(0xffffffffffff0000), 6, METHOD_AT + 6 + BODY_READ,
		PROACTOR_READ},
	{UINT64_C(0xa577726974659300), UINT64_C(0xffffffffffffff00), 7, METHOD_AT + 7 + BODY_READ,
		PROACTOR_WRITE},
	{UINT64_C(0xa472656376930000), UINT64_C(0xffffffffffff0000), 6, METHOD_AT + 6 + BODY_RECV,
		PROACTOR_RECV},
	{UINT64_C(0xa473656e64930000), UINT64_C(0xffffffffffff0000), 6, METHOD_AT + 6 + BODY_RECV,
		PROACTOR_SEND},
	{UINT64_C(0xa5636c6f73659100), UINT64_C(0xffffffffffffff00), 7, METHOD_AT + 7 + BODY_CLOSE,
		PROACTOR_CLOSE},
	{UINT64_C(0xa36e6f7090000000), UINT64_C(0xffffffffff000000), 5, METHOD_AT + 5,
		PROACTOR_NOP},
};

static inline const struct form *form_of(uint32_t opcode)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if (forms[i].opcode == opcode)
			return &forms[i];
	return NULL;
}

static inline const struct form *find_form(const uint8_t *frame)
{
	uint64_t head = load64(frame + METHOD_AT);

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if ((head & forms[i].mask) == forms[i].head)
			return &forms[i];
	return NULL;
}

/* ---- requests ---- */

static inline bool has_offset(uint32_t opcode)
{
	return opcode == PROACTOR_READ || opcode == PROACTOR_WRITE;
}

bool brief_read_request(const struct queue_slot *slot, struct brief *ret_brief)
{
	const struct form *form = find_form(slot->frame);
	const uint8_t *body;
	bool fits;

	if (!form || slot->size != form->size || slot->frame[0] != TAG_ARRAY_4 ||
		slot->frame[1] != 0 || slot->frame[2] != TAG_UINT32)
		return false;
	ret_brief->msgid = load32(slot->frame + 3);
	ret_brief->op = (struct proactor_op){.opcode = form->opcode};
	if (form->opcode == PROACTOR_NOP)
		return true;
	body = slot->frame + METHOD_AT + form->head_size;
	/* file and size stand at the same place in all */
	ret_brief->op.read.file = load32(body + FILE_AT + 1);
	if (form->opcode == PROACTOR_CLOSE)
		return body[FILE_AT] == TAG_UINT32;
	fits = body[FILE_AT] == TAG_UINT32 && body[REGION_AT] == TAG_ARRAY_3 &&
		body[REGION_AT + 1] == TAG_UINT32 && body[REGION_AT + 6] == TAG_UINT64 &&
		body[REGION_AT + 15] == TAG_UINT32 &&
		body[LAST_AT] == (has_offset(form->opcode) ? TAG_INT64 : TAG_UINT32);
	ret_brief->region.memory = load32(body + REGION_AT + 2);
	ret_brief->region.offset = load64(body + REGION_AT + 7);
	ret_brief->op.read.size = load32(body + REGION_AT + 16);
	if (!has_offset(form->opcode)) {
		ret_brief->op.recv.flags = load32(body + LAST_AT + 1);
		return fits;
	}
	ret_brief->op.read.offset = (int64_t)load64(body + LAST_AT + 1);
	return fits && ret_brief->op.read.offset >= PROACTOR_CURRENT;
}

size_t brief_read_stream(const uint8_t *bytes, size_t size, struct brief *ret_brief)
{
	struct queue_slot slot = {0};
	const struct form *form;

	memcpy(slot.frame, bytes, MIN(size, sizeof(slot.frame)));
	form = find_form(slot.frame);
	if (!form || size < form->size)
		return 0;
	slot.size = form->size;
	return brief_read_request(&slot, ret_brief) ? form->size : 0;
}

_Static_assert(offsetof(struct proactor_op, close.file) == offsetof(struct proactor_op, read.file),
	"a file is a file");
_Static_assert(offsetof(struct proactor_op, recv.flags) == offsetof(struct proactor_op, send.flags),
	"receiving and sending are read alike");

bool brief_write_request(struct queue_slot *ret_slot, uint32_t msgid, const struct proactor_op *op,
	const struct codec_region *region)
{
	const struct form *form = form_of(op->opcode);
	uint64_t head;
	uint8_t *at;

	if (!form || brief_has_region(op->opcode) != (region != NULL) ||
		(region && region->is_pool) ||
		(op->opcode != PROACTOR_NOP && (uint64_t)op->read.file > UINT32_MAX))
		return false;
	if (region &&
		(op->read.size > UINT32_MAX || region->memory > UINT32_MAX ||
			(has_offset(op->opcode) && op->read.offset < PROACTOR_CURRENT)))
		return false;
	ret_slot->size = form->size;
	ret_slot->frame[0] = TAG_ARRAY_4;
	ret_slot->frame[1] = 0;
	(void)store32(ret_slot->frame + 2, TAG_UINT32, msgid);
	head = htobe64(form->head);
	memcpy(ret_slot->frame + METHOD_AT, &head, sizeof(head));
	if (op->opcode == PROACTOR_NOP)
		return true;
	at = store32(ret_slot->frame + METHOD_AT + form->head_size, TAG_UINT32,
		(uint32_t)op->read.file);
	if (!region)
		return true;
	*at++ = TAG_ARRAY_3;
	at = store32(at, TAG_UINT32, (uint32_t)region->memory);
	at = store64(at, TAG_UINT64, region->offset);
	at = store32(at, TAG_UINT32, (uint32_t)op->read.size);
	if (has_offset(op->opcode))
		(void)store64(at, TAG_INT64, (uint64_t)op->read.offset);
	else
		(void)store32(at, TAG_UINT32, op->recv.flags);
	return true;
}

/* ---- responses ---- */

enum { NIL_SIZE = 9, NUMBER_SIZE = 13 };

void brief_write_response(struct queue_slot *ret_slot, uint32_t msgid, bool is_nil, uint32_t result)
{
	uint8_t *frame = ret_slot->frame;

	frame[0] = TAG_ARRAY_4;
	frame[1] = 1;
	(void)store32(frame + 2, TAG_UINT32, msgid);
	frame[7] = frame[8] = TAG_NIL;
	ret_slot->size = NIL_SIZE;
	if (is_nil)
		return;
	(void)store32(frame + 8, TAG_UINT32, result);
	ret_slot->size = NUMBER_SIZE;
}

bool brief_read_response(const struct queue_slot *slot, uint32_t *ret_msgid, bool *ret_is_nil,
	uint32_t *ret_result)
{
	const uint8_t *frame = slot->frame;

	if (frame[0] != TAG_ARRAY_4 || frame[1] != 1 || frame[2] != TAG_UINT32 ||
		frame[7] != TAG_NIL)
		return false;
	*ret_msgid = load32(frame + 3);
	*ret_is_nil = slot->size == NIL_SIZE && frame[8] == TAG_NIL;
	if (*ret_is_nil) {
		*ret_result = 0;
		return true;
	}
	*ret_result = load32(frame + 9);
	return slot->size == NUMBER_SIZE && frame[8] == TAG_UINT32;
}

/* ---- shots ---- */

/* All before the msgid, which is the same in all. */
static const uint8_t shot_head[] = {TAG_ARRAY_3, 2, 0xaa, 'c', 'o', 'm', 'p', 'l', 'e', 't', 'i',
	'o', 'n', TAG_ARRAY_2, TAG_UINT32};

enum { SHOT_HEAD_SIZE = sizeof(shot_head), EVENTS_SIZE = 24, FILE_SIZE = 26, BUFFER_SIZE = 30 };

void brief_write_shot(struct queue_slot *ret_slot, const struct brief_shot *shot)
{
	static const uint8_t sizes[] = {[BRIEF_NUMBER] = EVENTS_SIZE,
		[BRIEF_FILE] = FILE_SIZE,
		[BRIEF_BUFFER] = BUFFER_SIZE};
	uint8_t *at = ret_slot->frame + SHOT_HEAD_SIZE;

	memcpy(ret_slot->frame, shot_head, SHOT_HEAD_SIZE);
	at = store32(at - 1, TAG_UINT32, shot->msgid);
	if (shot->kind != BRIEF_NUMBER)
		*at++ = TAG_ARRAY_2;
	at = store32(at, TAG_UINT32, shot->result);
	if (shot->kind == BRIEF_FILE)
		*at = TAG_NIL;
	else if (shot->kind == BRIEF_BUFFER)
		(void)store32(at, TAG_UINT32, shot->buffer);
	ret_slot->size = sizes[shot->kind];
}

bool brief_read_shot(const struct queue_slot *slot, struct brief_shot *ret_shot)
{
	const uint8_t *at = slot->frame + SHOT_HEAD_SIZE;
	bool is_array;

	if (memcmp(slot->frame, shot_head, SHOT_HEAD_SIZE) != 0)
		return false;
	ret_shot->msgid = load32(at);
	at += sizeof(uint32_t);
	is_array = *at == TAG_ARRAY_2;
	at += is_array;
	ret_shot->result = load32(at + 1);
	ret_shot->buffer = load32(at + 6);
	if (*at != TAG_UINT32)
		return false;
	switch (slot->size) {
	case EVENTS_SIZE: ret_shot->kind = BRIEF_NUMBER; return !is_array;
	case FILE_SIZE: ret_shot->kind = BRIEF_FILE; return is_array && at[5] == TAG_NIL;
	case BUFFER_SIZE:
		ret_shot->kind = BRIEF_BUFFER;
		return is_array && at[5] == TAG_UINT32 && ret_shot->result > 0;
	default: return false;
	}
}

/* ---- buffers that are given back ---- */

static const uint8_t release_head[] = {TAG_ARRAY_3, 2, 0xac, 'p', 'o', 'o', 'l', '_', 'r', 'e', 'l',
	'e', 'a', 's', 'e', TAG_ARRAY_2};

enum { RELEASE_HEAD_SIZE = sizeof(release_head), RELEASE_SIZE = RELEASE_HEAD_SIZE + 10 };

void brief_write_release(struct queue_slot *ret_slot, uint32_t pool, uint32_t buffer)
{
	uint8_t *at = ret_slot->frame + RELEASE_HEAD_SIZE;

	memcpy(ret_slot->frame, release_head, RELEASE_HEAD_SIZE);
	at = store32(at, TAG_UINT32, pool);
	(void)store32(at, TAG_UINT32, buffer);
	ret_slot->size = RELEASE_SIZE;
}

bool brief_read_release(const struct queue_slot *slot, uint32_t *ret_pool, uint32_t *ret_buffer)
{
	const uint8_t *at = slot->frame + RELEASE_HEAD_SIZE;

	*ret_pool = load32(at + 1);
	*ret_buffer = load32(at + 6);
	return slot->size == RELEASE_SIZE &&
		memcmp(slot->frame, release_head, RELEASE_HEAD_SIZE) == 0 && at[0] == TAG_UINT32 &&
		at[5] == TAG_UINT32;
}
