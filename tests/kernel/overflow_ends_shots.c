/*
 * Promise: when the completion queue overflows a multishot may end: its completion then lacks
 * IORING_CQE_F_MORE, is kept as any other, and what it had not yet taken is still there for the
 * next that is armed. No connection, no byte and no wake-up is lost over it.
 *
 * extra.c and uring.c lean on it: who ends without having been asked to is armed again.
 */
#include <netinet/in.h>

#include "tests/kernel/buffers.h"

enum { ACCEPT, RECV, POLL, NOP, FLOOD = 40, EVENTS = 3 };

static int listening, sockets[2], event;
static struct sockaddr_in address;

static void arm(struct io_uring *ring, int kind)
{
	if (kind == ACCEPT)
		io_uring_prep_multishot_accept(next_sqe(ring, ACCEPT), listening, NULL, NULL,
			SOCK_CLOEXEC);
	if (kind == RECV)
		prep_select(ring, RECV, sockets[0], IORING_RECV_MULTISHOT);
	if (kind == POLL)
		io_uring_prep_poll_multishot(next_sqe(ring, POLL), event, POLLIN);
	promise(io_uring_submit(ring) >= 0);
}

/* More completions than the queue holds, and nobody takes one. */
static void flood(struct io_uring *ring)
{
	for (int i = 0; i < FLOOD; i++) {
		io_uring_prep_nop(next_sqe(ring, NOP));
		promise(io_uring_submit(ring) >= 0);
	}
}

static void happen(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	promise(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	close(fd);
	promise(write(sockets[1], "x", 1) == 1);
	promise(write(event, &(uint64_t){1}, sizeof(uint64_t)) == sizeof(uint64_t));
}

struct seen {
	int nops, accepted, received, rings;
};

static void take(struct io_uring *ring, struct buffers *buffers, struct seen *seen)
{
	struct completion completion = next_cqe(ring);

	if (completion.user_data == NOP) {
		seen->nops++;
		return;
	}
	promise(completion.res >= 0);
	if (completion.user_data == ACCEPT) {
		close(completion.res);
		seen->accepted++;
	} else if (completion.user_data == RECV) {
		buffers_give(buffers, buffer_of(completion));
		seen->received += completion.res;
	} else {
		seen->rings++;
	}
	if (!(completion.flags & IORING_CQE_F_MORE))
		arm(ring, (int)completion.user_data);
}

/* All that is due, as it comes: a connection is made by the network, a moment after connect(). */
static void expect(struct io_uring *ring, struct buffers *buffers, int nops, int events)
{
	struct seen seen = {0};

	while (seen.nops < nops || seen.accepted < events || seen.received < events ||
		seen.rings == 0)
		take(ring, buffers, &seen);
	while (has_cqe(ring))
		take(ring, buffers, &seen);
	promise(seen.nops == nops && seen.accepted == events && seen.received == events);
}

static void ask(struct io_uring *ring, struct buffers *buffers)
{
	for (int kind = ACCEPT; kind <= POLL; kind++)
		arm(ring, kind);
	promise(!has_cqe(ring));
	for (int round = 0; round < 5; round++) {
		flood(ring);
		for (int i = 0; i < EVENTS; i++)
			happen();
		expect(ring, buffers, FLOOD, EVENTS);
		/* all three are armed */
		happen();
		expect(ring, buffers, 0, 1);
	}
}

/*
 * Of each ring its own: a ring that has ended is taken apart later, and until then it is woken for
 * a connection in place of the next one (accepts wait exclusively).
 */
static void make_listener(void)
{
	socklen_t size = sizeof(address);

	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	promise(listen(listening, 8) == 0);
	promise(getsockname(listening, (struct sockaddr *)&address, &size) == 0);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct buffers buffers;
		struct io_uring ring;

		if (!ring_init(&ring, 4, modes[i]))
			continue;
		make_listener();
		make_pair(sockets);
		event = eventfd(0, EFD_CLOEXEC);
		buffers_init(&buffers, &ring);
		ask(&ring, &buffers);
		io_uring_queue_exit(&ring);
		munmap(buffers.ring, BUFFER_COUNT * sizeof(struct io_uring_buf));
		close_both(sockets);
		close(event);
		close(listening);
	}
	return EXIT_SUCCESS;
}
