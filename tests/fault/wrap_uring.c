/*
 * io_uring, with faults and as older kernels have it. See fault.h.
 *
 * What happens to a single submission is done to it in the queue, just before it is submitted: a
 * transfer is cut in half, a cancellation is sent after an operation that never was. The answer to
 * that is ENOENT, and becomes EALREADY in the completion queue where that is wanted, before anybody
 * has seen it.
 */
#include <liburing.h>
#include <stdlib.h>

#include "tests/fault/wrap.h"

enum { RINGS_MAX = 4, LIES_MAX = 256 };
#define NOBODY UINT64_C(0x3fffffff00000000)

/* The rings that are mapped, the newest last: that is the one in use. */
static struct mapped {
	struct io_uring ring;
	unsigned looked_at; /* submissions before this one were */
} mapped[RINGS_MAX];
static size_t mapped_count;

/* user_data of cancellations whose answer is to become EALREADY. */
static uint64_t lies[LIES_MAX];
static size_t lie_count;

static struct fault_kernel kernel;
static unsigned wait_flags;

unsigned fault_wait_flags(void)
{
	return wait_flags;
}

void fault_kernel(const struct fault_kernel *wanted)
{
	kernel = wanted ? *wanted : (struct fault_kernel){0};
}

bool fault_kernel_has_rwf(int flags)
{
	return !(kernel.lacks_nosignal && flags & RWF_NOSIGNAL);
}

/* ---- making a ring ---- */

WRAP(int, io_uring_setup, (unsigned entries, struct io_uring_params *params))
{
	int error = fault_of(FAULT_SETUP), r;

	if (error != 0)
		return -error;
	if (params->flags & kernel.setup_flags)
		return -EINVAL;
	r = __real_io_uring_setup(entries, params);
	params->features &= ~kernel.features;
	return r;
}

WRAP(int, io_uring_queue_mmap, (int fd, struct io_uring_params *params, struct io_uring *ring))
{
	int error = fault_of(FAULT_MAP_QUEUES), r;

	if (error != 0)
		return -error;
	r = __real_io_uring_queue_mmap(fd, params, ring);
	assert(mapped_count < RINGS_MAX);
	if (r == 0)
		mapped[mapped_count++] = (struct mapped){.ring = *ring};
	return r;
}

WRAP(void, io_uring_queue_exit, (struct io_uring * ring))
{
	size_t kept = 0;

	for (size_t i = 0; i < mapped_count; i++)
		if (mapped[i].ring.ring_fd != ring->ring_fd)
			mapped[kept++] = mapped[i];
	assert(kept + 1 == mapped_count);
	mapped_count = kept;
	lie_count = 0;
	__real_io_uring_queue_exit(ring);
}

WRAP(int, io_uring_register_probe,
	(struct io_uring * ring, struct io_uring_probe *probe, unsigned count))
{
	int error = fault_of(FAULT_PROBE);
	int r = error ? -error : __real_io_uring_register_probe(ring, probe, count);

	if (r == 0 && kernel.op_last > 0)
		probe->last_op = (uint8_t)MIN((unsigned)probe->last_op, kernel.op_last);
	return r;
}

/* ---- registering ---- */

WRAP(int, io_uring_register_ring_fd, (struct io_uring * ring))
{
	int error = fault_of(FAULT_REGISTER_RING);

	return error ? -error : __real_io_uring_register_ring_fd(ring);
}

WRAP(int, io_uring_register_eventfd, (struct io_uring * ring, int fd))
{
	int error = fault_of(FAULT_REGISTER_EVENTFD);

	return error ? -error : __real_io_uring_register_eventfd(ring, fd);
}

WRAP(int, io_uring_register_files_sparse, (struct io_uring * ring, unsigned count))
{
	int error = fault_of(FAULT_REGISTER_TABLE);

	return error ? -error : __real_io_uring_register_files_sparse(ring, count);
}

WRAP(int, io_uring_register_files_update,
	(struct io_uring * ring, unsigned place, const int *fds, unsigned count))
{
	int error = fault_of(fds[0] < 0 ? FAULT_EMPTY_TABLE : FAULT_UPDATE_TABLE);

	return error ? -error : __real_io_uring_register_files_update(ring, place, fds, count);
}

WRAP(int, io_uring_unregister_files, (struct io_uring * ring))
{
	int error = fault_of(FAULT_EMPTY_TABLE);

	return error ? -error : __real_io_uring_unregister_files(ring);
}

