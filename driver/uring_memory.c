/*
 * Registered memory and rings of buffers.
 *
 * A table of registered buffers is made, empty, when the first memory is; a read or write whose
 * bytes lie within one of them names it. Where the kernel will not have it (RLIMIT_MEMLOCK, a size
 * over its limit, before 5.19) the memory is memory like any other.
 *
 * Buffers that receives choose from are a ring which the kernel takes from (5.19). Before that, or
 * where the kernel will not have that (RLIMIT_MEMLOCK), it is readiness that is waited for.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "driver/buffers.h"
#include "driver/extra.h"
#include "driver/syscall.h"
#include "driver/uring.h"

/* ---- registered memory ---- */

static bool make_table(struct uring *uring)
{
	if (uring->region_count > 0 || uring->regions_refused)
		return !uring->regions_refused;
	uring->regions_refused =
		io_uring_register_buffers_sparse(&uring->ring, URING_REGIONS_MAX) < 0;
	return !uring->regions_refused;
}

static uint32_t free_place(const struct uring *uring)
{
	uint32_t i = 0;

	while (i < URING_REGIONS_MAX && uring->regions[i].start)
		i++;
	return i;
}

static int update(struct uring *uring, uint32_t index, void *memory, size_t size)
{
	struct iovec piece = {memory, size};
	__u64 tag = 0;

	return io_uring_register_buffers_update_tag(&uring->ring, index, &piece, &tag, 1);
}

void uring_memory_add(struct proactor *proactor, void *memory, size_t size)
{
	struct uring *uring = uring_of(proactor);
	uint32_t index = free_place(uring);

	if (index == URING_REGIONS_MAX || !make_table(uring) ||
		update(uring, index, memory, size) != 1)
		return;
	uring->regions[index] = (struct uring_region){memory, size};
	uring->region_count = MAX(uring->region_count, index + 1);
	uring->op_special[PROACTOR_READ] |= URING_REGIONS;
	uring->op_special[PROACTOR_WRITE] |= URING_REGIONS;
}

void uring_memory_remove(struct proactor *proactor, void *memory)
{
	struct uring *uring = uring_of(proactor);

	for (uint32_t i = 0; i < uring->region_count; i++) {
		if (uring->regions[i].start != memory)
			continue;
		(void)update(uring, i, NULL, 0);
		uring->regions[i] = (struct uring_region){0};
	}
}

static void regions_again(struct uring *uring)
{
	struct uring_region regions[URING_REGIONS_MAX];
	uint32_t count = uring->region_count;

	memcpy(regions, uring->regions, sizeof(regions));
	memset(uring->regions, 0, sizeof(uring->regions));
	uring->region_count = 0;
	for (uint32_t i = 0; i < count; i++)
		if (regions[i].start)
			uring_memory_add(&uring->base, regions[i].start, regions[i].size);
}

int uring_region_of(const struct uring *uring, const void *data, size_t size)
{
	for (uint32_t i = 0; i < uring->region_count; i++) {
		const struct uring_region *region = &uring->regions[i];
		size_t offset = (size_t)((const uint8_t *)data - region->start);

		if (region->start && (const uint8_t *)data >= region->start &&
			offset <= region->size && size <= region->size - offset)
			return (int)i;
	}
	return -1;
}

/* ---- rings of buffers ---- */

static size_t ring_size(const struct proactor_buffers *buffers)
{
	return buffers->count * sizeof(struct io_uring_buf);
}

/* Makes the ring at buffers->engine known to the kernel, with none in it. */
static int register_ring(struct uring *uring, struct proactor_buffers *buffers)
{
	struct io_uring_buf_reg request = {
		.ring_addr = (uintptr_t)buffers->engine,
		.ring_entries = buffers->count,
		.bgid = (uint16_t)buffers->group,
	};
	int r = io_uring_register_buf_ring(&uring->ring, &request, 0);

	if (r == 0)
		io_uring_buf_ring_init(buffers->engine);
	return r;
}

/* Who frees and makes them for ever comes round again. */
static int take_group(struct uring *uring, uint32_t *ret_group)
{
	for (unsigned words = 0; words <= ARRAY_SIZE(uring->groups); words++) {
		uint16_t next = (uint16_t)(uring->last_group + 1);
		uint64_t *word = &uring->groups[next / 64];
		uint64_t free = ~*word & ~UINT64_C(0) << next % 64;

		if (free == 0) {
			uring->last_group = next | 63;
			continue;
		}
		uring->last_group = (uint16_t)(next / 64 * 64 + __builtin_ctzll(free));
		*word |= free & -free;
		*ret_group = uring->last_group;
		return 0;
	}
	return -EOPNOTSUPP;
}

