/* The process around a proactor: forks, threads, floods, and idleness. */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* ---- fork ---- */

static void wait_for(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

static int64_t doze(void *argument)
{
	(void)argument;
	usleep(20000);
	return 4;
}

/* Operations of each kind in flight; @children is called; all of them end as they should. */
static void fork_in_the_middle(void (*children)(void))
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers;
	struct proactor_entry entry;
	struct proactor_address address;
	struct proactor_handle *handle;
	int writer, peer, select_peer, client;
	int64_t pipe_file = silent_pipe(proactor, &writer), file = stream(proactor, &peer);
	int64_t select_file = stream(proactor, &select_peer);
	int64_t listening = listener(proactor, AF_INET, &address);
	char bytes[4], *data;
	uint64_t keys[7], select;
	void *memory;

	must(proactor_buffers_new(proactor, 2, 8, &buffers));
	must(proactor_memory_new(proactor, 4096, &memory));
	must(proactor_handle(proactor, &handle));
	assert_result(run(proactor, op_call(doze, NULL)), 4);
	keys[0] = launch(proactor, op_read(pipe_file, memory, 4, PROACTOR_CURRENT));
	keys[1] = launch(proactor, op_recv(file, bytes, 4, 0));
	keys[2] = launch(proactor, op_accept(listening, NULL));
	keys[3] = launch(proactor, op_timeout(30 * NSEC_PER_MSEC));
	keys[4] = launch(proactor, within(op_recv(file, bytes, 4, 0), 20 * NSEC_PER_MSEC));
	keys[5] = launch(proactor, op_call(doze, NULL));
	keys[6] = launch(proactor, op_timeout(1000 * NSEC_PER_SEC));
	(void)proactor_poll(proactor, &no_time, &entry, 1);
	children();
	assert_result(await(proactor, keys[3]), 0);
	assert_result(await(proactor, keys[4]), -ETIME);
	assert_result(await(proactor, keys[5]), 4);
	ck_assert_int_eq(write(writer, "pipe", 4), 4);
	assert_result(await(proactor, keys[0]), 4);
	ck_assert_mem_eq(memory, "pipe", 4);
	ck_assert_int_eq(send(peer, "sock", 4, 0), 4);
	assert_result(await(proactor, keys[1]), 4);
	ck_assert_mem_eq(bytes, "sock", 4);
	client = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	must(connect(client, &address.any, address.size));
	close_file(proactor, must(await(proactor, keys[2])));
	must(proactor_cancel(proactor, keys[6]));
	assert_result(await(proactor, keys[6]), -ECANCELED);
	select = launch(proactor, op_recv_select(select_file, buffers));
	ck_assert_int_eq(send(select_peer, "pick", 4, 0), 4);
	assert_result(next(proactor, &entry).result, 4);
	ck_assert_uint_eq(entry.key, select);
	data = proactor_buffer_data(buffers, entry.flags);
	ck_assert_mem_eq(data, "pick", 4);
	proactor_notify(handle);
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 0);
	proactor_handle_free(handle);
	proactor_buffers_free(buffers);
	close(client);
	close(writer);
	close(peer);
	close(select_peer);
	close_file(proactor, pipe_file);
	close_file(proactor, file);
	close_file(proactor, select_file);
	close_file(proactor, listening);
	stop(proactor);
}

static void children_that_end(void)
{
	for (int i = 0; i < 5; i++) {
		pid_t child = must(fork());

		if (child == 0)
			_exit(0);
		wait_for(child);
	}
}

START_TEST(child_that_ends_at_once_ends_nothing_of_its_parents)
{
	fork_in_the_middle(children_that_end);
}
END_TEST

static pid_t sleeper;

/* Has everything open that the parent has, and lives longer than the proactor. */
static void child_that_sleeps(void)
{
	sleeper = must(fork());
	if (sleeper == 0) {
		char memory[100000];

		memset(memory, 0xee, sizeof(memory));
		usleep(300000);
		_exit(memory[5] != (char)0xee);
	}
}

START_TEST(child_that_lives_on_keeps_nothing_of_its_parents)
{
	fork_in_the_middle(child_that_sleeps);
	wait_for(sleeper);
}
END_TEST

static void child_that_executes(void)
{
	ck_assert_int_eq(system("exit 0"), 0);
}

START_TEST(child_that_executes_another_program_has_nothing_open)
{
	struct proactor *proactor = start();
	struct proactor_handle *handle;
	struct proactor_buffers *buffers;
	int fd, peer;
	int64_t file = stream(proactor, &peer);
	int open_before = system("exit $(ls /proc/self/fd | wc -l)");
	char byte;

	must(proactor_handle(proactor, &handle));
	must(proactor_fd(proactor, &fd));
	must(proactor_buffers_new(proactor, 2, 8, &buffers));
	assert_result(run(proactor, op_call(doze, NULL)), 4);
	assert_result(run(proactor, within(op_recv(file, &byte, 1, 0), 1000)), -ETIME);
	ck_assert_int_eq(system("exit $(ls /proc/self/fd | wc -l)"), open_before);
	proactor_handle_free(handle);
	proactor_buffers_free(buffers);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
	fork_in_the_middle(child_that_executes);
}
END_TEST

/* ---- a flood ---- */

