/* Pushing: without end, and what is refused; and the counters. */
#include "tests/conformance/conformance.h"

#include <limits.h>
#include <stdlib.h>

/*
 * Pushes @op with @context, counts it in @pending unless it was READY, and then checks it as an
 * entry would be.
 */
static void push_one(struct proactor *proactor, struct proactor_op op, int *context, int *pending)
{
	struct proactor_completion ready;
	uint64_t key;

	op.context = context;
	if (must(proactor_push(proactor, &op, &key, &ready)) == PROACTOR_PENDING) {
		++*pending;
		return;
	}
	ck_assert_ptr_eq(ready.context, context);
	++*context;
}

/* Waits for @pending entries; each counts up its context. */
static void collect(struct proactor *proactor, int pending, int64_t result)
{
	struct proactor_entry entries[32];
	struct proactor_completion completion;

	while (pending > 0) {
		int count = must(proactor_poll(proactor, NULL, entries, ARRAY_SIZE(entries)));

		for (int i = 0; i < count; i++, pending--) {
			must(proactor_pop(proactor, &entries[i], &completion));
			assert_result(completion.result, result);
			++*(int *)completion.context;
		}
	}
	expect_quiet(proactor);
}

START_TEST(more_nops_than_any_ring_holds)
{
	enum { COUNT = 20000 };
	struct proactor *proactor = start_with_capacity(1);
	static int ended[COUNT];
	int pending = 0;

	for (int i = 0; i < COUNT; i++)
		push_one(proactor, op_nop(), &ended[i], &pending);
	collect(proactor, pending, 0);
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(ended[i], 1);
	stop(proactor);
}
END_TEST

