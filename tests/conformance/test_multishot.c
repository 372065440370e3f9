/* Operations that go on: accept and poll with PROACTOR_MULTISHOT. For recv see test_buffers.c. */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <sys/mman.h>

static struct proactor_op multishot(struct proactor_op op)
{
	return flagged(op, PROACTOR_MULTISHOT);
}

static int connect_to(const struct proactor_address *address)
{
	int fd = must(socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));

	must(connect(fd, &address->any, address->size));
	return fd;
}

/* The next entry is a shot of @key. Gives its result. */
static int64_t shot(struct proactor *proactor, uint64_t key)
{
	struct proactor_entry entry;
	struct proactor_completion completion = next(proactor, &entry);

	ck_assert_uint_eq(entry.key, key);
	ck_assert_uint_eq(completion.flags, PROACTOR_MORE);
	return must(completion.result);
}

/* Cancels @key, which ends in one entry, and nothing follows. */
static void end(struct proactor *proactor, uint64_t key)
{
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, key), -ECANCELED);
	assert_result(proactor_cancel(proactor, key), -ENOENT);
	expect_quiet(proactor);
}

/* ---- accept ---- */

START_TEST(one_accept_takes_many_connections)
{
	enum { COUNT = 50 };
	struct proactor *proactor = start_with_capacity(2);
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_INET, &address), server;
	struct proactor_stats stats;
	uint64_t key = launch(proactor, multishot(op_accept(listening, NULL)));
	char byte = 0;

	for (int i = 0; i < COUNT; i++) {
		int client = connect_to(&address);

		server = shot(proactor, key);
		ck_assert_int_eq(send(client, "x", 1, 0), 1);
		assert_result(run(proactor, op_recv(server, &byte, 1, 0)), 1);
		close_file(proactor, server);
		close(client);
	}
	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.in_flight, 1);
	end(proactor, key);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(connections_that_come_at_once_are_all_taken)
{
	enum { COUNT = 15 };
	struct proactor *proactor = start();
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_UNIX, &address), servers[COUNT];
	int clients[COUNT];
	uint64_t key;

	for (int round = 0; round < 2; round++) {
		/* before and after it begins */
		for (int i = 0; i < COUNT && round == 0; i++)
			clients[i] = connect_to(&address);
		key = launch(proactor, multishot(op_accept(listening, NULL)));
		if (round == 1)
			expect_quiet(proactor);
		for (int i = 0; i < COUNT && round == 1; i++)
			clients[i] = connect_to(&address);
		for (int i = 0; i < COUNT; i++)
			servers[i] = shot(proactor, key);
		expect_quiet(proactor);
		for (int i = 0; i < COUNT; i++) {
			close_file(proactor, servers[i]);
			close(clients[i]);
		}
		end(proactor, key);
	}
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

/* More than a ring of the daemon's has slots, while other things go on. */
START_TEST(connections_that_nobody_takes_for_a_while_wait)
{
	enum { COUNT = 300, FIRST = 10 };
	struct proactor *proactor = start();
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_UNIX, &address), servers[COUNT], other;
	int clients[COUNT], peer, detached;
	uint64_t key;

	assert_result(run(proactor, op_listen(listening, COUNT)), 0);
	key = launch(proactor, multishot(op_accept(listening, NULL)));
	expect_quiet(proactor);
	for (int i = 0; i < COUNT; i++)
		clients[i] = connect_to(&address);
	for (int i = 0; i < FIRST; i++)
		servers[i] = shot(proactor, key);
	other = stream(proactor, &peer);
	must(proactor_detach(proactor, other, &detached));
	close(detached);
	close(peer);
	for (int i = FIRST; i < COUNT; i++)
		servers[i] = shot(proactor, key);
	for (int i = 0; i < COUNT; i++) {
		char byte = (char)i, got = 0;

		ck_assert_int_eq(send(clients[i], &byte, 1, 0), 1);
		assert_result(run(proactor, op_recv(servers[i], &got, 1, 0)), 1);
		ck_assert_int_eq(got, byte);
		close_file(proactor, servers[i]);
		close(clients[i]);
	}
	end(proactor, key);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

