/*
 * Operations on the wire, both ways, for both sides, by the rows of driver/op.tbl.
 *
 *      client                                  daemon
 *      codec_pack_request()  ── request ──▶    codec_read_params()
 *      codec_read_result()   ◀── response ──   codec_pack_result()
 *
 * The parameters of an operation are its row's, in order, without those that have no place on the
 * wire. So an operation that gets a row has its wire form, its description and its place in the
 * command line.
 */
#pragma once

#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "driver/op.h"
#include "proto/rpc.h"

enum { CODEC_PATHS_MAX = 2 };

/*
 * A part of shared memory in place of bytes, `[memory, offset, size]` on the wire: of a SPACE, DATA
 * or MESSAGE_SPACE, or of a piece of the others. The size is that of the parameter, or the piece.
 * Or a pool, `[pool]`, in place of a SPACE: which of its buffers is found when data comes.
 */
struct codec_region {
	uint64_t memory; /* its id, or the pool's; 0: none, it is bytes */
	uint64_t offset; /* in bytes */
	bool is_pool;
};

/* What follows the bytes of a result at most: the largest address, and a number. */
enum { CODEC_TRAILER_MAX = 192 };

/* Where decoded parameters rest that the operation points to. */
struct codec_scratch {
	char paths[CODEC_PATHS_MAX][PATH_MAX];
	unsigned path_count;
	struct proactor_address address;
	struct msghdr message;
	struct iovec pieces[IOV_MAX];
	/* how many regions are named; 0: @regions says nothing. Else it has one for each piece. */
	unsigned region_count;
	struct codec_region regions[IOV_MAX];
};

/* What a success brought besides the number; where NULL, it is read over. */
struct codec_result {
	int64_t result;
	void *data; /* room for @size bytes, */
	size_t size;
	bool is_in_memory; /* a region was named: the result says how many bytes are there */
	bool is_in_pool;   /* a pool was: it says which buffer, too */
	int32_t buffer;    /* that; -1: none, and no bytes */
	const struct iovec *pieces;       /* or not NULL: pieces of so much, in place of @data */
	struct proactor_address *address; /* size 0 where there was none */
	uint32_t message_flags;
	struct statx *stat;
};

/*
 * What a parameter is called on the wire, and what it wants ("file", "size", …): for describe and
 * for messages.
 */
const char *codec_param_name(const struct op_param *param);
const char *codec_param_type(const struct op_param *param);
const char *codec_result_type(enum op_result result);

/* How many parameters @info has on the wire, and how many must be there. */
void codec_param_counts(const struct op_info *info, uint32_t *ret_count, uint32_t *ret_required);

/*
 * Reads @count parameters of @info's operation into @op, whose opcode is set. What it points to is
 * in @scratch or in the frame; SPACE and its like get their sizes only, and what is not on the wire
 * is the caller's. False: @error says which and what it wants.
 */
bool codec_read_params(const struct op_info *info, struct reader params, uint32_t count,
	struct proactor_op *op, struct codec_scratch *scratch, struct rpc_error *error);

/* Packs the whole request for @op. Trailing parameters that have their default are left out. */
void codec_pack_request(struct pack *pack, uint32_t msgid, const struct proactor_op *op);

/*
 * As above, with @regions (or NULL) in place of its bytes: one, or of what comes in pieces one for
 * each, where those without a memory stay bytes.
 */
void codec_pack_request_in(struct pack *pack, uint32_t msgid, const struct proactor_op *op,
	const struct codec_region *regions);

/*
 * Packs the result of a success. Where that has bytes, only up to the bin's header: the bytes are
 * to follow, then codec_pack_trailer().
 */
void codec_pack_result(struct pack *pack, const struct proactor_op *op, int64_t result);

/*
 * Packs the result of a success whose bytes are in shared memory: how many they are, instead.
 */
void codec_pack_result_in_memory(struct pack *pack, const struct proactor_op *op, int64_t result);

/* As above, where they are in the buffer of a pool with that index; -1: in none. */
void codec_pack_result_in_pool(struct pack *pack, int64_t result, int32_t buffer);

/* Whether the result of a success has bytes of the caller's buffer in it. */
bool codec_result_has_bytes(enum op_result result);

/* Packs what follows the bytes; for many results nothing. */
void codec_pack_trailer(struct pack *pack, const struct proactor_op *op);

/*
 * Reads the result of a success. @result has the room; its number is written. -EBADMSG: not what
 * the operation gives.
 */
int codec_read_result(uint32_t opcode, struct reader reader, struct codec_result *result);
