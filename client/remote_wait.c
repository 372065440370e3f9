/*
 * Waiting for the daemon: first by looking for a while, at the ring and at the socket, then asleep.
 * See remote.h.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/remote.h"

enum { LOOKS_PER_CLOCK = 16 };

static int watch_fd(struct remote *remote, int action, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events};

	return epoll_ctl(remote->epoll_fd, action, fd, &event) < 0 ? -errno : 0;
}

/*
 * Who waits on proactor_fd() has to hear of room in the socket exactly while something is to be
 * sent.
 */
static void follow_output(struct remote *remote)
{
	bool has_output = connection_has_output(&remote->connection);

	if (remote->epoll_fd < 0 || remote->connection.fd < 0 || remote->watches_send == has_output)
		return;
	if (watch_fd(remote, EPOLL_CTL_MOD, remote->connection.fd,
		    EPOLLIN | (has_output ? EPOLLOUT : 0)) == 0)
		remote->watches_send = has_output;
}

/* Sleeps until something may have come, by whichever way. 1: the handle's eventfd was written. */
static int sleep_until(struct remote *remote, uint64_t deadline_ns)
{
	const struct proactor_handle *handle = remote->base.handle;
	bool has_ring = remote_ring_is_open(&remote->ring);
	int fds[CONNECTION_WAKE_FDS] = {
		handle ? handle->eventfd : -1, has_ring ? remote->ring.wake_fd : -1};
	int r;

	if (has_ring && !remote_ring_begin_sleep(&remote->ring))
		return 0;
	r = connection_wait(&remote->connection, fds, deadline_ns);
	if (has_ring)
		remote_ring_end_sleep(&remote->ring);
	return r;
}

static int wait_for_messages(struct remote *remote, uint64_t deadline_ns)
{
	const struct proactor_handle *handle = remote->base.handle;
	struct connection *connection = &remote->connection;
	uint64_t count;
	/* with nothing else to wait for, the receive itself can wait */
	bool blocks = !handle && !remote_ring_is_open(&remote->ring) &&
		deadline_ns == CLOCK_NEVER && !connection_has_output(connection) &&
		connection->error == 0;
	int r = 0;

	if (!blocks && (deadline_ns != 0 || handle))
		r = sleep_until(remote, deadline_ns);
	if (r < 0)
		return r;
	if (r & 1)
		(void)!read(handle->eventfd, &count, sizeof(count));
	if (connection->error == 0)
		(void)connection_receive(connection, blocks);
	remote_receive(remote);
	follow_output(remote);
	return 0;
}

/* ---- spinning ---- */

static bool is_rung(const struct proactor *proactor)
{
	return proactor->handle && handle_was_rung(proactor->handle);
}

static bool looks_at_ring(struct remote_ring *ring)
{
	for (unsigned i = 0; i < LOOKS_PER_CLOCK; i++) {
		if (queue_has(&ring->responses) ||
			(buffer_size(&ring->backlog) > 0 && queue_has_room(&ring->requests)))
			return true;
		spin_pause();
	}
	return false;
}

/* A look there is a system call, but neither a sleep nor somebody who has to end it. */
static bool looks_at_socket(struct connection *connection)
{
	size_t size = buffer_size(&connection->in);

	(void)connection_receive(connection, false);
	return buffer_size(&connection->in) > size || connection->error < 0;
}

/* Something may come soon, and nothing is to be done before. */
static bool may_spin(const struct remote *remote, uint64_t deadline_ns)
{
	return remote->spin.window_ns > 0 && deadline_ns > 0 &&
		remote->window.operation_count > 0 && remote->connection.error == 0 &&
		!connection_has_output(&remote->connection);
}

/*
 * Looks where something is to come from, until it has, somebody wakes the proactor, or it does not
 * pay any more. True: something has come.
 */
