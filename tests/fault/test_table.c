/*
 * The table of files that an io_uring has, where the kernel refuses what the driver asks of it: no
 * operation ever meets another file than the one it was pushed for.
 */
#include "tests/fault/suite.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "driver/uring.h"

static struct proactor *start(void)
{
	struct proactor_options options = {.size = sizeof(options), .driver = driver};
	struct proactor *proactor;

	fault_plan(NULL, 0);
	must(proactor_new(&proactor, &options));
	return proactor;
}

/* A file of the disk that has @letter in it. */
static int make(const char *path, char letter)
{
	int fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));

	ck_assert_int_eq(write(fd, &letter, 1), 1);
	return fd;
}

static bool is_fixed(struct proactor *proactor, int fd)
{
	return uring_is_fixed(uring_of(proactor), fd);
}

static void attach(struct proactor *proactor, int fd)
{
	int64_t file;

	must(IN_DRIVER(proactor_attach(proactor, fd, &file)));
	ck_assert_int_eq(file, fd);
}

static uint64_t push(struct proactor *proactor, struct proactor_op op)
{
	struct proactor_completion ready;
	uint64_t key;

	assert_result(IN_DRIVER(proactor_push(proactor, &op, &key, &ready)), PROACTOR_PENDING);
	return key;
}

static uint64_t push_read(struct proactor *proactor, int fd, char *ret_letter)
{
	return push(proactor,
		(struct proactor_op){.opcode = PROACTOR_READ, .read = {fd, ret_letter, 1, 0}});
}

static uint64_t push_close(struct proactor *proactor, int fd)
{
	return push(proactor, (struct proactor_op){.opcode = PROACTOR_CLOSE, .close = {fd}});
}

/* Takes the next two that end: the result of @key, which is one of them. */
static int64_t result_of(struct proactor *proactor, uint64_t key, unsigned count)
{
	int64_t result = INT64_MIN;

	for (unsigned i = 0; i < count; i++) {
		struct proactor_completion completion;
		struct proactor_entry entry;

		assert_result(IN_DRIVER(proactor_poll(proactor, NULL, &entry, 1)), 1);
		must(proactor_pop(proactor, &entry, &completion));
		if (entry.key == key)
			result = completion.result;
	}
	return result;
}

static void expect_letter(struct proactor *proactor, int fd, char letter)
{
	char found = 0;

	assert_result(result_of(proactor, push_read(proactor, fd, &found), 1), 1);
	ck_assert_int_eq(found, letter);
}

/* With @refusals of the kernel, when a file is to leave the table and the number is another's. */
static void replace(unsigned refusals)
{
	struct proactor *proactor = start();
	int a = make("a", 'a'), other = make("other", 'o'), b, fd;

	attach(proactor, a);
	attach(proactor, other);
	ck_assert(is_fixed(proactor, a));
	expect_letter(proactor, a, 'a');
	fault_plan(&(struct fault){FAULT_EMPTY_TABLE, 1, refusals, ENOMEM}, 1);
	must(IN_DRIVER(proactor_detach(proactor, a, &fd)));
	ck_assert_int_eq((int)fault_hits(), (int)MIN(refusals, 2u));
	close(a);
	b = make("b", 'b');
	ck_assert_int_eq(b, a);
	ck_assert(!is_fixed(proactor, b));
	expect_letter(proactor, b, 'b');
	attach(proactor, b);
	expect_letter(proactor, b, 'b');
	expect_letter(proactor, other, 'o');
	proactor_free(proactor);
	close(b);
	close(other);
}

START_TEST(place_that_cannot_be_emptied_is_nobodys)
{
	replace(0);
	replace(1);
	replace(UINT_MAX);
}
END_TEST

/* Who waits for its end is told, though the place was not emptied: the whole table was. */
START_TEST(file_that_could_not_leave_its_place_is_closed_all_the_same)
{
	struct proactor *proactor = start();
	struct pollfd pollfd = {.events = POLLIN};
	int fds[2];

	must(pipe2(fds, O_CLOEXEC));
	pollfd.fd = fds[0];
	attach(proactor, fds[1]);
	ck_assert(is_fixed(proactor, fds[1]));
	fault_plan(&(struct fault){FAULT_EMPTY_TABLE, 1, 1, ENOMEM}, 1);
	assert_result(result_of(proactor, push_close(proactor, fds[1]), 1), 0);
	ck_assert_uint_eq(fault_hits(), 1);
	ck_assert_int_eq(must(poll(&pollfd, 1, 5000)), 1);
	ck_assert_int_eq(pollfd.revents, POLLHUP);
	close(fds[0]);
	proactor_free(proactor);
}
END_TEST

