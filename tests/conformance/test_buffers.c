/* Receives that take a buffer when data comes (PROACTOR_BUFFER_SELECT), once or on and on. */
#include "tests/conformance/conformance.h"

#include <stdlib.h>

static struct proactor_op stream_of(int64_t file, struct proactor_buffers *buffers)
{
	return flagged(op_recv_select(file, buffers), PROACTOR_MULTISHOT);
}

static struct proactor_buffers *buffers_of(struct proactor *proactor, uint32_t count, size_t size)
{
	struct proactor_buffers *buffers = NULL;

	must(proactor_buffers_new(proactor, count, size, &buffers));
	ck_assert_ptr_nonnull(buffers);
	return buffers;
}

/* The next entry is a shot of @key with @size bytes. Gives where they are. */
static char *shot(struct proactor *proactor, uint64_t key, struct proactor_buffers *buffers,
	int64_t size)
{
	struct proactor_entry entry;
	struct proactor_completion completion = next(proactor, &entry);
	char *data;

	ck_assert_uint_eq(entry.key, key);
	assert_result(completion.result, size);
	ck_assert_uint_eq(completion.flags & 0xffff, PROACTOR_MORE | PROACTOR_BUFFER);
	data = proactor_buffer_data(buffers, completion.flags);
	ck_assert_ptr_nonnull(data);
	ck_assert_ptr_eq(data, proactor_buffer_data(buffers, entry.flags));
	return data;
}

/* The next entry is the last of @key, without a buffer. */
static void expect_end(struct proactor *proactor, uint64_t key, int64_t result)
{
	struct proactor_entry entry;

	assert_result(next(proactor, &entry).result, result);
	ck_assert_uint_eq(entry.key, key);
	ck_assert_uint_eq(entry.flags, 0);
}

static void end(struct proactor *proactor, uint64_t key)
{
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
	expect_end(proactor, key, -ECANCELED);
}

