/*
 * A whole server with a real ring, in a thread, for targets that are its clients. Each input is a
 * session. When it is over, nothing of it may be left: no session, no operation, no memory that is
 * charged, no descriptor. A session that does not end is a failure.
 *
 * The daemon takes these clients for ones of its own user, who may name paths. So its thread lives
 * in an empty directory of its own (chroot, and a network with nobody else); where that is not
 * allowed, the client is a stranger.
 *
 * libFuzzer writes what made it crash from the thread that crashed, which does not see its
 * directory. So the input under way is also in /tmp/proactor-fuzz-XXXXXX.input, which stays when
 * this crashes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FUZZ_DESCRIPTORS = 4 };

/* Once, from LLVMFuzzerInitialize(). */
void fuzz_server_start(void);

/* A session, for the input of @size bytes at @data; the caller closes it. */
int fuzz_server_connect(const uint8_t *data, size_t size);

/* As send(2), with a file, both ends of a pipe and a socket on the first byte. */
ssize_t fuzz_server_send_descriptors(int fd, const uint8_t *bytes, size_t size);

/* The client has closed all that it had. */
void fuzz_server_check_nothing_is_left(void);

/* Removes what the session made in its directory. */
void fuzz_server_sweep(void);
