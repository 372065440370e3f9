/* Making a proactor and ending it, whatever is in flight. */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- making one ---- */

START_TEST(any_capacity_will_do)
{
	static const uint32_t capacities[] = {1, 2, 3, 255, 4096, 1000000, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(capacities); i++) {
		struct proactor_options options = options_for_engine();
		struct proactor *proactor;

		options.capacity = capacities[i];
		options.completion_capacity = capacities[ARRAY_SIZE(capacities) - 1 - i];
		must(proactor_new(&proactor, &options));
		assert_result(run(proactor, op_nop()), 0);
		stop(proactor);
	}
}
END_TEST

START_TEST(options_that_make_no_sense_are_refused)
{
	struct proactor *proactor = (struct proactor *)&proactor;
	struct proactor_options options = options_for_engine();

	options.size = 0;
	assert_result(proactor_new(&proactor, &options), -EINVAL);
	options = options_for_engine();
	options.driver = 99;
	assert_result(proactor_new(&proactor, &options), -EINVAL);
	options = options_for_engine();
	options.flags = 1u << 31;
	assert_result(proactor_new(&proactor, &options), -EINVAL);
	options = options_for_engine();
	options.required_ops = UINT64_C(1) << PROACTOR_OPCODE_COUNT;
	assert_result(proactor_new(&proactor, &options), -EOPNOTSUPP);
	ck_assert_ptr_eq(proactor, &proactor);
}
END_TEST

START_TEST(options_of_another_version_are_understood)
{
	struct {
		struct proactor_options known;
		uint64_t later;
	} options = {.known = options_for_engine()};
	struct proactor *proactor;

	options.known.size = sizeof(options);
	must(proactor_new(&proactor, &options.known));
	stop(proactor);
	options.later = 1;
	assert_result(proactor_new(&proactor, &options.known), -EINVAL);
}
END_TEST

START_TEST(operations_that_are_there_may_be_required)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;

	options.required_ops = UINT64_C(1) << PROACTOR_READ | UINT64_C(1) << PROACTOR_ACCEPT | 1;
	must(proactor_new(&proactor, &options));
	stop(proactor);
}
END_TEST

START_TEST(environment_chooses_the_driver)
{
	char value[256];
	struct proactor *proactor;

	snprintf(value, sizeof(value), "%s%s", engine->environment_prefix, engine_socket);
	setenv("PROACTOR_DRIVER", value, 1);
	must(proactor_new(&proactor, NULL));
	/* the daemon's may say more */
	ck_assert_msg(strncmp(proactor_driver_name(proactor), value, strlen(value)) == 0, "%s",
		proactor_driver_name(proactor));
	ck_assert_str_eq(proactor_driver_reason(proactor), "");
	stop(proactor);
	setenv("PROACTOR_DRIVER", "abacus", 1);
	assert_result(proactor_new(&proactor, NULL), -EINVAL);
	setenv("PROACTOR_DRIVER", "unix:", 1);
	assert_result(proactor_new(&proactor, NULL), -EINVAL);
	/* who has chosen is not overruled */
	if (engine->driver != PROACTOR_DRIVER_AUTO) {
		proactor = start();
		stop(proactor);
	}
}
END_TEST

START_TEST(proactors_come_and_go)
{
	ck_assert_ptr_null(proactor_free(NULL));
	for (int i = 0; i < 100; i++)
		stop(start());
}
END_TEST

/* ---- ending one ---- */

START_TEST(memory_is_the_callers_again_after_free)
{
	enum { COUNT = 50 };
	static char bytes[COUNT][16], poison[COUNT][16];
	static struct proactor_address addresses[COUNT], poisoned_addresses[COUNT];
	struct proactor *proactor = start_with_capacity(8);
	struct proactor_address address;
	int writer, peer, client;
	int64_t files[] = {silent_pipe(proactor, &writer), stream(proactor, &peer),
		listener(proactor, AF_INET, &address)};

	memset(bytes, 0xee, sizeof(bytes));
	memset(poison, 0xee, sizeof(poison));
	for (int i = 0; i < COUNT; i++) {
		(void)launch(proactor, op_read(files[0], bytes[i], 16, PROACTOR_CURRENT));
		(void)launch(proactor, op_recv(files[1], bytes[i], 16, 0));
		(void)launch(proactor, op_accept(files[2], &addresses[i]));
		(void)launch(proactor, op_timeout((uint64_t)i * NSEC_PER_SEC + NSEC_PER_SEC));
		(void)launch(proactor, op_poll(files[1], POLLIN));
	}
	expect_quiet(proactor);
	proactor_free(proactor);
	memset(addresses, 0xee, sizeof(addresses));
	memset(poisoned_addresses, 0xee, sizeof(poisoned_addresses));
	client = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
	(void)connect(client, &address.any, address.size);
	signal(SIGPIPE, SIG_IGN);
	(void)!write(writer, "written!", 8);
	(void)!write(peer, "written!", 8);
	usleep(20000);
	ck_assert_mem_eq(bytes, poison, sizeof(bytes));
	ck_assert_mem_eq(addresses, poisoned_addresses, sizeof(addresses));
	close(writer);
	close(peer);
	close(client);
	for (size_t i = 0; engine->in_process && i < ARRAY_SIZE(files); i++)
		close((int)files[i]);
}
END_TEST

