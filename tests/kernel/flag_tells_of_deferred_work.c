/*
 * Promise: with IORING_SETUP_TASKRUN_FLAG the submission queue's flags say IORING_SQ_TASKRUN while
 * there are completions to be made by an enter, and not once that was done (io_uring_setup(2),
 * 5.19). So who does not want to wait needs no system call to learn that there is nothing.
 */
#include "tests/kernel/kernel.h"

enum { RECV, TIMEOUT };

static bool is_told(const struct io_uring *ring)
{
	return IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_TASKRUN;
}

static void expect(struct io_uring *ring, uint64_t user_data)
{
	struct io_uring_cqe *cqe;

	/* a timer's end, or a packet's, comes when it comes: alarm() bounds the wait */
	while (!is_told(ring) && io_uring_peek_cqe(ring, &cqe) < 0)
		continue;
	promise(next_cqe(ring).user_data == user_data);
	promise(!is_told(ring));
}

static void ask(struct io_uring *ring)
{
	struct __kernel_timespec soon = {.tv_nsec = NSEC_PER_MSEC};
	int sockets[2];
	char byte;

	make_pair(sockets);
	io_uring_prep_recv(next_sqe(ring, RECV), sockets[0], &byte, 1, 0);
	promise(io_uring_submit(ring) == 1);
	promise(!is_told(ring));
	promise(write(sockets[1], "x", 1) == 1);
	expect(ring, RECV);
	io_uring_prep_timeout(next_sqe(ring, TIMEOUT), &soon, 0, 0);
	promise(io_uring_submit(ring) == 1);
	expect(ring, TIMEOUT);
	close_both(sockets);
}

int main(void)
{
	static const unsigned flagged[] = {MODE_DEFERRED | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG};
	unsigned asked = 0;

	for (size_t i = 0; i < ARRAY_SIZE(flagged); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 4, flagged[i]))
			continue;
		ask(&ring);
		io_uring_queue_exit(&ring);
		asked++;
	}
	return asked > 0 ? EXIT_SUCCESS : EXIT_SKIPPED;
}
