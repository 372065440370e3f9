/*
 * Promise: preadv2(2) with RWF_NOWAIT (4.14) reads what is cached of a file of the working
 * directory's file system, and on a pipe or a socket without O_NONBLOCK says EAGAIN instead of
 * waiting, as pwritev2(2) does where there is no room; a read at the file's own position (-1)
 * moves it. What knows no such thing says EOPNOTSUPP and has done nothing.
 *
 * syscall.c leans on it: a descriptor of the caller is never made non-blocking.
 */
#include "tests/kernel/kernel.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>

static ssize_t read_now(int fd, void *data, size_t size, off_t offset)
{
	struct iovec piece = {data, size};

	return preadv2(fd, &piece, 1, offset, RWF_NOWAIT);
}

static ssize_t write_now(int fd, const void *data, size_t size)
{
	struct iovec piece = {(void *)data, size};

	return pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
}

static void ask_file(void)
{
	static char content[20000], bytes[20000];
	int fd;

	memset(content, 'c', sizeof(content));
	fd = make_file(content, sizeof(content));
	if (read_now(fd, bytes, 1, 0) < 0 && errno == EOPNOTSUPP)
		exit(EXIT_SKIPPED);
	promise(read_now(fd, bytes, sizeof(bytes), 0) == sizeof(bytes));
	promise(memcmp(bytes, content, sizeof(bytes)) == 0);
	promise(lseek(fd, 5, SEEK_SET) == 5);
	promise(read_now(fd, bytes, 10, -1) == 10);
	promise(lseek(fd, 0, SEEK_CUR) == 15);
	promise(read_now(fd, bytes, 10, sizeof(content)) == 0);
	/* what is not cached is EAGAIN, or less than was asked for */
	promise(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
	if (read_now(fd, bytes, sizeof(bytes), 0) < 0)
		promise(errno == EAGAIN);
	close(fd);
}

static void ask_stream(const int fds[2])
{
	static const char zeros[4096];
	ssize_t written = 0, r;
	char byte;

	if (read_now(fds[0], &byte, 1, -1) < 0 && errno == EOPNOTSUPP)
		return; /* pipes before 6.4 */
	promise(errno == EAGAIN);
	promise(write_now(fds[1], "x", 1) == 1);
	promise(read_now(fds[0], &byte, 1, -1) == 1 && byte == 'x');
	while ((r = write_now(fds[1], zeros, sizeof(zeros))) > 0)
		written += r;
	promise(errno == EAGAIN && written >= 4096);
}

/* Sockets have a flag of their own since ever. */
static void ask_socket(const int fds[2])
{
	char bytes[4096];

	while (recv(fds[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	promise(errno == EAGAIN);
	while (send(fds[1], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	promise(errno == EAGAIN);
	promise(!(fcntl(fds[0], F_GETFL) & O_NONBLOCK));
}

int main(void)
{
	int fds[2];

	alarm(60);
	make_pipe(fds);
	ask_stream(fds);
	close_both(fds);
	make_pair(fds);
	ask_stream(fds);
	ask_socket(fds);
	close_both(fds);
	ask_file();
	return EXIT_SUCCESS;
}
