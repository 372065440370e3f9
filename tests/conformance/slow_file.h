/*
 * A file that takes as long as the test wants: of a FUSE file system of the test's own, whose
 * server is a process that keeps reads waiting until it is told to answer. It stands for a disk
 * that is broken, and a server on the network that is gone.
 *
 * The server must be another process. Who waits for a request that a server has seen cannot be
 * killed: were that the server itself, nobody would be left to end it.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct slow_file {
	int fd; /* for reading and writing, it is the caller's */
	int control;
	pid_t server;
	pid_t writer; /* see slow_file_lock(); 0: none */
};

enum { SLOW_FILE_SIZE = 1 << 20 };

enum slow_file_kind {
	SLOW_FILE_CACHED,     /* by way of the page cache */
	SLOW_FILE_DIRECT,     /* past it, as most servers have it */
	SLOW_FILE_DIRECT_OLD, /* … of a server that has not heard of asynchronous I/O */
	SLOW_FILE_MUTE,       /* … of one that does not even say what the file is */
};

/*
 * Mounts it at "slow" in the working directory, in a mount namespace of this process's own, and
 * opens it. False: that may not be done here, which stderr says.
 */
bool slow_file_begin(struct slow_file *ret_file, enum slow_file_kind kind);

/* The server has seen @count requests and keeps them waiting: waits until that is so. */
void slow_file_await(struct slow_file *file, unsigned count);

/* All that wait are answered, and all that come. */
void slow_file_release(struct slow_file *file);

/* What waits fails, as does all that comes. */
void slow_file_end(struct slow_file *file);

/*
 * Another process writes to @fd, from memory that is this file, one by way of the page cache: so it
 * holds the lock of @fd's file, and that of its position, until it is answered. It has ended when
 * the file has.
 */
void slow_file_lock(struct slow_file *file, int fd);