START_TEST(flood_is_taken_one_by_one)
{
	enum { COUNT = 20000 };
	struct proactor *proactor = start_with_capacity(4);
	static uint8_t seen[COUNT];
	struct proactor_entry entry;
	int count = is_slow() ? COUNT / 10 : COUNT;

	for (int i = 0; i < count; i++) {
		struct proactor_op op = i % 3 ? op_nop() : op_timeout((uint64_t)(i % 1000));

		op.context = &seen[i];
		(void)launch(proactor, op);
		/* a little faster than they are taken */
		if (i % 4 == 0)
			++*(uint8_t *)next(proactor, &entry).context;
	}
	for (int i = (count + 3) / 4; i < count; i++)
		++*(uint8_t *)next(proactor, &entry).context;
	expect_quiet(proactor);
	for (int i = 0; i < count; i++)
		if (seen[i] != 1)
			ck_abort_msg("%d was seen %u times", i, seen[i]);
	stop(proactor);
}
END_TEST

START_TEST(hundred_thousand_go_through_a_ring_of_one)
{
	enum { COUNT = 100000 };
	struct proactor *proactor = start_with_capacity(1);
	static uint8_t seen[COUNT];
	struct proactor_entry entries[64];
	struct proactor_completion completion;
	int count = is_slow() ? COUNT / 50 : COUNT, ended = 0, right = 0;

	for (int i = 0; i < count; i++) {
		struct proactor_op op = op_nop();
		uint64_t key;

		op.context = &seen[i];
		if (proactor_push(proactor, &op, &key, &completion) == PROACTOR_READY) {
			seen[i]++;
			ended++;
			right += completion.result == 0;
		}
	}
	while (ended < count) {
		int n = must(proactor_poll(proactor, NULL, entries, ARRAY_SIZE(entries)));

		for (int i = 0; i < n; i++, ended++) {
			right += proactor_pop(proactor, &entries[i], &completion) == 0 &&
				completion.result == 0;
			++*(uint8_t *)completion.context;
		}
	}
	expect_quiet(proactor);
	for (int i = 0; i < count; i++)
		right -= seen[i] == 1;
	ck_assert_int_eq(right, 0);
	stop(proactor);
}
END_TEST

/* ---- limits ---- */

/* Where it were one thread's own call, SIGXFSZ would come with it. */
START_TEST(limit_on_files_is_an_error_and_no_signal)
{
	enum { LIMIT = 1 << 24 };
	struct rlimit before, limit;
	struct proactor *proactor;
	int64_t file;

	must(getrlimit(RLIMIT_FSIZE, &before));
	limit = before;
	limit.rlim_cur = LIMIT;
	must(setrlimit(RLIMIT_FSIZE, &limit));
	proactor = start();
	file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	assert_result(run(proactor, op_write(file, "x", 1, LIMIT - 1)), 1);
	assert_result(run(proactor, op_write(file, "x", 1, LIMIT)), -EFBIG);
	assert_result(run(proactor, op_write(file, "x", 1, PROACTOR_CURRENT)), 1);
	must(setrlimit(RLIMIT_FSIZE, &before));
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- idleness ---- */

START_TEST(idle_proactor_sleeps)
{
	enum { COUNT = 250 };
	struct proactor *proactor = start();
	struct proactor_address address;
	struct proactor_handle *handle;
	struct proactor_buffers *buffers;
	struct proactor_stats before, after;
	struct rusage usage_before, usage_after;
	struct proactor_entry entry;
	struct timespec second = ms(1000);
	int peer;
	int64_t file = stream(proactor, &peer), listening = listener(proactor, AF_INET, &address);
	static char bytes[COUNT];

	must(proactor_handle(proactor, &handle));
	must(proactor_buffers_new(proactor, 2, 8, &buffers));
	for (int i = 0; i < COUNT; i++) {
		(void)launch(proactor, op_recv(file, &bytes[i], 1, 0));
		(void)launch(proactor, op_accept(listening, NULL));
		(void)launch(proactor, op_timeout((uint64_t)(1000 + i) * NSEC_PER_SEC));
		(void)launch(proactor,
			within(op_poll(file, POLLIN), (uint64_t)(1000 + i) * NSEC_PER_SEC));
	}
	(void)launch(proactor, flagged(op_recv_select(file, buffers), PROACTOR_MULTISHOT));
	(void)launch(proactor, flagged(op_accept(listening, NULL), PROACTOR_MULTISHOT));
	assert_result(run(proactor, op_call(doze, NULL)), 4);
	expect_quiet(proactor);
	proactor_stats(proactor, &before);
	must(getrusage(RUSAGE_THREAD, &usage_before));
	assert_result(proactor_poll(proactor, &second, &entry, 1), -ETIME);
	must(getrusage(RUSAGE_THREAD, &usage_after));
	proactor_stats(proactor, &after);
	/* one to fall asleep; a timer may be early by a little and asked again */
	ck_assert_int_le(usage_after.ru_nvcsw - usage_before.ru_nvcsw, 4);
	ck_assert_uint_le(after.enters - before.enters, 4);
	proactor_handle_free(handle);
	proactor_buffers_free(buffers);
	must(proactor_cancel_all(proactor));
	for (int i = 0; i < 4 * COUNT + 2; i++)
		assert_result(next(proactor, &entry).result, -ECANCELED);
	close(peer);
	close_file(proactor, listening);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

void add_process(Suite *suite)
{
	suite_add(suite, child_that_ends_at_once_ends_nothing_of_its_parents);
	suite_add(suite, child_that_lives_on_keeps_nothing_of_its_parents);
	suite_add(suite, child_that_executes_another_program_has_nothing_open);
	suite_add(suite, flood_is_taken_one_by_one);
	suite_add(suite, hundred_thousand_go_through_a_ring_of_one);
	/* the daemon's own limit is the one that counts there */
	if (engine->in_process)
		suite_add(suite, limit_on_files_is_an_error_and_no_signal);
	suite_add(suite, idle_proactor_sleeps);
}
