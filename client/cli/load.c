/* The load of `proactl bench`. See load.h. */
#include "client/cli/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "client/cli/interrupt.h"

enum { ENTRIES = 64 };

/* One of the operations in flight, with its memory, again and again. */
struct load_lane {
	uint8_t *data;
	struct statx stat;
	uint64_t began_ns;
};

struct run {
	struct load *load;
	struct io *io;
	uint64_t random;
	uint64_t begin_ns;
	uint64_t now_ns; /* of this turn */
	uint64_t started;
	uint32_t in_flight;
	int error; /* the first; then nothing new is started */
};

static int64_t next_offset(struct run *run)
{
	uint64_t blocks = run->load->blocks, block;

	if (blocks == 0)
		return PROACTOR_CURRENT;
	/* xorshift: the same offsets in every run */
	run->random ^= run->random << 13;
	run->random ^= run->random >> 7;
	run->random ^= run->random << 17;
	block = run->load->sequential ? run->started : run->random;
	return (int64_t)(block % blocks * run->load->size);
}

static struct proactor_op next_operation(struct run *run, struct load_lane *lane)
{
	const struct load *load = run->load;
	struct proactor_op op = {.opcode = load->opcode, .context = lane};

	switch (load->opcode) {
	case PROACTOR_READ:
		op.read.file = load->file;
		op.read.data = lane->data;
		op.read.size = load->size;
		op.read.offset = next_offset(run);
		break;
	case PROACTOR_WRITE:
		op.write.file = load->file;
		op.write.data = lane->data;
		op.write.size = load->size;
		op.write.offset = next_offset(run);
		break;
	case PROACTOR_FSYNC: op.fsync.file = load->file; break;
	case PROACTOR_STAT:
		op.stat.dir = load->file;
		op.stat.path = "";
		op.stat.mask = STATX_BASIC_STATS;
		op.stat.stat = &lane->stat;
		break;
	default: break;
	}
	return op;
}

static bool is_over(const struct run *run)
{
	const struct load *load = run->load;

	return run->error < 0 || (load->count_max > 0 && run->started >= load->count_max) ||
		run->now_ns - run->begin_ns >= load->duration_max_ns || interrupt_signal();
}

static void fail(struct run *run, int error)
{
	if (run->error == 0) {
		run->error = error;
		(void)proactor_cancel_all(run->io->proactor);
	}
}

static void count(struct run *run, const struct load_lane *lane, int64_t result)
{
	struct load *load = run->load;

	if (result < 0) {
		fail(run, (int)result);
		return;
	}
	if (load->opcode == PROACTOR_READ && result == 0) {
		fail(run, -ENODATA);
		return;
	}
	histogram_add(&load->latencies, run->now_ns - lane->began_ns);
	load->bytes += (uint64_t)result;
}

/* Starts operations on @lane until one is in flight, or there were enough. */
static void start(struct run *run, struct load_lane *lane)
{
	while (!is_over(run)) {
		struct proactor_op op = next_operation(run, lane);
		struct proactor_completion ready;
		uint64_t key;
		int r = proactor_push(run->io->proactor, &op, &key, &ready);

		run->started++;
		lane->began_ns = run->now_ns;
		if (r == PROACTOR_PENDING) {
			run->in_flight++;
			return;
		}
		run->now_ns = clock_now_ns();
		if (r < 0)
			fail(run, r);
		else
			count(run, lane, ready.result);
	}
}

static void take(struct run *run, const struct proactor_entry *entry)
{
	struct proactor_completion completion;

	if (proactor_pop(run->io->proactor, entry, &completion) < 0)
		return;
	run->in_flight--;
	count(run, completion.context, completion.result);
	start(run, completion.context);
}

static int turn_until_over(struct run *run)
{
	struct proactor_entry entries[ENTRIES];

	run->begin_ns = run->now_ns = clock_now_ns();
	for (uint32_t i = 0; i < run->load->depth; i++)
		start(run, &run->load->lanes[i]);
	while (run->in_flight > 0) {
		int n = proactor_poll(run->io->proactor, NULL, entries, ENTRIES);

		if (n < 0)
			return n;
		run->now_ns = clock_now_ns();
		for (int i = 0; i < n; i++)
			take(run, &entries[i]);
	}
	run->load->duration_ns = run->now_ns - run->begin_ns;
	return run->error;
}

/* The memory goes with the proactor. */
static int prepare(struct load *load, struct proactor *proactor)
{
	bool transfers = load->opcode == PROACTOR_READ || load->opcode == PROACTOR_WRITE;
	size_t size = transfers ? load->size : 0;
	void *memory;
	int r;

	load->lanes = calloc(load->depth, sizeof(*load->lanes));
	if (!load->lanes)
		return -ENOMEM;
	if (size == 0)
		return 0;
	r = proactor_memory_new(proactor, load->depth * size, &memory);
	if (r < 0)
		return r;
	/* there before it is measured */
	memset(memory, 0x5a, load->depth * size);
	for (uint32_t i = 0; i < load->depth; i++)
		load->lanes[i].data = (uint8_t *)memory + i * size;
	return 0;
}

int load_run(struct load *load, struct io *io)
{
	struct run run = {.load = load, .io = io, .random = 1};
	int r = prepare(load, io->proactor);

	return r < 0 ? r : turn_until_over(&run);
}

void load_deinit(struct load *load)
{
	free(load->lanes);
	load->lanes = NULL;
}
