/* A client's end of the socket. See connection.h. */
#include "client/connection.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* What a server may send: more than a client may, since it describes itself and lists sessions. */
enum {
	FRAME_ELEMENTS_MAX = 1 << 20,
	RECEIVE_SIZE_MIN = 4096,
	RECEIVE_SIZE_MAX = 256 * 1024,
	KEEP_SIZE = 1024 * 1024
};

struct connection_fd {
	uint64_t position; /* in the stream, of the frame that it rides on */
	int fd;
};

int connection_init(struct connection *connection, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_(fd_closep) int fd = -EBADF;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	*connection = (struct connection){.fd = TAKE_FD(fd), .receive_size = RECEIVE_SIZE_MIN};
	limits_init(&connection->limits);
	connection->limits.value[LIMIT_FRAME_SIZE] = limit_table[LIMIT_FRAME_SIZE].maximum;
	connection->limits.value[LIMIT_FRAME_ELEMENTS] = FRAME_ELEMENTS_MAX;
	scan_reset(&connection->scan);
	return 0;
}

static struct connection_fd *first_fd(const struct connection *connection)
{
	return buffer_size(&connection->out_fds) > 0
		? (struct connection_fd *)buffer_bytes(&connection->out_fds)
		: NULL;
}

static void consume_fd(struct connection *connection)
{
	fd_close(first_fd(connection)->fd);
	buffer_consume(&connection->out_fds, sizeof(struct connection_fd));
}

static void close_all(struct connection *connection)
{
	while (first_fd(connection))
		consume_fd(connection);
	while (connection->fd_count > 0)
		fd_close(connection->fds[--connection->fd_count]);
	connection->fd = fd_close(connection->fd);
}

void connection_deinit(struct connection *connection)
{
	/* a zeroed one has no limits, and its fd 0 is not ours */
	if (connection->limits.value[LIMIT_FRAME_SIZE] > 0)
		close_all(connection);
	buffer_deinit(&connection->in);
	buffer_deinit(&connection->out);
	buffer_deinit(&connection->out_fds);
	*connection = (struct connection){.fd = -EBADF, .error = -ENOTCONN};
}

int connection_fail(struct connection *connection, int error)
{
	assert(error < 0);
	if (connection->error == 0) {
		connection->error = error == -EPIPE ? -ECONNRESET : error;
		buffer_clear(&connection->out);
		close_all(connection);
	}
	return connection->error;
}

int connection_attach_fd(struct connection *connection, size_t size_before, int fd)
{
	struct connection_fd record = {.position = connection->sent_size + size_before, .fd = fd};

	return buffer_append(&connection->out_fds, &record, sizeof(record));
}

/* ---- sending ---- */

union control {
	struct cmsghdr header;
	uint8_t space[CMSG_SPACE(sizeof(int) * RPC_FDS_MAX)];
};

static void put_fd(struct msghdr *message, union control *control, int fd)
{
	*control = (union control){
		.header = {.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
			.cmsg_len = CMSG_LEN(sizeof(int))},
	};
	memcpy(CMSG_DATA(&control->header), &fd, sizeof(fd));
	message->msg_control = control;
	message->msg_controllen = CMSG_SPACE(sizeof(int));
}

/*
 * Sends up to the frame that the next descriptor but one rides on: one rides at the head of what is
 * sent, at most.
 */
static ssize_t send_some(struct connection *connection)
{
	struct iovec bytes = {
		.iov_base = (void *)buffer_bytes(&connection->out),
		.iov_len = buffer_size(&connection->out),
	};
	struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
	struct connection_fd *next = first_fd(connection), *end;
	union control control;
	bool rides = next && next->position == connection->sent_size;
	ssize_t size;

	if (rides)
		put_fd(&message, &control, next->fd);
	end = rides && buffer_size(&connection->out_fds) > sizeof(*next) ? next + 1
		: rides                                                  ? NULL
									 : next;
	if (end)
		bytes.iov_len = MIN(bytes.iov_len, (size_t)(end->position - connection->sent_size));
	size = sendmsg(connection->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (size > 0 && rides)
		consume_fd(connection);
	return size;
}

int connection_send(struct connection *connection)
{
	while (connection->error == 0 && connection_has_output(connection)) {
		ssize_t size = send_some(connection);

		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (size < 0) {
			/* what the daemon said before it went is still there to be read */
			connection->sent_size += buffer_size(&connection->out);
			buffer_clear(&connection->out);
			return 0;
		}
		connection->sent_size += (uint64_t)size;
		buffer_consume(&connection->out, (size_t)size);
	}
	buffer_trim(&connection->out, KEEP_SIZE);
	return connection->error;
}

/* ---- receiving ---- */

static void keep_fd(struct connection *connection, int fd)
{
	if (connection->fd_count < RPC_FDS_MAX)
		connection->fds[connection->fd_count++] = fd;
	else
		(void)fd_close(fd); /* nobody asked for that many */
}

static void keep_fds(struct connection *connection, struct msghdr *message)
{
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
		header = CMSG_NXTHDR(message, header)) {
		size_t count;
		int fd;

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
			keep_fd(connection, fd);
		}
	}
}

