/*
 * Promise: a file system that cannot say beforehand whether a transfer waits refuses RWF_NOWAIT
 * (EOPNOTSUPP) with nothing done, and an io_uring that has such a transfer still does it. So it is
 * with reads and writes of tmpfs, and with buffered writes of ext4 (seen on 6.18).
 *
 * shortcut.c leans on nothing of this: it is why there are shortcuts. Where a kernel grants what is
 * refused here (77), they are a gain no more.
 */
#include "tests/kernel/kernel.h"

#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include <linux/magic.h>

static bool is_refused(int fd, bool is_write)
{
	char bytes[] = "new";
	struct iovec piece = {bytes, 3};
	ssize_t r = is_write ? pwritev2(fd, &piece, 1, 0, RWF_NOWAIT)
			     : preadv2(fd, &piece, 1, 0, RWF_NOWAIT);

	promise(r == 3 || errno == EOPNOTSUPP || errno == EAGAIN);
	if (r == 3)
		return false;
	promise(strcmp(bytes, "new") == 0);
	promise(pread(fd, bytes, 3, 0) == 3 && memcmp(bytes, "old", 3) == 0);
	return true;
}

static void ask_rings(int fd)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct io_uring ring;
		char bytes[4] = "";

		if (!ring_init(&ring, 8, modes[i]))
			continue;
		io_uring_prep_write(next_sqe(&ring, 1), fd, "ABC", 3, 3);
		promise(next_cqe(&ring).res == 3);
		io_uring_prep_read(next_sqe(&ring, 2), fd, bytes, 3, 3);
		promise(next_cqe(&ring).res == 3);
		promise(strcmp(bytes, "ABC") == 0);
		io_uring_queue_exit(&ring);
	}
}

int main(void)
{
	int memory = memfd_create("nowait", MFD_CLOEXEC), file = make_file("old", 3);
	bool refused = true;
	struct statfs system;

	alarm(60);
	promise(memory >= 0 && write(memory, "old", 3) == 3);
	ask_rings(memory);
	ask_rings(file);
	refused &= is_refused(memory, /* is_write= */ false);
	refused &= is_refused(memory, /* is_write= */ true);
	promise(fstatfs(file, &system) == 0);
	if (system.f_type == EXT4_SUPER_MAGIC)
		refused &= is_refused(file, /* is_write= */ true);
	return refused ? EXIT_SUCCESS : EXIT_SKIPPED;
}
