/* Shared memory. See shared.h. */
#include "daemon/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"

/* In Linux 6.3; without, the file's mode says that it may be executed, which nobody does. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static int make_fd(void)
{
	const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("proactord", flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("proactord", flags);
	return fd < 0 ? -errno : fd;
}

/* posix_fallocate(3) returns its error, positive; what is allocated is ours whatever comes. */
static int fill(int fd, size_t size)
{
	int r = posix_fallocate(fd, 0, (off_t)size);

	return r == ENOSPC ? -ENOMEM : -r;
}

uint64_t shared_size(uint64_t size)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

int shared_init(struct shared *shared, size_t size, int *ret_fd)
{
	_cleanup_(fd_closep) int fd = make_fd();
	void *bytes;
	int r;

	if (fd < 0)
		return fd;
	r = fill(fd, size);
	if (r < 0)
		return r;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (bytes == MAP_FAILED)
		return -errno;
	*shared = (struct shared){.bytes = bytes, .size = size};
	*ret_fd = TAKE_FD(fd);
	return 0;
}

void shared_deinit(struct shared *shared, bool discards)
{
	if (shared->bytes && discards)
		(void)madvise(shared->bytes, shared->size, MADV_REMOVE);
	if (shared->bytes)
		(void)munmap(shared->bytes, shared->size);
	*shared = (struct shared){0};
}
