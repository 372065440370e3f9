/* A slow file holds up nothing but what is done with it: neither push nor poll, nor other files. */
#include <poll.h>
#include <sys/mman.h>

#include "tests/conformance/conformance.h"
#include "tests/conformance/slow_file.h"

enum { PAGE = 4096, SLOW_MAX = 100 };

/*
 * What can be done with another file; some of it is for workers and threads on each engine. An
 * io_uring writes to files by a worker for each of 64 groups of files (io-wq.c, Linux 6.18), so
 * that @writes to another file may have to wait for a slow write, one time in 64: nothing can be
 * promised there.
 */
static void use_other_file(struct proactor *proactor, int64_t file, bool writes)
{
	uint8_t bytes[PAGE];
	struct statx stat;
	int64_t made;

	assert_result(run(proactor, op_read(file, bytes, PAGE, 0)), PAGE);
	assert_pattern(bytes, PAGE, 0);
	assert_result(run(proactor, op_fsync(file, 0)), 0);
	assert_result(run(proactor, op_stat(file, "", 0, &stat)), 0);
	made = must(run(proactor, op_open("made", O_RDWR | O_CREAT | O_TRUNC)));
	if (writes)
		assert_result(run(proactor, op_write(made, bytes, PAGE, PROACTOR_CURRENT)), PAGE);
	close_file(proactor, made);
	assert_result(run(proactor, op_nop()), 0);
	assert_result(run(proactor, op_timeout(NSEC_PER_MSEC)), 0);
}

static struct proactor_op read_slowly(int64_t file, void *bytes, int index)
{
	return op_read(file, bytes, PAGE, (int64_t)index * PAGE);
}

static struct proactor_op read_where_it_may_block(int64_t file, void *bytes, int index)
{
	return flagged(read_slowly(file, bytes, index), PROACTOR_MAY_BLOCK);
}

static struct proactor_op poll_slowly(int64_t file, void *bytes, int index)
{
	(void)bytes;
	(void)index;
	return op_poll(file, POLLIN);
}

static struct proactor_op write_slowly(int64_t file, void *bytes, int index)
{
	return op_write(file, bytes, PAGE, (int64_t)index * PAGE);
}

/* Some of each that does not write, the file's own position among them. */
static struct proactor_op do_all_slowly(int64_t file, void *bytes, int index)
{
	switch (index % 3) {
	case 0: return op_read(file, bytes, PAGE, PROACTOR_CURRENT);
	case 1: return op_fsync(file, 0);
	default: return read_slowly(file, bytes, index);
	}
}

/*
 * @count operations on it do not end, while another file is used. That push and poll are not held
 * up shows that this goes on at all: nobody else would tell the server to answer.
 */
static void be_slow(enum slow_file_kind kind, int count,
	struct proactor_op (*op)(int64_t, void *, int))
{
	struct proactor *proactor = start();
	int64_t other = pattern_file(proactor, "other", PAGE), file;
	static uint8_t bytes[SLOW_MAX][PAGE];
	struct slow_file slow;
	uint64_t keys[SLOW_MAX];

	if (slow_file_begin(&slow, kind)) {
		file = attach(proactor, slow.fd);
		for (int i = 0; i < count; i++)
			keys[i] = launch(proactor, op(file, bytes[i], i));
		expect_quiet(proactor);
		slow_file_await(&slow, 1);
		use_other_file(proactor, other, op != write_slowly);
		expect_quiet(proactor);
		for (int i = 0; i < count; i++)
			ck_assert(!has_ended(proactor, keys[i]));
		slow_file_release(&slow);
		for (int i = 0; i < count; i++)
			ck_assert_int_ge(await(proactor, keys[i]), 0);
		close_file(proactor, file);
		slow_file_end(&slow);
	}
	close_file(proactor, other);
	stop(proactor);
}

START_TEST(slow_read_holds_up_no_other_file)
{
	be_slow(SLOW_FILE_DIRECT, 1, read_slowly);
}
END_TEST

START_TEST(slow_read_into_the_page_cache_holds_up_no_other_file)
{
	be_slow(SLOW_FILE_CACHED, 1, read_slowly);
}
END_TEST

START_TEST(slow_write_holds_up_no_other_file)
{
	be_slow(SLOW_FILE_DIRECT, 1, write_slowly);
}
END_TEST

/*
 * The kernel takes such a file, which can be polled, for one whose reads wait no longer once it is
 * ready (io_uring/rw.c, Linux 6.18), and submits them in place.
 */
START_TEST(slow_read_of_an_old_server_holds_up_no_other_file)
{
	be_slow(SLOW_FILE_DIRECT_OLD, 10, read_slowly);
	/* the flag has no form on the wire */
	if (engine->in_process)
		be_slow(SLOW_FILE_DIRECT_OLD, 10, read_where_it_may_block);
}
END_TEST

/* To ask whether it is ready asks the server. */
START_TEST(slow_poll_holds_up_no_other_file)
{
	be_slow(SLOW_FILE_DIRECT, 1, poll_slowly);
}
END_TEST

/* To ask what the file is would ask the server, too. */
START_TEST(file_of_a_mute_server_holds_up_no_other_file)
{
	be_slow(SLOW_FILE_MUTE, 1, read_slowly);
}
END_TEST

START_TEST(many_slow_operations_hold_up_no_other_file)
{
	be_slow(SLOW_FILE_DIRECT, SLOW_MAX, do_all_slowly);
}
END_TEST

START_TEST(many_slow_operations_with_the_page_cache_hold_up_no_other_file)
{
	be_slow(SLOW_FILE_CACHED, SLOW_MAX, do_all_slowly);
}
END_TEST

