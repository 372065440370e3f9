/*
 * What the programs that ask epoll(7) share.
 */
#pragma once

#include <sys/epoll.h>
#include <sys/syscall.h>

#include "tests/kernel/kernel.h"

static inline int epoll_make(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	alarm(60); /* a promise that is not kept is one that is waited for */
	promise(fd >= 0);
	return fd;
}

/* Watches @fd edge-triggered; what comes names it. */
static inline void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events | EPOLLET, .data.fd = fd};

	promise(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

/* The events of @fd, which alone may have some now; 0: none. */
static inline uint32_t edge(int epoll, int fd)
{
	struct epoll_event events[4];
	int count = epoll_wait(epoll, events, ARRAY_SIZE(events), 0);

	promise(count >= 0 && count <= 1);
	promise(count == 0 || events[0].data.fd == fd);
	return count == 0 ? 0 : events[0].events;
}
