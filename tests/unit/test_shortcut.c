/* Which transfers have shortcuts, and when they have none. */
#include "tests/harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/shortcut.h"

static int memory_file(void)
{
	return must(memfd_create("shortcut", MFD_CLOEXEC));
}

/* ---- which ---- */

static uint8_t ways_of_new(const char *path, int flags)
{
	int fd = must(open(path, flags | O_CLOEXEC));
	uint8_t ways = shortcut_ways(fd);

	close(fd);
	return ways;
}

START_TEST(files_in_memory_have_shortcuts)
{
	int fd = memory_file();
	char path[64];

	ck_assert_uint_eq(shortcut_ways(fd), SHORTCUT_READS | SHORTCUT_WRITES);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ck_assert_uint_eq(ways_of_new(path, O_RDONLY), SHORTCUT_READS);
	ck_assert_uint_eq(ways_of_new(path, O_RDWR | O_APPEND), SHORTCUT_READS);
	ck_assert_uint_eq(ways_of_new(path, O_RDWR | O_DSYNC), SHORTCUT_READS);
	ck_assert_uint_eq(ways_of_new(path, O_PATH), 0);
	close(fd);
}
END_TEST

START_TEST(what_is_no_file_has_none)
{
	int fds[2];

	ck_assert_uint_eq(shortcut_ways(-1), 0);
	ck_assert_uint_eq(ways_of_new("/dev/null", O_RDWR), 0);
	ck_assert_uint_eq(ways_of_new("/", O_RDONLY | O_DIRECTORY), 0);
	must(pipe2(fds, O_CLOEXEC));
	ck_assert_uint_eq(shortcut_ways(fds[1]), 0);
	close(fds[0]);
	close(fds[1]);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	ck_assert_uint_eq(shortcut_ways(fds[1]), 0);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

/* It is neither in memory nor on a disk: somebody makes up what is in it. */
START_TEST(others_are_asked)
{
	ck_assert_uint_eq(ways_of_new("/proc/self/stat", O_RDONLY), SHORTCUT_ASKS);
	ck_assert_uint_eq(ways_of_new("/proc/self/stat", O_PATH), 0);
}
END_TEST

START_TEST(writes_within_a_limit_have_none)
{
	int fd = memory_file();
	struct rlimit before, limit;

	must(getrlimit(RLIMIT_FSIZE, &before));
	limit = before;
	limit.rlim_cur = 1 << 30;
	must(setrlimit(RLIMIT_FSIZE, &limit));
	ck_assert_uint_eq(shortcut_ways(fd), SHORTCUT_READS);
	must(setrlimit(RLIMIT_FSIZE, &before));
	close(fd);
}
END_TEST

START_TEST(small_transfers_at_an_offset_may_have_one)
{
	struct iovec pieces[] = {{NULL, SHORTCUT_SIZE_MAX - 1}, {NULL, 1}, {NULL, 1}};
	struct proactor_op op = {.opcode = PROACTOR_WRITE, .write = {.size = SHORTCUT_SIZE_MAX}};
	struct proactor_op pieces_op = {
		.opcode = PROACTOR_READV, .readv = {.pieces = pieces, .count = 2}};

	ck_assert(shortcut_is_for(&op, SHORTCUT_WRITES));
	ck_assert(!shortcut_is_for(&op, SHORTCUT_READS));
	ck_assert(!shortcut_is_for(&op, 0));
	op.flags = PROACTOR_MAY_BLOCK;
	ck_assert(!shortcut_is_for(&op, SHORTCUT_WRITES));
	op.flags = 0;
	op.write.offset = PROACTOR_CURRENT;
	ck_assert(!shortcut_is_for(&op, SHORTCUT_WRITES));
	op.write.offset = 0;
	op.write.size++;
	ck_assert(!shortcut_is_for(&op, SHORTCUT_WRITES));
	ck_assert(shortcut_is_for(&pieces_op, SHORTCUT_READS));
	ck_assert(!shortcut_is_for(&pieces_op, SHORTCUT_WRITES));
	pieces_op.readv.count = 3;
	ck_assert(!shortcut_is_for(&pieces_op, SHORTCUT_READS));
}
END_TEST

START_TEST(only_what_may_have_one_is_looked_at)
{
	const uint64_t all = ~(UINT64_C(1) << PROACTOR_READV | UINT64_C(1) << PROACTOR_WRITEV);
	const uint64_t reads = UINT64_C(1) << PROACTOR_READ | UINT64_C(1) << PROACTOR_READV;
	const uint64_t writes = UINT64_C(1) << PROACTOR_WRITE | UINT64_C(1) << PROACTOR_WRITEV;
	const uint64_t polls = UINT64_C(1) << PROACTOR_POLL;
	uint64_t plain = all;
	struct shortcuts shortcuts;

	shortcuts_init(&shortcuts, &plain);
	shortcuts_set(&shortcuts, 3, 0);
	ck_assert_uint_eq(shortcuts.ops, 0);
	shortcuts_set(&shortcuts, 3, SHORTCUT_READS);
	ck_assert_uint_eq(shortcuts.ops, reads);
	ck_assert_uint_eq(plain, all & ~reads);
	shortcuts_set(&shortcuts, 4, SHORTCUT_UNKNOWN);
	ck_assert_uint_eq(shortcuts.ops, reads | writes | polls);
	ck_assert_uint_eq(plain, all & ~(reads | writes | polls));
	/* no numbers of files, or too high ones */
	shortcuts_set(&shortcuts, -1, SHORTCUT_READS);
	shortcuts_set(&shortcuts, INT64_C(1) << 32, SHORTCUT_READS);
	shortcuts_set(&shortcuts, 4, 0);
	ck_assert_uint_eq(shortcuts.ops, reads);
	shortcuts_set(&shortcuts, 3, 0);
	ck_assert_uint_eq(shortcuts.ops, 0);
	ck_assert_uint_eq(plain, all);
	shortcuts_deinit(&shortcuts);
}
END_TEST

/* ---- when ---- */

static void doze(void)
{
	struct timespec time = {.tv_nsec = 1000000};

	must(nanosleep(&time, NULL));
}

/* So long did a call take that slept. */
enum { TOOK_NS = 1000, END_NS = 1000000 };

static uint64_t plain_ops;

START_TEST(who_sleeps_is_held)
{
	struct shortcut_file file = {0}, other = {0};
	struct shortcuts shortcuts;

	shortcuts_init(&shortcuts, &plain_ops);
	/* nobody knows what was before */
	doze();
	shortcut_look_at(&shortcuts, &file, 0, END_NS, TOOK_NS);
	ck_assert(shortcut_may_try(&shortcuts, &file, 0, END_NS));
	doze();
	shortcut_look_at(&shortcuts, &file, 0, END_NS, TOOK_NS);
	ck_assert(!shortcut_may_try(&shortcuts, &file, 0, END_NS));
	ck_assert(!shortcut_may_try(&shortcuts, &other, 0, END_NS + 9 * TOOK_NS - 1));
	ck_assert(shortcut_may_try(&shortcuts, &other, 0, END_NS + 9 * TOOK_NS));
	ck_assert(!shortcut_may_try(&shortcuts, &file, 0, END_NS + 100 * TOOK_NS - 1));
	ck_assert(shortcut_may_try(&shortcuts, &file, 0, END_NS + 100 * TOOK_NS));
	ck_assert_uint_gt(shortcuts.wary_until_ns, END_NS + 100 * TOOK_NS);
}
END_TEST

START_TEST(waits_of_the_loop_are_nobodys_fault)
{
	struct shortcut_file file = {0};
	struct shortcuts shortcuts;

	shortcuts_init(&shortcuts, &plain_ops);
	shortcut_look_at(&shortcuts, &file, 0, END_NS, TOOK_NS);
	/* one that came to an end in the meantime: another turn */
	doze();
	shortcut_look_at(&shortcuts, &file, 1, END_NS, TOOK_NS);
	ck_assert(shortcut_may_try(&shortcuts, &file, 1, END_NS));
	/* in the next, what comes before the first call is counted out, what comes after is not */
	doze();
	ck_assert(shortcut_may_try(&shortcuts, &file, 2, END_NS));
	doze();
	shortcut_look_at(&shortcuts, &file, 2, END_NS, TOOK_NS);
	ck_assert(!shortcut_may_try(&shortcuts, &file, 2, END_NS));
}
END_TEST

/* Which may sleep for a reason of its own: once in a while. */
START_TEST(who_is_slow_without_sleep_is_not_held)
{
	struct shortcut_file file = {0};
	struct shortcuts shortcuts;
	bool may_try = false;

	for (int i = 0; i < 10 && !may_try; i++) {
		file = (struct shortcut_file){0};
		shortcuts_init(&shortcuts, &plain_ops);
		shortcut_look_at(&shortcuts, &file, 0, END_NS, TOOK_NS);
		shortcut_look_at(&shortcuts, &file, 0, END_NS, TOOK_NS);
		may_try = shortcut_may_try(&shortcuts, &file, 0, END_NS);
	}
	ck_assert(may_try);
}
END_TEST

/* ---- with a driver ---- */

static struct proactor *start(int driver)
{
	struct proactor_options options = {.size = sizeof(options), .driver = (uint32_t)driver};
	struct proactor *proactor;

	must(proactor_new(&proactor, &options));
	return proactor;
}

/* Writes, which the file takes at once, until one is PENDING. Returns how many. */
static int push_until_pending(struct proactor *proactor, int64_t file)
{
	struct proactor_op op = {
		.opcode = PROACTOR_WRITE, .write = {.file = file, .data = "x", .size = 1}};
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;
	int count = 1;

	for (; must(proactor_push(proactor, &op, &key, &completion)) == PROACTOR_READY; count++) {
		assert_result(completion.result, 1);
		ck_assert_int_lt(count, SHORTCUT_ROW);
	}
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	must(proactor_pop(proactor, &entry, &completion));
	assert_result(completion.result, 1);
	return count;
}

static void come_to_poll(int driver)
{
	struct proactor *proactor = start(driver);
	int most = 0;
	int64_t file;

	must(proactor_attach(proactor, memory_file(), &file));
	for (int i = 0; i < 10; i++)
		most = MAX(most, push_until_pending(proactor, file));
	/* some were shortcuts: not all ten rounds began with a hold */
	ck_assert_int_gt(most, 1);
	close((int)file);
	proactor_free(proactor);
}

START_TEST(who_pushes_comes_to_poll)
{
	come_to_poll(PROACTOR_DRIVER_IO_URING);
	come_to_poll(PROACTOR_DRIVER_EPOLL);
}
END_TEST

/* A pipe has the number next: a plain read of it would wait for ever. */
static void give_number_to_pipe(int driver)
{
	struct proactor *proactor = start(driver);
	struct proactor_op op = {.opcode = PROACTOR_READ};
	struct proactor_completion completion;
	int fds[2], number = memory_file();
	uint64_t key;
	char byte;

	must(proactor_attach(proactor, number, &op.read.file));
	(void)push_until_pending(proactor, op.read.file);
	must(proactor_detach(proactor, op.read.file, &number));
	must(pipe2(fds, O_CLOEXEC));
	must(dup3(fds[0], number, O_CLOEXEC));
	must(proactor_attach(proactor, number, &op.read.file));
	ck_assert_int_eq(op.read.file, number);
	op.read.data = &byte;
	op.read.size = 1;
	assert_result(proactor_push(proactor, &op, &key, &completion), PROACTOR_PENDING);
	proactor_free(proactor);
	close(number);
	close(fds[0]);
	close(fds[1]);
}

START_TEST(shortcuts_end_with_the_file)
{
	give_number_to_pipe(PROACTOR_DRIVER_IO_URING);
	give_number_to_pipe(PROACTOR_DRIVER_EPOLL);
}
END_TEST

/* It need not have been attached: one that an operation opened is looked at when it is used. */
START_TEST(opened_files_have_shortcuts)
{
	struct proactor *proactor = start(PROACTOR_DRIVER_IO_URING);
	struct proactor_completion completion;
	struct proactor_entry entry;
	int memory = memory_file();
	char path[64];
	uint64_t key;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	must(proactor_push(proactor,
		&(struct proactor_op){.opcode = PROACTOR_OPEN,
			.open = {.dir = PROACTOR_CWD, .path = path, .flags = O_RDWR}},
		&key, &completion));
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	must(proactor_pop(proactor, &entry, &completion));
	ck_assert_int_gt(push_until_pending(proactor, must(completion.result)), 1);
	close((int)completion.result);
	close(memory);
	proactor_free(proactor);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shortcut");

	suite_add(suite, files_in_memory_have_shortcuts);
	suite_add(suite, what_is_no_file_has_none);
	suite_add(suite, others_are_asked);
	suite_add(suite, writes_within_a_limit_have_none);
	suite_add(suite, small_transfers_at_an_offset_may_have_one);
	suite_add(suite, only_what_may_have_one_is_looked_at);
	suite_add(suite, who_sleeps_is_held);
	suite_add(suite, waits_of_the_loop_are_nobodys_fault);
	suite_add(suite, who_is_slow_without_sleep_is_not_held);
	suite_add(suite, who_pushes_comes_to_poll);
	suite_add(suite, shortcuts_end_with_the_file);
	suite_add(suite, opened_files_have_shortcuts);
	return suite_main(suite);
}
