/* The remote driver's ring. See remote_ring.h. */
#include "client/remote_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/call.h"
#include "client/remote.h"
#include "proto/brief.h"

#define RING_TIMEOUT_NS (10 * NSEC_PER_SEC)

/* ---- beginning and end ---- */

int remote_check_shared(int fd, size_t size)
{
	struct stat stat;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &stat) < 0 || stat.st_size < 0 ||
		(uint64_t)stat.st_size < size)
		return -EPROTO;
	return 0;
}

static int map(struct remote_ring *ring, int fd, uint32_t entries)
{
	size_t size = queue_memory_size(entries);
	void *memory;
	int r = remote_check_shared(fd, size);

	if (r < 0)
		return r;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	ring->memory = memory;
	ring->size = size;
	ring->requests = queue_of(memory, entries, /* is_responses= */ false);
	ring->responses = queue_of(memory, entries, /* is_responses= */ true);
	return 0;
}

static int take_fds(struct connection *connection, struct remote_ring *ring, int *ret_memory_fd)
{
	int r = connection_take_fd(connection, ret_memory_fd);

	if (r >= 0)
		r = connection_take_fd(connection, &ring->doorbell_fd);
	if (r >= 0)
		r = connection_take_fd(connection, &ring->wake_fd);
	return r;
}

static bool entries_valid(uint64_t entries)
{
	return entries >= QUEUE_ENTRIES_MIN && entries <= QUEUE_ENTRIES_MAX &&
		(entries & (entries - 1)) == 0;
}

static int ask(struct remote *remote, uint32_t capacity, struct rpc_message *ret_response,
	struct rpc_error *ret_error)
{
	_cleanup_(buffer_deinit) struct buffer params = {0};
	struct pack pack = pack_into(&params);
	uint64_t entries = QUEUE_ENTRIES_MIN;

	while (entries < MIN(capacity, (uint32_t)QUEUE_ENTRIES_MAX))
		entries *= 2;
	if (capacity > 0)
		pack_uint(&pack, entries);
	if (pack.failed)
		return -ENOMEM;
	return call_run(&remote->connection, "ring", &params, capacity > 0,
		clock_now_ns() + RING_TIMEOUT_NS, ret_response, ret_error);
}

int remote_ring_open(struct remote *remote, uint32_t capacity)
{
	struct remote_ring *ring = &remote->ring;
	_cleanup_(fd_closep) int memory_fd = -EBADF;
	struct rpc_message response;
	struct rpc_error error;
	uint64_t entries;
	int r = ask(remote, capacity, &response, &error);

	if (r < 0)
		return r;
	if (error.code != 0)
		return 0; /* not for us, over a quota: the socket will do */
	ring->doorbell_fd = ring->wake_fd = -EBADF;
	r = take_fds(&remote->connection, ring, &memory_fd);
	if (r >= 0 &&
		(!remote_find_key(&response.result, "entries") ||
			reader_uint(&response.result, QUEUE_ENTRIES_MAX, &entries) < 0 ||
			!entries_valid(entries)))
		r = -EPROTO;
	if (r >= 0)
		r = map(ring, memory_fd, (uint32_t)entries);
	if (r < 0) {
		fd_close(ring->doorbell_fd);
		fd_close(ring->wake_fd);
	}
	return r;
}

void remote_ring_close(struct remote_ring *ring)
{
	if (!remote_ring_is_open(ring))
		return;
	(void)munmap(ring->memory, ring->size);
	fd_close(ring->doorbell_fd);
	fd_close(ring->wake_fd);
	buffer_deinit(&ring->backlog);
	*ring = (struct remote_ring){0};
}

/* ---- requests ---- */

int remote_ring_put(struct remote_ring *ring, const struct queue_slot *request)
{
	if (likely(buffer_size(&ring->backlog) == 0 && queue_has_room(&ring->requests))) {
		queue_put(&ring->requests, request);
		return 0;
	}
	return buffer_append(&ring->backlog, request, sizeof(*request));
}

static void put_backlog(struct remote_ring *ring)
{
	struct queue_slot slot;

	while (buffer_size(&ring->backlog) > 0 && queue_has_room(&ring->requests)) {
		/* a buffer is not aligned as a slot is */
		memcpy(&slot, buffer_bytes(&ring->backlog), sizeof(slot));
		queue_put(&ring->requests, &slot);
		buffer_consume(&ring->backlog, sizeof(slot));
	}
}

