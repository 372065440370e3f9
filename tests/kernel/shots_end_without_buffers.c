/*
 * Promise: a multishot receive that finds no buffer ends: with ENOBUFS, without IORING_CQE_F_MORE,
 * without a buffer. What it did not take stays in the socket; asked again, once a buffer was given
 * back, it goes on with the next byte (6.0, io_uring_prep_recv_multishot(3)). The same receive with
 * a single shot says ENOBUFS likewise.
 *
 * extra.c leans on it: an operation that starves waits for a buffer, and nothing of the stream is
 * lost.
 */
#include "tests/kernel/buffers.h"

enum { TOTAL = 1000 };

static unsigned char byte_at(int offset)
{
	return (unsigned char)(offset * 7 + offset / 256);
}

/* Takes shots until the receive ends; says how far the stream is. */
static int take(struct io_uring *ring, struct buffers *buffers, int received, bool *ret_lent)
{
	for (;;) {
		struct completion completion = next_cqe(ring);
		unsigned index;

		if (completion.res == -ENOBUFS) {
			promise(!(completion.flags & (IORING_CQE_F_MORE | IORING_CQE_F_BUFFER)));
			return received;
		}
		promise(completion.res > 0);
		index = buffer_of(completion);
		promise(!ret_lent[index]);
		ret_lent[index] = true;
		for (int i = 0; i < completion.res; i++)
			promise((unsigned char)buffers->bytes[index][i] == byte_at(received + i));
		received += completion.res;
		if (!(completion.flags & IORING_CQE_F_MORE) || received == TOTAL)
			return received;
	}
}

static void ask(struct io_uring *ring, struct buffers *buffers, uint16_t flags)
{
	unsigned char content[TOTAL];
	bool lent[BUFFER_COUNT] = {0};
	int sockets[2], received = 0;

	make_pair(sockets);
	for (int i = 0; i < TOTAL; i++)
		content[i] = byte_at(i);
	promise(write(sockets[1], content, TOTAL) == TOTAL);
	while (received < TOTAL) {
		prep_select(ring, 1, sockets[0], flags);
		received = take(ring, buffers, received, lent);
		for (unsigned i = 0; i < BUFFER_COUNT; i++)
			if (lent[i])
				buffers_give(buffers, i);
		memset(lent, 0, sizeof(lent));
	}
	if (flags) {
		shutdown(sockets[1], SHUT_RDWR);
		while (next_cqe(ring).flags & IORING_CQE_F_MORE)
			;
	}
	promise(!has_cqe(ring));
	close_both(sockets);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct buffers buffers;
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		buffers_init(&buffers, &ring);
		ask(&ring, &buffers, 0);
		ask(&ring, &buffers, IORING_RECV_MULTISHOT);
		buffers_deinit(&buffers, &ring);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
