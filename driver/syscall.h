/*
 * An operation as a system call of the calling thread: the one place where that is done.
 *
 * syscall_run() is for threads that may be held up, syscall_try() for one that must not be, and
 * waits for readiness where there is nothing yet. Neither changes the flags of an open file
 * description, which belongs to others as well: what is to be tried is tried with the flags that
 * one call takes (MSG_DONTWAIT, RWF_NOWAIT, SPLICE_F_NONBLOCK). One that is O_NONBLOCK already
 * waits like any other, as it does on an io_uring.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>

#include "base/def.h"
#include "driver/proactor.h"

/*
 * Does it, however long that takes. The operation's result, or a negative errno; -EINTR where a
 * signal came before anything was done.
 */
int64_t syscall_run(const struct proactor_op *op);

/* What a file is, as far as trying goes. */
enum syscall_kind {
	SYSCALL_KIND_UNKNOWN,
	SYSCALL_KIND_SOCKET,
	SYSCALL_KIND_STREAM, /* pipes, terminals, devices, eventfds and their like */
	SYSCALL_KIND_DISK,   /* files of file systems, block devices: always ready and yet slow */
};

/* One of these for the open descriptor @fd, or a negative errno. */
int syscall_kind(int fd);

/* From syscall_try(): it is ready as far as one can tell, but only syscall_run() can do it. */
#define SYSCALL_BLOCKS INT64_MIN

/*
 * Does it if that is possible at once. -EAGAIN: not yet, wait for syscall_events(). SYSCALL_BLOCKS.
 * -EINPROGRESS, from a connect alone: begun; what has become of it says syscall_try_connected().
 * @kind is that of the first file, and only looked at for read, write, readv and writev.
 */
int64_t syscall_try(const struct proactor_op *op, enum syscall_kind kind);

/* How a connect that was begun has ended. -EAGAIN: it has not. */
int64_t syscall_try_connected(const struct proactor_op *op);

/*
 * The readiness that this operation waits for: POLLIN or POLLOUT, POLLPRI where it is about what
 * comes beside the stream (errors, urgent data); 0: none, it never is ready or always.
 */
short syscall_events(const struct proactor_op *op);

/* Whether such operations on one file are to be done one after another: parts of a stream. */
bool syscall_is_in_order(const struct proactor_op *op);

/* Whether it was asked not to wait, and ends with -EAGAIN instead. */
bool syscall_never_waits(const struct proactor_op *op);

/*
 * The descriptor of a file. What is none becomes -1, and EBADF, rather than another file by losing
 * its upper bits.
 */
static inline int syscall_fd(int64_t file)
{
	return file >= 0 && file <= INT32_MAX ? (int)file : -1;
}

static inline int syscall_dir_fd(int64_t dir)
{
	return dir == PROACTOR_CWD ? AT_FDCWD : syscall_fd(dir);
}

/* What one call transfers at most; more comes back as a short transfer, as from read(2). */
static inline unsigned syscall_transfer_size(uint64_t size)
{
	return (unsigned)MIN(size, UINT64_C(0x7ffff000));
}

/* ---- what the two share: syscall.c for syscall_try.c ---- */

static inline int64_t syscall_result(int64_t r)
{
	return r < 0 ? -errno : r;
}

/* What has come of @events on @fd within @timeout_ms (-1: for ever); 0: nothing. */
int64_t syscall_poll(int fd, uint32_t events, int timeout_ms);

/* read, write, readv or writev; @rwf are flags as of preadv2(2). */
int64_t syscall_transfer(const struct proactor_op *op, int rwf);

/* recv, send, recvfrom, sendto, recvmsg, sendmsg; @msg are flags in addition. */
int64_t syscall_message(const struct proactor_op *op, uint32_t msg);

int64_t syscall_accept(const struct proactor_op *op);
int64_t syscall_splice(const struct proactor_op *op, uint32_t flags);