void remote_ring_flush(struct remote_ring *ring)
{
	bool wakes;

	put_backlog(ring);
	if (buffer_size(&ring->backlog) > 0) {
		queue_await_room(&ring->requests);
		put_backlog(ring);
	}
	ring->flushed = ring->requests.position;
	wakes = queue_must_wake(&ring->requests);
	/* both are asked: each answer is given once */
	wakes = queue_was_full(&ring->responses) || wakes;
	if (wakes)
		(void)!write(ring->doorbell_fd, &(uint64_t){1}, sizeof(uint64_t));
}

/* What carries more than a slot holds is not packed first to find that out. */
static bool may_fit(const struct proactor_op *op, const struct codec_region *regions)
{
	for (const struct op_param *param = op_table[op->opcode].params; param->name; param++) {
		if (param->kind == OP_KIND_PATH)
			return false;
		/* memory and its size stand at the same place in all */
		if (param->kind == OP_KIND_DATA && !regions &&
			op->write.size > QUEUE_FRAME_SIZE_MAX)
			return false;
		/* pieces as well; each takes a byte, one that is named four */
		if ((param->kind == OP_KIND_SPACES || param->kind == OP_KIND_PIECES) &&
			op->readv.count > QUEUE_FRAME_SIZE_MAX / (regions ? 4 : 1))
			return false;
	}
	return true;
}

/* Packs the request, of whatever form, to @ret_slot. False: it does not fit, or memory is short. */
static bool pack_slot(struct remote *remote, const struct proactor_op *op, uint32_t msgid,
	const struct codec_region *regions, struct queue_slot *ret_slot)
{
	struct pack pack = pack_into(&remote->scratch);
	size_t size;

	if (!may_fit(op, regions))
		return false;
	buffer_clear(&remote->scratch);
	codec_pack_request_in(&pack, msgid, op, regions);
	size = buffer_size(&remote->scratch);
	if (pack.failed || size > QUEUE_FRAME_SIZE_MAX)
		return false;
	ret_slot->size = (uint8_t)size;
	memcpy(ret_slot->frame, buffer_bytes(&remote->scratch), size);
	return true;
}

bool remote_ring_send(struct remote *remote, const struct proactor_op *op, struct slot *slot,
	const struct codec_region *regions)
{
	uint32_t msgid = slot_index(slot) | REMOTE_RING_MSGID;
	struct queue_slot request = {0};

	if (!remote_ring_is_open(&remote->ring))
		return false;
	if (!brief_write_request(&request, msgid, op, regions) &&
		!pack_slot(remote, op, msgid, regions, &request))
		return false;
	if (remote_ring_put(&remote->ring, &request) < 0)
		return false;
	slot->marks |= SLOT_BY_RING;
	remote->ring.in_flight++;
	return true;
}

int remote_ring_cancel(struct remote *remote, uint32_t msgid, uint32_t slot_index)
{
	struct pack pack = pack_into(&remote->scratch);
	struct queue_slot request = {0};

	buffer_clear(&remote->scratch);
	rpc_pack_request(&pack, msgid, "cancel", 1);
	pack_uint(&pack, slot_index | REMOTE_RING_MSGID);
	if (pack.failed)
		return -ENOMEM;
	request.size = (uint8_t)buffer_size(&remote->scratch);
	memcpy(request.frame, buffer_bytes(&remote->scratch), request.size);
	return remote_ring_put(&remote->ring, &request);
}

/* ---- waiting ---- */

bool remote_ring_begin_sleep(struct remote_ring *ring)
{
	if (!queue_begin_sleep(&ring->responses)) {
		queue_end_sleep(&ring->responses);
		return false;
	}
	/* what the daemon waits for it hears of now at the latest */
	remote_ring_flush(ring);
	return ring->sleeps = true;
}

void remote_ring_end_sleep(struct remote_ring *ring)
{
	uint64_t count;

	ring->sleeps = false;
	queue_end_sleep(&ring->responses);
	(void)!read(ring->wake_fd, &count, sizeof(count));
}