/* A look for room and the making of it cross, in a ring that is full all the time. */
START_TEST(no_connection_is_left_when_room_comes_and_goes)
{
	enum { COUNT = 200, ROUNDS = 25 };
	struct proactor *proactor = start_with_capacity(8);
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_UNIX, &address);
	uint64_t key;

	assert_result(run(proactor, op_listen(listening, COUNT)), 0);
	key = launch(proactor, multishot(op_accept(listening, NULL)));
	for (int round = 0; round < ROUNDS; round++) {
		int64_t servers[COUNT];

		for (int i = 0; i < COUNT; i++)
			close(connect_to(&address));
		for (int i = 0; i < COUNT; i++)
			servers[i] = shot(proactor, key);
		for (int i = 0; i < COUNT; i++)
			close_file(proactor, servers[i]);
	}
	end(proactor, key);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(accepts_share_the_connections)
{
	enum { COUNT = 30 };
	struct proactor *proactor = start();
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_INET, &address);
	uint64_t keys[2];
	int clients[COUNT];

	for (int i = 0; i < 2; i++)
		keys[i] = launch(proactor, multishot(op_accept(listening, NULL)));
	for (int i = 0; i < COUNT; i++) {
		struct proactor_entry entry;

		clients[i] = connect_to(&address);
		close_file(proactor, must(next(proactor, &entry).result));
		ck_assert(entry.key == keys[0] || entry.key == keys[1]);
	}
	expect_quiet(proactor);
	for (int i = 0; i < COUNT; i++)
		close(clients[i]);
	end(proactor, keys[0]);
	end(proactor, keys[1]);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(accept_that_cannot_goes_on_no_longer)
{
	struct proactor *proactor = start();
	int64_t file = must(run(proactor, op_socket(AF_INET, SOCK_STREAM)));
	struct proactor_address address;

	assert_result(run(proactor, multishot(op_accept(file, NULL))), -EINVAL);
	assert_result(run(proactor, multishot(op_accept(123456789, NULL))), -EBADF);
	refuse(proactor, multishot(op_accept(file, &address)), -EINVAL);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(shot_that_nobody_took_yet_is_taken_after_the_cancellation)
{
	struct proactor *proactor = start();
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_INET, &address);
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key = launch(proactor, multishot(op_accept(listening, NULL)));
	int64_t files[2];
	int clients[2], count = 0;

	for (int i = 0; i < 2; i++)
		clients[i] = connect_to(&address);
	files[count++] = shot(proactor, key);
	must(proactor_cancel(proactor, key));
	/* it may have won the race, but there is one end, and it comes last */
	do {
		completion = next(proactor, &entry);
		ck_assert_uint_eq(entry.key, key);
		if (completion.result >= 0)
			files[count++] = completion.result;
		else
			assert_result(completion.result, -ECANCELED);
	} while (completion.flags & PROACTOR_MORE);
	expect_quiet(proactor);
	while (count > 0)
		close_file(proactor, files[--count]);
	assert_result(proactor_cancel(proactor, key), -ENOENT);
	for (int i = 0; i < 2; i++)
		close(clients[i]);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

/* ---- poll ---- */

START_TEST(poll_reports_what_is_ready_and_then_what_becomes_ready)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t key;
	char bytes[8];

	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	key = launch(proactor, multishot(op_poll(file, POLLIN)));
	assert_result(shot(proactor, key), POLLIN);
	/* the byte is still there: no flood */
	expect_quiet(proactor);
	assert_result(run(proactor, op_recv(file, bytes, 8, 0)), 1);
	expect_quiet(proactor);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(send(peer, "y", 1, 0), 1);
		assert_result(shot(proactor, key), POLLIN);
		assert_result(run(proactor, op_recv(file, bytes, 8, 0)), 1);
	}
	expect_quiet(proactor);
	end(proactor, key);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* A regular file and /dev/null never become ready: they are. */
START_TEST(poll_of_what_is_always_ready_reports_once)
{
	struct proactor *proactor = start();
	const int64_t files[] = {attach(proactor, must(memfd_create("regular", MFD_CLOEXEC))),
		attach(proactor, must(open("/dev/null", O_RDWR | O_CLOEXEC)))};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		uint64_t key = launch(proactor, multishot(op_poll(files[i], POLLIN | POLLOUT)));

		assert_result(shot(proactor, key), POLLIN | POLLOUT);
		expect_quiet(proactor);
		end(proactor, key);
		/* before anybody has taken that */
		key = launch(proactor, multishot(op_poll(files[i], POLLOUT)));
		assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
		while (proactor_cancel(proactor, key) != -ENOENT) {
			struct proactor_entry entry;

			(void)next(proactor, &entry);
			ck_assert_uint_eq(entry.key, key);
		}
		expect_quiet(proactor);
		assert_result(run(proactor, multishot(op_poll(files[i], POLLPRI))), -EINVAL);
	}
	/* the end of all ends what goes on */
	(void)shot(proactor, launch(proactor, multishot(op_poll(files[0], POLLIN))));
	(void)launch(proactor, multishot(op_poll(files[1], POLLIN)));
	proactor_free(proactor);
	if (engine->in_process)
		for (size_t i = 0; i < ARRAY_SIZE(files); i++)
			close((int)files[i]);
}
END_TEST

