/*
 * Files through the io_uring driver, against a thread that calls pread(2) or pwrite(2) in a loop:
 * 4 KiB at random offsets of a cached file of 64 MiB.
 *
 * The thread has one call under way, as it must; ours keeps 32 in flight, as a program that is
 * written to proactor.h does. So this measures what it costs, or gains, to hand over what the page
 * cache could have done at once. On these file systems an io_uring gives some of it to threads of
 * the kernel: ext4 has no writes that do not wait, tmpfs has neither such reads nor writes. A
 * driver that sends such operations there loses by a multiple.
 *
 * The files have no name, so that nothing is left behind. What is written keeps each block's own
 * offset at its beginning, and the number of the run behind; the blocks written last are read again
 * at the end of each run.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "tests/bench/bench_proactor.h"

enum { DEPTH = 32 };

/* ---- a thread's plain calls ---- */

struct calls {
	int fd;
	struct bench_blocks blocks;
};

static int pread_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct calls *calls = context;

	bench_blocks_begin(&calls->blocks, seed);
	for (uint64_t i = 0; i < op_count; i++) {
		uint64_t offset = bench_blocks_next(&calls->blocks, 0);
		ssize_t n = pread(calls->fd, bench_blocks_buffer(&calls->blocks, 0),
			BENCH_BLOCK_SIZE, (off_t)offset);

		if (unlikely(!bench_blocks_right(&calls->blocks, 0, n)))
			return -EIO;
	}
	return 0;
}

static int pwrite_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct calls *calls = context;

	bench_blocks_begin(&calls->blocks, seed);
	for (uint64_t i = 0; i < op_count; i++) {
		uint64_t offset = bench_blocks_stamp(&calls->blocks, 0, seed);
		ssize_t n = pwrite(calls->fd, bench_blocks_buffer(&calls->blocks, 0),
			BENCH_BLOCK_SIZE, (off_t)offset);

		if (unlikely(n != BENCH_BLOCK_SIZE))
			return -EIO;
	}
	return bench_blocks_written(&calls->blocks, calls->fd, seed) ? 0 : -EIO;
}

/* ---- the file ---- */

struct place {
	const char *folder;
	long magic; /* of its file system, see statfs(2) */
	const char *absent;
};

/* 0: there is no such file system; *ret_fd is untouched. */
static int make_file(const struct place *place, int *ret_fd)
{
	_cleanup_(fd_closep) int fd = open(place->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	struct statfs system;
	int r;

	if (fd < 0)
		return errno == ENOENT || errno == EOPNOTSUPP || errno == EACCES ? 0 : -errno;
	if (fstatfs(fd, &system) < 0)
		return -errno;
	if (system.f_type != place->magic)
		return 0;
	r = bench_blocks_fill(fd, BENCH_FILE_BLOCKS);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 1;
}

/* ---- the rows ---- */

static int measure_on(struct bench *bench, const char *name, enum proactor_opcode operation, int fd)
{
	bool reads = operation == PROACTOR_READ;
	struct calls calls = {.fd = fd};
	struct bench_proactor load = {0};
	int r = bench_proactor_init(&load, &bench_ring_options, fd, BENCH_FILE_BLOCKS);

	load.operation = operation;
	load.depth = DEPTH;
	if (r >= 0)
		r = bench_blocks_init(&calls.blocks, BENCH_FILE_BLOCKS);
	if (r < 0)
		fprintf(stderr, "bench: %s: %s\n", name, err_name(-r));
	else
		r = bench_pair(bench, name,
			&(struct bench_side){
				.name = "libproactor", .run = bench_proactor_run, .context = &load},
			&(struct bench_side){.name = reads ? "pread" : "pwrite",
				.run = reads ? pread_run : pwrite_run,
				.context = &calls},
			NULL);
	bench_blocks_deinit(&calls.blocks);
	bench_proactor_deinit(&load);
	return r;
}

static int measure(struct bench *bench, const char *name, enum proactor_opcode operation,
	const struct place *place)
{
	_cleanup_(fd_closep) int fd = -EBADF;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = make_file(place, &fd);
	if (r < 0) {
		fprintf(stderr, "bench: a file in %s: %s\n", place->folder, err_name(-r));
		return r;
	}
	return r == 0 ? bench_pair(bench, name, NULL, NULL, place->absent)
		      : measure_on(bench, name, operation, fd);
}

int bench_files(struct bench *bench)
{
	const struct place ext4 = {bench->options.folder, EXT4_SUPER_MAGIC,
		"the folder of the benchmark is not on ext4"};
	const struct place tmpfs = {"/dev/shm", TMPFS_MAGIC, "/dev/shm is not a tmpfs"};
	int r;

	r = measure(bench, "write4k.ext4.driver.vs_pwrite", PROACTOR_WRITE, &ext4);
	if (r >= 0)
		r = measure(bench, "write4k.tmpfs.driver.vs_pwrite", PROACTOR_WRITE, &tmpfs);
	if (r >= 0)
		r = measure(bench, "read4k.tmpfs.driver.vs_pread", PROACTOR_READ, &tmpfs);
	return r;
}
