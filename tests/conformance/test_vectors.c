/* Several pieces of memory in one transfer: readv and writev. */
#include "tests/conformance/conformance.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/uio.h>

#define FOUR_GIB (INT64_C(1) << 32)

START_TEST(readv_fills_its_pieces_one_after_another)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10000);
	uint8_t first[10], third[4000], fourth[2] = {0xee, 0xee};
	struct iovec pieces[] = {{first, 10}, {NULL, 0}, {third, 4000}, {fourth, 1}};

	assert_result(run(proactor, op_readv(file, pieces, 4, 777)), 4011);
	assert_pattern(first, 10, 777);
	assert_pattern(third, 4000, 787);
	assert_pattern(fourth, 1, 4787);
	ck_assert_uint_eq(fourth[1], 0xee);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(writev_writes_its_pieces_one_after_another)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);
	struct iovec pieces[] = {
		text_piece("one"), {NULL, 0}, text_piece("two"), text_piece("three")};
	char bytes[12] = "";

	assert_result(run(proactor, op_writev(file, pieces, 4, 50)), 11);
	assert_result(run(proactor, op_read(file, bytes, 11, 50)), 11);
	ck_assert_str_eq(bytes, "onetwothree");
	assert_result(run(proactor, op_read(file, bytes, 1, 61)), 1);
	assert_pattern(bytes, 1, 61);
	ck_assert_int_eq(size_of("file"), 100);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(array_of_pieces_may_go_as_soon_as_it_was_pushed)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 1000);
	static uint8_t bytes[IOV_MAX];
	struct iovec *pieces = malloc(IOV_MAX * sizeof(*pieces));
	uint64_t keys[2];

	for (size_t i = 0; i < IOV_MAX; i++)
		pieces[i] = (struct iovec){&bytes[i], 1};
	/* few and many: who keeps a copy may keep them in different places */
	keys[0] = launch(proactor, op_readv(file, pieces, 3, 0));
	keys[1] = launch(proactor, op_readv(file, pieces + 3, IOV_MAX - 3, 3));
	memset(pieces, 0xee, IOV_MAX * sizeof(*pieces));
	free(pieces);
	assert_result(await(proactor, keys[0]), 3);
	assert_result(await(proactor, keys[1]), 997);
	assert_pattern(bytes, 1000, 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(pieces_are_as_many_as_the_system_takes_and_no_more)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10);
	static uint8_t bytes[IOV_MAX];
	static struct iovec pieces[IOV_MAX + 1];

	for (size_t i = 0; i < IOV_MAX; i++)
		pieces[i] = (struct iovec){&bytes[i], 1};
	for (size_t i = 0; i < IOV_MAX; i++)
		bytes[i] = pattern(i);
	assert_result(run(proactor, op_writev(file, pieces, IOV_MAX, 0)), IOV_MAX);
	memset(bytes, 0, sizeof(bytes));
	assert_result(run(proactor, op_readv(file, pieces, IOV_MAX, 0)), IOV_MAX);
	assert_pattern(bytes, IOV_MAX, 0);
	refuse(proactor, op_readv(file, pieces, IOV_MAX + 1, 0), -EINVAL);
	refuse(proactor, op_writev(file, pieces, SIZE_MAX, 0), -EINVAL);
	refuse(proactor, op_readv(file, NULL, 1, 0), -EINVAL);
	refuse(proactor, op_writev(file, NULL, 1, 0), -EINVAL);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(no_pieces_transfer_nothing)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10);
	struct iovec empty[2] = {{NULL, 0}, {&empty, 0}};

	assert_result(run(proactor, op_readv(file, NULL, 0, 0)), 0);
	assert_result(run(proactor, op_writev(file, NULL, 0, 5000)), 0);
	assert_result(run(proactor, op_readv(file, empty, 2, PROACTOR_CURRENT)), 0);
	assert_result(run(proactor, op_writev(file, empty, 2, PROACTOR_CURRENT)), 0);
	ck_assert_int_eq(size_of("file"), 10);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(readv_across_the_end_is_short_and_beyond_it_empty)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);
	uint8_t bytes[3][30];
	struct iovec pieces[] = {{bytes[0], 30}, {bytes[1], 30}, {bytes[2], 30}};

	memset(bytes, 0xee, sizeof(bytes));
	assert_result(run(proactor, op_readv(file, pieces, 3, 60)), 40);
	assert_pattern(bytes, 40, 60);
	ck_assert_uint_eq(bytes[1][10], 0xee);
	ck_assert_uint_eq(bytes[2][0], 0xee);
	assert_result(run(proactor, op_readv(file, pieces, 3, 100)), 0);
	assert_result(run(proactor, op_readv(file, pieces, 3, FOUR_GIB)), 0);
	assert_pattern(bytes, 40, 60);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(vectors_reach_beyond_four_gibibytes)
{
	struct proactor *proactor = start();
	int64_t file = must(run(proactor, op_open("file", O_RDWR | O_CREAT)));
	char bytes[4] = "";
	struct iovec out[] = {text_piece("f"), text_piece("ar")},
		     in[] = {{bytes, 2}, {bytes + 2, 1}};

	assert_result(run(proactor, op_writev(file, out, 2, FOUR_GIB + 5)), 3);
	assert_result(run(proactor, op_readv(file, in, 2, FOUR_GIB + 5)), 3);
	ck_assert_str_eq(bytes, "far");
	ck_assert_int_eq(size_of("file"), FOUR_GIB + 8);
	assert_result(run_or_refuse(proactor, op_readv(file, in, 2, -2)), -EINVAL);
	assert_result(run_or_refuse(proactor, op_writev(file, out, 2, INT64_MIN)), -EINVAL);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(vectors_move_the_current_position)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 100);
	uint8_t bytes[2][20];
	struct iovec in[] = {{bytes[0], 20}, {bytes[1], 20}},
		     out[] = {text_piece("x"), text_piece("y")};

	assert_result(run(proactor, op_readv(file, in, 2, PROACTOR_CURRENT)), 40);
	assert_result(run(proactor, op_readv(file, in, 2, 50)), 40);
	assert_result(run(proactor, op_writev(file, out, 2, PROACTOR_CURRENT)), 2);
	assert_result(run(proactor, op_readv(file, in, 1, PROACTOR_CURRENT)), 20);
	assert_pattern(bytes, 20, 42);
	assert_result(run(proactor, op_read(file, bytes, 3, 39)), 3);
	ck_assert_mem_eq(&bytes[0][1], "xy", 2);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(vectors_go_through_pipes_and_sockets_as_it_comes)
{
	struct proactor *proactor = start();
	char bytes[2][4] = {"", ""};
	struct iovec in[] = {{bytes[0], 3}, {bytes[1], 3}},
		     out[] = {text_piece("so"), text_piece("me")};
	int writer, peer;
	int64_t pipe_file = silent_pipe(proactor, &writer), file = stream(proactor, &peer);
	uint64_t key = launch(proactor, op_readv(pipe_file, in, 2, PROACTOR_CURRENT));

	expect_quiet(proactor);
	ck_assert_int_eq(write(writer, "late", 4), 4);
	assert_result(await(proactor, key), 4);
	ck_assert_str_eq(bytes[0], "lat");
	ck_assert_str_eq(bytes[1], "e");
	close(writer);
	assert_result(run(proactor, op_readv(pipe_file, in, 2, PROACTOR_CURRENT)), 0);
	assert_result(run(proactor, op_writev(file, out, 2, PROACTOR_CURRENT)), 4);
	ck_assert_int_eq(recv(peer, bytes, 4, 0), 4);
	ck_assert_mem_eq(bytes, "some", 4);
	key = launch(proactor, op_readv(file, in, 2, PROACTOR_CURRENT));
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, key), -ECANCELED);
	close(peer);
	close_file(proactor, pipe_file);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(vectors_say_why_they_cannot)
{
	struct proactor *proactor = start();
	int64_t both = pattern_file(proactor, "file", 10), reader, writer, directory;
	char byte = 0;
	struct iovec piece = {&byte, 1};

	reader = must(run(proactor, op_open("file", O_RDONLY)));
	writer = must(run(proactor, op_open("file", O_WRONLY)));
	directory = must(run(proactor, op_open(".", O_RDONLY | O_DIRECTORY)));
	assert_result(run(proactor, op_writev(reader, &piece, 1, 0)), -EBADF);
	assert_result(run(proactor, op_readv(writer, &piece, 1, 0)), -EBADF);
	assert_result(run(proactor, op_readv(directory, &piece, 1, 0)), -EISDIR);
	close_file(proactor, directory);
	close_file(proactor, writer);
	close_file(proactor, reader);
	close_file(proactor, both);
	stop(proactor);
}
END_TEST