int connection_receive(struct connection *connection, bool blocks)
{
	union control control;
	struct iovec room;
	struct msghdr message = {.msg_iov = &room,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t size;

	if (connection->error < 0)
		return connection->error;
	buffer_trim(&connection->in, KEEP_SIZE);
	/*
	 * a frame is received in one piece where it can be: what the scan knows of its size is
	 * asked for at once
	 */
	if (buffer_reserve(&connection->in, MAX(connection->receive_size, connection->scan.size)) <
		0)
		return connection_fail(connection, -ENOMEM);
	room = (struct iovec){.iov_base = connection->in.data + connection->in.tail,
		.iov_len = buffer_room(&connection->in)};
	size = recvmsg(connection->fd, &message, (blocks ? 0 : MSG_DONTWAIT) | MSG_CMSG_CLOEXEC);
	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : connection_fail(connection, -errno);
	keep_fds(connection, &message);
	connection->fds_cut = connection->fds_cut || message.msg_flags & MSG_CTRUNC;
	if (size == 0)
		return connection_fail(connection, -ECONNRESET);
	buffer_commit(&connection->in, (size_t)size);
	/* a hello takes little, and more room is given to those who fill it */
	if ((size_t)size == room.iov_len)
		connection->receive_size =
			MIN(2 * connection->receive_size, (size_t)RECEIVE_SIZE_MAX);
	return 0;
}

int connection_frame(struct connection *connection, const uint8_t **ret_frame, size_t *ret_size)
{
	enum scan_result result;

	if (buffer_size(&connection->in) == 0)
		return connection->error;
	result = scan_frame(&connection->scan, buffer_bytes(&connection->in),
		buffer_size(&connection->in), &connection->limits);
	if (result == SCAN_BAD) {
		buffer_clear(&connection->in);
		return connection_fail(connection, -ECONNRESET);
	}
	if (result == SCAN_MORE)
		return connection->error;
	*ret_frame = buffer_bytes(&connection->in);
	*ret_size = connection->scan.size;
	return 1;
}

void connection_consume(struct connection *connection, size_t size)
{
	buffer_consume(&connection->in, size);
	scan_reset(&connection->scan);
}

int connection_take_fd(struct connection *connection, int *ret_fd)
{
	if (connection->fd_count == 0)
		return connection->fds_cut ? -EMFILE : -EBADMSG;
	*ret_fd = connection->fds[0];
	connection->fd_count--;
	memmove(connection->fds, connection->fds + 1,
		connection->fd_count * sizeof(connection->fds[0]));
	return 0;
}

/* ---- waiting ---- */

int connection_wait(struct connection *connection, const int wake_fds[CONNECTION_WAKE_FDS],
	uint64_t deadline_ns)
{
	short events = (short)(POLLIN | (connection_has_output(connection) ? POLLOUT : 0));
	struct pollfd fds[] = {
		{.fd = connection->fd, .events = events},
		{.fd = wake_fds ? wake_fds[0] : -1, .events = POLLIN},
		{.fd = wake_fds ? wake_fds[1] : -1, .events = POLLIN},
	};
	struct timespec timeout = {0};
	uint64_t now_ns;

	if (deadline_ns != 0 && deadline_ns != CLOCK_NEVER) {
		now_ns = clock_now_ns();
		timeout = clock_timespec(deadline_ns > now_ns ? deadline_ns - now_ns : 0);
	}
	if (ppoll(fds, ARRAY_SIZE(fds), deadline_ns == CLOCK_NEVER ? NULL : &timeout, NULL) < 0)
		return errno == EINTR ? 0 : -errno;
	return (fds[1].revents != 0) | (fds[2].revents != 0) << 1;
}
