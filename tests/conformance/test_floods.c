/*
 * Megabytes through few small buffers: nothing may be lost, doubled or mixed up, however late they
 * come back.
 */
#include "tests/conformance/conformance.h"

#include <pthread.h>

enum { HELD_MAX = 3 };

/* What a thread writes into one end: so many bytes of pattern(). */
struct source {
	int fd;
	uint64_t size;
	uint64_t seed; /* where in the pattern it begins */
	uint32_t random;
};

static uint32_t any(uint32_t *random, uint32_t limit)
{
	*random ^= *random << 13;
	*random ^= *random >> 17;
	*random ^= *random << 5;
	return *random % limit;
}

static void *pour(void *argument)
{
	struct source *source = argument;
	uint8_t bytes[3000];
	uint64_t done = 0;

	while (done < source->size) {
		size_t size = MIN(1 + any(&source->random, sizeof(bytes)), source->size - done);
		ssize_t n;

		for (size_t i = 0; i < size; i++)
			bytes[i] = pattern(source->seed + done + i);
		n = send(source->fd, bytes, size, MSG_NOSIGNAL);
		if (n < 0)
			break;
		done += (uint64_t)n;
		if (any(&source->random, 200) == 0)
			usleep(any(&source->random, 500));
	}
	(void)shutdown(source->fd, SHUT_WR);
	return NULL;
}

/* What comes of one stream. */
struct drain {
	uint64_t key;
	uint64_t seed, received;
	bool ended;
};

/* Takes a shot of @drain; @hold is what is not released yet, in any order. */
static void take(struct drain *drain, const struct proactor_completion *completion,
	struct proactor_buffers *buffers, void *held[HELD_MAX], uint32_t *random)
{
	uint32_t place = any(random, HELD_MAX);
	uint8_t *data;

	drain->ended = !(completion->flags & PROACTOR_MORE);
	if (must(completion->result) == 0) {
		ck_assert(drain->ended);
		return;
	}
	data = proactor_buffer_data(buffers, completion->flags);
	ck_assert_ptr_nonnull(data);
	assert_pattern(data, (size_t)completion->result, drain->seed + drain->received);
	drain->received += (uint64_t)completion->result;
	/* it is the caller's: the engine must not care for what is in it */
	memset(data, 0xee, (size_t)completion->result);
	if (held[place])
		assert_result(proactor_buffer_release(buffers, held[place]), 0);
	held[place] = data;
}

/* @streams streams of @size bytes each through @count buffers of @buffer_size. */
static void flood(int streams, uint64_t size, uint32_t count, size_t buffer_size)
{
	struct proactor *proactor = start_with_capacity(4);
	struct proactor_buffers *buffers;
	struct source sources[8];
	struct drain drains[8] = {0};
	int64_t files[8];
	pthread_t threads[8];
	void *held[HELD_MAX] = {NULL};
	uint32_t random = (uint32_t)clock_now_ns() | 1;
	int open = streams;

	must(proactor_buffers_new(proactor, count, buffer_size, &buffers));
	for (int i = 0; i < streams; i++) {
		struct proactor_op op;

		sources[i] = (struct source){
			.size = size, .seed = (uint64_t)i * 12345, .random = random + (uint32_t)i};
		drains[i].seed = sources[i].seed;
		files[i] = stream(proactor, &sources[i].fd);
		op = flagged(op_recv_select(files[i], buffers), PROACTOR_MULTISHOT);
		op.context = &drains[i];
		drains[i].key = launch(proactor, op);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, pour, &sources[i]), 0);
	}
	while (open > 0) {
		struct proactor_entry entry;
		struct proactor_completion completion = next(proactor, &entry);
		struct drain *drain = completion.context;

		ck_assert_uint_eq(drain->key, entry.key);
		ck_assert(!drain->ended);
		take(drain, &completion, buffers, held, &random);
		open -= drain->ended;
		/* as a reader that has other things to do */
		if (any(&random, 500) == 0)
			usleep(300);
	}
	expect_quiet(proactor);
	for (int i = 0; i < streams; i++) {
		pthread_join(threads[i], NULL);
		ck_assert_uint_eq(drains[i].received, size);
		close(sources[i].fd);
		close_file(proactor, files[i]);
	}
	proactor_buffers_free(buffers);
	stop(proactor);
}

START_TEST(megabytes_go_through_four_small_buffers)
{
	flood(1, is_slow() ? 300000 : 4 << 20, 4, 512);
}
END_TEST

START_TEST(streams_that_share_buffers_all_get_on)
{
	flood(2, is_slow() ? 100000 : 1 << 20, 4, 256);
	flood(8, is_slow() ? 20000 : 300000, 4, 100);
}
END_TEST

START_TEST(many_buffers_are_as_good)
{
	flood(3, is_slow() ? 100000 : 2 << 20, 64, 4096);
}
END_TEST

void add_floods(Suite *suite)
{
	suite_add(suite, megabytes_go_through_four_small_buffers);
	suite_add(suite, streams_that_share_buffers_all_get_on);
	suite_add(suite, many_buffers_are_as_good);
}
