/*
 * Buffers that receives choose from, over the daemon: a pool of its, in memory that both see.
 *
 *      free, with the daemon ──shot or response──▶ taken ──proactor_buffer_release()──▶ free
 *
 * One request then receives a whole stream: each shot says which buffer, and how much is in it.
 * Where the daemon does not share so much, buffers are taken here (remote_select.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "client/remote.h"
#include "driver/buffers.h"
#include "proto/brief.h"

struct remote_pool {
	uint64_t id;     /* the daemon's name for it */
	bool has_memory; /* its memory was shared for it alone */
	bool taken[];    /* by index: the daemon has no business with it */
};

static struct remote_pool *pool_of(const struct slot *slot)
{
	return slot->select.buffers->engine;
}

bool remote_pools(const struct slot *slot)
{
	return slot->opcode == PROACTOR_RECV &&
		(slot->stash_kind == REMOTE_STASH_POOL || remote_shoots(slot));
}

/* ---- making and freeing ---- */

static size_t memory_size(const struct proactor_buffers *buffers)
{
	return buffers->count * buffers->size;
}

/* Where the buffers are; shared for them, if they were not. False: they cannot be. */
static bool share(struct remote *remote, struct proactor_buffers *buffers, bool *ret_is_new,
	struct codec_region *ret_region)
{
	size_t size = memory_size(buffers);

	*ret_is_new = false;
	if (remote_find_memory(remote, buffers->memory, size, ret_region))
		return true;
	if (!buffers->is_memory_ours)
		return false;
	remote_memory_add(&remote->base, buffers->memory, size);
	return *ret_is_new = remote_find_memory(remote, buffers->memory, size, ret_region);
}

/*
 * The buffers' memory is private again. Where that fails they stay in what was shared, which serves
 * as well: the daemon has forgotten it.
 */
static void unshare(struct remote *remote, struct proactor_buffers *buffers)
{
	remote_memory_remove(&remote->base, buffers->memory);
	(void)mmap(buffers->memory, memory_size(buffers), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

int remote_buffers_new(struct proactor *proactor, struct proactor_buffers *buffers)
{
	struct remote *remote = container_of(proactor, struct remote, base);
	struct remote_pool *pool;
	struct codec_region region;
	bool is_new;
	int64_t id;

	if (!remote->has_pools || !share(remote, buffers, &is_new, &region))
		return -EOPNOTSUPP;
	pool = calloc(1, sizeof(*pool) + buffers->count * sizeof(pool->taken[0]));
	id = !pool ? -ENOMEM
		   : remote_request(remote, "pool",
			     (const uint64_t[]){
				     region.memory, region.offset, buffers->size, buffers->count},
			     4);
	/* a release has 32 bits for it */
	if (id > UINT32_MAX) {
		remote_tell(remote, "pool_free", (uint64_t)id);
		id = -EOPNOTSUPP;
	}
	if (id < 0) {
		free(pool);
		if (is_new)
			unshare(remote, buffers);
		return (int)id;
	}
	pool->id = (uint64_t)id;
	pool->has_memory = is_new;
	buffers->engine = pool;
	return 0;
}

void remote_buffers_free(struct proactor *proactor, struct proactor_buffers *buffers)
{
	struct remote *remote = container_of(proactor, struct remote, base);
	struct remote_pool *pool = buffers->engine;

	remote_tell(remote, "pool_free", pool->id);
	if (pool->has_memory)
		remote_memory_remove(proactor, buffers->memory);
	free(pool);
}

/* ---- taken and given back ---- */

static int send_release(struct remote *remote, uint64_t id, uint32_t index)
{
	struct buffer *out = &remote->connection.out;
	struct queue_slot notification = {0};

	brief_write_release(&notification, (uint32_t)id, index);
	return remote_ring_is_open(&remote->ring)
		? remote_ring_put(&remote->ring, &notification)
		: buffer_append(out, notification.frame, notification.size);
}

void remote_buffers_give(struct proactor *proactor, struct proactor_buffers *buffers,
	uint32_t index)
{
	struct remote *remote = container_of(proactor, struct remote, base);
	struct remote_pool *pool = buffers->engine;

	pool->taken[index] = false;
	/* one that the daemon never hears of would be lost to it for ever */
	if (remote->connection.error == 0 && send_release(remote, pool->id, index) < 0)
		remote_lose(remote);
}

int remote_pool_take(struct slot *slot, int64_t size, int32_t index, uint32_t *ret_flags)
{
	const struct proactor_buffers *buffers = slot->select.buffers;

	*ret_flags = 0;
	if (index < 0)
		return 0;
	if ((uint32_t)index >= buffers->count || size < 1 || size > (int64_t)buffers->size ||
		pool_of(slot)->taken[index])
		return -EBADMSG;
	pool_of(slot)->taken[index] = true;
	*ret_flags = PROACTOR_BUFFER | (uint32_t)index << 16;
	return 0;
}

/* ---- receives ---- */

struct codec_region remote_pool_region(const struct slot *slot)
{
	return (struct codec_region){.memory = pool_of(slot)->id, .is_pool = true};
}

int remote_pool_push(struct remote *remote, const struct proactor_op *op, struct slot *slot)
{
	slot->stash_kind = op->flags & PROACTOR_MULTISHOT ? REMOTE_STASH_SHOOTS : REMOTE_STASH_POOL;
	slot->select.buffers = op->recv.buffers;
	return remote_send(remote, op, slot, -1);
}
