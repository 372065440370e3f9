/* What every driver has to endure. */
#include "tests/fault/suite.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

struct load_options options_for(uint32_t calls)
{
	return (struct load_options){
		.proactor = {.size = sizeof(struct proactor_options), .driver = driver},
		.allowed = load_allowed(calls),
	};
}

/*
 * False: there was no such call. What the threads are asked to do depends on who is faster, so the
 * first one is given some runs to come.
 */
static bool is_hit(const struct load_options *options, struct fault fault)
{
	for (int runs = fault.first == 1 ? 50 : 1; runs > 0; runs--) {
		fault_plan(&fault, 1);
		(void)load_run(options);
		if (fault_hits() > 0)
			return true;
	}
	return false;
}

static void sweep_error(const struct load_options *options, struct fault fault, unsigned last)
{
	/* all of the first ones, then fewer: where it is slow not half as many */
	unsigned dense = is_slow() ? 8 : 64;

	for (fault.first = 1; fault.first <= last; fault.first += 1 + fault.first / dense)
		if (!is_hit(options, fault))
			break;
	ck_assert_msg(fault.first > 1, "there was no such call: %s", fault_text());
}

void sweep(const struct load_options *options, enum fault_call call, unsigned count, unsigned last)
{
	for (int i = 0; i < FAULT_ERRORS_MAX && fault_errors[call][i] != 0; i++)
		sweep_error(options,
			(struct fault){
				.call = call, .count = count, .error = fault_errors[call][i]},
			last);
}

void run_random(struct load_options options, uint32_t calls, unsigned one_in, unsigned count)
{
	const char *given = getenv("SEED");
	uint32_t seed = given ? (uint32_t)strtoul(given, NULL, 0) : (uint32_t)clock_now_ns();

	for (unsigned i = 0; i < (given ? 1 : is_slow() ? count / 4 : count); i++) {
		fault_plan_random(seed + i, calls, one_in);
		options.allowed = load_allowed(calls);
		options.by_fd = (seed + i) % 4 == 1;
		options.one_by_one = (seed + i) % 3 == 1;
		options.proactor.capacity = (seed + i) % 2 ? 4 : 0;
		(void)load_run(&options);
	}
}

START_TEST(load_without_faults_goes_through)
{
	struct load_options options = options_for(0);

	fault_plan(NULL, 0);
	ck_assert_int_eq(load_run(&options), LOAD_DONE);
	options.one_by_one = true;
	ck_assert_int_eq(load_run(&options), LOAD_DONE);
	options.by_fd = true;
	ck_assert_int_eq(load_run(&options), LOAD_DONE);
	for (options.proactor.capacity = 1; options.proactor.capacity < 8;
		options.proactor.capacity *= 2)
		ck_assert_int_eq(load_run(&options), LOAD_DONE);
}
END_TEST

/* ---- memory ---- */

static struct load_options options_short_of_memory(void)
{
	struct load_options options = options_for(FAULT_BIT(ALLOCATE));

	options.refusals = load_bit(ENOMEM);
	return options;
}

START_TEST(memory_may_be_short_at_each_call)
{
	struct load_options options = options_short_of_memory();

	sweep(&options, FAULT_ALLOCATE, 1, UINT_MAX);
	options.proactor.capacity = 2;
	options.by_fd = true;
	sweep(&options, FAULT_ALLOCATE, 3, UINT_MAX);
}
END_TEST

START_TEST(memory_may_be_gone_for_good)
{
	struct load_options options = options_short_of_memory();

	options.proactor.capacity = 2;
	sweep(&options, FAULT_ALLOCATE, UINT_MAX, 60);
	sweep(&options, FAULT_MMAP, UINT_MAX, 4);
}
END_TEST

/* ---- descriptors and threads ---- */

START_TEST(descriptors_may_be_short)
{
	struct load_options options = options_for(FAULT_BIT(EVENTFD) | FAULT_BIT(TIMERFD));

	sweep(&options, FAULT_EVENTFD, 1, 3);
	sweep(&options, FAULT_EVENTFD, 10, 1);
	options.by_fd = true;
	sweep(&options, FAULT_TIMERFD, 1, 3);
	sweep(&options, FAULT_TIMERFD, 10, 1);
}
END_TEST

START_TEST(threads_may_be_short)
{
	struct load_options options = options_for(FAULT_BIT(THREAD));

	sweep(&options, FAULT_THREAD, 1, 12);
	sweep(&options, FAULT_THREAD, 20, 3);
	sweep(&options, FAULT_THREAD, UINT_MAX, 3);
}
END_TEST

/* ---- time ---- */

enum { POLLS = 2 };

