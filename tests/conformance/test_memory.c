/* Memory that the engine knows beforehand (proactor_memory_new). */
#include "tests/conformance/conformance.h"

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
		int writer;
		int64_t file = silent_pipe(proactor, &writer);

		for (int j = 0; j < i; j++)
			(void)launch(proactor,
				op_read(file, memory + j * 999, 999, PROACTOR_CURRENT));
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

void add_memory(Suite *suite)
{
	suite_add(suite, memory_is_zeroed_and_as_large_as_asked_for);
	suite_add(suite, reads_and_writes_go_anywhere_within_it);
	suite_add(suite, any_operation_may_use_it);
	suite_add(suite, position_moves_and_ends_are_seen_with_it_too);
	suite_add(suite, there_may_be_much_of_it);
	suite_add(suite, memory_goes_while_other_memory_is_in_use);
	suite_add(suite, memory_goes_with_the_proactor_whatever_is_in_flight);
	suite_add(suite, memory_that_came_before_the_descriptor_is_as_good);
}