static void give_group(struct uring *uring, uint32_t group)
{
	uring->groups[group / 64] &= ~(UINT64_C(1) << group % 64);
}

int uring_buffers_new(struct proactor *proactor, struct proactor_buffers *buffers)
{
	struct uring *uring = uring_of(proactor);

	buffers->engine = mmap(NULL, ring_size(buffers), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buffers->engine == MAP_FAILED)
		return -ENOMEM;
	if (take_group(uring, &buffers->group) < 0) {
		(void)munmap(buffers->engine, ring_size(buffers));
		return -EOPNOTSUPP;
	}
	if (register_ring(uring, buffers) < 0) {
		give_group(uring, buffers->group);
		(void)munmap(buffers->engine, ring_size(buffers));
		return -EOPNOTSUPP;
	}
	for (uint32_t i = buffers->count; i-- > 0;)
		if (!buffers->lent[i])
			uring_buffers_give(proactor, buffers, i);
	return 0;
}

void uring_buffers_free(struct proactor *proactor, struct proactor_buffers *buffers)
{
	struct uring *uring = uring_of(proactor);

	(void)io_uring_unregister_buf_ring(&uring->ring, (int)buffers->group);
	give_group(uring, buffers->group);
	(void)munmap(buffers->engine, ring_size(buffers));
}

void uring_buffers_give(struct proactor *proactor, struct proactor_buffers *buffers, uint32_t index)
{
	(void)proactor;
	io_uring_buf_ring_add(buffers->engine, buffers_at(buffers, index), (unsigned)buffers->size,
		(unsigned short)index, io_uring_buf_ring_mask(buffers->count), 0);
	io_uring_buf_ring_advance(buffers->engine, 1);
}

static void rings_again(struct uring *uring)
{
	struct proactor_buffers *buffers;

	memset(uring->groups, 0, sizeof(uring->groups));
	list_for_each_entry (buffers, &uring->base.buffers, link) {
		if (!buffers->in_engine)
			continue;
		(void)munmap(buffers->engine, ring_size(buffers));
		buffers->in_engine = uring_buffers_new(&uring->base, buffers) == 0;
		if (!buffers->in_engine)
			buffers_stack(buffers);
	}
}

void uring_memory_again(struct uring *uring)
{
	regions_again(uring);
	rings_again(uring);
}

/* ---- receives with such a buffer ---- */

/*
 * Here a buffer is taken when there is something to receive, and that is then a system call of our
 * own. Who does not want to wait, does not.
 */
static void prep_wait(struct io_uring_sqe *sqe, const struct proactor_op *op, struct slot *slot)
{
	slot->stash_kind = STASH_BUFFER;
	if (op->recv.flags & MSG_DONTWAIT)
		io_uring_prep_nop(sqe);
	else
		io_uring_prep_poll_add(sqe, syscall_fd(op->recv.file),
			op->recv.flags & MSG_OOB ? POLLPRI : POLLIN);
}

/*
 * Whether the kernel can forget to end a multishot receive when the other end hangs up: Linux 6.18
 * does so now and then for a Unix socket, where the receive was armed again at that moment.
 */
static bool may_miss_end(int fd)
{
	int domain = AF_UNIX;
	socklen_t size = sizeof(domain);

	(void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
	return domain == AF_UNIX;
}

void uring_prep_select(struct uring *uring, struct io_uring_sqe *sqe, const struct proactor_op *op,
	struct slot *slot)
{
	int fd = syscall_fd(op->recv.file);

	if (!op->recv.buffers->in_engine) {
		prep_wait(sqe, op, slot);
		return;
	}
	io_uring_prep_recv(sqe, fd, NULL, 0, (int)op->recv.flags);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = (uint16_t)op->recv.buffers->group;
	if (op->flags & PROACTOR_MULTISHOT && uring->multishot_recv && !may_miss_end(fd))
		sqe->ioprio |= IORING_RECV_MULTISHOT;
}

int64_t uring_select(struct slot *slot, int32_t res, uint32_t *ret_flags)
{
	int64_t r;

	*ret_flags = 0;
	slot->stash_kind = STASH_NONE;
	if (res < 0)
		return res;
	r = buffers_receive(&slot->extra->op, ret_flags);
	/* somebody else was faster: as where there is no buffer, it begins again */
	if (r == SYSCALL_BLOCKS || (r == -EAGAIN && !syscall_never_waits(&slot->extra->op)))
		return -ENOBUFS;
	return r;
}