START_TEST(receive_takes_a_buffer_when_data_comes)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 4, 16);
	int peer;
	int64_t file = stream(proactor, &peer);
	struct proactor_entry entry;
	char *data;

	for (int i = 0; i < 20; i++) {
		uint64_t key = launch(proactor, op_recv_select(file, buffers));

		if (i % 2)
			expect_quiet(proactor);
		ck_assert_int_eq(send(peer, "hello", 5, 0), 5);
		assert_result(next(proactor, &entry).result, 5);
		ck_assert_uint_eq(entry.key, key);
		ck_assert_uint_eq(entry.flags & 0xffff, PROACTOR_BUFFER);
		data = proactor_buffer_data(buffers, entry.flags);
		ck_assert_mem_eq(data, "hello", 5);
		assert_result(proactor_buffer_release(buffers, data), 0);
	}
	ck_assert_ptr_null(proactor_buffer_data(buffers, 0));
	/* no more than one holds */
	ck_assert_int_eq(send(peer, "0123456789abcdef+", 17, 0), 17);
	(void)launch(proactor, op_recv_select(file, buffers));
	assert_result(next(proactor, &entry).result, 16);
	ck_assert_mem_eq(proactor_buffer_data(buffers, entry.flags), "0123456789abcdef", 16);
	ck_assert_ptr_null(proactor_buffers_free(buffers));
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(one_receive_takes_a_whole_stream)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 4, 16);
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t key = launch(proactor, stream_of(file, buffers));
	char text[] = "0";

	for (int i = 0; i < 30; i++) {
		char *data;

		text[0] = (char)('0' + i);
		ck_assert_int_eq(send(peer, text, 1, 0), 1);
		data = shot(proactor, key, buffers, 1);
		ck_assert_int_eq(*data, text[0]);
		assert_result(proactor_buffer_release(buffers, data), 0);
	}
	expect_quiet(proactor);
	close(peer);
	expect_end(proactor, key, 0);
	expect_quiet(proactor);
	proactor_buffers_free(buffers);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(stream_ends_when_it_is_cancelled_or_fails)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 1, 16);
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t key;

	for (int i = 0; i < 4; i++) {
		key = launch(proactor, stream_of(file, buffers));
		if (i >= 2)
			expect_quiet(proactor);
		end(proactor, key);
		expect_quiet(proactor);
	}
	/* none took a buffer away with it */
	key = launch(proactor, stream_of(file, buffers));
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	assert_result(proactor_buffer_release(buffers, shot(proactor, key, buffers, 1)), 0);
	end(proactor, key);
	assert_result(run(proactor, stream_of(123456789, buffers)), -EBADF);
	assert_result(run(proactor, op_recv_select(123456789, buffers)), -EBADF);
	proactor_buffers_free(buffers);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(without_a_free_buffer_it_waits_for_one)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 2, 4);
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t key = launch(proactor, stream_of(file, buffers));
	char *first, *second, *third;

	ck_assert_int_eq(send(peer, "aaaabbbbccccdd", 14, 0), 14);
	first = shot(proactor, key, buffers, 4);
	second = shot(proactor, key, buffers, 4);
	ck_assert_ptr_ne(first, second);
	expect_quiet(proactor);
	ck_assert_mem_eq(first, "aaaa", 4);
	ck_assert_mem_eq(second, "bbbb", 4);
	/* in whatever order they come back */
	assert_result(proactor_buffer_release(buffers, second), 0);
	third = shot(proactor, key, buffers, 4);
	ck_assert_ptr_eq(third, second);
	ck_assert_mem_eq(third, "cccc", 4);
	ck_assert_mem_eq(first, "aaaa", 4);
	expect_quiet(proactor);
	assert_result(proactor_buffer_release(buffers, first), 0);
	ck_assert_mem_eq(shot(proactor, key, buffers, 2), "dd", 2);
	assert_result(proactor_buffer_release(buffers, third), 0);
	close(peer);
	expect_end(proactor, key, 0);
	proactor_buffers_free(buffers);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(what_waits_for_a_buffer_can_be_cancelled_and_run_out_of_time)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 1, 4);
	int peer;
	int64_t file = stream(proactor, &peer);
	struct proactor_entry entry;
	char *data;
	uint64_t key = launch(proactor, op_recv_select(file, buffers));

	ck_assert_int_eq(send(peer, "aaaabbbb", 8, 0), 8);
	assert_result(next(proactor, &entry).result, 4);
	data = proactor_buffer_data(buffers, entry.flags);
	for (int i = 0; i < 2; i++) {
		key = launch(proactor,
			flagged(op_recv_select(file, buffers), i ? PROACTOR_MULTISHOT : 0));
		end(proactor, key);
		key = launch(proactor,
			flagged(op_recv_select(file, buffers), i ? PROACTOR_MULTISHOT : 0));
		expect_quiet(proactor);
		end(proactor, key);
		key = launch(proactor,
			within(flagged(op_recv_select(file, buffers), i ? PROACTOR_MULTISHOT : 0),
				5 * NSEC_PER_MSEC));
		expect_end(proactor, key, -ETIME);
		/* and where nobody has seen yet that there is none */
		key = launch(proactor,
			within(flagged(op_recv_select(file, buffers), i ? PROACTOR_MULTISHOT : 0),
				NSEC_PER_MSEC));
		usleep(3000);
		expect_end(proactor, key, -ETIME);
	}
	assert_result(proactor_buffer_release(buffers, data), 0);
	expect_quiet(proactor);
	key = launch(proactor, op_recv_select(file, buffers));
	assert_result(next(proactor, &entry).result, 4);
	ck_assert_mem_eq(proactor_buffer_data(buffers, entry.flags), "bbbb", 4);
	proactor_buffers_free(buffers);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(buffer_that_one_does_not_need_goes_to_the_next)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 1, 4);
	int peers[2];
	int64_t files[2] = {stream(proactor, &peers[0]), stream(proactor, &peers[1])};
	struct proactor_entry entry;
	char bytes[4], *data;
	uint64_t keys[2];

	/* both wait for the one buffer, with data there */
	ck_assert_int_eq(send(peers[0], "aaaa", 4, 0), 4);
	(void)launch(proactor, op_recv_select(files[0], buffers));
	assert_result(next(proactor, &entry).result, 4);
	data = proactor_buffer_data(buffers, entry.flags);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(send(peers[i], "bbbb", 4, 0), 4);
		keys[i] = launch(proactor, op_recv_select(files[i], buffers));
	}
	expect_quiet(proactor);
	/* what the first would get is taken away */
	assert_result(run(proactor, op_recv(files[0], bytes, 4, 0)), 4);
	assert_result(proactor_buffer_release(buffers, data), 0);
	assert_result(next(proactor, &entry).result, 4);
	ck_assert_uint_eq(entry.key, keys[1]);
	assert_result(proactor_cancel(proactor, keys[0]), PROACTOR_CANCEL_REQUESTED);
	expect_end(proactor, keys[0], -ECANCELED);
	proactor_buffers_free(buffers);
	for (int i = 0; i < 2; i++) {
		close(peers[i]);
		close_file(proactor, files[i]);
	}
	stop(proactor);
}
END_TEST

