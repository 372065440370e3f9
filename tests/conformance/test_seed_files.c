/* What was wrong with the seed where files are concerned: the table is in test_seed_defects.c. */
#include "tests/conformance/conformance.h"

#include <sys/mman.h>

/* ---- readiness ---- */

static void fill(int fd)
{
	static const char page[4096];

	while (send(fd, page, sizeof(page), MSG_DONTWAIT) > 0)
		continue;
	ck_assert_int_eq(errno, EAGAIN);
}

static void empty(int fd)
{
	char page[4096];

	while (recv(fd, page, sizeof(page), MSG_DONTWAIT) > 0)
		continue;
	ck_assert_int_eq(errno, EAGAIN);
}

/* Nobody looks between the two, so that both come as one event. */
START_TEST(both_directions_are_served)
{
	struct proactor *proactor = start();
	static const char out[1 << 16];
	uint64_t receiving, sending;
	char in = 0;
	int64_t file;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	fill(fds[0]);
	file = attach(proactor, fds[0]);
	for (int i = 0; i < 10; i++) {
		receiving = launch(proactor, op_recv(file, &in, 1, 0));
		sending = launch(proactor, op_send(file, out, sizeof(out), 0));
		expect_quiet(proactor);
		ck_assert_int_eq(send(fds[1], &"abcdefghij"[i], 1, 0), 1);
		empty(fds[1]);
		assert_result(await(proactor, receiving), 1);
		ck_assert_int_eq(in, "abcdefghij"[i]);
		ck_assert_int_gt(await(proactor, sending), 0);
		/* until the next has to wait again */
		do {
			sending = launch(proactor, op_send(file, out, sizeof(out), MSG_DONTWAIT));
		} while (await(proactor, sending) > 0);
	}
	close(fds[1]);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(event_that_nobody_waits_for_is_ignored)
{
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	char bytes[8] = "";
	uint64_t key;

	for (int i = 0; i < 3; i++) {
		key = launch(proactor, op_recv(file, bytes, sizeof(bytes), 0));
		expect_quiet(proactor);
		must(proactor_cancel(proactor, key));
		assert_result(await(proactor, key), -ECANCELED);
		/* it is readable, and nobody reads */
		ck_assert_int_eq(send(peer, "x", 1, 0), 1);
		expect_quiet(proactor);
		assert_result(run(proactor, op_recv(file, bytes, sizeof(bytes), 0)), 1);
	}
	/* hung up, and nobody cares */
	close(peer);
	expect_quiet(proactor);
	expect_quiet(proactor);
	assert_result(run(proactor, op_recv(file, bytes, sizeof(bytes), 0)), 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- in-process: files are descriptors of this process ---- */

/* Puts one end of a new pair in the place of @fd, past the proactor; gives the other. */
static int replace(int fd)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	if (fds[0] != fd) {
		must(dup3(fds[0], fd, O_CLOEXEC));
		close(fds[0]);
	}
	return fds[1];
}

static void expect_byte(struct proactor *proactor, int64_t file, int peer, bool waits)
{
	char byte = 0;
	uint64_t key;

	if (!waits)
		ck_assert_int_eq(send(peer, "n", 1, 0), 1);
	key = launch(proactor, op_recv(file, &byte, 1, 0));
	if (waits) {
		expect_quiet(proactor);
		ck_assert_int_eq(send(peer, "n", 1, 0), 1);
	}
	assert_result(await(proactor, key), 1);
	ck_assert_int_eq(byte, 'n');
}

/*
 * The file of before is gone as far as the caller is concerned, but what waits on it has to end:
 * -ECANCELED where the engine knows, else as its peer ends it.
 */
START_TEST(attaching_a_number_again_loses_nothing)
{
	enum { COUNT = 10 };
	struct proactor *proactor = start();
	int old_peer, peer, canceled = 0;
	int64_t file = stream(proactor, &old_peer);
	uint64_t keys[COUNT];
	char bytes[COUNT];

	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor, op_recv(file, &bytes[i], 1, 0));
	expect_quiet(proactor);
	peer = replace((int)file);
	ck_assert_int_eq(attach(proactor, (int)file), file);
	close(old_peer);
	for (int i = 0; i < COUNT; i++) {
		int64_t result = await(proactor, keys[i]);

		ck_assert_msg(result == 0 || result == -ECANCELED, "%s", result_text(result));
		canceled += result == -ECANCELED;
	}
	ck_assert(canceled == 0 || canceled == COUNT);
	expect_byte(proactor, file, peer, false);
	expect_byte(proactor, file, peer, true);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(what_was_not_attached_is_no_crash)
{
	struct proactor *proactor = start();
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	expect_byte(proactor, fds[0], fds[1], true);
	expect_byte(proactor, fds[0], fds[1], false);
	close(fds[0]);
	close(fds[1]);
	stop(proactor);
}
END_TEST

/* Closed by an operation, handed back and closed, or closed past it: then it is another file. */
START_TEST(number_that_is_used_again_is_the_new_file)
{
	struct proactor *proactor = start();
	int peer, back;
	int64_t file = stream(proactor, &peer);

	for (int i = 0; i < 12; i++) {
		int number = (int)file;

		expect_byte(proactor, file, peer, i % 2);
		close(peer);
		if (i % 3 == 0)
			close_file(proactor, file);
		if (i % 3 == 1)
			must(proactor_detach(proactor, file, &back));
		peer = replace(number);
		file = attach(proactor, number);
		ck_assert_int_eq(file, number);
	}
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- sizes ---- */

/* Cut to 32 bits, it would be 5. */
static const size_t huge = (UINT64_C(1) << 32) + 5;

START_TEST(sizes_over_four_gibibytes_are_not_cut)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10), socket_file;
	int peer;
	void *room = mmap(NULL, huge, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct iovec piece = {room, huge};

	ck_assert_ptr_ne(room, MAP_FAILED);
	assert_result(run(proactor, op_read(file, room, huge, 0)), 10);
	assert_pattern(room, 10, 0);
	socket_file = stream(proactor, &peer);
	ck_assert_int_eq(send(peer, "0123456789", 10, 0), 10);
	assert_result(run(proactor, op_recv(socket_file, room, huge, 0)), 10);
	ck_assert_int_gt(run(proactor, op_send(socket_file, room, huge, 0)), 5);
	if (engine->in_process)
		assert_result(run(proactor, op_readv(file, &piece, 1, 0)), 10);
	close(peer);
	close_file(proactor, socket_file);
	close_file(proactor, file);
	stop(proactor);
	munmap(room, huge);
}
END_TEST

void add_seed_files(Suite *suite)
{
	suite_add(suite, both_directions_are_served);
	suite_add(suite, event_that_nobody_waits_for_is_ignored);
	suite_add(suite, sizes_over_four_gibibytes_are_not_cut);
	if (!engine->in_process)
		return;
	suite_add(suite, attaching_a_number_again_loses_nothing);
	suite_add(suite, what_was_not_attached_is_no_crash);
	suite_add(suite, number_that_is_used_again_is_the_new_file);
}
