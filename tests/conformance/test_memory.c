/* Memory that the engine knows beforehand (proactor_memory_new). */
#include "tests/conformance/conformance.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIZE = 100000 };

static uint8_t *memory_of(struct proactor *proactor, size_t size)
{
	void *memory = NULL;

	must(proactor_memory_new(proactor, size, &memory));
	ck_assert_ptr_nonnull(memory);
	return memory;
}

START_TEST(memory_is_zeroed_and_as_large_as_asked_for)
{
	static const size_t sizes[] = {1, 4095, 4096, 4097, 1 << 20};
	struct proactor *proactor = start();
	void *memory = &memory;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		uint8_t *bytes = memory_of(proactor, sizes[i]);
		size_t zeros = 0;

		for (size_t j = 0; j < sizes[i]; j++)
			zeros += bytes[j] == 0;
		ck_assert_uint_eq(zeros, sizes[i]);
		memset(bytes, 0xee, sizes[i]);
		ck_assert_ptr_null(proactor_memory_free(proactor, bytes));
	}
	assert_result(proactor_memory_new(proactor, 0, &memory), -EINVAL);
	assert_result(proactor_memory_new(proactor, SIZE_MAX, &memory), -ENOMEM);
	assert_result(proactor_memory_new(proactor, SIZE_MAX / 2, &memory), -ENOMEM);
	ck_assert_ptr_eq(memory, &memory);
	ck_assert_ptr_null(proactor_memory_free(proactor, NULL));
	stop(proactor);
}
END_TEST

START_TEST(reads_and_writes_go_anywhere_within_it)
{
	static const struct {
		size_t place, size;
	} parts[] = {{0, SIZE}, {0, 1}, {SIZE - 1, 1}, {1, SIZE - 2}, {4095, 2}, {50000, 4096},
		{SIZE - 4096, 4096}, {123, 0}, {0, 0}, {SIZE, 0}};
	struct proactor *proactor = start();
	uint8_t *memory = memory_of(proactor, SIZE);
	int64_t file = pattern_file(proactor, "file", SIZE),
		copy = must(run(proactor, op_open("copy", O_RDWR | O_CREAT)));

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t place = parts[i].place, size = parts[i].size;
		uint8_t *bytes = calloc(1, SIZE);

		memset(memory, 0xee, SIZE);
		assert_result(run(proactor, op_read(file, memory + place, size, (int64_t)i)),
			(int64_t)MIN(size, SIZE - i));
		assert_pattern(memory + place, MIN(size, SIZE - i), i);
		/* not a byte beside it */
		if (place > 0)
			ck_assert_uint_eq(memory[place - 1], 0xee);
		if (place + size < SIZE)
			ck_assert_uint_eq(memory[place + size], 0xee);
		assert_result(run(proactor, op_write(copy, memory + place, size, 77)),
			(int64_t)size);
		assert_result(run(proactor, op_read(copy, bytes, size, 77)), (int64_t)size);
		ck_assert_mem_eq(bytes, memory + place, size);
		free(bytes);
	}
	proactor_memory_free(proactor, memory);
	close_file(proactor, file);
	close_file(proactor, copy);
	stop(proactor);
}
END_TEST

