/*
 * Promise: where the ring's features have bit 17 (IORING_FEAT_NO_IOWAIT, 6.15), an enter takes
 * IORING_ENTER_NO_IOWAIT; where they have not, the flag is EINVAL. It waits as without it.
 *
 * uring_setup.c and uring_queue.c lean on it: a proactor that is idle does not count as waiting for
 * a disk.
 */
#include "tests/kernel/kernel.h"

enum { FEATURE_NO_IOWAIT = 1 << 17, ENTER_NO_IOWAIT = 1 << 7 };

static int wait_for(struct io_uring *ring, long ns, unsigned flags)
{
	struct __kernel_timespec time = {.tv_nsec = ns};
	struct io_uring_getevents_arg argument = {.sigmask_sz = _NSIG / 8, .ts = (uintptr_t)&time};

	return io_uring_enter2((unsigned)ring->ring_fd, 0, 1,
		IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG | flags, (sigset_t *)&argument,
		sizeof(argument));
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;
		uint64_t begin = clock_now_ns();

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		if (ring.features & FEATURE_NO_IOWAIT) {
			promise(wait_for(&ring, 10000000, ENTER_NO_IOWAIT) == -ETIME);
			promise(clock_now_ns() - begin >= 10 * NSEC_PER_MSEC);
		} else {
			promise(wait_for(&ring, 10000000, ENTER_NO_IOWAIT) == -EINVAL);
		}
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
