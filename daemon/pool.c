/* Pools. See pool.h. */
#include "daemon/pool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/ring.h"
#include "daemon/session.h"
#include "proto/queue.h"

enum {
	COUNT_MAX = 32768, /* as of proactor_buffers_new() */
	KERNEL_SIZE = 16,  /* of a place in the kernel's ring, which is of whole pages */
	/* on the driver's stack, and in a backlog of shots */
	CHARGE_PER_BUFFER = 8 + QUEUE_SLOT_SIZE,
	CHARGE_PER_POOL = sizeof(struct pool) + 256,
};

void pools_init(struct pools *pools)
{
	*pools = (struct pools){0};
	pools->all = LIST_INIT(pools->all);
}

/* Of shared memory, for want of which nobody is held back: who has too many can free some. */
static uint64_t charge_of(uint32_t count)
{
	return CHARGE_PER_POOL + shared_size((uint64_t)count * KERNEL_SIZE) +
		(uint64_t)count * CHARGE_PER_BUFFER;
}

static void destroy(struct pool *pool)
{
	struct session *session = pool->session;

	assert(pool->use_count == 0);
	list_remove(&pool->link);
	session->pools.count--;
	session->pools.buffer_count -= pool->count;
	if (session->ring)
		ring_follow_pools(session->ring);
	proactor_buffers_free(pool->buffers);
	memories_release(&session->memories, pool->memories);
	account_release(&session->account, session->user, RESOURCE_SHARED_MEMORY,
		charge_of(pool->count));
	session->shard->room_made = true;
	free(pool);
}

/* The bytes of all buffers. NULL: @error says why there are none. */
static uint8_t *place(const struct session *session, const struct memory *memory, uint64_t offset,
	uint64_t size, uint64_t count, struct rpc_error *error)
{
	uint64_t size_max = session->shard->limits.value[LIMIT_TRANSFER_SIZE], all;
	uint8_t *bytes = NULL;

	if (size == 0 || count == 0 || count > COUNT_MAX || (count & (count - 1)) != 0) {
		rpc_error_set(error, RPC_INVALID_PARAMS,
			"pool: a size from 1, and a power of two of buffers, at most %d",
			COUNT_MAX);
		return NULL;
	}
	if (size > size_max) {
		rpc_error_set_limit(error, EMSGSIZE, LIMIT_TRANSFER_SIZE, size_max, size);
		return NULL;
	}
	if (!__builtin_mul_overflow(size, count, &all))
		bytes = memory_piece(memory, offset, all);
	if (!bytes)
		rpc_error_set(error, EFAULT, "pool: %" PRIu64 " does not have all of that",
			memory->id);
	return bytes;
}

static bool charge(struct session *session, uint32_t count, struct rpc_error *error)
{
	struct shortage shortage;

	if (session->pools.count == POOLS_MAX) {
		rpc_error_set(error, EDQUOT, "pool: a session has at most %d", POOLS_MAX);
		return false;
	}
	if (account_charge(&session->account, session->user, &session->shard->limits,
		    RESOURCE_SHARED_MEMORY, charge_of(count), &shortage))
		return true;
	rpc_error_set_limit(error, EDQUOT, shortage.limit, shortage.max, shortage.wanted);
	return false;
}

static struct pool *make(struct session *session, uint8_t *bytes, size_t size, uint32_t count)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool ||
		proactor_buffers_new_in(session_loop(session)->proactor, bytes, count, size,
			&pool->buffers) < 0) {
		free(pool);
		return NULL;
	}
	pool->session = session;
	pool->bytes = bytes;
	pool->size = size;
	pool->count = count;
	return pool;
}

bool pools_add(struct session *session, struct memory *memory, uint64_t offset, uint64_t size,
	uint64_t count, struct pool **ret_pool, struct rpc_error *error)
{
	struct pools *pools = &session->pools;
	uint8_t *bytes = place(session, memory, offset, size, count, error);
	struct pool *pool;

	if (!bytes || !charge(session, (uint32_t)count, error))
		return false;
	pool = make(session, bytes, (size_t)size, (uint32_t)count);
	if (!pool) {
		account_release(&session->account, session->user, RESOURCE_SHARED_MEMORY,
			charge_of((uint32_t)count));
		rpc_error_set(error, ENOMEM, "pool");
		return false;
	}
	pool->memories = memory_set_of(memory);
	memories_hold(&session->memories, pool->memories);
	pool->id = ++pools->last_id;
	pools->count++;
	pools->buffer_count += count;
	list_append(&pools->all, &pool->link);
	*ret_pool = pool;
	return true;
}

struct pool *pools_find(struct pools *pools, uint64_t id)
{
	struct pool *pool;

	if (likely(pools->recent && pools->recent->id == id))
		return pools->recent;
	list_for_each_entry (pool, &pools->all, link)
		if (pool->id == id && !pool->leaving)
			return pools->recent = pool;
	return NULL;
}

void pool_leave(struct pool *pool)
{
	pool->leaving = true;
	if (pool->session->pools.recent == pool)
		pool->session->pools.recent = NULL;
	if (pool->use_count == 0)
		destroy(pool);
}

bool pool_release(struct pool *pool, uint64_t buffer)
{
	return buffer < pool->count &&
		proactor_buffer_release(pool->buffers, pool->bytes + buffer * pool->size) == 0;
}

void pool_hold(struct pool *pool)
{
	if (pool)
		pool->use_count++;
}

void pool_unhold(struct pool *pool)
{
	if (!pool)
		return;
	assert(pool->use_count > 0);
	if (--pool->use_count == 0 && pool->leaving)
		destroy(pool);
}

void pools_deinit(struct session *session)
{
	struct pool *pool, *next;

	list_for_each_entry_safe (pool, next, &session->pools.all, link)
		pool_leave(pool);
	assert(session->pools.count == 0);
}
