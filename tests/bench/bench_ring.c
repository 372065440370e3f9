/*
 * The ring of a yardstick, as one would set it up who knows his kernel: one issuer, deferred task
 * work, no indirection array, a registered ring; and the options with which our driver makes one
 * with queues of the same sizes.
 *
 * By hand: io_uring_queue_init_params() of liburing 2.3 writes an indirection array where there is
 * none.
 */
#include <liburing.h>
#include <unistd.h>

#include "tests/bench/bench_proactor.h"

enum { SETUP_NO_SQARRAY = 1 << 16, COMPLETIONS_PER_SUBMISSION = 4 };

const struct proactor_options bench_ring_options = {
	.size = sizeof(bench_ring_options),
	.driver = PROACTOR_DRIVER_IO_URING,
	.capacity = BENCH_RING_ENTRIES,
	.completion_capacity = COMPLETIONS_PER_SUBMISSION * BENCH_RING_ENTRIES,
};

int bench_ring_init(struct io_uring *ring)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			IORING_SETUP_SUBMIT_ALL | SETUP_NO_SQARRAY | IORING_SETUP_CQSIZE,
		.cq_entries = COMPLETIONS_PER_SUBMISSION * BENCH_RING_ENTRIES,
	};
	int fd = io_uring_setup(BENCH_RING_ENTRIES, &params), r;

	if (fd < 0)
		return fd;
	r = io_uring_queue_mmap(fd, &params, ring);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	ring->features = params.features;
	r = io_uring_register_ring_fd(ring);
	return r < 0 ? r : 0;
}
