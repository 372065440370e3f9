/* What a file is, without asking whoever serves it (FUSE, the network), who may never answer. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* The type of the open file @fd, of S_IFMT, or a negative errno. */
static inline int file_type(int fd)
{
	struct statx found;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &found) < 0)
		return -errno;
	return found.stx_mode & S_IFMT;
}
