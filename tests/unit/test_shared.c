/* Shared memory, and the memories of a session: no access of ours can miss. */
#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/memory.h"

enum { SIZE = 64 * 1024 };

static struct shared shared;
static int fd;
static uint8_t *theirs; /* the client's view */

static void set_up(void)
{
	must(shared_init(&shared, SIZE, &fd));
	theirs = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(theirs, MAP_FAILED);
}

static void tear_down(void)
{
	must(munmap(theirs, SIZE));
	close(fd);
	shared_deinit(&shared, /* discards= */ true);
}

static blkcnt_t blocks(void)
{
	struct stat now;

	must(fstat(fd, &now));
	return now.st_blocks;
}

/* Every byte can be read, and written. */
static void touch_all(void)
{
	for (size_t i = 0; i < SIZE; i++)
		shared.bytes[i] ^= 0x5a;
	for (size_t i = 0; i < SIZE; i++)
		shared.bytes[i] ^= 0x5a;
}

START_TEST(memory_is_zeros_that_both_sides_see)
{
	struct stat stat;

	set_up();
	must(fstat(fd, &stat));
	ck_assert_int_eq(stat.st_size, SIZE);
	ck_assert_msg(blocks() * 512 >= SIZE, "not all of it is there");
	for (size_t i = 0; i < SIZE; i++)
		if (shared.bytes[i] != 0)
			ck_abort_msg("byte %zu", i);
	shared.bytes[SIZE - 1] = 1;
	ck_assert_uint_eq(theirs[SIZE - 1], 1);
	theirs[0] = 2;
	ck_assert_uint_eq(shared.bytes[0], 2);
	tear_down();
}
END_TEST

static void refuse(int result)
{
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(errno, EPERM);
}

/* SIGBUS is for access beyond the end: there is no way for it to come nearer. */
START_TEST(nobody_can_make_it_another_size)
{
	set_up();
	ck_assert_int_eq(must(fcntl(fd, F_GET_SEALS)) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	for (off_t size = 0; size < 3 * SIZE; size += SIZE / 2)
		if (size != SIZE)
			refuse(ftruncate(fd, size));
	refuse(fallocate(fd, 0, SIZE, 4096));
	refuse(fallocate(fd, FALLOC_FL_KEEP_SIZE, SIZE, 4096));
	refuse(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	refuse(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	touch_all();
	tear_down();
}
END_TEST

START_TEST(hole_is_zeros)
{
	set_up();
	memset(shared.bytes, 0xff, SIZE);
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, SIZE - 4096));
	must(madvise(theirs, 4096, MADV_REMOVE));
	ck_assert_int_eq(blocks(), 0);
	touch_all();
	for (size_t i = 0; i < SIZE; i++)
		if (shared.bytes[i] != 0)
			ck_abort_msg("byte %zu", i);
	tear_down();
}
END_TEST

START_TEST(pages_go_with_it_although_somebody_keeps_the_descriptor)
{
	set_up();
	memset(theirs, 0xff, SIZE);
	shared_deinit(&shared, /* discards= */ true);
	ck_assert_ptr_null(shared.bytes);
	ck_assert_int_eq(blocks(), 0);
	ck_assert_uint_eq(theirs[17], 0);
	shared_deinit(&shared, /* discards= */ true);
	tear_down();
}
END_TEST

START_TEST(pages_stay_where_that_is_wanted)
{
	set_up();
	memset(theirs, 0xff, SIZE);
	shared_deinit(&shared, /* discards= */ false);
	ck_assert_uint_eq(theirs[17], 0xff);
	tear_down();
}
END_TEST

START_TEST(size_is_that_of_whole_pages)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	ck_assert_uint_eq(shared_size(1), page);
	ck_assert_uint_eq(shared_size(page), page);
	ck_assert_uint_eq(shared_size(page + 1), 2 * page);
	ck_assert_uint_ge(shared_size(INT64_MAX), INT64_MAX);
}
END_TEST

START_TEST(want_of_descriptors_is_an_error_and_leaves_nothing)
{
	struct rlimit limit, none = {0};
	struct shared made = {0};
	int made_fd = -7;

	must(getrlimit(RLIMIT_NOFILE, &limit));
	none.rlim_max = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &none));
	assert_result(shared_init(&made, SIZE, &made_fd), -EMFILE);
	must(setrlimit(RLIMIT_NOFILE, &limit));
	ck_assert_ptr_null(made.bytes);
	ck_assert_int_eq(made_fd, -7);
}
END_TEST

/* ---- the memories of a session ---- */

START_TEST(piece_is_in_the_memory_or_none)
{
	static uint8_t bytes[100];
	const struct memory memory = {.shared = {.bytes = bytes, .size = sizeof(bytes)}};

	ck_assert_ptr_eq(memory_piece(&memory, 0, 100), bytes);
	ck_assert_ptr_eq(memory_piece(&memory, 99, 1), bytes + 99);
	ck_assert_ptr_eq(memory_piece(&memory, 100, 0), bytes + 100);
	ck_assert_ptr_null(memory_piece(&memory, 0, 101));
	ck_assert_ptr_null(memory_piece(&memory, 1, 100));
	ck_assert_ptr_null(memory_piece(&memory, 100, 1));
	ck_assert_ptr_null(memory_piece(&memory, 101, 0));
	ck_assert_ptr_null(memory_piece(&memory, UINT64_MAX, 1));
	ck_assert_ptr_null(memory_piece(&memory, UINT64_MAX, UINT64_MAX));
	ck_assert_ptr_null(memory_piece(&memory, 50, UINT64_MAX - 10));
}
END_TEST

START_TEST(memory_without_a_name_is_not_found)
{
	struct memory first = {.id = 1}, second = {.id = 2};
	struct memories memories;

	memories_init(&memories);
	ck_assert_ptr_null(memories_find(&memories, 0));
	list_append(&memories.all, &first.link);
	list_append(&memories.all, &second.link);
	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_eq(memories_find(&memories, 1), &first);
		ck_assert_ptr_eq(memories_find(&memories, 2), &second);
		ck_assert_ptr_null(memories_find(&memories, 0));
		ck_assert_ptr_null(memories_find(&memories, 3));
	}
	first.leaving = true;
	ck_assert_ptr_null(memories_find(&memories, 1));
	ck_assert_ptr_eq(memories_find(&memories, 2), &second);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("shared");

	suite_add(suite, memory_is_zeros_that_both_sides_see);
	suite_add(suite, nobody_can_make_it_another_size);
	suite_add(suite, hole_is_zeros);
	suite_add(suite, pages_go_with_it_although_somebody_keeps_the_descriptor);
	suite_add(suite, pages_stay_where_that_is_wanted);
	suite_add(suite, size_is_that_of_whole_pages);
	suite_add(suite, want_of_descriptors_is_an_error_and_leaves_nothing);
	suite_add(suite, piece_is_in_the_memory_or_none);
	suite_add(suite, memory_without_a_name_is_not_found);
	return suite_main(suite);
}
