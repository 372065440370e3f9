/*
 * Promise: the completion of a receive that chose a buffer says which one: IORING_CQE_F_BUFFER,
 * and its index in the upper 16 bits of the flags (5.7, rings of buffers 5.19, io_uring_enter(2)).
 * One that received nothing (the end, a cancellation, an error) has taken none. A buffer that was
 * given back is used again; one that was not, never.
 *
 * buffers.c and uring.c lean on it: they count what is lent by these flags alone.
 */
#include "tests/kernel/buffers.h"

static void expect(struct io_uring *ring, struct buffers *buffers, int fd, const char *text)
{
	struct completion completion;
	unsigned index;

	promise(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	completion = next_cqe(ring);
	promise(completion.res == (int)strlen(text));
	promise(!(completion.flags & IORING_CQE_F_MORE));
	index = buffer_of(completion);
	promise(memcmp(buffers->bytes[index], text, strlen(text)) == 0);
	memset(buffers->bytes[index], 0, BUFFER_SIZE);
	buffers_give(buffers, index);
}

static void expect_none(struct io_uring *ring, int res)
{
	struct completion completion = next_cqe(ring);

	if (completion.user_data == 9)
		completion = next_cqe(ring);
	promise(completion.res == res);
	promise(!(completion.flags & IORING_CQE_F_BUFFER));
}

static void ask(struct io_uring *ring, struct buffers *buffers)
{
	int sockets[2];

	make_pair(sockets);
	for (int round = 0; round < 3 * BUFFER_COUNT; round++) {
		prep_select(ring, 1, sockets[0], 0);
		promise(!has_cqe(ring));
		expect(ring, buffers, sockets[1], round % 2 ? "odd" : "even");
	}
	/* as many as there are buffers may be lost to nothing: then the last would find none */
	for (int round = 0; round < 2 * BUFFER_COUNT; round++) {
		prep_select(ring, 1, sockets[0], 0);
		promise(!has_cqe(ring));
		io_uring_prep_cancel64(next_sqe(ring, 9), 1, 0);
		expect_none(ring, -ECANCELED);
		while (has_cqe(ring))
			promise(next_cqe(ring).user_data == 9);
	}
	close(sockets[1]);
	for (int round = 0; round < 2 * BUFFER_COUNT; round++) {
		prep_select(ring, 1, sockets[0], 0);
		expect_none(ring, 0);
	}
	for (int round = 0; round < 2 * BUFFER_COUNT; round++) {
		prep_select(ring, 1, -1, 0);
		expect_none(ring, -EBADF);
	}
	close(sockets[0]);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct buffers buffers;
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		buffers_init(&buffers, &ring);
		ask(&ring, &buffers);
		buffers_deinit(&buffers, &ring);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
