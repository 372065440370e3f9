/*
 * Promise: ASYNC_CANCEL of a multishot accept, receive or poll is answered with 0, and the
 * multishot makes one more completion, the last: without IORING_CQE_F_MORE, with ECANCELED where
 * nothing else came. Before, each event makes one with IORING_CQE_F_MORE (accept 5.19, receive 6.0,
 * poll 5.13).
 *
 * extra.c and uring.c lean on it: an operation ends with the entry without PROACTOR_MORE.
 */
#include <netinet/in.h>

#include "tests/kernel/buffers.h"

enum { ACCEPT, RECV, POLL, KINDS, CANCEL };

static int listening, sockets[2], event;
static struct sockaddr_in address;

static void arm(struct io_uring *ring, int kind)
{
	switch (kind) {
	case ACCEPT:
		io_uring_prep_multishot_accept(next_sqe(ring, ACCEPT), listening, NULL, NULL,
			SOCK_CLOEXEC);
		break;
	case RECV: prep_select(ring, RECV, sockets[0], IORING_RECV_MULTISHOT); break;
	default: io_uring_prep_poll_multishot(next_sqe(ring, POLL), event, POLLIN);
	}
}

static void happen(int kind)
{
	int fd;

	switch (kind) {
	case ACCEPT:
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		promise(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
		close(fd);
		break;
	case RECV: promise(write(sockets[1], "x", 1) == 1); break;
	default: promise(write(event, &(uint64_t){1}, sizeof(uint64_t)) == sizeof(uint64_t));
	}
}

static void drop(struct buffers *buffers, int kind, struct completion completion)
{
	if (kind == ACCEPT)
		close(completion.res);
	if (kind == RECV)
		buffers_give(buffers, buffer_of(completion));
}

static void ask(struct io_uring *ring, struct buffers *buffers, int kind)
{
	int answers = 0, ends = 0;

	arm(ring, kind);
	promise(!has_cqe(ring));
	for (int i = 0; i < 2 * BUFFER_COUNT; i++) {
		struct completion completion;

		happen(kind);
		completion = next_cqe(ring);
		promise(completion.user_data == (uint64_t)kind && completion.res >= 0);
		promise(completion.flags & IORING_CQE_F_MORE);
		drop(buffers, kind, completion);
		promise(!has_cqe(ring));
	}
	io_uring_prep_cancel64(next_sqe(ring, CANCEL), (uint64_t)kind, 0);
	for (int i = 0; i < 2; i++) {
		struct completion completion = next_cqe(ring);

		if (completion.user_data == CANCEL)
			promise(completion.res == 0 && ++answers == 1);
		else
			promise(completion.res == -ECANCELED && ++ends == 1 &&
				!(completion.flags & (IORING_CQE_F_MORE | IORING_CQE_F_BUFFER)));
	}
	happen(kind);
	promise(!has_cqe(ring));
}

/* What is left of the event after the end is taken by nobody: away with it. */
static void forget(int kind)
{
	char byte;
	int fd;

	if (kind == ACCEPT) {
		fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
		promise(fd >= 0);
		close(fd);
	}
	if (kind == RECV)
		promise(read(sockets[0], &byte, 1) == 1);
	if (kind == POLL)
		promise(read(event, &(uint64_t){0}, sizeof(uint64_t)) == sizeof(uint64_t));
}

int main(void)
{
	socklen_t size = sizeof(address);

	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	promise(listen(listening, 8) == 0);
	promise(getsockname(listening, (struct sockaddr *)&address, &size) == 0);
	make_pair(sockets);
	event = eventfd(0, EFD_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct buffers buffers;
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		buffers_init(&buffers, &ring);
		for (int kind = 0; kind < KINDS; kind++) {
			ask(&ring, &buffers, kind);
			forget(kind);
		}
		buffers_deinit(&buffers, &ring);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
