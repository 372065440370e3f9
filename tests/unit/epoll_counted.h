/*
 * The epoll driver and what it asks of the system. epoll_ctl(2), epoll_pwait2(2), epoll_wait(2) (so
 * before Linux 5.11, and under valgrind) and fcntl(2) of the programs that include this are their
 * own: they count and pass on.
 */
#pragma once

#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "driver/epoll.h"

/* ---- the system's calls, counted ---- */

static struct {
	int ctls;          /* epoll_ctl(2) */
	int waits;         /* epoll_pwait2(2), where there is one, or epoll_wait(2) … */
	int waits_in_vain; /* … that had no event, */
	int events;        /* and the events of the others */
	int flag_changes;  /* fcntl(2) with F_SETFL */
} counts;

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	counts.ctls++;
	return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static inline int counted_wait(int r)
{
	counts.waits += r >= 0 || errno != ENOSYS;
	counts.waits_in_vain += r == 0;
	counts.events += MAX(r, 0);
	return r;
}

int epoll_pwait2(int epoll, struct epoll_event *events, int count, const struct timespec *timeout,
	const sigset_t *mask)
{
	return counted_wait((int)syscall(SYS_epoll_pwait2, epoll, events, count, timeout, mask,
		sizeof(uint64_t)));
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout)
{
	return counted_wait((int)syscall(SYS_epoll_pwait, epoll, events, count, timeout, NULL,
		sizeof(uint64_t)));
}

int fcntl(int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	counts.flag_changes += command == F_SETFL;
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

/* ---- operations ---- */

static const struct timespec no_time = {0};

static inline struct proactor *start(void)
{
	struct proactor_options options = {
		.size = sizeof(options), .driver = PROACTOR_DRIVER_EPOLL};
	struct proactor *proactor;

	must(proactor_new(&proactor, &options));
	memset(&counts, 0, sizeof(counts));
	return proactor;
}

static inline int push(struct proactor *proactor, struct proactor_op op, int64_t *ret_result)
{
	struct proactor_completion ready = {0};
	uint64_t key;
	int r = must(proactor_push(proactor, &op, &key, &ready));

	*ret_result = ready.result;
	return r;
}

/* It is done by push, with @result. */
static inline void push_ready(struct proactor *proactor, struct proactor_op op, int64_t result)
{
	int64_t actual;

	assert_result(push(proactor, op, &actual), PROACTOR_READY);
	assert_result(actual, result);
}

static inline void push_waiting(struct proactor *proactor, struct proactor_op op)
{
	int64_t result;

	assert_result(push(proactor, op, &result), PROACTOR_PENDING);
}

static inline void expect_quiet(struct proactor *proactor)
{
	struct proactor_entry entry;

	assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
}

/* One poll gives @count entries, with @result each. */
static inline void expect_all(struct proactor *proactor, unsigned count, int64_t result)
{
	struct proactor_completion completion;
	struct proactor_entry entries[64];

	assert_result(proactor_poll(proactor, NULL, entries, ARRAY_SIZE(entries)), count);
	for (unsigned i = 0; i < count; i++) {
		must(proactor_pop(proactor, &entries[i], &completion));
		assert_result(completion.result, result);
	}
}

static inline struct proactor_op op_recv(int fd, void *data, size_t size)
{
	return (struct proactor_op){.opcode = PROACTOR_RECV, .recv = {fd, data, size, 0, NULL}};
}

static inline struct proactor_op op_send(int fd, const void *data, size_t size)
{
	return (struct proactor_op){.opcode = PROACTOR_SEND, .send = {fd, data, size, 0}};
}

static inline struct proactor_op op_read(int fd, void *data, size_t size)
{
	return (struct proactor_op){
		.opcode = PROACTOR_READ, .read = {fd, data, size, PROACTOR_CURRENT}};
}

static inline struct proactor_op op_write(int fd, const void *data, size_t size)
{
	return (struct proactor_op){
		.opcode = PROACTOR_WRITE, .write = {fd, data, size, PROACTOR_CURRENT}};
}

static inline struct proactor_op op_poll(int fd, uint32_t events)
{
	return (struct proactor_op){.opcode = PROACTOR_POLL, .poll = {fd, events}};
}

static inline struct proactor_op op_close(int fd)
{
	return (struct proactor_op){.opcode = PROACTOR_CLOSE, .close = {fd}};
}

static inline struct proactor_op op_accept(int fd)
{
	return (struct proactor_op){.opcode = PROACTOR_ACCEPT, .accept = {fd, NULL}};
}

static inline void attach(struct proactor *proactor, int fd)
{
	int64_t file;

	must(proactor_attach(proactor, fd, &file));
}

static inline void make_pair(int ret_fds[2])
{
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_fds));
}

static inline void fill(int fd)
{
	static const char page[4096];

	while (send(fd, page, sizeof(page), MSG_DONTWAIT) > 0)
		continue;
}

static inline void empty(int fd)
{
	static char page[4096];

	while (recv(fd, page, sizeof(page), MSG_DONTWAIT) > 0)
		continue;
}

static inline int make_listener(struct sockaddr_in *ret_address)
{
	int fd = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	socklen_t size = sizeof(*ret_address);

	*ret_address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(bind(fd, (struct sockaddr *)ret_address, size));
	must(listen(fd, 16));
	must(getsockname(fd, (struct sockaddr *)ret_address, &size));
	return fd;
}
