/*
 * Files of the ring: descriptors, and a table in which the kernel finds the attached ones faster.
 *
 * A submission that names a registered file spares the kernel taking and dropping a reference, 5 %
 * of a cached read of 4 KiB. What is attached belongs to the proactor, so it is registered, in the
 * place of its number; what operations make (open, accept) would pay a system call each, and many
 * do not live long enough to earn that back.
 *
 * A registered file stays open until it leaves the table: before a descriptor is closed or handed
 * back it does, and what was pushed before is submitted before that. Should somebody close a
 * descriptor under us all the same, a later file of that number finds the place taken, and clears
 * it.
 *
 * Whatever the kernel refuses meanwhile, no operation meets another file than it was pushed for.
 * What could not be submitted no longer names the place, but the number; or no file, where the
 * number is another's by then. And where a place cannot be emptied the table is given up.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "driver/syscall.h"
#include "driver/uring.h"

static bool make_table(struct uring *uring)
{
	struct rlimit limit;
	unsigned count = URING_FIXED_MAX;

	/* a thread of the kernel reads submissions when it likes: see disown() */
	if (uring->fixed_count > 0 || uring->fixed_refused || uring->sqpoll)
		return uring->fixed_count > 0;
	/* the kernel takes no larger table than the process may have files */
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
		count = (unsigned)MIN(limit.rlim_cur, (rlim_t)count);
	uring->fixed_refused = io_uring_register_files_sparse(&uring->ring, count) < 0;
	if (!uring->fixed_refused)
		uring->fixed_count = count;
	return !uring->fixed_refused;
}

static void fix(struct uring *uring, int fd)
{
	if ((unsigned)fd < URING_FIXED_MAX && make_table(uring) &&
		(unsigned)fd < uring->fixed_count &&
		io_uring_register_files_update(&uring->ring, (unsigned)fd, &fd, 1) == 1)
		uring->fixed[fd / 64] |= UINT64_C(1) << (fd % 64);
}

enum { ALL = -1, NO_FILE = -1 };

static void disown_one(struct io_uring_sqe *sqe, int fd, int instead)
{
	if (!(sqe->flags & IOSQE_FIXED_FILE) || (fd != ALL && sqe->fd != fd))
		return;
	sqe->flags &= (uint8_t)~IOSQE_FIXED_FILE;
	if (fd != ALL)
		sqe->fd = instead;
}

/* What the kernel has not taken yet names the place @fd no longer, but the descriptor @instead. */
static void disown(struct uring *uring, int fd, int instead)
{
	struct io_uring_sqe *waiting;
	size_t count = buffer_size(&uring->backlog) / sizeof(*waiting);

	for (unsigned i = uring->submitted; i != uring->filled; i++)
		disown_one(&uring->ring.sq.sqes[i & uring->ring.sq.ring_mask], fd, instead);
	if (count == 0)
		return;
	waiting = (struct io_uring_sqe *)buffer_bytes(&uring->backlog);
	for (size_t i = 0; i < count; i++)
		disown_one(&waiting[i], fd, instead);
}

/* All go by their numbers from here on; if the kernel refuses that too, files stay open in it. */
static void give_table_up(struct uring *uring)
{
	disown(uring, ALL, NO_FILE);
	uring->fixed_refused = true;
	uring->fixed_count = 0;
	memset(uring->fixed, 0, sizeof(uring->fixed));
	(void)io_uring_unregister_files(&uring->ring);
}

static void empty_place(struct uring *uring, int fd, int instead)
{
	int nothing = NO_FILE;

	uring_submit(uring);
	disown(uring, fd, instead);
	uring->fixed[fd / 64] &= ~(UINT64_C(1) << (fd % 64));
	if (io_uring_register_files_update(&uring->ring, (unsigned)fd, &nothing, 1) != 1)
		give_table_up(uring);
}

/* @file is to be closed or handed back. */
static void unfix(struct uring *uring, int64_t file)
{
	if (uring_is_fixed(uring, syscall_fd(file)))
		empty_place(uring, (int)file, (int)file);
}

/* The number @fd has become that of another file. */
static void unfix_stale(struct uring *uring, int fd)
{
	if (uring_is_fixed(uring, fd))
		empty_place(uring, fd, NO_FILE);
}

/* ---- files come and go ---- */

void uring_file_end(struct uring *uring, int64_t file)
{
	unfix(uring, file);
	(void)shortcuts_set(&uring->base.shortcuts, file, 0);
}

void uring_file_made(struct uring *uring, uint32_t opcode, int64_t file)
{
	unfix_stale(uring, syscall_fd(file));
	(void)shortcuts_set(&uring->base.shortcuts, file,
		opcode == PROACTOR_OPEN ? SHORTCUT_UNKNOWN : 0);
}

int uring_attach(struct proactor *proactor, int fd, int64_t *ret_file)
{
	struct uring *uring = uring_of(proactor);
	int r;

	if (fcntl(fd, F_GETFD) < 0)
		return -errno;
	/* attached before and closed past us, it is another file now */
	unfix_stale(uring, fd);
	r = shortcuts_attach(&proactor->shortcuts, fd);
	if (r < 0)
		return r;
	fix(uring, fd);
	*ret_file = fd;
	return 0;
}

int uring_detach(struct proactor *proactor, int64_t file, int *ret_fd)
{
	if (file < 0 || file > INT32_MAX || fcntl((int)file, F_GETFD) < 0)
		return -EBADF;
	uring_file_end(uring_of(proactor), file);
	*ret_fd = (int)file;
	return 0;
}

void uring_discard(struct proactor *proactor, int64_t file)
{
	(void)proactor;
	(void)close((int)file);
}