/*
 * ---- in-process: elsewhere it is this process that copies from the address, and dies of it ----
 */

START_TEST(memory_that_is_not_there_is_a_bad_address)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10);
	void *nowhere = (void *)(uintptr_t)4096;
	uint8_t byte = 0;
	struct iovec pieces[] = {{nowhere, 5}, {&byte, 1}};

	assert_result(run(proactor, op_read(file, nowhere, 5, 0)), -EFAULT);
	assert_result(run(proactor, op_write(file, nowhere, 5, 0)), -EFAULT);
	assert_result(run(proactor, op_readv(file, pieces, 2, 0)), -EFAULT);
	assert_result(run(proactor, op_writev(file, pieces, 2, 0)), -EFAULT);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

void add_vectors(Suite *suite)
{
	suite_add(suite, readv_fills_its_pieces_one_after_another);
	suite_add(suite, writev_writes_its_pieces_one_after_another);
	suite_add(suite, array_of_pieces_may_go_as_soon_as_it_was_pushed);
	suite_add(suite, pieces_are_as_many_as_the_system_takes_and_no_more);
	suite_add(suite, no_pieces_transfer_nothing);
	suite_add(suite, readv_across_the_end_is_short_and_beyond_it_empty);
	suite_add(suite, vectors_reach_beyond_four_gibibytes);
	suite_add(suite, vectors_move_the_current_position);
	suite_add(suite, vectors_go_through_pipes_and_sockets_as_it_comes);
	suite_add(suite, vectors_say_why_they_cannot);
	if (engine->in_process)
		suite_add(suite, memory_that_is_not_there_is_a_bad_address);
}
