/*
 * Random operations against a model.
 *
 * A file of fixed size and its copy in memory; up to MODEL_MAX operations in flight: nops,
 * timeouts, reads and writes at random places, cancelled at random, waited for at random, popped at
 * once or late. What is written to does not overlap with anything else in flight, so that each
 * result is known beforehand:
 *
 *  - each operation makes exactly one entry, with its key and context, and is popped exactly once
 *  - a result is the one expected, or -ECANCELED where somebody asked for that; a cancelled write
 *    has written nothing
 *  - keys of what was popped are unknown; the counters agree with the model after every step
 *
 * Prints its seed; SEED= repeats a run, as far as the kernel's timing lets it.
 */
#include "tests/conformance/conformance.h"

#include <stdio.h>
#include <stdlib.h>

enum { MODEL_MAX = 100, FILE_SIZE = 64 * 1024, TRANSFER_MAX = 6000, STALE_MAX = 64, STEPS = 40000 };
enum state { UNUSED, IN_FLIGHT, ENTERED };

struct flight {
	enum state state;
	bool cancelled;
	uint32_t opcode;
	uint64_t key;
	size_t offset, size;
	int64_t expected;
	struct proactor_entry entry;
	uint8_t bytes[TRANSFER_MAX];    /* read into, or written */
	uint8_t previous[TRANSFER_MAX]; /* what should be read */
};

struct model {
	struct proactor *proactor;
	int64_t file;
	uint32_t random;
	uint64_t pushed, in_flight;
	uint64_t stale[STALE_MAX];
	struct flight flights[MODEL_MAX];
	uint8_t content[FILE_SIZE];
};

static uint32_t any(struct model *model, uint32_t limit)
{
	model->random ^= model->random << 13;
	model->random ^= model->random >> 17;
	model->random ^= model->random << 5;
	return model->random % limit;
}

static struct flight *any_flight(struct model *model, enum state state)
{
	uint32_t first = any(model, MODEL_MAX);

	for (uint32_t i = 0; i < MODEL_MAX; i++) {
		struct flight *flight = &model->flights[(first + i) % MODEL_MAX];

		if (flight->state == state)
			return flight;
	}
	return NULL;
}

/* ---- pushing ---- */

static bool collides(const struct model *model, const struct flight *flight)
{
	for (int i = 0; i < MODEL_MAX; i++) {
		const struct flight *other = &model->flights[i];
		bool both_read = flight->opcode == PROACTOR_READ && other->opcode == PROACTOR_READ;

		if (other->state != UNUSED && !both_read && other->size > 0 &&
			flight->offset < other->offset + other->size &&
			other->offset < flight->offset + flight->size)
			return true;
	}
	return false;
}

/* Chooses a place for a read or a write. False: somebody is there. */
static bool choose_place(struct model *model, struct flight *flight)
{
	flight->offset = any(model, FILE_SIZE + TRANSFER_MAX);
	flight->size = any(model, TRANSFER_MAX);
	if (flight->opcode == PROACTOR_WRITE && flight->offset + flight->size > FILE_SIZE)
		return false;
	if (collides(model, flight))
		return false;
	flight->expected = flight->offset >= FILE_SIZE
		? 0
		: (int64_t)MIN(flight->size, FILE_SIZE - flight->offset);
	if (flight->opcode == PROACTOR_READ)
		memcpy(flight->previous, model->content + MIN(flight->offset, (size_t)FILE_SIZE),
			(size_t)flight->expected);
	for (size_t i = 0; i < flight->size; i++)
		flight->bytes[i] = (uint8_t)any(model, 256);
	return true;
}

static struct proactor_op choose_op(struct model *model, struct flight *flight)
{
	switch (flight->opcode) {
	case PROACTOR_TIMEOUT:
		return op_timeout(any(model, 4) == 0 ? UINT64_MAX : any(model, 2000000));
	case PROACTOR_READ:
		return op_read(model->file, flight->bytes, flight->size, (int64_t)flight->offset);
	case PROACTOR_WRITE:
		return op_write(model->file, flight->bytes, flight->size, (int64_t)flight->offset);
	default: return op_nop();
	}
}

static void check_result(struct model *model, const struct flight *flight, int64_t result)
{
	if (result == -ECANCELED) {
		ck_assert(flight->cancelled);
		return;
	}
	assert_result(result, flight->expected);
	if (flight->opcode == PROACTOR_READ)
		ck_assert_mem_eq(flight->bytes, flight->previous, (size_t)result);
	if (flight->opcode == PROACTOR_WRITE)
		memcpy(model->content + flight->offset, flight->bytes, (size_t)result);
}

static void push_one(struct model *model)
{
	static const uint32_t opcodes[] = {
		PROACTOR_NOP, PROACTOR_TIMEOUT, PROACTOR_READ, PROACTOR_WRITE};
	struct flight *flight = any_flight(model, UNUSED);
	struct proactor_completion ready;
	struct proactor_op op;

	if (!flight)
		return;
	flight->opcode = opcodes[any(model, ARRAY_SIZE(opcodes))];
	flight->cancelled = false;
	flight->size = 0;
	flight->expected = 0;
	if ((flight->opcode == PROACTOR_READ || flight->opcode == PROACTOR_WRITE) &&
		!choose_place(model, flight))
		return;
	op = choose_op(model, flight);
	op.context = flight;
	model->pushed++;
	if (must(proactor_push(model->proactor, &op, &flight->key, &ready)) == PROACTOR_READY) {
		ck_assert_ptr_eq(ready.context, flight);
		check_result(model, flight, ready.result);
		return;
	}
	flight->state = IN_FLIGHT;
	model->in_flight++;
}