static void pop_all(struct proactor *proactor, unsigned count, unsigned *ended)
{
	struct proactor_completion completion;
	struct proactor_entry entries[POLLS];
	struct timespec limit = {.tv_sec = 5};
	int r = must(proactor_poll(proactor, &limit, entries, count));

	for (int i = 0; i < r; i++) {
		must(proactor_pop(proactor, &entries[i], &completion));
		if (entries[i].flags & PROACTOR_MORE)
			continue;
		assert_result(entries[i].result, -ETIME);
		++*ended;
	}
}

START_TEST(deadline_comes_while_a_shot_waits_to_be_taken)
{
	struct load_options options = options_for(0);
	int event = must(eventfd(1, EFD_CLOEXEC));
	struct proactor_op op = {
		.opcode = PROACTOR_POLL,
		.flags = PROACTOR_MULTISHOT,
		.timeout_ns = 5 * NSEC_PER_MSEC,
		.poll = {event, POLLIN},
	};
	struct timespec longer = clock_timespec(2 * op.timeout_ns);
	struct proactor_completion ready;
	struct proactor *proactor;
	unsigned ended = 0;
	uint64_t key;

	fault_plan(NULL, 0);
	must(proactor_new(&proactor, &options.proactor));
	for (int i = 0; i < POLLS; i++)
		must(proactor_push(proactor, &op, &key, &ready));
	/* what was ready at first, then what an event brought to both */
	pop_all(proactor, 1, &ended);
	pop_all(proactor, 1, &ended);
	must(nanosleep(&longer, NULL));
	while (ended < POLLS)
		pop_all(proactor, POLLS, &ended);
	proactor_free(proactor);
	close(event);
}
END_TEST

/* ---- buffers, of which there is one ---- */

struct scarce {
	struct proactor *proactor;
	struct proactor_buffers *buffers;
	int files[3], peers[3];
};

static struct scarce scarce_begin(void)
{
	struct load_options options = options_for(0);
	struct scarce scarce;

	fault_plan(NULL, 0);
	must(proactor_new(&scarce.proactor, &options.proactor));
	must(proactor_buffers_new(scarce.proactor, 1, 8, &scarce.buffers));
	for (int i = 0; i < 3; i++) {
		int fds[2];

		must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
		scarce.files[i] = fds[0];
		scarce.peers[i] = fds[1];
	}
	return scarce;
}

static void scarce_end(struct scarce *scarce)
{
	proactor_free(scarce->proactor);
	for (int i = 0; i < 3; i++) {
		close(scarce->files[i]);
		close(scarce->peers[i]);
	}
}

/* A receive from the file at @index; what is there now is taken into account. */
static uint64_t scarce_push(const struct scarce *scarce, int index)
{
	struct proactor_op op = {
		.opcode = PROACTOR_RECV,
		.flags = PROACTOR_BUFFER_SELECT,
		.recv = {.file = scarce->files[index], .buffers = scarce->buffers},
	};
	struct proactor_completion ready;
	uint64_t key;

	must(proactor_push(scarce->proactor, &op, &key, &ready));
	return key;
}

static struct proactor_entry scarce_next(const struct scarce *scarce)
{
	struct proactor_completion completion;
	struct proactor_entry entry;
	struct timespec limit = {.tv_sec = 5};

	assert_result(proactor_poll(scarce->proactor, &limit, &entry, 1), 1);
	must(proactor_pop(scarce->proactor, &entry, &completion));
	return entry;
}

static void expect_nothing(const struct scarce *scarce)
{
	struct proactor_entry entry;

	assert_result(proactor_poll(scarce->proactor, &(struct timespec){0}, &entry, 1), -ETIME);
}

START_TEST(buffer_goes_to_who_has_data)
{
	struct scarce scarce = scarce_begin();
	struct proactor_entry entry;
	uint64_t key;

	must(write(scarce.peers[0], "a", 1));
	scarce_push(&scarce, 0);
	entry = scarce_next(&scarce);
	scarce_push(&scarce, 1);
	key = scarce_push(&scarce, 2);
	must(write(scarce.peers[2], "c", 1));
	expect_nothing(&scarce);
	must(proactor_buffer_release(scarce.buffers,
		proactor_buffer_data(scarce.buffers, entry.flags)));
	entry = scarce_next(&scarce);
	ck_assert_uint_eq(entry.key, key);
	assert_result(entry.result, 1);
	scarce_end(&scarce);
}
END_TEST

/* Where the kernel has no ring of buffers, who waits may have taken one beforehand. */
START_TEST(buffer_that_was_not_used_goes_to_the_next)
{
	struct scarce scarce;
	uint64_t first, second;
	int64_t result;

	fault_kernel(&(struct fault_kernel){.lacks_buffer_rings = true});
	scarce = scarce_begin();
	first = scarce_push(&scarce, 0);
	expect_nothing(&scarce);
	second = scarce_push(&scarce, 1);
	expect_nothing(&scarce);
	must(proactor_cancel(scarce.proactor, first));
	result = scarce_next(&scarce).result;
	assert_result(result, -ECANCELED);
	must(write(scarce.peers[1], "b", 1));
	ck_assert_uint_eq(scarce_next(&scarce).key, second);
	fault_kernel(NULL);
	scarce_end(&scarce);
}
END_TEST

