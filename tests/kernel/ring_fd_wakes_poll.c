/*
 * Promise: the descriptor of a ring without deferred task work polls readable when a completion is
 * there, also for the thread that owns the ring, and it wakes a poll(2) that is already under way.
 *
 * Whatever proactor_fd() hands out leans on it. With IORING_SETUP_DEFER_TASKRUN there is no such
 * promise: seen on 6.18, work that is deferred wakes nobody in poll(2) on the ring, and an eventfd
 * registered with the ring misses what comes from another eventfd, but for the first time.
 */
#include "tests/kernel/kernel.h"

static int event;

static void *write_late(void *argument)
{
	usleep(50000);
	promise(write(event, &(uint64_t){1}, sizeof(uint64_t)) == sizeof(uint64_t));
	return argument;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	int r;

	do
		r = poll(&pollfd, 1, timeout_ms);
	while (r < 0 && errno == EINTR);
	return r == 1;
}

static void ask(struct io_uring *ring)
{
	io_uring_prep_poll_multishot(next_sqe(ring, 0), event, POLLIN);
	promise(!has_cqe(ring));
	for (int round = 0; round < 5; round++) {
		pthread_t thread;

		promise(!readable(ring->ring_fd, 0));
		promise(pthread_create(&thread, NULL, write_late, NULL) == 0);
		/*
		 * without end: at its end poll(2) looks once more, and would not tell whether it
		 * was woken
		 */
		promise(readable(ring->ring_fd, -1));
		pthread_join(thread, NULL);
		promise(next_cqe(ring).res == POLLIN);
	}
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (modes[i] == MODE_DEFERRED || !ring_init(&ring, 8, modes[i]))
			continue;
		event = eventfd(0, EFD_CLOEXEC);
		ask(&ring);
		close(event);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