START_TEST(poll_of_what_is_not_ready_is_silent)
{
	struct proactor *proactor = start();
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	uint64_t key = launch(proactor, multishot(op_poll(file, POLLIN)));
	char byte;

	expect_quiet(proactor);
	ck_assert_int_eq(write(writer, "x", 1), 1);
	assert_result(shot(proactor, key), POLLIN);
	assert_result(run(proactor, op_read(file, &byte, 1, PROACTOR_CURRENT)), 1);
	expect_quiet(proactor);
	end(proactor, key);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(poll_of_an_end_says_so_and_floods_nobody)
{
	struct proactor *proactor = start();
	int writer, shots = 0;
	int64_t file = silent_pipe(proactor, &writer);
	uint64_t key = launch(proactor, multishot(op_poll(file, POLLIN)));
	struct timespec pause = ms(50);
	struct proactor_completion completion;
	struct proactor_entry entry;
	bool goes_on = true;
	int64_t events = 0;

	expect_quiet(proactor);
	close(writer);
	while (goes_on && proactor_poll(proactor, &pause, &entry, 1) == 1) {
		must(proactor_pop(proactor, &entry, &completion));
		events |= must(completion.result);
		goes_on = completion.flags & PROACTOR_MORE;
		ck_assert_int_lt(++shots, 5);
	}
	assert_result(events & POLLHUP, POLLHUP);
	if (goes_on)
		end(proactor, key);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(polls_of_one_file_all_hear)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	struct proactor_entry entry;
	uint64_t keys[3];
	int heard[2] = {0};
	char byte;

	for (int i = 0; i < 2; i++)
		keys[i] = launch(proactor, multishot(op_poll(file, POLLIN)));
	keys[2] = launch(proactor, op_poll(file, POLLIN));
	expect_quiet(proactor);
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	for (int i = 0; i < 3; i++) {
		assert_result(next(proactor, &entry).result, POLLIN);
		if (entry.key != keys[2])
			heard[entry.key == keys[1]]++;
		else
			ck_assert_uint_eq(entry.flags, 0);
	}
	ck_assert_int_eq(heard[0], 1);
	ck_assert_int_eq(heard[1], 1);
	assert_result(run(proactor, op_recv(file, &byte, 1, 0)), 1);
	end(proactor, keys[0]);
	end(proactor, keys[1]);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- its life ---- */

START_TEST(shots_are_popped_and_the_operation_lives)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	struct proactor_op op = multishot(op_poll(file, POLLIN));
	struct proactor_completion completion = {0};
	struct proactor_entry entry, last;
	struct proactor_stats stats;
	uint64_t key;
	char byte;

	op.context = &stats;
	key = launch(proactor, op);
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	ck_assert_uint_eq(entry.key, key);
	ck_assert_uint_eq(entry.flags, PROACTOR_MORE);
	ck_assert_ptr_eq(entry.context, &stats);
	must(proactor_pop(proactor, &entry, &completion));
	assert_result(completion.result, POLLIN);
	ck_assert_ptr_eq(completion.context, &stats);
	ck_assert_uint_eq(completion.opcode, PROACTOR_POLL);
	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.in_flight, 1);
	ck_assert_uint_eq(stats.completed, 0);
	assert_result(run(proactor, op_recv(file, &byte, 1, 0)), 1);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
	assert_result(proactor_poll(proactor, NULL, &last, 1), 1);
	ck_assert_uint_eq(last.flags, 0);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_DONE);
	must(proactor_pop(proactor, &last, &completion));
	assert_result(completion.result, -ECANCELED);
	assert_result(proactor_pop(proactor, &last, &completion), -ENOENT);
	assert_result(proactor_pop(proactor, &entry, &completion), -ENOENT);
	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.cancelled, 1);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(multishot_can_run_out_of_time)
{
	struct proactor *proactor = start();
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_INET, &address);
	uint64_t begin = clock_now_ns(),
		 key = launch(proactor,
			 within(multishot(op_accept(listening, NULL)), 60 * NSEC_PER_MSEC));
	struct proactor_completion completion = {.result = 0};
	struct proactor_entry entry;
	int64_t files[64];
	size_t shots = 0;

	/* each shot is no new beginning; the end may come while a file is closed */
	while (!has_ended(proactor, key)) {
		int client = connect_to(&address);

		completion = next(proactor, &entry);
		close(client);
		ck_assert_uint_eq(entry.key, key);
		if (completion.result < 0)
			break;
		/* closed later: who awaits that may find the end of the multishot, and keep it */
		ck_assert_uint_lt(shots, ARRAY_SIZE(files));
		files[shots++] = completion.result;
		usleep(5000);
	}
	assert_result(has_ended(proactor, key) ? await(proactor, key) : completion.result, -ETIME);
	ck_assert_uint_ge(clock_now_ns() - begin, 60 * NSEC_PER_MSEC);
	ck_assert_uint_gt(shots, 0);
	expect_quiet(proactor);
	while (shots > 0)
		close_file(proactor, files[--shots]);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

