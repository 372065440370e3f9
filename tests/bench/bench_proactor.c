/*
 * Our side: a program written to proactor.h that keeps a number of operations in flight. The driver
 * is the caller's choice; the loop is the same for all, as it would be in any program: push, poll,
 * pop, push again.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/bench/bench_proactor.h"

static int attach(struct bench_proactor *load, int fd)
{
	int r, own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own_fd < 0)
		return -errno;
	r = proactor_attach(load->proactor, own_fd, &load->file);
	if (r < 0)
		close(own_fd);
	return r;
}

int bench_proactor_init(struct bench_proactor *load, const struct proactor_options *options, int fd,
	uint64_t block_count)
{
	int r;

	*load = (struct bench_proactor){.depth = 1, .fd = fd};
	r = bench_blocks_init(&load->blocks, block_count);
	if (r < 0)
		return r;
	r = proactor_new(&load->proactor, options);
	return r < 0 ? r : attach(load, fd);
}

int bench_proactor_init_on(struct bench_proactor *load, struct proactor *proactor, int fd,
	const struct bench_shape *shape, bool memory)
{
	void *buffers = NULL;
	int r = 0;

	*load = (struct bench_proactor){.proactor = proactor, .depth = 1, .fd = fd};
	if (memory)
		r = proactor_memory_new(proactor, bench_shape_memory(shape), &buffers);
	if (r >= 0)
		r = bench_blocks_init_shape(&load->blocks, shape, buffers);
	return r < 0 ? r : attach(load, fd);
}

void bench_proactor_deinit(struct bench_proactor *load)
{
	load->proactor = proactor_free(load->proactor);
	bench_blocks_deinit(&load->blocks);
}

/* What is the same for all operations with buffer @index, as a program would keep it. */
static struct proactor_op prepare(const struct bench_proactor *load, unsigned index)
{
	struct proactor_op op = {
		.opcode = load->operation,
		.flags = load->flags,
		.context = (void *)(uintptr_t)index,
	};
	uint8_t *data = bench_blocks_buffer(&load->blocks, index);
	size_t size = load->blocks.shape.size;

	if (load->operation == PROACTOR_READ) {
		op.read.file = load->file;
		op.read.data = data;
		op.read.size = size;
	} else if (load->operation == PROACTOR_WRITE) {
		op.write.file = load->file;
		op.write.data = data;
		op.write.size = size;
	}
	return op;
}

/* The next operation with buffer @index. */
static inline const struct proactor_op *next_operation(struct bench_proactor *load, unsigned index)
{
	struct proactor_op *op = &load->ops[index];

	if (load->operation == PROACTOR_READ)
		op->read.offset = (int64_t)bench_blocks_next(&load->blocks, index);
	else if (load->operation == PROACTOR_WRITE)
		op->write.offset = (int64_t)bench_blocks_stamp(&load->blocks, index, load->seed);
	else
		bench_blocks_started(&load->blocks, index);
	return op;
}

static bool is_right(struct bench_proactor *load, const struct proactor_completion *completion)
{
	unsigned index = (unsigned)(uintptr_t)completion->context;

	if (load->operation == PROACTOR_READ)
		return bench_blocks_right(&load->blocks, index, completion->result);
	bench_blocks_ended(&load->blocks, index);
	return completion->result ==
		(load->operation == PROACTOR_WRITE ? (int64_t)load->blocks.shape.size : 0);
}

/*
 * Starts operations with buffer @index until one is in flight, or there were enough: an engine may
 * have done any of them before push returns. The loop is one function, as the yardsticks' are.
 */
static inline __attribute__((always_inline)) int start(struct bench_proactor *load, unsigned index)
{
	while (load->started < load->op_count) {
		struct proactor_completion ready;
		uint64_t key;
		int r = proactor_push(load->proactor, next_operation(load, index), &key, &ready);

		if (unlikely(r < 0))
			return r;
		load->started++;
		if (r == PROACTOR_PENDING)
			return 0;
		if (unlikely(!is_right(load, &ready)))
			return -EIO;
		load->ended++;
	}
	return 0;
}

/* Takes @entry, and starts the next operation in its place. */
static inline __attribute__((always_inline)) int finish(struct bench_proactor *load,
	const struct proactor_entry *entry)
{
	struct proactor_completion completion;
	int r = proactor_pop(load->proactor, entry, &completion);

	if (unlikely(r < 0))
		return r;
	if (unlikely(!is_right(load, &completion)))
		return -EIO;
	load->ended++;
	return start(load, (unsigned)(uintptr_t)completion.context);
}

int bench_proactor_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct bench_proactor *load = context;
	struct proactor_entry entries[BENCH_DEPTH_MAX];
	int r = 0;

	load->op_count = op_count;
	load->started = load->ended = 0;
	load->seed = seed;
	bench_blocks_begin(&load->blocks, seed);
	for (unsigned i = 0; r >= 0 && i < load->depth; i++) {
		load->ops[i] = prepare(load, i);
		r = start(load, i);
	}
	while (r >= 0 && load->ended < op_count) {
		int count = proactor_poll(load->proactor, NULL, entries, BENCH_DEPTH_MAX);

		if (count < 0)
			return count;
		for (int i = 0; i < count && r >= 0; i++)
			r = finish(load, &entries[i]);
	}
	if (r >= 0 && load->operation == PROACTOR_WRITE &&
		!bench_blocks_written(&load->blocks, load->fd, seed))
		return -EIO;
	return MIN(r, 0);
}

struct bench_side bench_proactor_side(struct bench_proactor *load, const char *name)
{
	return (struct bench_side){.name = name,
		.run = bench_proactor_run,
		.context = load,
		.latencies = &load->blocks.latencies};
}
