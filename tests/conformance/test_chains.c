/* Chains: one operation after another, as long as they succeed (PROACTOR_CHAIN). */
#include "tests/conformance/conformance.h"

#include <stdatomic.h>
#include <stdlib.h>

START_TEST(chain_runs_in_order)
{
	enum { COUNT = 20 };
	struct proactor *proactor = start();
	struct proactor_entry entry;
	uint64_t keys[COUNT];

	/* the later, the shorter: by themselves they would end the other way round */
	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor,
			flagged(op_timeout((uint64_t)(COUNT - i) * 100 * NSEC_PER_USEC),
				i + 1 < COUNT ? PROACTOR_CHAIN : 0));
	for (int i = 0; i < COUNT; i++) {
		assert_result(next(proactor, &entry).result, 0);
		ck_assert_uint_eq(entry.key, keys[i]);
	}
	expect_quiet(proactor);
	stop(proactor);
}
END_TEST

START_TEST(chain_of_timeouts_takes_the_sum_of_their_times)
{
	struct proactor *proactor = start();
	uint64_t begin = clock_now_ns(), keys[4];

	for (int i = 0; i < 4; i++)
		keys[i] = launch(proactor, chained(op_timeout(20 * NSEC_PER_MSEC)));
	for (int i = 0; i < 4; i++) {
		assert_result(await(proactor, keys[i]), 0);
		ck_assert_uint_ge(clock_now_ns() - begin, (uint64_t)(i + 1) * 20 * NSEC_PER_MSEC);
	}
	stop(proactor);
}
END_TEST

START_TEST(chain_sees_what_went_before)
{
	struct proactor *proactor = start();
	int64_t file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	char bytes[50][8];
	uint64_t keys[4], last = 0;

	for (int i = 0; i < 50; i++) {
		char text[8] = "text 00";

		text[5] = (char)('0' + i / 10);
		text[6] = (char)('0' + i % 10);
		keys[0] = launch(proactor, chained(op_write(file, text, 8, 0)));
		keys[1] = launch(proactor, chained(op_fsync(file, 1)));
		keys[2] = launch(proactor, chained(op_read(file, bytes[i], 8, 0)));
		keys[3] = launch(proactor, op_ftruncate(file, 0));
		assert_result(await(proactor, keys[0]), 8);
		assert_result(await(proactor, keys[1]), 0);
		assert_result(await(proactor, keys[2]), 8);
		assert_result(await(proactor, keys[3]), 0);
		ck_assert_str_eq(bytes[i], text);
	}
	/* to the very end of the file */
	last = launch(proactor, chained(op_write(file, "x", 1, 0)));
	keys[0] = launch(proactor, chained(op_close(file)));
	keys[1] = launch(proactor, op_unlink(PROACTOR_CWD, "file", 0));
	assert_result(await(proactor, last), 1);
	assert_result(await(proactor, keys[0]), 0);
	assert_result(await(proactor, keys[1]), 0);
	ck_assert_int_eq(access("file", F_OK), -1);
	stop(proactor);
}
END_TEST