START_TEST(any_operation_may_use_it)
{
	struct proactor *proactor = start();
	uint8_t *memory = memory_of(proactor, SIZE);
	int64_t file = pattern_file(proactor, "file", 1000), socket_file, pipe_file;
	struct iovec pieces[] = {{memory + 10, 20}, {memory + 50, 30}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
	int peer, writer;
	uint64_t key;

	socket_file = stream(proactor, &peer);
	pipe_file = silent_pipe(proactor, &writer);
	assert_result(run(proactor, op_readv(file, pieces, 2, 5)), 50);
	assert_pattern(memory + 10, 20, 5);
	assert_pattern(memory + 50, 30, 25);
	assert_result(run(proactor, op_writev(file, pieces, 2, 900)), 50);
	assert_result(run(proactor, op_send(socket_file, memory + 10, 20, 0)), 20);
	assert_result(run(proactor, op_sendmsg(socket_file, &message, 0)), 50);
	ck_assert_int_eq(recv(peer, memory, 70, 0), 70);
	assert_pattern(memory, 20, 5);
	/* what waits, read and received */
	key = launch(proactor, op_recv(socket_file, memory + 99, 10, 0));
	ck_assert_int_eq(send(peer, "late", 4, 0), 4);
	assert_result(await(proactor, key), 4);
	ck_assert_mem_eq(memory + 99, "late", 4);
	key = launch(proactor, op_read(pipe_file, memory + 199, 10, PROACTOR_CURRENT));
	expect_quiet(proactor);
	ck_assert_int_eq(write(writer, "later", 5), 5);
	assert_result(await(proactor, key), 5);
	ck_assert_mem_eq(memory + 199, "later", 5);
	key = launch(proactor, op_read(socket_file, memory + SIZE - 4, 4, PROACTOR_CURRENT));
	ck_assert_int_eq(send(peer, "last", 4, 0), 4);
	assert_result(await(proactor, key), 4);
	ck_assert_mem_eq(memory + SIZE - 4, "last", 4);
	proactor_memory_free(proactor, memory);
	close(peer);
	close(writer);
	close_file(proactor, pipe_file);
	close_file(proactor, socket_file);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- in pieces ---- */

/* @size bytes as @count pieces with gaps, by turns in the one and the other. */
static void cut(struct iovec *pieces, size_t count, size_t size, uint8_t *one, uint8_t *other)
{
	for (size_t i = 0, place = 0; i < count; i++) {
		size_t part = i + 1 < count ? (size / count) / 7 * (i * 5 % 8) : size;

		pieces[i] = (struct iovec){(i % 2 ? other : one) + place, part};
		place += part + 1;
		size -= part;
	}
}

static void assert_pattern_in(const struct iovec *pieces, size_t count, size_t size,
	uint64_t offset)
{
	for (size_t i = 0; i < count; i++) {
		size_t part = MIN(size, pieces[i].iov_len);

		assert_pattern(pieces[i].iov_base, part, offset);
		if (part < pieces[i].iov_len)
			ck_assert_uint_eq(((uint8_t *)pieces[i].iov_base)[part], 0xee);
		offset += part;
		size -= part;
	}
}

START_TEST(pieces_may_be_in_several_and_in_none)
{
	static const size_t counts[] = {1, 2, 3, 4, 5, 9, 12, 100, 256, 257, IOV_MAX};
	enum { ROOM = SIZE + IOV_MAX };
	struct proactor *proactor = start();
	uint8_t *memories[] = {memory_of(proactor, ROOM), memory_of(proactor, ROOM), malloc(ROOM)};
	int64_t file = pattern_file(proactor, "file", SIZE),
		copy = must(run(proactor, op_open("copy", O_RDWR | O_CREAT)));
	uint8_t *bytes = malloc(SIZE);
	struct iovec pieces[IOV_MAX];

	/* in both, in one, in one and in plain memory */
	for (size_t way = 0; way < 3 * ARRAY_SIZE(counts); way++) {
		uint8_t *one = memories[way % 3 == 1 ? 1 : 0], *other = memories[1 + way % 3 / 2];
		size_t count = counts[way / 3], size = way % 2 ? SIZE - 5 : SIZE / 10;

		for (size_t i = 0; i < ARRAY_SIZE(memories); i++)
			memset(memories[i], 0xee, ROOM);
		cut(pieces, count, size, one, other);
		assert_result(run(proactor, op_readv(file, pieces, count, 5)), (int64_t)size);
		assert_pattern_in(pieces, count, size, 5);
		assert_result(run(proactor, op_writev(copy, pieces, count, 3)), (int64_t)size);
		assert_result(run(proactor, op_read(copy, bytes, size, 3)), (int64_t)size);
		assert_pattern(bytes, size, 5);
	}
	for (size_t i = 0; i < 2; i++)
		proactor_memory_free(proactor, memories[i]);
	free(memories[2]);
	free(bytes);
	close_file(proactor, file);
	close_file(proactor, copy);
	stop(proactor);
}
END_TEST

START_TEST(pieces_are_filled_as_far_as_it_comes)
{
	struct proactor *proactor = start();
	uint8_t *one = memory_of(proactor, SIZE), *other = memory_of(proactor, 5000);
	int64_t file = pattern_file(proactor, "file", SIZE), pipe_file;
	struct iovec pieces[] = {{one + SIZE - 10, 10}, {NULL, 0}, {other, 5000}, {one + SIZE, 0},
		{one, 30000}, {one + 40000, 30000}};
	int writer;
	uint64_t key;

	for (size_t left = 0; left < 70000; left += 4999) {
		memset(one, 0xee, SIZE);
		memset(other, 0xee, 5000);
		assert_result(run(proactor, op_readv(file, pieces, 6, (int64_t)(SIZE - left))),
			(int64_t)MIN(left, 65010U));
		assert_pattern_in(pieces, 6, MIN(left, 65010U), SIZE - left);
	}
	assert_result(run(proactor, op_readv(file, pieces, 6, SIZE)), 0);
	/* nothing to fill, wherever that is */
	assert_result(run(proactor, op_readv(file, pieces + 1, 1, 0)), 0);
	assert_result(run(proactor, op_readv(file, pieces + 3, 1, 0)), 0);
	assert_result(run(proactor, op_writev(file, pieces + 3, 1, 0)), 0);
	assert_result(run(proactor, op_readv(file, pieces, 0, 0)), 0);
	/* at its own position */
	assert_result(run(proactor, op_readv(file, pieces, 3, PROACTOR_CURRENT)), 5010);
	assert_result(run(proactor, op_readv(file, pieces + 4, 2, PROACTOR_CURRENT)), 60000);
	assert_pattern(other, 5000, 10);
	assert_pattern(one, 30000, 5010);
	pipe_file = silent_pipe(proactor, &writer);
	key = launch(proactor, op_readv(pipe_file, pieces, 6, PROACTOR_CURRENT));
	expect_quiet(proactor);
	ck_assert_int_eq(write(writer, "as far as this", 14), 14);
	assert_result(await(proactor, key), 14);
	ck_assert_mem_eq(one + SIZE - 10, "as far as ", 10);
	ck_assert_mem_eq(other, "this", 4);
	close(writer);
	close_file(proactor, pipe_file);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(large_pieces_come_out_whole)
{
	enum { LARGE = 1000000, MANY = 20 };
	struct proactor *proactor = start();
	uint8_t *one = memory_of(proactor, LARGE), *other = memory_of(proactor, LARGE);
	int64_t file = pattern_file(proactor, "file", LARGE),
		copy = must(run(proactor, op_open("copy", O_RDWR | O_CREAT)));
	struct iovec pieces[] = {{one + 7, 300000}, {other, 1}, {one + 400000, 262144},
		{other + 99, 32768}, {other + 50000, LARGE - 300000 - 1 - 262144 - 32768}};
	uint64_t keys[MANY];

	for (int i = 0; i < MANY; i++)
		keys[i] = launch(proactor, op_readv(file, pieces, 5, 0));
	/* what is read in between need not wait for all that */
	assert_result(run(proactor, op_read(file, one, 1, 7)), 1);
	for (int i = 0; i < MANY; i++)
		assert_result(await(proactor, keys[i]), LARGE);
	assert_pattern_in(pieces, 5, LARGE, 0);
	assert_result(run(proactor, op_writev(copy, pieces, 5, 0)), LARGE);
	assert_result(run(proactor, op_writev(copy, pieces, 5, PROACTOR_CURRENT)), LARGE);
	ck_assert_int_eq(size_of("copy"), LARGE);
	memset(one, 0xee, LARGE);
	memset(other, 0xee, LARGE);
	assert_result(run(proactor, op_readv(copy, pieces, 5, 0)), LARGE);
	assert_pattern_in(pieces, 5, LARGE, 0);
	/* what is cancelled while it waits ends like anything else */
	for (int i = 0; i < MANY; i++)
		keys[i] = launch(proactor, op_readv(file, pieces, 5, 0));
	for (int i = 0; i < MANY; i++)
		(void)proactor_cancel(proactor, keys[i]);
	for (int i = 0; i < MANY; i++) {
		int64_t result = await(proactor, keys[i]);

		ck_assert_msg(result == -ECANCELED || result > 0, "%" PRId64, result);
	}
	close_file(proactor, file);
	close_file(proactor, copy);
	stop(proactor);
}
END_TEST

START_TEST(messages_may_be_in_it)
{
	struct proactor *proactor = start();
	uint8_t *one = memory_of(proactor, 4096), *other = memory_of(proactor, 4096);
	struct iovec pieces[7] = {{one + 100, 1}, {other, 2}, {NULL, 0}, {one + 4000, 3},
		{one + 200, 4}, {other + 99, 5}, {other + 200, 6}};
	struct iovec whole = {one + 2000, 100};
	struct msghdr sent = {.msg_iov = pieces, .msg_iovlen = 7},
		      got = {.msg_iov = &whole, .msg_iovlen = 1};
	char bytes[32];
	int peer;
	int64_t file = stream(proactor, &peer);

	for (size_t i = 0, place = 0; i < 7; place += pieces[i++].iov_len)
		for (size_t j = 0; j < pieces[i].iov_len; j++)
			((uint8_t *)pieces[i].iov_base)[j] = pattern(place + j);
	for (size_t count = 0; count <= 7; count++) {
		size_t size = 0;

		for (size_t i = 0; i < count; i++)
			size += pieces[i].iov_len;
		sent.msg_iovlen = count;
		assert_result(run(proactor, op_sendmsg(file, &sent, 0)), (int64_t)size);
		if (size > 0)
			ck_assert_int_eq(recv(peer, bytes, sizeof(bytes), 0), (ssize_t)size);
		assert_pattern(bytes, size, 0);
	}
	ck_assert_int_eq(send(peer, "into one", 8, 0), 8);
	assert_result(run(proactor, op_recvmsg(file, &got, 0)), 8);
	ck_assert_mem_eq(one + 2000, "into one", 8);
	got.msg_iov = pieces + 3;
	got.msg_iovlen = 2;
	ck_assert_int_eq(send(peer, "in two", 6, 0), 6);
	assert_result(run(proactor, op_recvmsg(file, &got, 0)), 6);
	ck_assert_mem_eq(one + 4000, "in ", 3);
	ck_assert_mem_eq(one + 200, "two", 3);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(position_moves_and_ends_are_seen_with_it_too)
{
	struct proactor *proactor = start();
	uint8_t *memory = memory_of(proactor, 4096);
	int64_t file = pattern_file(proactor, "file", 150), reader;

	assert_result(run(proactor, op_read(file, memory, 100, PROACTOR_CURRENT)), 100);
	assert_result(run(proactor, op_read(file, memory, 100, PROACTOR_CURRENT)), 50);
	assert_pattern(memory, 50, 100);
	assert_result(run(proactor, op_read(file, memory, 100, PROACTOR_CURRENT)), 0);
	assert_result(run(proactor, op_write(file, memory, 10, PROACTOR_CURRENT)), 10);
	ck_assert_int_eq(size_of("file"), 160);
	assert_result(run(proactor, op_read(123456789, memory, 1, 0)), -EBADF);
	reader = must(run(proactor, op_open("file", O_RDONLY)));
	assert_result(run(proactor, op_write(reader, memory, 1, 0)), -EBADF);
	close_file(proactor, reader);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(there_may_be_much_of_it)
{
	enum { COUNT = 150 };
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 5000);
	uint8_t *memories[COUNT];
	uint64_t keys[50];

	for (int i = 0; i < COUNT; i++)
		memories[i] = memory_of(proactor, 5000);
	for (int round = 0; round < 3; round++) {
		for (int batch = 0; batch < COUNT; batch += 50) {
			for (int i = 0; i < 50; i++)
				keys[i] = launch(proactor,
					op_read(file, memories[batch + i], 4000, batch + i));
			for (int i = 0; i < 50; i++)
				assert_result(await(proactor, keys[i]), 4000);
		}
		for (int i = 0; i < COUNT; i++)
			assert_pattern(memories[i], 4000, (uint64_t)i);
		/* every third goes, and another comes in its place */
		for (int i = round; i < COUNT; i += 3) {
			proactor_memory_free(proactor, memories[i]);
			memories[i] = memory_of(proactor, 5000);
		}
	}
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(memory_goes_while_other_memory_is_in_use)
{
	struct proactor *proactor = start();
	uint8_t *one = memory_of(proactor, 4096), *other = memory_of(proactor, 4096), *third;
	int writer;
	int64_t file = silent_pipe(proactor, &writer);
	uint64_t key = launch(proactor, op_read(file, other, 100, PROACTOR_CURRENT));

	expect_quiet(proactor);
	proactor_memory_free(proactor, one);
	third = memory_of(proactor, 8192);
	memset(third, 0xee, 8192);
	ck_assert_int_eq(write(writer, "here", 4), 4);
	assert_result(await(proactor, key), 4);
	ck_assert_mem_eq(other, "here", 4);
	ck_assert_uint_eq(third[0], 0xee);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(memory_goes_with_the_proactor_whatever_is_in_flight)
{
	for (int i = 0; i < 10; i++) {
		struct proactor *proactor = start();
		uint8_t *memory = memory_of(proactor, 10000);
		struct iovec pieces[] = {{memory, 10}, {memory + 99, 1}, {memory + 999, 9000},
			{memory + 10, 10}, {memory, 0}, {memory + 9999, 1}};
		int writer;
		int64_t file = silent_pipe(proactor, &writer);

		for (int j = 0; j < i; j++)
			(void)launch(proactor,
				j % 2 ? op_readv(file, pieces, 6, PROACTOR_CURRENT)
				      : op_read(file, memory + j * 999, 999, PROACTOR_CURRENT));
		if (i % 2)
			expect_quiet(proactor);
		proactor_free(proactor);
		close(writer);
		if (engine->in_process)
			close((int)file);
	}
}
END_TEST

START_TEST(memory_that_came_before_the_descriptor_is_as_good)
{
	struct proactor *proactor = start();
	uint8_t *memory = memory_of(proactor, 4096);
	struct proactor_buffers *buffers;
	struct proactor_entry entry;
	int64_t file = pattern_file(proactor, "file", 100), socket_file;
	int fd, peer;

	must(proactor_buffers_new(proactor, 2, 16, &buffers));
	must(proactor_fd(proactor, &fd));
	assert_result(run(proactor, op_read(file, memory, 100, 0)), 100);
	assert_pattern(memory, 100, 0);
	socket_file = stream(proactor, &peer);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(send(peer, "x", 1, 0), 1);
		(void)launch(proactor, op_recv_select(socket_file, buffers));
		assert_result(next(proactor, &entry).result, 1);
		must(proactor_buffer_release(buffers, proactor_buffer_data(buffers, entry.flags)));
	}
	proactor_buffers_free(buffers);
	proactor_memory_free(proactor, memory);
	close(peer);
	close_file(proactor, socket_file);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* What the kernel holds in place for this process, in kB. */
static long pinned_kb(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long size = -1;

	ck_assert_ptr_nonnull(file);
	while (size < 0 && fgets(line, sizeof(line), file))
		(void)sscanf(line, "VmPin: %ld kB", &size);
	(void)fclose(file);
	return size;
}

START_TEST(memory_that_has_gone_is_held_by_nobody)
{
	struct proactor *proactor = start();
	long before = pinned_kb();
	uint8_t *first = memory_of(proactor, 1 << 20), *second;
	int fd;

	must(proactor_fd(proactor, &fd));
	second = memory_of(proactor, 1 << 20);
	assert_result(run(proactor, op_nop()), 0);
	proactor_memory_free(proactor, first);
	proactor_memory_free(proactor, second);
	/* the kernel lets go when it comes to it */
	while (pinned_kb() > before)
		assert_result(run(proactor, op_timeout(NSEC_PER_MSEC)), 0);
	stop(proactor);
}
END_TEST

void add_memory(Suite *suite)
{
	suite_add(suite, memory_is_zeroed_and_as_large_as_asked_for);
	suite_add(suite, reads_and_writes_go_anywhere_within_it);
	suite_add(suite, any_operation_may_use_it);
	suite_add(suite, pieces_may_be_in_several_and_in_none);
	suite_add(suite, pieces_are_filled_as_far_as_it_comes);
	suite_add(suite, large_pieces_come_out_whole);
	suite_add(suite, messages_may_be_in_it);
	suite_add(suite, position_moves_and_ends_are_seen_with_it_too);
	suite_add(suite, there_may_be_much_of_it);
	suite_add(suite, memory_goes_while_other_memory_is_in_use);
	suite_add(suite, memory_goes_with_the_proactor_whatever_is_in_flight);
	suite_add(suite, memory_that_came_before_the_descriptor_is_as_good);
	if (engine->in_process)
		suite_add(suite, memory_that_has_gone_is_held_by_nobody);
}