/* What empties a place takes no memory here. */

WRAP(int, io_uring_register_buffers_update_tag,
	(struct io_uring * ring, unsigned place, const struct iovec *pieces, const __u64 *tags,
		unsigned count))
{
	int error = !pieces[0].iov_base ? 0 : fault_of(FAULT_UPDATE_TABLE);

	return error
		? -error
		: __real_io_uring_register_buffers_update_tag(ring, place, pieces, tags, count);
}

WRAP(int, io_uring_register_buffers_sparse, (struct io_uring * ring, unsigned count))
{
	int error = fault_of(FAULT_REGISTER_TABLE);

	return error ? -error : __real_io_uring_register_buffers_sparse(ring, count);
}

WRAP(int, io_uring_register_buf_ring,
	(struct io_uring * ring, struct io_uring_buf_reg *request, unsigned flags))
{
	int error = kernel.lacks_buffer_rings ? EINVAL : fault_of(FAULT_REGISTER_TABLE);

	return error ? -error : __real_io_uring_register_buf_ring(ring, request, flags);
}

/* ---- submissions ---- */

static void spoil_cancel(struct io_uring_sqe *sqe)
{
	int error = fault_of(FAULT_TAKE_CANCEL);

	if (error == 0)
		return;
	sqe->addr = NOBODY;
	if (error == EALREADY && lie_count < LIES_MAX)
		lies[lie_count++] = sqe->user_data;
}

static void spoil(struct io_uring_sqe *sqe)
{
	assert((sqe->opcode != IORING_OP_WRITE && sqe->opcode != IORING_OP_WRITEV) ||
		fault_kernel_has_rwf(sqe->rw_flags));
	switch (sqe->opcode) {
	case IORING_OP_ASYNC_CANCEL: spoil_cancel(sqe); break;
	case IORING_OP_READ:
	case IORING_OP_WRITE:
	case IORING_OP_READ_FIXED:
	case IORING_OP_WRITE_FIXED:
	case IORING_OP_SEND:
	case IORING_OP_RECV:
		if (sqe->len > 1 && fault_of(FAULT_TAKE_TRANSFER) == FAULT_SHORT)
			sqe->len /= 2;
		break;
	default: break;
	}
}

/* Each once, though it may take the kernel several enters to take it. */
static void spoil_submissions(struct mapped *ring, unsigned to_submit)
{
	const struct io_uring_sq *queue = &ring->ring.sq;
	unsigned head = io_uring_smp_load_acquire(queue->khead), end = head + to_submit;

	if ((int)(ring->looked_at - head) < 0)
		ring->looked_at = head;
	for (; (int)(end - ring->looked_at) > 0; ring->looked_at++)
		spoil(&queue->sqes[ring->looked_at & queue->ring_mask]);
}

static void lie(const struct mapped *ring)
{
	const struct io_uring_cq *queue = &ring->ring.cq;
	unsigned end = io_uring_smp_load_acquire(queue->ktail);

	for (unsigned i = *queue->khead; lie_count > 0 && i != end; i++) {
		struct io_uring_cqe *cqe = &queue->cqes[i & queue->ring_mask];

		for (size_t k = 0; k < lie_count; k++)
			if (cqe->user_data == lies[k] && cqe->res == -ENOENT) {
				cqe->res = -EALREADY;
				lies[k] = lies[--lie_count];
				break;
			}
	}
}

WRAP(int, io_uring_enter2,
	(unsigned fd, unsigned to_submit, unsigned wanted, unsigned flags, sigset_t *argument,
		size_t size))
{
	struct mapped *ring = mapped_count > 0 ? &mapped[mapped_count - 1] : NULL;
	int error = fault_of(FAULT_ENTER), r;

	if (wanted > 0)
		wait_flags = flags;
	if (error != 0 && error != FAULT_SHORT)
		return -error;
	/* a thread of the kernel may be faster than we are */
	if (ring && !(ring->ring.flags & IORING_SETUP_SQPOLL))
		spoil_submissions(ring, to_submit);
	if (error == FAULT_SHORT && to_submit > 1)
		/* who could not submit all does not wait */
		return __real_io_uring_enter2(fd, to_submit / 2, 0,
			flags & ~(IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG), NULL, _NSIG / 8);
	r = __real_io_uring_enter2(fd, to_submit, wanted, flags, argument, size);
	if (ring)
		lie(ring);
	return r;
}
