/*
 * Pools of a session: shared memory cut into buffers, which its receives take from when data comes.
 *
 *      free ──taken by a receive──▶ with the client, by a shot or response ──release──▶ free
 *
 * A receive that finds none waits for one (driver/buffers.h). So what the client has not read of
 * shots is bounded by the buffers that there are, which were charged: shots from a pool are never
 * held back.
 *
 * Operations in flight hold on to their pool, and that to its memory.
 */
#pragma once

#include "base/list.h"
#include "driver/proactor.h"
#include "proto/rpc.h"

struct memory;
struct session;

enum { POOLS_MAX = 64 }; /* of a session */

struct pool {
	struct list link; /* of pools.all, as long as it exists */
	struct session *session;
	uint64_t id;
	uint64_t memories; /* the set with the one that it is in */
	struct proactor_buffers *buffers;
	uint8_t *bytes;
	size_t size; /* of a buffer */
	uint32_t count;
	uint32_t use_count; /* operations in flight that name it */
	bool leaving;       /* it has no name any more */
};

struct pools {
	struct list all;
	uint64_t last_id;
	uint32_t count;
	uint64_t buffer_count; /* of all together */
	struct pool *recent;   /* found last; most programs have but one */
};

void pools_init(struct pools *pools);

/*
 * Makes one of @count buffers of @size bytes at @offset of @memory. False: @error says what is
 * wrong, or what limit is reached.
 */
bool pools_add(struct session *session, struct memory *memory, uint64_t offset, uint64_t size,
	uint64_t count, struct pool **ret_pool, struct rpc_error *error);

/* NULL: no such pool (any more). */
struct pool *pools_find(struct pools *pools, uint64_t id);

/* Takes its name away; frees it when nobody uses it. */
void pool_leave(struct pool *pool);

/* Gives a buffer back. False: it was not taken. */
bool pool_release(struct pool *pool, uint64_t buffer);

/* An operation names it from now on; not any more. NULL: nothing. */
void pool_hold(struct pool *pool);
void pool_unhold(struct pool *pool);

/* All of them, of a session with nothing in flight. */
void pools_deinit(struct session *session);