/* Both see that there is something, and one is faster. */
START_TEST(receive_that_comes_too_late_waits_again)
{
	struct scarce scarce;
	uint64_t keys[2], late;
	struct proactor_entry entry;

	fault_kernel(&(struct fault_kernel){.lacks_buffer_rings = true});
	scarce = scarce_begin();
	for (int i = 0; i < 2; i++)
		keys[i] = scarce_push(&scarce, 0);
	expect_nothing(&scarce);
	must(write(scarce.peers[0], "a", 1));
	entry = scarce_next(&scarce);
	assert_result(entry.result, 1);
	late = entry.key == keys[0] ? keys[1] : keys[0];
	must(proactor_buffer_release(scarce.buffers,
		proactor_buffer_data(scarce.buffers, entry.flags)));
	expect_nothing(&scarce);
	must(write(scarce.peers[0], "b", 1));
	entry = scarce_next(&scarce);
	ck_assert_uint_eq(entry.key, late);
	assert_result(entry.result, 1);
	fault_kernel(NULL);
	scarce_end(&scarce);
}
END_TEST

/* ---- chance ---- */

START_TEST(anything_may_fail_at_any_time)
{
	struct load_options options = options_for(0);

	options.refusals = LOAD_ANY;
	run_random(options, UINT32_MAX & ~FAULT_BIT(SETUP), 100, 60);
	run_random(options, UINT32_MAX & ~FAULT_BIT(SETUP), 15, 60);
}
END_TEST

START_TEST(proactor_may_be_freed_with_all_in_flight)
{
	struct load_options options = options_for(0);

	options.refusals = LOAD_ANY;
	for (options.free_after = 1; options.free_after < 10; options.free_after++) {
		fault_plan(NULL, 0);
		(void)load_run(&options);
		run_random(options, UINT32_MAX & ~FAULT_BIT(SETUP), 10, 8);
	}
}
END_TEST

/* ---- a file that holds up who calls ---- */

START_TEST(slow_file_is_left_to_others)
{
	struct load_options options = options_for(0);
	struct proactor_op op = {.opcode = PROACTOR_WRITE, .write = {.data = "abc", .size = 1}};
	int memory = must(memfd_create("slow", MFD_CLOEXEC));
	unsigned count = 0;
	struct proactor_completion completion;
	struct proactor_entry entry;
	struct proactor *proactor;
	char bytes[3];
	uint64_t key;

	fault_plan(NULL, 0);
	must(proactor_new(&proactor, &options.proactor));
	must(proactor_attach(proactor, memory, &op.write.file));
	/* what the driver asks the kernel once is behind it then */
	assert_result(IN_DRIVER(proactor_push(proactor, &op, &key, &completion)), PROACTOR_READY);
	fault_plan(&(struct fault){FAULT_TRANSFER, 1, 2, FAULT_SLOW}, 1);
	/*
	 * The first may have slept for another reason, if nobody had counted before. After the
	 * second at the latest it is held for long.
	 */
	while (must(IN_DRIVER(proactor_push(proactor, &op, &key, &completion))) == PROACTOR_READY) {
		ck_assert_uint_lt(count, 2);
		count++;
		op.write.offset++;
		op.write.data = (const char *)op.write.data + 1;
	}
	ck_assert_uint_ge(count, 1);
	ck_assert_uint_ge(fault_hits(), count);
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	ck_assert_uint_eq(entry.key, key);
	must(proactor_pop(proactor, &entry, &completion));
	assert_result(completion.result, 1);
	assert_result(pread(memory, bytes, 3, 0), count + 1);
	ck_assert_mem_eq(bytes, "abc", count + 1);
	proactor_free(proactor);
	close(memory);
}
END_TEST

void add_all(Suite *suite)
{
	suite_add(suite, load_without_faults_goes_through);
	suite_add(suite, memory_may_be_short_at_each_call);
	suite_add(suite, memory_may_be_gone_for_good);
	suite_add(suite, descriptors_may_be_short);
	suite_add(suite, threads_may_be_short);
	suite_add(suite, deadline_comes_while_a_shot_waits_to_be_taken);
	suite_add(suite, buffer_goes_to_who_has_data);
	suite_add(suite, buffer_that_was_not_used_goes_to_the_next);
	suite_add(suite, receive_that_comes_too_late_waits_again);
	suite_add(suite, slow_file_is_left_to_others);
	suite_add(suite, anything_may_fail_at_any_time);
	suite_add(suite, proactor_may_be_freed_with_all_in_flight);
}
