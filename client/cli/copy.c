/* The copy engine. See copy.h. */
#include "client/cli/copy.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "client/cli/interrupt.h"

enum { DEPTH_DEFAULT = 32, BLOCK_SIZE_DEFAULT = 256 * 1024, ENTRIES = 64, PROGRESS_MS = 250 };

enum block_state {
	BLOCK_FREE,
	BLOCK_READING,
	BLOCK_FULL, /* read; to be written when its turn comes */
	BLOCK_WRITING,
};

/*
 * A part of the source and its memory. While READING or WRITING it has exactly one operation in
 * flight, or one that was READY and lies in run->ready.
 */
struct block {
	enum block_state state;
	bool waiting; /* the operation in flight is a poll: the file had said -EAGAIN */
	uint8_t *data;
	uint64_t offset;
	size_t size; /* read so far */
	size_t done; /* written so far */
	uint64_t key;
};

/* Blocks are used round and round: the n-th part of the source is in blocks[n % depth]. */
struct run {
	struct copy *copy;
	struct io *io;
	struct block *blocks;
	uint8_t *memory;
	/* not yet looked at: as many as there are blocks at most */
	struct proactor_completion *ready;
	uint32_t ready_count;
	uint32_t in_flight; /* reads, writes and polls, READY ones among them */
	uint32_t reading;
	uint32_t writing;
	uint64_t read_index; /* the next part to read */
	/* the parts before it are written, or being written where there is no order */
	uint64_t write_index;
	uint64_t read_offset;
	int error; /* the first; then nothing new is started */
};

void copy_choose(struct copy *copy, const struct io_limits *limits, uint64_t depth,
	uint64_t block_size)
{
	block_size = MIN(block_size ? block_size : BLOCK_SIZE_DEFAULT, limits->transfer_size);
	depth = MIN(depth ? depth : DEPTH_DEFAULT, limits->operations);
	/*
	 * half of what may be in flight: an answer is not yet read when the next request is on its
	 * way
	 */
	block_size = MIN(block_size, MAX(limits->memory / 2, UINT64_C(1)));
	depth = MIN(depth, MAX(limits->memory / 2 / block_size, UINT64_C(1)));
	copy->block_size = (size_t)block_size;
	copy->depth = (uint32_t)depth;
}

static struct block *block_at(const struct run *run, uint64_t index)
{
	return &run->blocks[index % run->copy->depth];
}

static void fail(struct run *run, int error, bool to)
{
	if (run->error == 0) {
		run->error = error;
		run->copy->failed_to = to;
	}
}

/* ---- starting operations ---- */

static void push(struct run *run, struct block *block, struct proactor_op *op)
{
	struct proactor_completion ready;
	int r;

	op->context = block;
	r = proactor_push(run->io->proactor, op, &block->key, &ready);
	/* what is refused ends like what has failed */
	if (r < 0)
		ready = (struct proactor_completion){
			.result = r, .context = block, .opcode = op->opcode};
	if (r != PROACTOR_PENDING)
		run->ready[run->ready_count++] = ready;
	run->in_flight++;
}

static void push_read(struct run *run, struct block *block)
{
	const struct copy_end *from = &run->copy->from;
	struct proactor_op op = {.opcode = PROACTOR_READ};

	op.read.file = from->file;
	op.read.data = block->data + block->size;
	op.read.size = run->copy->block_size - block->size;
	op.read.offset = from->ordered ? PROACTOR_CURRENT : (int64_t)(block->offset + block->size);
	push(run, block, &op);
}

static void push_write(struct run *run, struct block *block)
{
	const struct copy_end *to = &run->copy->to;
	struct proactor_op op = {.opcode = PROACTOR_WRITE};

	op.write.file = to->file;
	op.write.data = block->data + block->done;
	op.write.size = block->size - block->done;
	op.write.offset = to->ordered ? PROACTOR_CURRENT : (int64_t)(block->offset + block->done);
	push(run, block, &op);
}

/* The file was opened by somebody who wants no waiting (O_NONBLOCK): wait until it is ready. */
static void push_wait(struct run *run, struct block *block)
{
	bool to = block->state == BLOCK_WRITING;
	struct proactor_op op = {.opcode = PROACTOR_POLL};

	op.poll.file = to ? run->copy->to.file : run->copy->from.file;
	op.poll.events = to ? POLLOUT : POLLIN;
	block->waiting = true;
	push(run, block, &op);
}

static void push_again(struct run *run, struct block *block)
{
	if (block->state == BLOCK_WRITING)
		push_write(run, block);
	else
		push_read(run, block);
}

/* ---- reading ---- */

/* Whether one more block may be read now. */
static bool may_read(const struct run *run)
{
	const struct copy *copy = run->copy;

	if (run->error < 0 || copy->end != UINT64_MAX)
		return false;
	/*
	 * a block is free again when it was written, and its turn is over when all before it were
	 */
	if (run->read_index - run->write_index >= copy->depth ||
		block_at(run, run->read_index)->state != BLOCK_FREE)
		return false;
	return run->reading == 0 || (!copy->from.ordered && run->read_offset < copy->size);
}

static void start_reads(struct run *run)
{
	while (may_read(run)) {
		struct block *block = block_at(run, run->read_index++);

		block->state = BLOCK_READING;
		block->offset = run->read_offset;
		block->size = block->done = 0;
		/* in order, the next begins where this one is found to have ended */
		if (!run->copy->from.ordered)
			run->read_offset += run->copy->block_size;
		run->reading++;
		push_read(run, block);
	}
}

static void finish_read(struct run *run, struct block *block)
{
	run->reading--;
	block->state = BLOCK_FULL;
	if (run->copy->from.ordered)
		run->read_offset += block->size;
}

