/*
 * Promise: a receive that a worker thread was handed (IOSQE_ASYNC), cancelled and answered with
 * EALREADY, ends: by itself, or when it is cancelled once more.
 *
 * It is not so that EALREADY were enough: the worker is signalled, but one that is about to hand
 * its operation to poll does so all the same, and that waits on as if nothing had been (seen on
 * 6.18: few are answered so, and most of these wait on). uring.c leans on the repetition.
 */
#include "tests/kernel/kernel.h"

enum { OPERATION = 1, CANCEL, MILLISECONDS = 300, TRIES = 20 };

static int sockets[2];

/* Waits up to 10 ms. */
static bool next_soon(struct io_uring *ring, struct completion *ret_completion)
{
	struct __kernel_timespec time = {.tv_nsec = 10000000};
	struct io_uring_cqe *cqe;
	int r;

	promise(io_uring_submit(ring) >= 0);
	r = io_uring_wait_cqe_timeout(ring, &cqe, &time);
	if (r == -ETIME)
		return false;
	promise(r == 0);
	*ret_completion = (struct completion){cqe->user_data, cqe->res, cqe->flags};
	io_uring_cqe_seen(ring, cqe);
	return true;
}

static void ask(struct io_uring *ring, unsigned spins)
{
	int answers_due = 0, tries = 0;
	struct io_uring_sqe *sqe;
	bool has_ended = false;
	char byte;

	sqe = next_sqe(ring, OPERATION);
	io_uring_prep_recv(sqe, sockets[0], &byte, 1, 0);
	sqe->flags |= IOSQE_ASYNC;
	promise(io_uring_submit(ring) == 1);
	for (volatile unsigned i = 0; i < spins; i++)
		continue;
	while (!has_ended || answers_due > 0) {
		struct completion completion;

		if (!has_ended && answers_due == 0) {
			promise(tries++ < TRIES);
			io_uring_prep_cancel64(next_sqe(ring, CANCEL), OPERATION, 0);
			answers_due++;
		}
		if (!next_soon(ring, &completion))
			continue;
		if (completion.user_data == OPERATION) {
			promise(completion.res < 0);
			has_ended = true;
		} else {
			promise(completion.res == 0 || completion.res == -EALREADY ||
				completion.res == -ENOENT);
			answers_due--;
			/* the time that it is given to end by itself */
			if (!has_ended && next_soon(ring, &completion)) {
				promise(completion.user_data == OPERATION);
				has_ended = true;
			}
		}
	}
}

int main(void)
{
	uint64_t end_ns;
	unsigned round = 0;

	make_pair(sockets);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		end_ns = clock_now_ns() + MILLISECONDS / ARRAY_SIZE(modes) * NSEC_PER_MSEC;
		while (clock_now_ns() < end_ns)
			ask(&ring, round++ * 37 % 6000);
		io_uring_queue_exit(&ring);
	}
	close_both(sockets);
	return EXIT_SUCCESS;
}
