/*
 * Promise: the memory of a transfer is the kernel's until the completion, and no longer: what a
 * read that was cancelled would have got goes to the next one, and not a byte into the old memory;
 * whether it was waiting in poll, or handed to a worker thread (IOSQE_ASYNC).
 *
 * proactor.h leans on it: from pop on the buffer is the caller's.
 */
#include "tests/kernel/kernel.h"

static const char poison[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void ask(struct io_uring *ring, const int fds[2], unsigned flags, bool is_submitted)
{
	char old[8], bytes[8] = {0};

	memcpy(old, poison, sizeof(old));
	io_uring_prep_read(next_sqe(ring, 1), fds[0], old, sizeof(old), (uint64_t)-1);
	io_uring_sqe_set_flags(&ring->sq.sqes[(ring->sq.sqe_tail - 1) & *ring->sq.kring_mask],
		flags);
	if (is_submitted)
		promise(!has_cqe(ring));
	io_uring_prep_cancel64(next_sqe(ring, 9), 1, 0);
	for (int i = 0; i < 2; i++) {
		struct completion completion = next_cqe(ring);

		promise(completion.user_data == 9 || completion.res < 0);
	}
	memcpy(old, poison, sizeof(old));
	promise(write(fds[1], "abc", 3) == 3);
	promise(!has_cqe(ring));
	promise(read(fds[0], bytes, sizeof(bytes)) == 3);
	promise(memcmp(old, poison, sizeof(old)) == 0 && memcmp(bytes, "abc", 3) == 0);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;
		int pipes[2], sockets[2];

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		make_pipe(pipes);
		make_pair(sockets);
		for (int k = 0; k < 8; k++)
			ask(&ring, k & 1 ? sockets : pipes, k & 2 ? IOSQE_ASYNC : 0, k & 4);
		io_uring_queue_exit(&ring);
		close_both(pipes);
		close_both(sockets);
	}
	return EXIT_SUCCESS;
}