START_TEST(datagrams_take_a_buffer_each)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 8, 8);
	int fds[2];
	int64_t file;
	uint64_t key;

	must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds));
	file = attach(proactor, fds[0]);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(send(fds[1], "0123456789" + i, (size_t)i + 4, 0), i + 4);
	ck_assert_int_eq(send(fds[1], "too long for one", 16, 0), 16);
	key = launch(proactor, stream_of(file, buffers));
	for (int i = 0; i < 3; i++)
		ck_assert_mem_eq(shot(proactor, key, buffers, i + 4), "0123456789" + i,
			(size_t)i + 4);
	ck_assert_mem_eq(shot(proactor, key, buffers, 8), "too long", 8);
	end(proactor, key);
	proactor_buffers_free(buffers);
	close(fds[1]);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- the buffers themselves ---- */

START_TEST(only_what_was_lent_can_be_given_back)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 2, 100);
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t key = launch(proactor, stream_of(file, buffers));
	char *data, elsewhere[200];

	assert_result(proactor_buffer_release(buffers, NULL), -EINVAL);
	assert_result(proactor_buffer_release(buffers, elsewhere), -EINVAL);
	ck_assert_int_eq(send(peer, "x", 1, 0), 1);
	data = shot(proactor, key, buffers, 1);
	assert_result(proactor_buffer_release(buffers, data + 1), -EINVAL);
	assert_result(proactor_buffer_release(buffers, data + 100), -EINVAL);
	assert_result(proactor_buffer_release(buffers, data - 100), -EINVAL);
	assert_result(proactor_buffer_release(buffers, data + 1000000), -EINVAL);
	assert_result(proactor_buffer_release(buffers, data), 0);
	assert_result(proactor_buffer_release(buffers, data), -EINVAL);
	ck_assert_ptr_null(proactor_buffer_data(buffers, 0));
	ck_assert_ptr_null(proactor_buffer_data(buffers, PROACTOR_MORE | 1u << 16));
	ck_assert_ptr_null(proactor_buffer_data(buffers, PROACTOR_BUFFER | 77u << 16));
	end(proactor, key);
	proactor_buffers_free(buffers);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(buffers_that_make_no_sense_are_refused)
{
	struct proactor *proactor = start(), *other = start();
	struct proactor_buffers *buffers = (struct proactor_buffers *)&buffers, *strange;
	struct proactor_op op;
	char byte;

	assert_result(proactor_buffers_new(proactor, 0, 16, &buffers), -EINVAL);
	assert_result(proactor_buffers_new(proactor, 16, 0, &buffers), -EINVAL);
	assert_result(proactor_buffers_new(proactor, 32769, 16, &buffers), -EINVAL);
	assert_result(proactor_buffers_new(proactor, UINT32_MAX, 16, &buffers), -EINVAL);
	assert_result(proactor_buffers_new(proactor, 16, SIZE_MAX, &buffers), -EINVAL);
	assert_result(proactor_buffers_new_in(proactor, NULL, 16, 1, &buffers), -EINVAL);
	assert_result(proactor_buffers_new_in(proactor, &byte, 0, 1, &buffers), -EINVAL);
	assert_result(proactor_buffers_new_in(proactor, &byte, 1, 0, &buffers), -EINVAL);
	assert_result(proactor_buffers_new_in(proactor, &byte, 3, 1, &buffers), -EINVAL);
	assert_result(proactor_buffers_new_in(proactor, &byte, 65536, 1, &buffers), -EINVAL);
	ck_assert_ptr_eq(buffers, &buffers);
	buffers = buffers_of(proactor, 32768, 1);
	ck_assert_ptr_null(proactor_buffers_free(buffers));
	ck_assert_ptr_null(proactor_buffers_free(NULL));
	buffers = buffers_of(proactor, 3, 16);
	strange = buffers_of(other, 1, 16);
	refuse(proactor, op_recv_select(0, strange), -EINVAL);
	refuse(proactor, op_recv_select(0, NULL), -EINVAL);
	refuse(proactor, flagged(op_recv(0, NULL, 0, 0), PROACTOR_MULTISHOT), -EINVAL);
	op = op_recv_select(0, buffers);
	op.recv.data = &byte;
	refuse(proactor, op, -EINVAL);
	op = op_recv_select(0, buffers);
	op.recv.size = 1;
	refuse(proactor, op, -EINVAL);
	op = op_recv_select(0, buffers);
	op.recv.flags = MSG_WAITALL;
	refuse(proactor, op, -EINVAL);
	refuse(proactor, flagged(op_read(0, NULL, 0, 0), PROACTOR_BUFFER_SELECT), -EINVAL);
	refuse(proactor, flagged(op_nop(), PROACTOR_BUFFER_SELECT), -EINVAL);
	expect_quiet(proactor);
	proactor_buffers_free(buffers);
	proactor_buffers_free(strange);
	stop(proactor);
	stop(other);
}
END_TEST