static void on_read(struct run *run, struct block *block, int64_t result)
{
	struct copy *copy = run->copy;

	if (result < 0) {
		finish_read(run, block);
		fail(run, (int)result, /* to= */ false);
		return;
	}
	block->size += (size_t)result;
	if (result == 0)
		copy->end = MIN(copy->end, block->offset + block->size);
	if (result > 0 && run->error == 0 && !copy->from.ordered && block->size < copy->block_size)
		push_read(run, block);
	else
		finish_read(run, block);
}

/* ---- writing ---- */

static void on_write(struct run *run, struct block *block, int64_t result)
{
	struct copy *copy = run->copy;

	if (result > 0) {
		block->done += (size_t)result;
		copy->bytes += (uint64_t)result;
		copy->written_end = MAX(copy->written_end, block->offset + block->done);
	} else
		/* nothing written and no reason given: to try for ever would be no better */
		fail(run, result < 0 ? (int)result : -EIO, /* to= */ true);
	if (run->error == 0 && block->done < block->size) {
		push_write(run, block);
		return;
	}
	run->writing--;
	block->state = BLOCK_FREE;
}

/* What was read behind the end is from before the file shrank. */
static bool is_worth_writing(const struct run *run, const struct block *block)
{
	return run->error == 0 && block->size > 0 && block->offset < run->copy->end;
}

/* Writes @block, which is FULL, or frees it where there is nothing to write. */
static void start_write(struct run *run, struct block *block)
{
	if (!is_worth_writing(run, block)) {
		block->state = BLOCK_FREE;
		return;
	}
	block->state = BLOCK_WRITING;
	run->writing++;
	push_write(run, block);
}

static void start_writes(struct run *run)
{
	while (run->write_index < run->read_index) {
		struct block *block = block_at(run, run->write_index);

		if (block->state == BLOCK_READING ||
			(run->copy->to.ordered && block->state == BLOCK_WRITING))
			break;
		if (block->state == BLOCK_FULL)
			start_write(run, block);
		if (run->copy->to.ordered && block->state == BLOCK_WRITING)
			break;
		run->write_index++;
	}
}

/* ---- the loop ---- */

static void on_completion(struct run *run, const struct proactor_completion *completion)
{
	struct block *block = completion->context;
	int64_t result = completion->result;

	run->in_flight--;
	if (block->waiting && result >= 0)
		result = -EINTR;
	block->waiting = false;
	if (run->error == 0 && result == -EINTR)
		push_again(run, block);
	else if (run->error == 0 && result == -EAGAIN)
		push_wait(run, block);
	else if (block->state == BLOCK_WRITING)
		on_write(run, block, result);
	else {
		on_read(run, block, result);
		/* without an order there is nothing to wait for */
		if (!run->copy->to.ordered && block->state == BLOCK_FULL)
			start_write(run, block);
	}
}

static void take_ready(struct run *run)
{
	/* each may start another that is READY as well, in the place that it leaves */
	while (run->ready_count > 0) {
		struct proactor_completion completion = run->ready[--run->ready_count];

		on_completion(run, &completion);
	}
}

static void cancel_all(struct run *run)
{
	for (uint32_t i = 0; i < run->copy->depth; i++) {
		struct block *block = &run->blocks[i];

		if (block->state == BLOCK_READING || block->state == BLOCK_WRITING)
			(void)proactor_cancel(run->io->proactor, block->key);
	}
}

/* Waits for entries and takes them. A failure of the proactor itself is returned. */
static int take_entries(struct run *run)
{
	struct timespec timeout = clock_timespec(PROGRESS_MS * NSEC_PER_MSEC);
	struct proactor_entry entries[ENTRIES];
	struct proactor_completion completion;
	int count = proactor_poll(run->io->proactor, run->copy->progress->bar ? &timeout : NULL,
		entries, ENTRIES);

	if (count < 0)
		return count == -ETIME ? 0 : count;
	for (int i = 0; i < count; i++) {
		int r = proactor_pop(run->io->proactor, &entries[i], &completion);

		if (r < 0)
			return r;
		on_completion(run, &completion);
	}
	return 0;
}

static int loop(struct run *run)
{
	bool cancelled = false;
	int r;

	for (;;) {
		start_writes(run);
		start_reads(run);
		take_ready(run);
		if (run->in_flight == 0 && !may_read(run) && run->write_index == run->read_index)
			return run->error;
		if (interrupt_signal())
			fail(run, -ECANCELED, /* to= */ false);
		if (run->error < 0 && !cancelled) {
			cancel_all(run);
			cancelled = true;
		}
		r = run->in_flight > 0 ? take_entries(run) : 0;
		if (r < 0)
			return r;
		progress_update(run->copy->progress, run->copy->bytes);
	}
}

int copy_run(struct copy *copy, struct io *io)
{
	_cleanup_(freep) struct block *blocks = calloc(copy->depth, sizeof(*blocks));
	_cleanup_(freep) uint8_t *memory = malloc(copy->depth * copy->block_size);
	_cleanup_(freep) struct proactor_completion *ready = calloc(copy->depth, sizeof(*ready));
	struct run run = {
		.copy = copy, .io = io, .blocks = blocks, .memory = memory, .ready = ready};
	int r;

	if (!blocks || !memory || !ready)
		return -ENOMEM;
	for (uint32_t i = 0; i < copy->depth; i++)
		blocks[i].data = memory + i * copy->block_size;
	copy->bytes = copy->written_end = 0;
	copy->end = UINT64_MAX;
	r = loop(&run);
	/* the proactor has failed: it ends before the memory that it may still write to */
	if (run.in_flight > run.ready_count)
		io_deinit(io);
	return r;
}