START_TEST(more_reads_than_any_ring_holds)
{
	enum { COUNT = 20000, SIZE = 8 };
	struct proactor *proactor = start_with_capacity(1);
	int64_t file = pattern_file(proactor, "file", COUNT * SIZE);
	static uint8_t bytes[COUNT][SIZE];
	static int ended[COUNT];
	int pending = 0, right = 0, right_bytes = 0;

	for (int i = 0; i < COUNT; i++)
		push_one(proactor, op_read(file, bytes[i], SIZE, i * SIZE), &ended[i], &pending);
	collect(proactor, pending, SIZE);
	for (int i = 0; i < COUNT; i++) {
		right += ended[i] == 1;
		for (int j = 0; j < SIZE; j++)
			right_bytes += bytes[i][j] == pattern((uint64_t)(i * SIZE + j));
	}
	ck_assert_int_eq(right, COUNT);
	ck_assert_int_eq(right_bytes, COUNT * SIZE);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(more_waiting_operations_than_any_ring_holds)
{
	enum { COUNT = 5000 };
	struct proactor *proactor = start_with_capacity(1);
	static int ended[COUNT];
	static char bytes[COUNT], out[COUNT];
	int writer, pending = 0;
	int64_t file = silent_pipe(proactor, &writer);

	for (int i = 0; i < COUNT; i++)
		push_one(proactor, op_read(file, &bytes[i], 1, PROACTOR_CURRENT), &ended[i],
			&pending);
	expect_quiet(proactor);
	memset(out, 'x', sizeof(out));
	ck_assert_int_eq(write(writer, out, sizeof(out)), COUNT);
	collect(proactor, pending, 1);
	ck_assert_mem_eq(bytes, out, sizeof(out));
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(operation_that_is_refused_makes_no_entry)
{
	struct proactor *proactor = start();
	struct proactor_address address = local_address(AF_INET);
	struct proactor_stats stats;
	struct proactor_op op = op_nop();
	static char path[PATH_MAX + 1];
	struct statx stat;

	op.flags = 16;
	refuse(proactor, op, -EINVAL);
	refuse(proactor, (struct proactor_op){.opcode = PROACTOR_OPCODE_COUNT}, -EINVAL);
	refuse(proactor, (struct proactor_op){.opcode = UINT32_MAX}, -EINVAL);
	memset(path, '/', PATH_MAX);
	refuse(proactor, op_open(NULL, O_RDONLY), -EINVAL);
	refuse(proactor, op_open(path, O_RDONLY), -EINVAL);
	refuse(proactor, op_stat(PROACTOR_CWD, NULL, 0, &stat), -EINVAL);
	refuse(proactor, op_stat(PROACTOR_CWD, path, 0, &stat), -EINVAL);
	refuse(proactor, op_stat(PROACTOR_CWD, ".", 0, NULL), -EINVAL);
	refuse(proactor, op_bind(0, NULL), -EINVAL);
	refuse(proactor, op_connect(0, NULL), -EINVAL);
	address.size = sizeof(address.storage) + 1;
	refuse(proactor, op_connect(0, &address), -EINVAL);
	address.size = 0;
	refuse(proactor, op_bind(0, &address), -EINVAL);
	expect_quiet(proactor);
	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.pushed, 0);
	stop(proactor);
}
END_TEST

/* ---- counters ---- */

START_TEST(counters_add_up_at_every_moment)
{
	struct proactor *proactor = start();
	struct proactor_completion completion;
	struct proactor_entry entries[3];
	struct proactor_stats stats;
	uint64_t keys[10];

	for (int i = 0; i < 10; i++)
		keys[i] = launch(proactor, i < 3 ? op_nop() : op_timeout(1000 * NSEC_PER_SEC));
	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.pushed, 10);
	ck_assert_uint_eq(stats.in_flight, 10);
	for (int ended = 0; ended < 3;)
		ended +=
			must(proactor_poll(proactor, NULL, entries + ended, (unsigned)(3 - ended)));
	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.completed, 3);
	ck_assert_uint_eq(stats.in_flight, 7);
	for (int i = 0; i < 3; i++)
		must(proactor_pop(proactor, &entries[i], &completion));
	for (int i = 3; i < 10; i++)
		must(proactor_cancel(proactor, keys[i]));
	for (int i = 3; i < 10; i++)
		assert_result(await(proactor, keys[i]), -ECANCELED);
	assert_result(run(proactor, op_read(123456789, NULL, 0, 0)), -EBADF);
	assert_result(run(proactor, op_timeout(NSEC_PER_MSEC)), 0);
	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.pushed, 12);
	ck_assert_uint_eq(stats.completed, 5);
	ck_assert_uint_eq(stats.cancelled, 7);
	ck_assert_uint_eq(stats.in_flight, 0);
	ck_assert_uint_gt(stats.enters, 0);
	stop(proactor);
}
END_TEST

/* ---- in-process: a system call for many ---- */

START_TEST(ready_entries_cost_no_system_call)
{
	enum { COUNT = 100 };
	struct proactor *proactor = start();
	struct proactor_completion completion;
	struct proactor_entry entry;
	struct proactor_stats stats;

	for (int i = 0; i < COUNT; i++)
		(void)launch(proactor, op_nop());
	for (int i = 0; i < COUNT; i++) {
		assert_result(proactor_poll(proactor, i % 2 ? &no_time : NULL, &entry, 1), 1);
		must(proactor_pop(proactor, &entry, &completion));
	}
	proactor_stats(proactor, &stats);
	/* one to submit; an engine that ends them by itself looks after others now and then */
	ck_assert_uint_le(stats.enters, 1 + COUNT / 10);
	ck_assert_uint_eq(stats.overflows, 0);
	stop(proactor);
}
END_TEST

void add_push(Suite *suite)
{
	suite_add(suite, more_nops_than_any_ring_holds);
	suite_add(suite, more_reads_than_any_ring_holds);
	suite_add(suite, more_waiting_operations_than_any_ring_holds);
	suite_add(suite, operation_that_is_refused_makes_no_entry);
	suite_add(suite, counters_add_up_at_every_moment);
	if (engine->in_process)
		suite_add(suite, ready_entries_cost_no_system_call);
}
