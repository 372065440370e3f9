/*
 * Our side: a program written to proactor.h that keeps a number of operations in flight. The driver
 * is the caller's choice; the loop is the same for all, as it would be in any program: push, poll,
 * pop, push again.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "driver/proactor.h"
#include "tests/bench/bench.h"

int bench_proactor_init(struct bench_proactor *load, const struct proactor_options *options,
	int data_fd)
{
	int r, fd;

	*load = (struct bench_proactor){.depth = 1};
	r = bench_reads_init(&load->reads);
	if (r < 0)
		return r;
	r = proactor_new(&load->proactor, options);
	if (r < 0)
		return r;
	fd = fcntl(data_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = proactor_attach(load->proactor, fd, &load->file);
	if (r < 0)
		close(fd);
	return r;
}

void bench_proactor_deinit(struct bench_proactor *load)
{
	load->proactor = proactor_free(load->proactor);
	bench_reads_deinit(&load->reads);
}

static struct proactor_op next_operation(struct bench_proactor *load, unsigned index)
{
	void *context = (void *)(uintptr_t)index;

	if (load->operation == BENCH_NOP)
		return (struct proactor_op){.opcode = PROACTOR_NOP, .context = context};
	return (struct proactor_op){
		.opcode = PROACTOR_READ,
		.context = context,
		.read =
			{
				.file = load->file,
				.data = bench_reads_buffer(&load->reads, index),
				.size = BENCH_BLOCK_SIZE,
				.offset = (int64_t)bench_reads_next(&load->reads, index),
			},
	};
}

static bool is_right(const struct bench_proactor *load,
	const struct proactor_completion *completion)
{
	if (load->operation == BENCH_NOP)
		return completion->result == 0;
	return bench_reads_right(&load->reads, (unsigned)(uintptr_t)completion->context,
		completion->result);
}

static int start(struct bench_proactor *load, unsigned index)
{
	struct proactor_op op = next_operation(load, index);
	struct proactor_completion ready;
	uint64_t key;
	int r = proactor_push(load->proactor, &op, &key, &ready);

	/* nothing that is measured here can be done before it is asked for */
	return r == PROACTOR_READY ? -EIO : r;
}

/* Takes @entry, and starts the next operation in its place unless there were enough. */
static int finish(struct bench_proactor *load, const struct proactor_entry *entry, bool again)
{
	struct proactor_completion completion;
	int r = proactor_pop(load->proactor, entry, &completion);

	if (unlikely(r < 0))
		return r;
	if (unlikely(!is_right(load, &completion)))
		return -EIO;
	return again ? start(load, (unsigned)(uintptr_t)completion.context) : 0;
}

int bench_proactor_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct bench_proactor *load = context;
	struct proactor_entry entries[BENCH_DEPTH_MAX];
	uint64_t started = 0, ended = 0;
	int r = 0;

	load->reads.random = seed;
	while (r >= 0 && started < MIN(op_count, (uint64_t)load->depth))
		r = start(load, (unsigned)started++);
	while (r >= 0 && ended < op_count) {
		int count = proactor_poll(load->proactor, NULL, entries, BENCH_DEPTH_MAX);

		if (count < 0)
			return count;
		for (int i = 0; i < count && r >= 0; i++) {
			r = finish(load, &entries[i], started < op_count);
			started += started < op_count;
		}
		ended += (uint64_t)count;
	}
	return r < 0 ? r : 0;
}
