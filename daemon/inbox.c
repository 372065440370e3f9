/* The inbox. See inbox.h. */
#include "daemon/inbox.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "daemon/dispatch.h"
#include "daemon/session.h"

enum { RECEIVE_SIZE_MIN = 4096, RECEIVE_SIZE_MAX = 256 * 1024 };

static void received(struct task *task, int64_t result);
static void hung_up(struct task *task, int64_t result);

void inbox_init(struct inbox *inbox)
{
	*inbox = (struct inbox){
		.receiving = {.complete = received},
		.watching = {.complete = hung_up},
		.receive_size = RECEIVE_SIZE_MIN,
	};
	scan_reset(&inbox->scan);
}

void inbox_deinit(struct session *session)
{
	struct inbox *inbox = &session->inbox;

	assert(!inbox->receiving.pending && !inbox->watching.pending);
	(void)user_add_input(session->user, 0 - inbox->charged_size);
	inbox_drop_fds(session);
	buffer_deinit(&inbox->bytes);
}

/* ---- descriptors ---- */

static void keep_fds(struct session *session)
{
	struct inbox *inbox = &session->inbox;
	struct msghdr *message = &inbox->message;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
		header = CMSG_NXTHDR(message, header)) {
		size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
			if (inbox->fd_count < RPC_FDS_MAX) {
				inbox->fds[inbox->fd_count++] = fd;
			} else {
				loop_close_fd(session_loop(session), fd);
				session->shard->stats.fds_unasked++;
			}
		}
	}
	/* cut off with room left: the process has no more descriptors */
	inbox->fds_cut = inbox->fds_cut ||
		(message->msg_flags & MSG_CTRUNC && inbox->fd_count < RPC_FDS_MAX);
}

int inbox_take_fd(struct inbox *inbox)
{
	int fd = inbox->fds[0];

	if (inbox->fd_count == 0)
		return inbox->fds_cut ? -EMFILE : -EBADF;
	inbox->fd_count--;
	memmove(inbox->fds, inbox->fds + 1, inbox->fd_count * sizeof(inbox->fds[0]));
	return fd;
}

void inbox_drop_fds(struct session *session)
{
	struct inbox *inbox = &session->inbox;

	session->shard->stats.fds_unasked += inbox->fd_count;
	inbox->fds_cut = false;
	while (inbox->fd_count > 0)
		loop_close_fd(session_loop(session), inbox->fds[--inbox->fd_count]);
}

/* ---- receiving ---- */

/*
 * Charges the user for what the buffer is larger than it begins with. There is no waiting for room:
 * sessions that hold parts of messages might all wait for each other. False: the session has
 * failed.
 */
static bool charge(struct session *session)
{
	struct inbox *inbox = &session->inbox;
	uint64_t before = inbox->charged_size, used,
		 max = session->shard->limits.value[LIMIT_USER_INPUT];
	struct rpc_error error = {0};

	inbox->charged_size =
		inbox->bytes.capacity - MIN(inbox->bytes.capacity, (size_t)RECEIVE_SIZE_MIN);
	if (likely(inbox->charged_size == before))
		return true;
	/* the sum is right modulo 2^64 for less, too */
	used = user_add_input(session->user, inbox->charged_size - before);
	if (used <= max)
		return true;
	rpc_error_set_limit(&error, EDQUOT, LIMIT_USER_INPUT, max, used);
	session_fail(session, &error);
	return false;
}

static void receive(struct session *session)
{
	struct inbox *inbox = &session->inbox;
	struct buffer *bytes = &inbox->bytes;
	struct proactor_op op = {
		.opcode = PROACTOR_RECVMSG,
		.recvmsg = {.file = session->socket, .message = &inbox->message},
	};
	/*
	 * what the scan knows to be missing is within the limit on frames, or it would have refused
	 * it
	 */
	size_t missing = inbox->scan.size - MIN(inbox->scan.size, buffer_size(bytes));

	buffer_trim(bytes, inbox->receive_size);
	if (buffer_reserve(bytes, MAX(missing, inbox->receive_size)) < 0) {
		session_close(session);
		return;
	}
	if (!charge(session))
		return;
	inbox->room = (struct iovec){
		.iov_base = bytes->data + bytes->tail, .iov_len = buffer_room(bytes)};
	inbox->message = (struct msghdr){
		.msg_iov = &inbox->room,
		.msg_iovlen = 1,
		.msg_control = inbox->control,
		.msg_controllen = sizeof(inbox->control),
	};
	loop_push(session_loop(session), &inbox->receiving, &op);
}

/* A session that has failed cannot be followed any more: what it sends is not looked at. */
static bool is_deaf(const struct session *session)
{
	return session->state == SESSION_CLOSING || session->outbox.hurry;
}

void inbox_resume(struct session *session)
{
	if (!is_deaf(session))
		dispatch(session);
	if (!is_deaf(session) && !list_linked(&session->stalled_link) &&
		!list_linked(&session->turn_link) && !session->inbox.receiving.pending)
		receive(session);
	/* it was stalled by its ring while the receive was pending that watched it until now */
	if (!is_deaf(session) && list_linked(&session->stalled_link))
		inbox_watch(session);
}

/*
 * A client that fills what it is given gets twice as much next time, one that hardly uses it half.
 */
static void follow(struct inbox *inbox, size_t received_size)
{
	if (received_size >= inbox->room.iov_len && inbox->receive_size < RECEIVE_SIZE_MAX)
		inbox->receive_size *= 2;
	else if (received_size < inbox->receive_size / 4 && inbox->receive_size > RECEIVE_SIZE_MIN)
		inbox->receive_size /= 2;
}

static void received(struct task *task, int64_t result)
{
	struct session *session = container_of(task, struct session, inbox.receiving);
	struct inbox *inbox = &session->inbox;

	if (result >= 0)
		keep_fds(session);
	if (result > 0) {
		session->shard->stats.received_bytes += (uint64_t)result;
		follow(inbox, (size_t)result);
		buffer_commit(&inbox->bytes, (size_t)result);
	} else if (result != -EINTR) {
		inbox->ended = result == 0;
		session_close(session);
	}
	inbox_resume(session);
	session_progress(session);
}

/* ---- watching ---- */

void inbox_watch(struct session *session)
{
	/* POLLHUP is always reported, and all that is asked for */
	struct proactor_op op = {
		.opcode = PROACTOR_POLL, .poll = {.file = session->socket, .events = 0}};

	if (!session->inbox.watching.pending && !session->inbox.receiving.pending)
		loop_push(session_loop(session), &session->inbox.watching, &op);
}

static void hung_up(struct task *task, int64_t result)
{
	struct session *session = container_of(task, struct session, inbox.watching);

	if (result != -ECANCELED)
		session_close(session);
	session_progress(session);
}