/* The kernel is busy when the file is closed: the read before that still is of that file. */
START_TEST(what_waits_in_the_queue_meets_its_file_before_that_is_closed)
{
	struct proactor *proactor = start();
	int fd = make("a", 'a');
	char letter = 0;
	uint64_t key;

	attach(proactor, fd);
	key = push_read(proactor, fd, &letter);
	fault_plan(&(struct fault){FAULT_ENTER, 1, 1, EAGAIN}, 1);
	push_close(proactor, fd);
	ck_assert_uint_eq(fault_hits(), 1);
	assert_result(result_of(proactor, key, 2), 1);
	ck_assert_int_eq(letter, 'a');
	proactor_free(proactor);
}
END_TEST

/* As above, with so little room that it waits behind the queue. */
START_TEST(what_waits_for_the_queue_meets_its_file_before_that_is_closed)
{
	struct proactor_options options = {
		.size = sizeof(options), .driver = driver, .capacity = 1};
	struct proactor *proactor;
	int fd = make("a", 'a');
	char letters[3] = "";

	fault_plan(NULL, 0);
	must(proactor_new(&proactor, &options));
	attach(proactor, fd);
	fault_plan(&(struct fault){FAULT_ENTER, 1, 4, EAGAIN}, 1);
	for (size_t i = 0; i < ARRAY_SIZE(letters); i++)
		push_read(proactor, fd, &letters[i]);
	assert_result(result_of(proactor, push_close(proactor, fd), 4), 0);
	ck_assert_mem_eq(letters, "aaa", 3);
	proactor_free(proactor);
}
END_TEST

/*
 * The caller closes a descriptor past us, which is his mistake, and has another file under that
 * number. The read was for the file of before: it is of that, or fails; it never is of the other.
 */
static void close_past_it(bool is_busy)
{
	struct proactor *proactor = start();
	int a = make("a", 'a'), b = make("b", 'b');
	char letter = 0;
	uint64_t key;

	attach(proactor, a);
	key = push_read(proactor, a, &letter);
	must(dup3(b, a, O_CLOEXEC));
	if (is_busy)
		fault_plan(&(struct fault){FAULT_ENTER, 1, 1, EAGAIN}, 1);
	attach(proactor, a);
	assert_result(result_of(proactor, key, 1), is_busy ? -EBADF : 1);
	ck_assert_int_eq(letter, is_busy ? 0 : 'a');
	expect_letter(proactor, a, 'b');
	proactor_free(proactor);
	close(a);
	close(b);
}

START_TEST(number_that_became_another_files_is_not_used_for_what_was_pushed_before)
{
	close_past_it(false);
	close_past_it(true);
}
END_TEST

/* A thread of the kernel takes submissions at any time: there is no table then. */
START_TEST(there_is_no_table_where_submissions_cannot_be_changed)
{
	struct proactor_options options = {
		.size = sizeof(options), .driver = driver, .flags = PROACTOR_SQPOLL};
	struct proactor *proactor;
	int fd = make("a", 'a');

	fault_plan(NULL, 0);
	if (proactor_new(&proactor, &options) == 0) {
		attach(proactor, fd);
		ck_assert(!is_fixed(proactor, fd));
		expect_letter(proactor, fd, 'a');
		proactor_free(proactor);
	}
	close(fd);
}
END_TEST

START_TEST(table_may_refuse_at_each_call)
{
	struct load_options options = options_for(0);

	sweep(&options, FAULT_EMPTY_TABLE, 1, 8);
	sweep(&options, FAULT_EMPTY_TABLE, UINT_MAX, 8);
}
END_TEST

void add_table(Suite *suite)
{
	suite_add(suite, place_that_cannot_be_emptied_is_nobodys);
	suite_add(suite, file_that_could_not_leave_its_place_is_closed_all_the_same);
	suite_add(suite, what_waits_in_the_queue_meets_its_file_before_that_is_closed);
	suite_add(suite, what_waits_for_the_queue_meets_its_file_before_that_is_closed);
	suite_add(suite, number_that_became_another_files_is_not_used_for_what_was_pushed_before);
	suite_add(suite, there_is_no_table_where_submissions_cannot_be_changed);
	suite_add(suite, table_may_refuse_at_each_call);
}
