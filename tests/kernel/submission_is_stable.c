/*
 * Promise: once a submission has been taken, the path, the address, the time, the array of pieces
 * and the message header in it may go; what is transferred may not (IORING_FEAT_SUBMIT_STABLE, 5.5,
 * io_uring_setup(2)). So when it had to wait, and when a worker thread has it.
 *
 * uring_prep.c and uring_keep.c lean on it, for times in the slot and for copies.
 */
#include "tests/kernel/kernel.h"

#include <netinet/in.h>
#include <sys/stat.h>

enum { PIECES = 20 };

/* The submission prepared last is for a worker thread, which would read late. */
static void for_worker(struct io_uring *ring)
{
	ring->sq.sqes[(ring->sq.sqe_tail - 1) & *ring->sq.kring_mask].flags |= IOSQE_ASYNC;
}

/* Has it taken, and spoils what it pointed to. */
static void submit_and_spoil(struct io_uring *ring, void *memory, size_t size)
{
	promise(io_uring_submit(ring) == 1);
	memset(memory, 0xee, size);
}

static void ask_path(struct io_uring *ring)
{
	char path[32] = "/proc/self/status";
	int fd;

	/* O_CREAT sends it to a worker thread */
	io_uring_prep_openat(next_sqe(ring, 0), AT_FDCWD, path, O_RDONLY | O_CREAT, 0600);
	submit_and_spoil(ring, path, sizeof(path));
	fd = next_cqe(ring).res;
	promise(fd >= 0);
	close(fd);
}

static void ask_two_paths(struct io_uring *ring)
{
	char dir[] = "/tmp/proactor-kernel-XXXXXX", paths[2][64];
	struct stat stat;
	int fd;

	promise(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	promise(mkdirat(fd, "old", 0700) == 0);
	snprintf(paths[0], sizeof(paths[0]), "old");
	snprintf(paths[1], sizeof(paths[1]), "new");
	io_uring_prep_renameat(next_sqe(ring, 0), fd, paths[0], fd, paths[1], 0);
	submit_and_spoil(ring, paths, sizeof(paths));
	promise(next_cqe(ring).res == 0);
	promise(fstatat(fd, "new", &stat, 0) == 0);
	promise(unlinkat(fd, "new", AT_REMOVEDIR) == 0 && rmdir(dir) == 0);
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
	for_worker(ring);
	submit_and_spoil(ring, &address, sizeof(address));
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

/* More pieces than the kernel has room for beside the request. */
static void cut(struct iovec pieces[PIECES], char bytes[PIECES])
{
	for (int i = 0; i < PIECES; i++)
		pieces[i] = (struct iovec){bytes + i, 1};
}

static void ask_pieces(struct io_uring *ring, bool worker)
{
	static const char content[PIECES] = "nineteen characters";
	char bytes[PIECES] = {0}, written[PIECES] = {0};
	struct iovec pieces[PIECES];
	int fds[2];

	make_pipe(fds);
	cut(pieces, bytes);
	io_uring_prep_readv(next_sqe(ring, 0), fds[0], pieces, PIECES, (uint64_t)-1);
	if (worker)
		for_worker(ring);
	submit_and_spoil(ring, pieces, sizeof(pieces));
	promise(!has_cqe(ring));
	promise(write(fds[1], content, PIECES) == PIECES);
	promise(next_cqe(ring).res == PIECES && memcmp(bytes, content, PIECES) == 0);

	cut(pieces, bytes);
	io_uring_prep_writev(next_sqe(ring, 0), fds[1], pieces, PIECES, (uint64_t)-1);
	if (worker)
		for_worker(ring);
	submit_and_spoil(ring, pieces, sizeof(pieces));
	promise(next_cqe(ring).res == PIECES);
	promise(read(fds[0], written, PIECES) == PIECES && memcmp(written, content, PIECES) == 0);
	close_both(fds);
}

/*
 * What the kernel has to say about a message that was received it writes into the header at the
 * end: the header may change, and it has to stay.
 */
static void ask_message(struct io_uring *ring, bool worker)
{
	char bytes[8] = {0};
	struct iovec piece = {bytes, sizeof(bytes)};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	int fds[2];

	promise(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) == 0);
	io_uring_prep_recvmsg(next_sqe(ring, 0), fds[0], &message, 0);
	if (worker)
		for_worker(ring);
	submit_and_spoil(ring, &piece, sizeof(piece));
	memset(&message, 0xee, sizeof(message));
	promise(!has_cqe(ring));
	promise(send(fds[1], "more than fits", 14, 0) == 14);
	promise(next_cqe(ring).res == 8 && memcmp(bytes, "more tha", 8) == 0);
	promise(message.msg_flags == MSG_TRUNC);

	piece = (struct iovec){bytes, sizeof(bytes)};
	message = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1};
	io_uring_prep_sendmsg(next_sqe(ring, 0), fds[1], &message, 0);
	if (worker)
		for_worker(ring);
	promise(io_uring_submit(ring) == 1);
	memset(&message, 0xee, sizeof(message));
	memset(&piece, 0xee, sizeof(piece));
	promise(next_cqe(ring).res == 8);
	promise(recv(fds[0], bytes, 8, 0) == 8 && memcmp(bytes, "more tha", 8) == 0);
	close_both(fds);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		promise(ring.features & IORING_FEAT_SUBMIT_STABLE);
		ask_path(&ring);
		ask_two_paths(&ring);
		ask_address(&ring);
		ask_time(&ring);
		for (int worker = 0; worker < 2; worker++) {
			ask_pieces(&ring, worker);
			ask_message(&ring, worker);
		}
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
