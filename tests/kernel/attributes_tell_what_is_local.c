/*
 * Promise: statx(2) says of a file system of this machine, in memory or on a disk, that its files
 * may have the attribute NODUMP, and does not say so where somebody makes up what is in them.
 * Nobody is asked, and no lock is taken (seen on 6.18).
 *
 * shortcut.c leans on it, to tell whose files it may touch in place.
 */
#include "tests/kernel/kernel.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <linux/magic.h>

static bool says_local(int fd)
{
	struct statx found;

	promise(statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &found) == 0);
	return found.stx_attributes_mask & STATX_ATTR_NODUMP;
}

/* Whether it is one of those of which that is promised. */
static bool is_known(int fd)
{
	struct statfs system;

	promise(fstatfs(fd, &system) == 0);
	switch (system.f_type) {
	case EXT4_SUPER_MAGIC:
	case XFS_SUPER_MAGIC:
	case BTRFS_SUPER_MAGIC:
	case TMPFS_MAGIC: return true;
	default: return false;
	}
}

int main(void)
{
	int memory = memfd_create("local", MFD_CLOEXEC), file = make_file("local", 5);
	int made_up = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	promise(memory >= 0 && made_up >= 0);
	promise(!says_local(made_up));
	if (!is_known(file))
		return EXIT_SKIPPED;
	promise(says_local(memory));
	promise(says_local(file));
	return EXIT_SUCCESS;
}