START_TEST(what_never_reached_the_engine_can_be_freed)
{
	for (int i = 0; i < 20; i++) {
		struct proactor *proactor = start_with_capacity(4);
		int writer;
		int64_t file = silent_pipe(proactor, &writer);
		char bytes[10];

		for (int j = 0; j < i; j++) {
			(void)launch(proactor,
				op_read(file, bytes, sizeof(bytes), PROACTOR_CURRENT));
			(void)launch(proactor, op_nop());
		}
		proactor_free(proactor);
		close(writer);
		if (engine->in_process)
			close((int)file);
	}
}
END_TEST

START_TEST(entries_that_nobody_popped_can_be_freed)
{
	struct proactor *proactor = start();
	struct proactor_entry entries[4];
	struct proactor_address address = local_address(AF_UNIX);
	int64_t file = pattern_file(proactor, "file", 10), socket_file;
	struct statx stat;

	socket_file = must(run(proactor, op_socket(AF_UNIX, SOCK_STREAM)));
	for (int i = 0; i < 10; i++) {
		struct proactor_op ops[] = {op_nop(), op_connect(socket_file, &address),
			op_stat(PROACTOR_CWD, "file", 0, &stat)};
		struct proactor_completion ready;
		uint64_t key;

		for (size_t j = 0; j < ARRAY_SIZE(ops); j++)
			must(proactor_push(proactor, &ops[j], &key, &ready));
	}
	must(proactor_poll(proactor, NULL, entries, ARRAY_SIZE(entries)));
	proactor_free(proactor);
	if (engine->in_process) {
		close((int)file);
		close((int)socket_file);
	}
}
END_TEST

/* ---- more than one ---- */

/* Plays a ball over two pipes; each of the two has a proactor and a thread. */
struct player {
	int in, out;
	int rounds;
	bool starts;
	bool failed;
};

static void *play(void *argument)
{
	struct player *player = argument;
	struct proactor *proactor = start();
	int64_t in = attach(proactor, player->in), out = attach(proactor, player->out);

	for (int i = 0; i < player->rounds; i++) {
		uint32_t ball = (uint32_t)i, caught = 0;
		uint64_t key =
			launch(proactor, op_read(in, &caught, sizeof(caught), PROACTOR_CURRENT));

		if (player->starts)
			player->failed |= run(proactor,
						  op_write(out, &ball, sizeof(ball),
							  PROACTOR_CURRENT)) != sizeof(ball);
		player->failed |= await(proactor, key) != sizeof(caught) || caught != ball;
		if (!player->starts)
			player->failed |= run(proactor,
						  op_write(out, &ball, sizeof(ball),
							  PROACTOR_CURRENT)) != sizeof(ball);
	}
	close_file(proactor, in);
	close_file(proactor, out);
	stop(proactor);
	return NULL;
}

START_TEST(two_proactors_in_two_threads_do_not_meet)
{
	int there[2], back[2], rounds = is_slow() ? 300 : 3000;
	struct player players[2];
	pthread_t thread;

	must(pipe2(there, O_CLOEXEC));
	must(pipe2(back, O_CLOEXEC));
	players[0] =
		(struct player){.in = back[0], .out = there[1], .rounds = rounds, .starts = true};
	players[1] = (struct player){.in = there[0], .out = back[1], .rounds = rounds};
	ck_assert_int_eq(pthread_create(&thread, NULL, play, &players[1]), 0);
	(void)play(&players[0]);
	pthread_join(thread, NULL);
	ck_assert(!players[0].failed);
	ck_assert(!players[1].failed);
}
END_TEST

START_TEST(two_proactors_in_one_thread_have_their_own_keys)
{
	struct proactor *a = start(), *b = start();
	uint64_t key_a = launch(a, op_timeout(1000 * NSEC_PER_SEC)),
		 key_b = launch(b, op_timeout(1));

	assert_result(await(b, key_b), 0);
	expect_quiet(a);
	must(proactor_cancel(a, key_a));
	expect_quiet(b);
	assert_result(await(a, key_a), -ECANCELED);
	stop(a);
	stop(b);
}
END_TEST

void add_lifetime(Suite *suite)
{
	suite_add(suite, any_capacity_will_do);
	suite_add(suite, options_that_make_no_sense_are_refused);
	suite_add(suite, options_of_another_version_are_understood);
	suite_add(suite, operations_that_are_there_may_be_required);
	suite_add(suite, environment_chooses_the_driver);
	suite_add(suite, proactors_come_and_go);
	suite_add(suite, memory_is_the_callers_again_after_free);
	suite_add(suite, what_never_reached_the_engine_can_be_freed);
	suite_add(suite, entries_that_nobody_popped_can_be_freed);
	suite_add(suite, two_proactors_in_two_threads_do_not_meet);
	suite_add(suite, two_proactors_in_one_thread_have_their_own_keys);
}
