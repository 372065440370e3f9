/*
 * Promise: a multishot poll reports what is ready when it is armed, then each edge: further data is
 * reported though nobody took the first. One that is armed on something ready reports once, not in
 * a circle (5.13, io_uring_prep_poll_multishot(3)).
 *
 * proactor.h says so of PROACTOR_POLL, and an emulation of it must do the same.
 */
#include "tests/kernel/kernel.h"

static void expect(struct io_uring *ring, int events)
{
	struct completion completion = ready_cqe(ring);

	promise(completion.user_data == 1 && (completion.res & events) == events);
	promise(completion.flags & IORING_CQE_F_MORE);
	promise(!has_cqe(ring));
}

static void ask(struct io_uring *ring)
{
	int sockets[2];
	char bytes[8];

	make_pair(sockets);
	promise(write(sockets[1], "x", 1) == 1);
	io_uring_prep_poll_multishot(next_sqe(ring, 1), sockets[0], POLLIN);
	expect(ring, POLLIN);
	promise(write(sockets[1], "y", 1) == 1);
	expect(ring, POLLIN);
	promise(read(sockets[0], bytes, sizeof(bytes)) == 2);
	promise(!has_cqe(ring));
	promise(write(sockets[1], "z", 1) == 1);
	expect(ring, POLLIN);
	close(sockets[1]);
	promise(ready_cqe(ring).res & POLLIN);
	close(sockets[0]);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		ask(&ring);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