static bool spin(struct remote *remote, uint64_t deadline_ns)
{
	bool by_ring = remote->ring.in_flight > 0,
	     by_socket = remote->window.operation_count > remote->ring.in_flight;
	uint64_t now_ns = clock_now_ns();

	spin_begin(&remote->spin, now_ns);
	do {
		spin_give_way(&remote->spin, now_ns);
		if ((by_ring && looks_at_ring(&remote->ring)) ||
			(by_socket && looks_at_socket(&remote->connection))) {
			spin_found(&remote->spin, now_ns);
			return true;
		}
		now_ns = clock_now_ns();
	} while (now_ns < deadline_ns && !is_rung(&remote->base) &&
		spin_continues(&remote->spin, now_ns));
	return false;
}

/* Whether a wait that does not block has seen enough: the socket is looked at now and then. */
static bool has_looked(struct remote *remote)
{
	/* who waits outside has to find the descriptors empty */
	return remote_ring_is_open(&remote->ring) && !remote->base.external_loop &&
		remote->window.operation_count == remote->ring.in_flight &&
		!is_rung(&remote->base) && ++remote->ring.looks < REMOTE_RING_LOOKS_MAX;
}

int remote_wait(struct proactor *proactor, uint64_t deadline_ns)
{
	struct remote *remote = container_of(proactor, struct remote, base);
	bool spins;
	int r;

	(void)connection_send(&remote->connection);
	/* a look at the socket may have brought some after the last were taken */
	if (buffer_size(&remote->shots) > 0)
		return 0;
	if (remote_ring_is_open(&remote->ring)) {
		remote_ring_flush(&remote->ring);
		if (queue_has(&remote->ring.responses) || (deadline_ns == 0 && has_looked(remote)))
			return 0;
	}
	spins = may_spin(remote, deadline_ns);
	if (spins && spin(remote, deadline_ns)) {
		remote_receive(remote);
		return 0;
	}
	proactor->stats.enters++;
	r = wait_for_messages(remote, deadline_ns);
	/* had it been looked for a little longer: else who has nothing to spin with never has */
	if (spins)
		spin_found(&remote->spin, clock_now_ns());
	return r;
}

int remote_flush(struct proactor *proactor)
{
	struct remote *remote = container_of(proactor, struct remote, base);

	(void)connection_send(&remote->connection);
	follow_output(remote);
	/* what there is no room for now is sent when there is: who waits hears of that */
	if (remote->connection.error == 0 && connection_has_output(&remote->connection) &&
		!remote->watches_send)
		return -EAGAIN;
	/* the caller sleeps on proactor_fd(): the next poll ends what begins here */
	if (!remote_ring_is_open(&remote->ring) || remote_ring_begin_sleep(&remote->ring))
		return 0;
	return -EAGAIN;
}

int remote_fd(struct proactor *proactor, int *ret_fd)
{
	struct remote *remote = container_of(proactor, struct remote, base);
	int r = 0;

	if (remote->epoll_fd < 0) {
		remote->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		if (remote->epoll_fd < 0)
			return -errno;
		if (remote->connection.fd >= 0)
			r = watch_fd(remote, EPOLL_CTL_ADD, remote->connection.fd, EPOLLIN);
		if (r >= 0 && proactor->handle)
			r = watch_fd(remote, EPOLL_CTL_ADD, proactor->handle->eventfd, EPOLLIN);
		if (r >= 0 && remote_ring_is_open(&remote->ring))
			r = watch_fd(remote, EPOLL_CTL_ADD, remote->ring.wake_fd, EPOLLIN);
		if (r < 0) {
			remote->epoll_fd = fd_close(remote->epoll_fd);
			return r;
		}
	}
	*ret_fd = remote->epoll_fd;
	return 0;
}

int remote_watch(struct proactor *proactor, int fd)
{
	struct remote *remote = container_of(proactor, struct remote, base);

	(void)proactor;
	return remote->epoll_fd < 0 ? 0 : watch_fd(remote, EPOLL_CTL_ADD, fd, EPOLLIN);
}
