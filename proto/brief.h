/*
 * Brief frames: the forms that frequent requests and their responses have in a slot of a ring, and
 * requests of our client on the socket, too.
 *
 * They are frames like any other, with each integer in one width, so that both sides know where
 * everything is: they are written and recognised in a few stores and comparisons. What does not
 * look like this, to the bit, takes the general way, with the same result.
 *
 *      request   94 00 ce msgid4 a4 "read"  93 ce file4 REGION d3 offset8
 *                94 00 ce msgid4 a5 "write" 93 ce file4 REGION d3 offset8
 *                94 00 ce msgid4 a4 "recv"  93 ce file4 REGION ce flags4        likewise "send"
 *                94 00 ce msgid4 a5 "close" 91 ce file4
 *                94 00 ce msgid4 a3 "nop"   90
 *      REGION    93 ce memory4 cf offset8 ce size4
 *      response  94 01 ce msgid4 c0 ce result4, or … c0 c0: nil
 *      shot      93 02 aa "completion" 92 ce msgid4 92 ce file4 c0            of an accept
 *                93 02 aa "completion" 92 ce msgid4 ce events4                of a poll
 *                93 02 aa "completion" 92 ce msgid4 92 ce size4 ce buffer4    of a recv from a pool
 *      release   93 02 ac "pool_release" 92 ce pool4 ce buffer4
 */
#pragma once

#include "driver/proactor.h"
#include "proto/codec.h"
#include "proto/queue.h"

struct brief {
	uint32_t msgid;
	struct codec_region region; /* where brief_has_region() */
	struct proactor_op op;      /* @data is NULL */
};

/* Whether the brief form of that operation, if it has one, has bytes in shared memory. */
static inline bool brief_has_region(uint32_t opcode)
{
	return opcode != PROACTOR_NOP && opcode != PROACTOR_CLOSE;
}

/*
 * Takes the request in @slot, a copy. False: it has another form; @ret_brief is spoilt.
 */
bool brief_read_request(const struct queue_slot *slot, struct brief *ret_brief);

/*
 * Takes the request that begins at @bytes in a stream, where all of it is among the @size bytes.
 * Returns the size of the frame; 0: it has another form, or is not all there.
 */
size_t brief_read_stream(const uint8_t *bytes, size_t size, struct brief *ret_brief);

/*
 * Writes the request for @op with its bytes in @region (NULL: it has none) to @ret_slot, size and
 * frame. False: it has no such form.
 */
bool brief_write_request(struct queue_slot *ret_slot, uint32_t msgid, const struct proactor_op *op,
	const struct codec_region *region);

/* Writes the response, size and frame: @result, or nil where @is_nil. */
void brief_write_response(struct queue_slot *ret_slot, uint32_t msgid, bool is_nil,
	uint32_t result);

/* Takes the response in @slot, a copy. @ret_result is 0 for nil. False: it has another form. */
bool brief_read_response(const struct queue_slot *slot, uint32_t *ret_msgid, bool *ret_is_nil,
	uint32_t *ret_result);

/* What a shot brought: a number, a file without an address, or bytes in a buffer of a pool. */
enum brief_kind { BRIEF_NUMBER, BRIEF_FILE, BRIEF_BUFFER };

struct brief_shot {
	enum brief_kind kind;
	uint32_t msgid;
	uint32_t result; /* the number, the file, or how many bytes */
	uint32_t buffer;
};

/* Writes the notification of a shot, size and frame. */
void brief_write_shot(struct queue_slot *ret_slot, const struct brief_shot *shot);

/* Takes the notification in @slot, a copy. False: it has another form; @ret_shot is spoilt. */
bool brief_read_shot(const struct queue_slot *slot, struct brief_shot *ret_shot);

/* Writes the notification that gives a buffer back to its pool, size and frame. */
void brief_write_release(struct queue_slot *ret_slot, uint32_t pool, uint32_t buffer);

/* Takes the notification in @slot, a copy. False: it has another form; what is set is spoilt. */
bool brief_read_release(const struct queue_slot *slot, uint32_t *ret_pool, uint32_t *ret_buffer);