/* Each of a size and a place for which an engine may have a way of its own. */
START_TEST(chain_of_writes_leaves_the_last)
{
	enum { LARGE = 200000, ROUNDS = 30 };
	struct proactor *proactor = start();
	int64_t file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	static char large[LARGE];
	char bytes[4] = "";
	uint64_t keys[5];

	memset(large, 'l', sizeof(large));
	for (int i = 0; i < ROUNDS; i++) {
		char digit = (char)('0' + i % 10);

		keys[0] = launch(proactor, chained(op_write(file, large, LARGE, 0)));
		keys[1] = launch(proactor, chained(op_write(file, "abc", 3, 0)));
		/* goes on behind what was written there the last time */
		keys[2] = launch(proactor, chained(op_write(file, &digit, 1, PROACTOR_CURRENT)));
		keys[3] = launch(proactor, chained(op_write(file, "c", 1, LARGE)));
		keys[4] = launch(proactor, op_read(file, bytes, 3, i < 2 ? 0 : i - 2));
		assert_result(await(proactor, keys[0]), LARGE);
		assert_result(await(proactor, keys[1]), 3);
		assert_result(await(proactor, keys[2]), 1);
		assert_result(await(proactor, keys[3]), 1);
		assert_result(await(proactor, keys[4]), 3);
		ck_assert_int_eq(bytes[i < 2 ? i : 2], digit);
		if (i == 0)
			ck_assert_str_eq(bytes, "0bc");
		if (i > 5)
			ck_assert_int_eq(bytes[1], 'l');
	}
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(what_is_not_flagged_ends_the_chain)
{
	struct proactor *proactor = start();
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	char byte;
	uint64_t keys[3];

	keys[0] = launch(proactor, chained(op_read(file, &byte, 1, PROACTOR_CURRENT)));
	keys[1] = launch(proactor, op_nop());
	keys[2] = launch(proactor, op_timeout(1));
	/* the third is no part of it */
	assert_result(await(proactor, keys[2]), 0);
	expect_quiet(proactor);
	ck_assert_int_eq(write(writer, "x", 1), 1);
	assert_result(await(proactor, keys[0]), 1);
	assert_result(await(proactor, keys[1]), 0);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(poll_closes_an_open_chain)
{
	struct proactor *proactor = start();
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	struct proactor_entry entry;
	char byte;
	uint64_t waiting;

	waiting = launch(proactor, chained(op_read(file, &byte, 1, PROACTOR_CURRENT)));
	assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
	assert_result(run(proactor, op_nop()), 0);
	must(proactor_cancel(proactor, waiting));
	assert_result(await(proactor, waiting), -ECANCELED);
	/* also one whose last operation has ended and failed */
	assert_result(run(proactor, chained(op_read(123456789, &byte, 1, 0))), -EBADF);
	assert_result(run(proactor, op_nop()), 0);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(chain_is_longer_than_the_ring)
{
	enum { COUNT = 500 };
	struct proactor *proactor = start_with_capacity(1);
	int64_t file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	struct proactor_entry entry;
	static uint8_t bytes[COUNT];
	static uint64_t keys[COUNT];

	for (int i = 0; i < COUNT; i++) {
		bytes[i] = pattern((uint64_t)i);
		/* at the current position: out of order they would be mixed up */
		keys[i] = launch(proactor, chained(op_write(file, &bytes[i], 1, PROACTOR_CURRENT)));
	}
	for (int i = 0; i < COUNT; i++) {
		assert_result(next(proactor, &entry).result, 1);
		ck_assert_uint_eq(entry.key, keys[i]);
	}
	memset(bytes, 0, sizeof(bytes));
	assert_result(run(proactor, op_read(file, bytes, COUNT, 0)), COUNT);
	assert_pattern(bytes, COUNT, 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(chains_go_on_side_by_side)
{
	enum { CHAINS = 30, LENGTH = 10 };
	struct proactor *proactor = start_with_capacity(4);
	struct proactor_entry entry;
	static int64_t places[CHAINS * LENGTH];
	int ended[CHAINS] = {0};

	for (int i = 0; i < CHAINS; i++)
		for (int j = 0; j < LENGTH; j++) {
			struct proactor_op op = j % 2
				? op_nop()
				: op_timeout((uint64_t)((i * 7 + j * 13) % 100) * NSEC_PER_USEC);

			op.context = &places[i * LENGTH + j];
			(void)launch(proactor, flagged(op, j + 1 < LENGTH ? PROACTOR_CHAIN : 0));
		}
	for (int i = 0; i < CHAINS * LENGTH; i++) {
		struct proactor_completion completion = next(proactor, &entry);
		int place = (int)((int64_t *)completion.context - places);

		assert_result(completion.result, 0);
		ck_assert_int_eq(place % LENGTH, ended[place / LENGTH]++);
	}
	expect_quiet(proactor);
	stop(proactor);
}
END_TEST

START_TEST(what_a_chained_operation_points_to_may_go)
{
	struct proactor *proactor = start();
	char path[] = "file", bytes[8] = "";
	struct proactor_address address = local_address(AF_UNIX), copy;
	int64_t socket_file = must(run(proactor, op_socket(AF_UNIX, SOCK_STREAM))), file;
	struct iovec *pieces = malloc(sizeof(*pieces));
	uint64_t keys[4];

	file = pattern_file(proactor, "file", 5);
	copy = address;
	*pieces = (struct iovec){bytes, 5};
	keys[0] = launch(proactor, chained(op_timeout(5 * NSEC_PER_MSEC)));
	keys[1] = launch(proactor, chained(op_unlink(PROACTOR_CWD, path, 0)));
	keys[2] = launch(proactor, chained(op_readv(file, pieces, 1, 0)));
	keys[3] = launch(proactor, op_bind(socket_file, &copy));
	memset(path, 'x', sizeof(path) - 1);
	memset(&copy, 0xee, sizeof(copy));
	free(pieces);
	assert_result(await(proactor, keys[0]), 0);
	assert_result(await(proactor, keys[1]), 0);
	assert_result(await(proactor, keys[2]), 5);
	assert_pattern(bytes, 5, 0);
	assert_result(await(proactor, keys[3]), 0);
	must(access("listener", F_OK));
	close_file(proactor, socket_file);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- with calls ---- */

struct step {
	_Atomic int *count;
	int64_t result;
	int place;
};

static int64_t take_step(void *argument)
{
	struct step *step = argument;

	step->place = ++*step->count;
	return step->result;
}

START_TEST(chain_takes_calls_among_others)
{
	struct proactor *proactor = start();
	_Atomic int count = 0;
	struct step steps[3] = {{&count, 5, 0}, {&count, -EIO, 0}, {&count, 1, 0}};
	uint64_t keys[5];

	keys[0] = launch(proactor, chained(op_call(take_step, &steps[0])));
	keys[1] = launch(proactor, chained(op_timeout(NSEC_PER_MSEC)));
	keys[2] = launch(proactor, chained(op_call(take_step, &steps[1])));
	keys[3] = launch(proactor, chained(op_nop()));
	keys[4] = launch(proactor, op_call(take_step, &steps[2]));
	assert_result(await(proactor, keys[0]), 5);
	assert_result(await(proactor, keys[1]), 0);
	assert_result(await(proactor, keys[2]), -EIO);
	assert_result(await(proactor, keys[3]), -ECANCELED);
	assert_result(await(proactor, keys[4]), -ECANCELED);
	ck_assert_int_eq(steps[0].place, 1);
	ck_assert_int_eq(steps[1].place, 2);
	ck_assert_int_eq(count, 2);
	stop(proactor);
}
END_TEST

START_TEST(chain_of_calls_runs_one_at_a_time)
{
	enum { COUNT = 100 };
	struct proactor *proactor = start();
	_Atomic int count = 0;
	struct step steps[COUNT];
	struct proactor_entry entry;

	for (int i = 0; i < COUNT; i++) {
		steps[i] = (struct step){&count, i, 0};
		(void)launch(proactor, chained(op_call(take_step, &steps[i])));
	}
	for (int i = 0; i < COUNT; i++) {
		assert_result(next(proactor, &entry).result, i);
		ck_assert_int_eq(steps[i].place, i + 1);
	}
	stop(proactor);
}
END_TEST

void add_chains(Suite *suite)
{
	suite_add(suite, chain_runs_in_order);
	suite_add(suite, chain_of_timeouts_takes_the_sum_of_their_times);
	suite_add(suite, chain_sees_what_went_before);
	suite_add(suite, chain_of_writes_leaves_the_last);
	suite_add(suite, what_is_not_flagged_ends_the_chain);
	suite_add(suite, poll_closes_an_open_chain);
	suite_add(suite, chain_is_longer_than_the_ring);
	suite_add(suite, chains_go_on_side_by_side);
	suite_add(suite, what_a_chained_operation_points_to_may_go);
	suite_add(suite, chain_takes_calls_among_others);
	suite_add(suite, chain_of_calls_runs_one_at_a_time);
}