/* Who always finds an entry when he polls never waits: what he pushes is done all the same. */
START_TEST(shots_that_keep_coming_hold_up_nothing)
{
	struct proactor *proactor = start();
	struct proactor_address address;
	int64_t listening = listener(proactor, AF_INET, &address), files[64];
	uint64_t key = launch(proactor, multishot(op_accept(listening, NULL))), other = 0;
	struct proactor_completion completion;
	struct proactor_entry entry = {0};
	size_t shots = 0;

	expect_quiet(proactor);
	while (other == 0 || entry.key != other) {
		close(connect_to(&address));
		/* it has come, and whoever serves it sleeps again */
		usleep(3000);
		if (shots == 2)
			other = launch(proactor, op_timeout(1));
		completion = next(proactor, &entry);
		if (entry.key != key)
			continue;
		ck_assert_uint_lt(shots, ARRAY_SIZE(files));
		files[shots++] = must(completion.result);
	}
	must(proactor_cancel(proactor, key));
	while (entry.key != key || entry.flags & PROACTOR_MORE) {
		completion = next(proactor, &entry);
		ck_assert_uint_lt(shots, ARRAY_SIZE(files));
		if (completion.result >= 0)
			files[shots++] = completion.result;
	}
	while (shots > 0)
		close_file(proactor, files[--shots]);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(flag_that_does_not_fit_is_refused)
{
	struct proactor *proactor = start();
	char byte;
	const struct proactor_op ops[] = {op_nop(), op_timeout(1), op_read(0, &byte, 1, 0),
		op_recv(0, &byte, 1, 0), op_send(0, &byte, 1, 0), op_recvfrom(0, &byte, 1, 0, NULL),
		op_close(12345)};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		refuse(proactor, multishot(ops[i]), -EINVAL);
	expect_quiet(proactor);
	stop(proactor);
}
END_TEST

/* ---- in-process: descriptors can be counted ---- */

START_TEST(connections_of_a_multishot_that_nobody_popped_are_closed)
{
	enum { COUNT = 9 };

	for (int taken = 0; taken < COUNT; taken += 4) {
		int clients[COUNT], before = fd_count();
		struct proactor *proactor = start();
		struct proactor_address address;
		int64_t listening = listener(proactor, AF_INET, &address);
		uint64_t key = launch(proactor, multishot(op_accept(listening, NULL)));
		char byte;

		expect_quiet(proactor);
		for (int i = 0; i < COUNT; i++)
			clients[i] = connect_to(&address);
		for (int i = 0; i < taken; i++)
			close((int)shot(proactor, key));
		proactor_free(proactor);
		for (int i = taken; i < COUNT; i++) {
			ck_assert_int_le(recv(clients[i], &byte, 1, MSG_DONTWAIT), 0);
			close(clients[i]);
		}
		for (int i = 0; i < taken; i++)
			close(clients[i]);
		close((int)listening);
		ck_assert_int_eq(fd_count(), before);
	}
}
END_TEST

void add_multishot(Suite *suite)
{
	suite_add(suite, one_accept_takes_many_connections);
	suite_add(suite, connections_that_come_at_once_are_all_taken);
	suite_add(suite, connections_that_nobody_takes_for_a_while_wait);
	suite_add(suite, no_connection_is_left_when_room_comes_and_goes);
	suite_add(suite, accepts_share_the_connections);
	suite_add(suite, accept_that_cannot_goes_on_no_longer);
	suite_add(suite, shot_that_nobody_took_yet_is_taken_after_the_cancellation);
	suite_add(suite, poll_reports_what_is_ready_and_then_what_becomes_ready);
	suite_add(suite, poll_of_what_is_always_ready_reports_once);
	suite_add(suite, poll_of_what_is_not_ready_is_silent);
	suite_add(suite, poll_of_an_end_says_so_and_floods_nobody);
	suite_add(suite, polls_of_one_file_all_hear);
	suite_add(suite, shots_are_popped_and_the_operation_lives);
	suite_add(suite, multishot_can_run_out_of_time);
	suite_add(suite, shots_that_keep_coming_hold_up_nothing);
	suite_add(suite, flag_that_does_not_fit_is_refused);
	if (!engine->in_process)
		return;
	suite_add(suite, connections_of_a_multishot_that_nobody_popped_are_closed);
}