/* ---- the end of one ---- */

static void pop_one(struct model *model, struct flight *flight)
{
	struct proactor_completion completion;

	must(proactor_pop(model->proactor, &flight->entry, &completion));
	assert_result(completion.result, flight->entry.result);
	ck_assert_ptr_eq(completion.context, flight);
	ck_assert_uint_eq(completion.opcode, flight->opcode);
	assert_result(proactor_pop(model->proactor, &flight->entry, &completion), -ENOENT);
	check_result(model, flight, completion.result);
	model->stale[any(model, STALE_MAX)] = flight->key;
	flight->state = UNUSED;
}

static void poll_some(struct model *model, const struct timespec *timeout)
{
	struct proactor_entry entries[16];
	int count = proactor_poll(model->proactor, timeout, entries,
		1 + any(model, ARRAY_SIZE(entries)));

	for (int i = 0; i < count; i++) {
		struct flight *flight = entries[i].context;

		ck_assert_int_eq(flight->state, IN_FLIGHT);
		ck_assert_uint_eq(flight->key, entries[i].key);
		flight->state = ENTERED;
		flight->entry = entries[i];
		model->in_flight--;
	}
	if (count < 0)
		assert_result(count, -ETIME);
}

/* ---- cancelling ---- */

/* One that has ended says so, also before its entry was seen; and then keeps its result. */
static void cancel_in_flight(struct model *model, struct flight *flight)
{
	int r = must(proactor_cancel(model->proactor, flight->key));

	if (r == PROACTOR_CANCEL_REQUESTED)
		flight->cancelled = true;
	else
		assert_result(r, PROACTOR_CANCEL_DONE);
}

static void cancel_one(struct model *model, enum state state)
{
	struct flight *flight = any_flight(model, state);

	if (flight && state == IN_FLIGHT)
		cancel_in_flight(model, flight);
	else if (flight)
		assert_result(proactor_cancel(model->proactor, flight->key), PROACTOR_CANCEL_DONE);
}

static void cancel_stale(struct model *model)
{
	assert_result(proactor_cancel(model->proactor, model->stale[any(model, STALE_MAX)]),
		-ENOENT);
}

/* ---- the run ---- */

static void check_counters(struct model *model)
{
	struct proactor_stats stats;

	proactor_stats(model->proactor, &stats);
	ck_assert_uint_eq(stats.pushed, model->pushed);
	ck_assert_uint_eq(stats.in_flight, model->in_flight);
	ck_assert_uint_eq(stats.pushed, stats.completed + stats.cancelled + stats.in_flight);
}

static void step(struct model *model)
{
	struct timespec pause = {.tv_nsec = any(model, 300000)};
	struct flight *flight;

	switch (any(model, 16)) {
	case 0: poll_some(model, &pause); break;
	case 1:
	case 2:
	case 3: poll_some(model, &no_time); break;
	case 4: cancel_one(model, IN_FLIGHT); break;
	case 5: cancel_one(model, ENTERED); break;
	case 6: cancel_stale(model); break;
	case 7:
	case 8:
	case 9:
	case 10:
		flight = any_flight(model, ENTERED);
		if (flight)
			pop_one(model, flight);
		break;
	default: push_one(model);
	}
	check_counters(model);
}

static void wind_up(struct model *model)
{
	struct flight *flight;

	for (int i = 0; i < MODEL_MAX; i++)
		if (model->flights[i].state == IN_FLIGHT)
			cancel_in_flight(model, &model->flights[i]);
	while (any_flight(model, IN_FLIGHT))
		poll_some(model, NULL);
	while ((flight = any_flight(model, ENTERED)))
		pop_one(model, flight);
	check_counters(model);
}

static void check_content(const struct model *model)
{
	static uint8_t content[FILE_SIZE];
	int fd = must(open("file", O_RDONLY | O_CLOEXEC));

	ck_assert_int_eq(read(fd, content, FILE_SIZE), FILE_SIZE);
	ck_assert_mem_eq(content, model->content, FILE_SIZE);
	close(fd);
}

static struct model *model_new(uint32_t seed)
{
	struct model *model = calloc(1, sizeof(*model));
	struct proactor_stats stats;

	printf("random_operations_agree_with_the_model: SEED=%u\n", seed);
	fflush(stdout);
	model->random = seed | 1;
	model->proactor = start_with_capacity(1U << any(model, 8));
	model->file = pattern_file(model->proactor, "file", FILE_SIZE);
	for (int i = 0; i < FILE_SIZE; i++)
		model->content[i] = pattern((uint64_t)i);
	proactor_stats(model->proactor, &stats);
	model->pushed = stats.pushed;
	return model;
}

START_TEST(random_operations_agree_with_the_model)
{
	const char *seed = getenv("SEED");
	struct model *model =
		model_new(seed ? (uint32_t)strtoul(seed, NULL, 0) : (uint32_t)clock_now_ns());

	for (int i = 0; i < (is_slow() ? STEPS / 8 : STEPS); i++)
		step(model);
	wind_up(model);
	check_content(model);
	close_file(model->proactor, model->file);
	stop(model->proactor);
	free(model);
}
END_TEST

void add_model(Suite *suite)
{
	suite_add(suite, random_operations_agree_with_the_model);
}