/* The end comes while it is without a buffer, or is given one. */
START_TEST(stream_without_a_buffer_hears_of_its_end)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 1, 1);

	for (int round = 0; round < 40; round++) {
		int peer;
		int64_t file = stream(proactor, &peer);
		uint64_t key = launch(proactor, stream_of(file, buffers));

		ck_assert_int_eq(send(peer, "abc", 3, 0), 3);
		for (int i = 0; i < 3; i++) {
			char *data = shot(proactor, key, buffers, 1);

			ck_assert_int_eq(*data, 'a' + i);
			if (peer >= 0 && (i == round % 3 || i == 2)) {
				close(peer);
				peer = -1;
			}
			if (i == round % 4)
				expect_quiet(proactor);
			assert_result(proactor_buffer_release(buffers, data), 0);
		}
		expect_end(proactor, key, 0);
		close_file(proactor, file);
	}
	proactor_buffers_free(buffers);
	stop(proactor);
}
END_TEST

START_TEST(buffers_may_be_in_memory_of_the_callers)
{
	enum { COUNT = 4, SIZE = 1000, BEFORE = 24 };
	struct proactor *proactor = start();
	int peer;
	int64_t file = stream(proactor, &peer);
	void *ours = malloc(BEFORE + COUNT * SIZE), *registered;

	must(proactor_memory_new(proactor, BEFORE + COUNT * SIZE, &registered));
	for (int round = 0; round < 4; round++) {
		uint8_t *memory = (uint8_t *)(round % 2 ? registered : ours) + BEFORE;
		struct proactor_buffers *buffers;
		uint64_t key;

		memset(memory, 0xee, (size_t)COUNT * SIZE);
		must(proactor_buffers_new_in(proactor, memory, COUNT, SIZE, &buffers));
		key = launch(proactor, stream_of(file, buffers));
		for (int i = 0; i < 3 * COUNT; i++) {
			uint8_t *data;

			ck_assert_int_eq(send(peer, "here", 4, 0), 4);
			data = (uint8_t *)shot(proactor, key, buffers, 4);
			ck_assert_mem_eq(data, "here", 4);
			ck_assert_uint_eq(data[4], 0xee);
			ck_assert(data >= memory && data <= memory + (COUNT - 1) * SIZE);
			ck_assert_uint_eq((size_t)(data - memory) % SIZE, 0);
			assert_result(proactor_buffer_release(buffers, data), 0);
		}
		end(proactor, key);
		ck_assert_ptr_null(proactor_buffers_free(buffers));
	}
	proactor_memory_free(proactor, registered);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
	free(ours);
}
END_TEST

