/*
 * Promise: IORING_OP_RECVMSG receives descriptors (SCM_RIGHTS), close-on-exec with
 * MSG_CMSG_CLOEXEC, and says MSG_CTRUNC when there were more than room for.
 *
 * The daemon leans on it: donated files arrive by its own proactor.
 */
#include "tests/kernel/kernel.h"

static void send_descriptors(int fd, int count)
{
	char control[CMSG_SPACE(8 * sizeof(int))] = {0};
	struct iovec data = {.iov_base = (char[]){'x'}, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int)),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	for (int i = 0; i < count; i++)
		memcpy(CMSG_DATA(header) + (size_t)i * sizeof(int), &fd, sizeof(int));
	promise(sendmsg(fd, &message, MSG_NOSIGNAL) == 1);
}

/* Closes what came; gives how many, and the message's flags. */
static int receive_descriptors(struct io_uring *ring, int fd, int *ret_flags)
{
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec data = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *header;
	int count = 0;

	io_uring_prep_recvmsg(next_sqe(ring, 0), fd, &message, MSG_CMSG_CLOEXEC);
	promise(next_cqe(ring).res == 1);
	*ret_flags = (int)message.msg_flags;
	header = CMSG_FIRSTHDR(&message);
	promise(header && header->cmsg_type == SCM_RIGHTS);
	for (; CMSG_LEN((size_t)(count + 1) * sizeof(int)) <= header->cmsg_len; count++) {
		int received;

		memcpy(&received, CMSG_DATA(header) + (size_t)count * sizeof(int), sizeof(int));
		promise(fcntl(received, F_GETFD) == FD_CLOEXEC);
		close(received);
	}
	return count;
}

int main(void)
{
	int fds[2], flags;
	struct io_uring ring;

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (!ring_init(&ring, 8, modes[i]))
			continue;
		promise(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
		send_descriptors(fds[0], 2);
		promise(receive_descriptors(&ring, fds[1], &flags) == 2);
		promise(!(flags & MSG_CTRUNC));
		send_descriptors(fds[0], 5);
		promise(receive_descriptors(&ring, fds[1], &flags) == 2);
		promise(flags & MSG_CTRUNC);
		close(fds[0]);
		close(fds[1]);
		io_uring_queue_exit(&ring);
	}
	return EXIT_SUCCESS;
}