START_TEST(slow_file_gives_what_is_in_it)
{
	struct proactor *proactor = start();
	uint8_t bytes[2][PAGE];
	struct slow_file slow;
	uint64_t keys[2];
	int64_t file;

	if (slow_file_begin(&slow, SLOW_FILE_DIRECT)) {
		file = attach(proactor, slow.fd);
		for (int i = 0; i < 2; i++)
			keys[i] = launch(proactor, op_read(file, bytes[i], PAGE, i * 3 * PAGE));
		expect_quiet(proactor);
		slow_file_await(&slow, 2);
		slow_file_release(&slow);
		for (int i = 0; i < 2; i++) {
			assert_result(await(proactor, keys[i]), PAGE);
			assert_pattern(bytes[i], PAGE, (uint64_t)i * 3 * PAGE);
		}
		close_file(proactor, file);
		slow_file_end(&slow);
	}
	stop(proactor);
}
END_TEST

/*
 * Who else has a file may hold its lock for as long as he likes. What it is is found out without.
 */
START_TEST(attach_of_a_locked_file_holds_up_nothing)
{
	struct proactor *proactor = start();
	int64_t other = pattern_file(proactor, "other", PAGE), file;
	struct slow_file slow;
	int fd;

	if (slow_file_begin(&slow, SLOW_FILE_CACHED)) {
		fd = must(open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		slow_file_lock(&slow, fd);
		file = attach(proactor, fd);
		use_other_file(proactor, other, /* writes= */ false);
		slow_file_release(&slow);
		close_file(proactor, file);
		close(slow.fd);
		slow_file_end(&slow);
	}
	close_file(proactor, other);
	stop(proactor);
}
END_TEST

/*
 * Where several share the proactor, nor does a write, which has to wait for that lock, nor what
 * uses the position, which may. @fd is closed.
 */
static void use_locked(int fd)
{
	struct proactor *proactor = start();
	int64_t other = pattern_file(proactor, "other", PAGE),
		file = attach(proactor, must(fcntl(fd, F_DUPFD_CLOEXEC, 0)));
	struct slow_file slow;
	uint64_t key, reading;
	char byte;

	if (slow_file_begin(&slow, SLOW_FILE_CACHED)) {
		slow_file_lock(&slow, fd);
		key = launch(proactor, op_write(file, "x", 1, 0));
		reading = launch(proactor, op_read(file, &byte, 1, PROACTOR_CURRENT));
		use_other_file(proactor, other, /* writes= */ false);
		ck_assert(!has_ended(proactor, key));
		slow_file_release(&slow);
		assert_result(await(proactor, key), 1);
		ck_assert_int_ge(await(proactor, reading), 0);
		close(slow.fd);
		slow_file_end(&slow);
	}
	close(fd);
	close_file(proactor, file);
	close_file(proactor, other);
	stop(proactor);
}

START_TEST(locked_file_holds_up_no_other_client)
{
	use_locked(must(memfd_create("locked", MFD_CLOEXEC)));
	use_locked(must(open("locked", O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
}
END_TEST

/* Two ends of a connection. The first lingers when it is closed: it has something to send. */
static void make_lingering(int ret_ends[2])
{
	const struct linger linger = {.l_onoff = 1, .l_linger = 3600};
	struct proactor_address address = local_address(AF_INET);
	int listening = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	static char bytes[65536];

	must(bind(listening, &address.any, address.size));
	must(listen(listening, 1));
	must(getsockname(listening, &address.any, &address.size));
	ret_ends[0] = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	must(connect(ret_ends[0], &address.any, address.size));
	ret_ends[1] = must(accept(listening, NULL, NULL));
	close(listening);
	while (send(ret_ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	must(setsockopt(ret_ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
}

START_TEST(close_that_lingers_holds_up_no_other_file)
{
	enum { COUNT = 8 };
	struct proactor *proactor = start();
	int64_t other = pattern_file(proactor, "other", PAGE);
	uint64_t keys[COUNT];
	int ends[COUNT][2];

	for (int i = 0; i < COUNT; i++) {
		make_lingering(ends[i]);
		keys[i] = launch(proactor,
			flagged(op_close(attach(proactor, ends[i][0])), PROACTOR_MAY_BLOCK));
	}
	use_other_file(proactor, other, /* writes= */ true);
	for (int i = 0; i < COUNT; i++) {
		close(ends[i][1]);
		assert_result(await(proactor, keys[i]), 0);
	}
	close_file(proactor, other);
	stop(proactor);
}
END_TEST

void add_slow(Suite *suite)
{
	/* who has a proactor of his own has its thread do such writes */
	if (!engine->in_process)
		suite_add(suite, locked_file_holds_up_no_other_client);
	suite_add(suite, attach_of_a_locked_file_holds_up_nothing);
	suite_add(suite, slow_file_gives_what_is_in_it);
	suite_add(suite, slow_read_holds_up_no_other_file);
	suite_add(suite, slow_read_into_the_page_cache_holds_up_no_other_file);
	suite_add(suite, slow_write_holds_up_no_other_file);
	suite_add(suite, many_slow_operations_hold_up_no_other_file);
	suite_add(suite, many_slow_operations_with_the_page_cache_hold_up_no_other_file);
	suite_add(suite, slow_read_of_an_old_server_holds_up_no_other_file);
	suite_add(suite, slow_poll_holds_up_no_other_file);
	suite_add(suite, file_of_a_mute_server_holds_up_no_other_file);
	suite_add(suite, close_that_lingers_holds_up_no_other_file);
}
