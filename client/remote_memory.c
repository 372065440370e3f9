/*
 * Registered memory of the remote driver: memory that the daemon makes and shares, mapped where the
 * program was given its own. What operations do within it is named, not carried.
 *
 * Where the daemon does not share, or not as much, it stays what it was, and its bytes are carried
 * as any others are.
 */
#include <errno.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "client/remote.h"

int64_t remote_request(struct remote *remote, const char *method, const uint64_t *numbers,
	unsigned count)
{
	uint32_t msgid = remote_control_msgid(remote);
	struct pack pack = pack_into(&remote->connection.out);
	int r;

	if (remote->connection.error < 0)
		return -ECONNRESET;
	rpc_pack_request(&pack, msgid, method, count);
	for (unsigned i = 0; i < count; i++)
		pack_uint(&pack, numbers[i]);
	r = remote_finish_request(remote, &pack);
	/* a number, as the result of opening is */
	return r < 0 ? r : remote_await(remote, msgid, PROACTOR_OPEN);
}

void remote_tell(struct remote *remote, const char *method, uint64_t number)
{
	struct pack pack = pack_into(&remote->connection.out);

	if (remote->connection.error < 0)
		return;
	rpc_pack_request(&pack, remote_control_msgid(remote), method, 1);
	pack_uint(&pack, number);
	(void)remote_finish_request(remote, &pack);
}

void remote_memory_add(struct proactor *proactor, void *memory, size_t size)
{
	struct remote *remote = container_of(proactor, struct remote, base);
	_cleanup_(fd_closep) int fd = -EBADF;
	int64_t id;

	if (!remote->has_memory || remote->region_count == REMOTE_REGIONS_MAX)
		return;
	id = remote_request(remote, "memory", &(const uint64_t){size}, 1);
	if (id < 0 || connection_take_fd(&remote->connection, &fd) < 0)
		return;
	if (remote_check_shared(fd, size) < 0 ||
		mmap(memory, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
			fd, 0) == MAP_FAILED) {
		remote_tell(remote, "memory_free", (uint64_t)id);
		return;
	}
	remote->regions[remote->region_count++] =
		(struct remote_region){.start = memory, .size = size, .id = (uint64_t)id};
}

void remote_memory_remove(struct proactor *proactor, void *memory)
{
	struct remote *remote = container_of(proactor, struct remote, base);

	for (unsigned i = 0; i < remote->region_count; i++) {
		struct remote_region *region = &remote->regions[i];

		if (region->start != memory)
			continue;
		remote_tell(remote, "memory_free", region->id);
		*region = remote->regions[--remote->region_count];
		return;
	}
}

bool remote_find_memory(const struct remote *remote, const uint8_t *data, size_t size,
	struct codec_region *ret_region)
{
	for (unsigned i = 0; i < remote->region_count; i++) {
		const struct remote_region *region = &remote->regions[i];
		size_t offset = (size_t)(data - region->start);

		if (data < region->start || offset > region->size || size > region->size - offset)
			continue;
		*ret_region = (struct codec_region){.memory = region->id, .offset = offset};
		return true;
	}
	return false;
}

/* Operations whose bytes may be named: memory and its size stand at the same place in all. */
static const uint64_t may_name = UINT64_C(1) << PROACTOR_READ | UINT64_C(1) << PROACTOR_WRITE |
	UINT64_C(1) << PROACTOR_RECV | UINT64_C(1) << PROACTOR_SEND |
	UINT64_C(1) << PROACTOR_RECVFROM | UINT64_C(1) << PROACTOR_SENDTO;

bool remote_region_of(const struct remote *remote, const struct proactor_op *op,
	struct codec_region *ret_region)
{
	return may_name >> op->opcode & 1 &&
		remote_find_memory(remote, op->read.data, op->read.size, ret_region);
}

bool remote_name_pieces(struct remote *remote, size_t count)
{
	if (remote->region_count == 0 || count == 0 || count > remote->named_count_max)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct iovec *piece = &remote->pieces[i];

		/* nothing is in any memory */
		remote->named[i] = (struct codec_region){.memory = remote->regions[0].id};
		if (piece->iov_len > 0 &&
			!remote_find_memory(remote, piece->iov_base, piece->iov_len,
				&remote->named[i]))
			return false;
	}
	return true;
}
