/*
 * Promise: once a submission has been taken, the path, the address and the time in it may go; what
 * is transferred may not (IORING_FEAT_SUBMIT_STABLE, 5.5, io_uring_setup(2)).
 *
 * uring_prep.c leans on it, for times in the slot and for copies that go with pop.
 */
#include "tests/kernel/kernel.h"

#include <netinet/in.h>

static void ask_path(struct io_uring *ring)
{
	char path[32] = "/proc/self/status";
	int fd;

	/* O_CREAT sends it to a worker thread, which would read the path late */
	io_uring_prep_openat(next_sqe(ring, 0), AT_FDCWD, path, O_RDONLY | O_CREAT, 0600);
	promise(io_uring_submit(ring) == 1);
	memset(path, 'x', sizeof(path));
	fd = next_cqe(ring).res;
	promise(fd >= 0);
	close(fd);
}

static void ask_address(struct io_uring *ring)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	promise(bind(listening, (struct sockaddr *)&address, size) == 0 &&
		listen(listening, 1) == 0);
	promise(getsockname(listening, (struct sockaddr *)&address, &size) == 0);
	io_uring_prep_connect(next_sqe(ring, 0), client, (struct sockaddr *)&address, size);
	io_uring_sqe_set_flags(&ring->sq.sqes[(ring->sq.sqe_tail - 1) & *ring->sq.kring_mask],
		IOSQE_ASYNC);
	promise(io_uring_submit(ring) == 1);
	memset(&address, 0xee, sizeof(address));
	promise(next_cqe(ring).res == 0);
	close(client);
	close(listening);
}

static void ask_time(struct io_uring *ring)
{
	struct __kernel_timespec time = {.tv_nsec = 1000000};

	io_uring_prep_timeout(next_sqe(ring, 0), &time, 0, 0);
	promise(io_uring_submit(ring) == 1);
	time.tv_sec = 1000000;
	promise(next_cqe(ring).res == -ETIME);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		promise(ring.features & IORING_FEAT_SUBMIT_STABLE);
		ask_path(&ring);
		ask_address(&ring);
		ask_time(&ring);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