/* More than an engine may have of its own kind: for the caller the others are as those. */
START_TEST(buffers_are_as_many_as_wanted)
{
	enum { MANY = 70, COUNT = 16, SIZE = 16 };
	struct proactor *proactor = start();
	struct proactor_buffers *buffers[MANY];
	int peer;
	int64_t file = stream(proactor, &peer);
	uint8_t *memory;

	must(proactor_memory_new(proactor, MANY * COUNT * SIZE, (void **)&memory));
	for (int i = 0; i < MANY; i++)
		must(proactor_buffers_new_in(proactor, memory + i * COUNT * SIZE, COUNT, SIZE,
			&buffers[i]));
	for (int i = 0; i < MANY; i++)
		for (int j = 0; j < COUNT; j++) {
			struct proactor_entry entry;
			uint8_t *data;

			(void)launch(proactor, op_recv_select(file, buffers[i]));
			ck_assert_int_eq(send(peer, "here", 4, 0), 4);
			assert_result(next(proactor, &entry).result, 4);
			data = proactor_buffer_data(buffers[i], entry.flags);
			ck_assert_ptr_nonnull(data);
			ck_assert_mem_eq(data, "here", 4);
			ck_assert(data >= memory + i * COUNT * SIZE &&
				data < memory + (i + 1) * COUNT * SIZE);
		}
	for (int i = 0; i < MANY; i++)
		ck_assert_ptr_null(proactor_buffers_free(buffers[i]));
	proactor_memory_free(proactor, memory);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(buffers_in_use_may_be_freed)
{
	struct proactor *proactor = start();
	struct proactor_buffers *buffers = buffers_of(proactor, 2, 4);
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t key = launch(proactor, stream_of(file, buffers));

	expect_quiet(proactor);
	ck_assert_ptr_null(proactor_buffers_free(buffers));
	/* until then nothing changes */
	for (int i = 0; i < 10; i++) {
		char *data;

		ck_assert_int_eq(send(peer, "abcd", 4, 0), 4);
		data = shot(proactor, key, buffers, 4);
		ck_assert_mem_eq(data, "abcd", 4);
		assert_result(proactor_buffer_release(buffers, data), 0);
	}
	end(proactor, key);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(buffers_go_with_the_proactor)
{
	for (int lent = 0; lent < 4; lent++) {
		struct proactor *proactor = start();
		struct proactor_buffers *buffers = buffers_of(proactor, 2, 4);
		int peer;
		int64_t file = stream(proactor, &peer);
		uint64_t key = launch(proactor, stream_of(file, buffers));

		(void)buffers_of(proactor, 1000, 1000);
		ck_assert_int_eq(send(peer, "aaaabbbbcccc", 12, 0), 12);
		for (int i = 0; i < lent && i < 2; i++)
			(void)shot(proactor, key, buffers, 4);
		if (lent == 3)
			expect_quiet(proactor);
		proactor_free(proactor);
		close(peer);
		if (engine->in_process)
			close((int)file);
	}
}
END_TEST

void add_buffers(Suite *suite)
{
	suite_add(suite, receive_takes_a_buffer_when_data_comes);
	suite_add(suite, one_receive_takes_a_whole_stream);
	suite_add(suite, stream_ends_when_it_is_cancelled_or_fails);
	suite_add(suite, without_a_free_buffer_it_waits_for_one);
	suite_add(suite, what_waits_for_a_buffer_can_be_cancelled_and_run_out_of_time);
	suite_add(suite, buffer_that_one_does_not_need_goes_to_the_next);
	suite_add(suite, datagrams_take_a_buffer_each);
	suite_add(suite, only_what_was_lent_can_be_given_back);
	suite_add(suite, buffers_that_make_no_sense_are_refused);
	suite_add(suite, stream_without_a_buffer_hears_of_its_end);
	suite_add(suite, buffers_may_be_in_memory_of_the_callers);
	suite_add(suite, buffers_are_as_many_as_wanted);
	suite_add(suite, buffers_in_use_may_be_freed);
	suite_add(suite, buffers_go_with_the_proactor);
}
