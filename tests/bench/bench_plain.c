/* Plain calls, and a bare ping-pong. See bench_plain.h. */
#include "tests/bench/bench_plain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/* ---- pread ---- */

static int pread_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct bench_pread *load = context;
	struct bench_blocks *blocks = &load->blocks;

	bench_blocks_begin(blocks, seed);
	for (uint64_t i = 0; i < op_count; i++) {
		uint64_t offset = bench_blocks_next(blocks, 0);
		ssize_t n = pread(load->fd, bench_blocks_buffer(blocks, 0), blocks->shape.size,
			(off_t)offset);

		if (unlikely(!bench_blocks_right(blocks, 0, n)))
			return -EIO;
	}
	return 0;
}

int bench_pread_init(struct bench_pread *load, int fd, const struct bench_shape *shape)
{
	*load = (struct bench_pread){.fd = fd};
	return bench_blocks_init_shape(&load->blocks, shape, NULL);
}

void bench_pread_deinit(struct bench_pread *load)
{
	bench_blocks_deinit(&load->blocks);
}

struct bench_side bench_pread_side(struct bench_pread *load)
{
	return (struct bench_side){.name = "pread",
		.run = pread_run,
		.context = load,
		.latencies = &load->blocks.latencies};
}

/* ---- memcpy ---- */

static int memcpy_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct bench_memcpy *load = context;
	struct bench_blocks *blocks = &load->blocks;

	bench_blocks_begin(blocks, seed);
	for (uint64_t i = 0; i < op_count; i++) {
		uint64_t offset = bench_blocks_next(blocks, 0);

		memcpy(bench_blocks_buffer(blocks, 0), load->file + offset, blocks->shape.size);
		if (unlikely(!bench_blocks_right(blocks, 0, (int64_t)blocks->shape.size)))
			return -EIO;
	}
	return 0;
}

int bench_memcpy_init(struct bench_memcpy *load, int fd, const struct bench_shape *shape)
{
	void *file;

	*load = (struct bench_memcpy){.file_size = shape->block_count * BENCH_BLOCK_SIZE};
	file = mmap(NULL, load->file_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (file == MAP_FAILED)
		return -errno;
	load->file = file;
	return bench_blocks_init_shape(&load->blocks, shape, NULL);
}

void bench_memcpy_deinit(struct bench_memcpy *load)
{
	if (load->file)
		(void)munmap((void *)load->file, load->file_size);
	load->file = NULL;
	bench_blocks_deinit(&load->blocks);
}

struct bench_side bench_memcpy_side(struct bench_memcpy *load)
{
	return (struct bench_side){.name = "memcpy",
		.run = memcpy_run,
		.context = load,
		.latencies = &load->blocks.latencies};
}

/* ---- ping-pong ---- */

static void answer(int fd, void *context)
{
	const struct bench_pingpong *load = context;
	char request[BENCH_PING_SIZE];

	while (recv(fd, request, sizeof(request), MSG_WAITALL) == sizeof(request))
		if (write(fd, load->bytes, load->answer_size) != (ssize_t)load->answer_size)
			return;
}

static int pingpong_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct bench_pingpong *load = context;
	char request[BENCH_PING_SIZE] = "";
	uint64_t began_ns = 0;

	(void)seed;
	for (uint64_t i = 0; i < op_count; i++) {
		if (unlikely(load->latencies))
			began_ns = clock_now_ns();
		if (write(load->child.fd, request, sizeof(request)) != sizeof(request) ||
			recv(load->child.fd, load->bytes, load->answer_size, MSG_WAITALL) !=
				(ssize_t)load->answer_size)
			return -EIO;
		if (unlikely(load->latencies))
			histogram_add(load->latencies, clock_now_ns() - began_ns);
	}
	return 0;
}

int bench_pingpong_init(struct bench_pingpong *load, size_t answer_size)
{
	*load = (struct bench_pingpong){.answer_size = answer_size};
	load->bytes = calloc(1, answer_size);
	return load->bytes ? bench_child_start(&load->child, answer, load) : -ENOMEM;
}

void bench_pingpong_deinit(struct bench_pingpong *load)
{
	bench_child_stop(&load->child);
	free(load->bytes);
	load->bytes = NULL;
}

struct bench_side bench_pingpong_side(struct bench_pingpong *load)
{
	return (struct bench_side){.name = "ping-pong",
		.run = pingpong_run,
		.context = load,
		.latencies = &load->latencies};
}
