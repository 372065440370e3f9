/*
 * What was wrong with the seed (compio-driver up to 0.12), and is not here.
 *
 * Each row is a defect, of its source or of its users' reports (#), and the test that shows that we
 * do not have it: "file: test" of this folder, or of tests/NAME/ where that is said. Those without
 * a file are below, or in test_seed_files.c.
 *
 *  waiting
 *   poll is out of time early when more is queued than the ring holds
 *                                         queue_longer_than_the_ring_shortens_no_wait
 *   EINTR comes out of poll               poll: signals_end_no_wait_and_shorten_none
 *   a poll enters the kernel though entries are ready    push: ready_entries_cost_no_system_call
 *   a notification in a timed poll is reported as a time-out, on one driver
 *                                         notification_is_no_time_out
 *   poll returns nothing for internal completions        nothing_but_a_notification_is_nothing
 *   hang when the ring is exactly full as the doorbell is to be armed (#1035)
 *                                         ring_that_is_exactly_full_can_be_woken
 *   the doorbell dies when completions overflow (silk#80)  doorbell_outlives_a_flood
 *   overflow of completions not handled (#11)            options: completions_may_be_fewer_than_…
 *                                         fault: completions_may_overflow
 *   more entries than there is room for is a panic       poll: no_more_entries_come_than_there_…
 *   times are cut to milliseconds         poll: time_is_over_when_it_is_over_and_not_before
 *   idle counts as waiting for a disk (iggy#3507)        fault: idle_ring_does_not_count_as_…
 *  cancelling
 *   a cancel kills a later operation      cancel: stale_key_hits_no_later_operation
 *   a cancel wakes nothing up             cancel: cancelled_while_it_waits
 *   a cancelled one says ETIMEDOUT        cancel: cancelled_before_the_first_poll
 *   a cancel is dropped when the ring is full            cancel: thousands_are_cancelled_at_once
 *   work of threads cannot be cancelled   cancel: open_that_blocks_can_be_cancelled
 *                                         call: call_that_waits_for_a_thread_can_be_cancelled
 *   a cancelled receive keeps its buffer (#746)          buffers: stream_ends_when_it_is_…
 *   popped twice, or never pushed: a panic               poll: entries_can_be_popped_in_any_order_…
 *                                         poll: what_is_no_entry_cannot_be_popped
 *  the pool
 *   full, it refuses (EBUSY); later, it spins in the loop  full_pool_queues_and_holds_nothing_up
 *   there are more threads than the limit threads: threads_are_no_more_than_they_may_be
 *  readiness
 *   one operation is served for each event               push: more_waiting_operations_than_any_…
 *   ready for both, only the read is served              both_directions_are_served
 *   an event that nobody waits for aborts (#195)         event_that_nobody_waits_for_is_ignored
 *   operations are lost when a number is attached again  attaching_a_number_again_loses_nothing
 *   an operation on what was not attached panics         what_was_not_attached_is_no_crash
 *   a number that is used again is ENOENT, or hits the file of before (#263, #88, #229)
 *                                         number_that_is_used_again_is_the_new_file
 *   attach takes what is no descriptor    attach: number_that_is_no_descriptor_cannot_be_attached
 *   sockets must be made non-blocking     attach: attaching_leaves_the_flags_of_the_…
 *  results
 *   writev writes the array itself        vectors: writev_writes_its_pieces_one_after_another
 *   offset 0 in place of the current one  files: current_position_is_moved_by_its_own_…
 *   sizes over 4 GiB are cut (#600)       sizes_over_four_gibibytes_are_not_cut
 *   SIGPIPE when nobody reads             streams: send_to_nobody_… and write_to_nobody_…
 *   descriptors are not close-on-exec (#400)             attach: descriptors_that_were_made_are_…
 *                                         messages: descriptor_goes_along_and_is_close_on_exec
 *   an accept that is none becomes multishot (#938)      sockets: each_waiting_accept_takes_one_…
 *   a multishot receive dies for want of buffers         buffers: without_a_free_buffer_it_waits_…
 *   its size is wrong (#879)              buffers: one_receive_takes_a_whole_stream
 *  the beginning and the end
 *   a capacity of 0, or a large one, is refused          lifetime: any_capacity_will_do
 *   one operation is missing: no ring at all (#504), or one that does not work (#505)
 *                                         fault: older_kernels_do, operation_that_is_missing_is_…
 *   no ring, no other driver              options: without_io_uring_the_next_best_is_taken_…
 *   contradicting options are not seen    options: options_that_contradict_each_other_are_refused
 *   what was not popped leaks (#769)      attach: files_in_results_that_nobody_popped_are_closed
 *   memory is written after it was freed (#942)          free: nothing_is_written_after_free…
 *   a handle is bad after its proactor (#512)            notify: handle_outlives_its_proactor
 *   a child shares the ring               process: child_that_lives_on_keeps_nothing_of_its_parents
 */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static const uint64_t far_ns = 1000 * NSEC_PER_SEC;

static void cancel_and_take(struct proactor *proactor, const uint64_t *keys, int count)
{
	for (int i = 0; i < count; i++)
		assert_result(proactor_cancel(proactor, keys[i]), PROACTOR_CANCEL_REQUESTED);
	for (int i = 0; i < count; i++)
		assert_result(await(proactor, keys[i]), -ECANCELED);
}

/* ---- waiting ---- */

START_TEST(queue_longer_than_the_ring_shortens_no_wait)
{
	enum { COUNT = 50 };
	struct proactor *proactor = start_with_capacity(4);
	struct timespec timeout = ms(100);
	struct proactor_entry entry;
	uint64_t keys[COUNT], begin;

	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor, op_timeout(far_ns));
	begin = clock_now_ns();
	assert_result(proactor_poll(proactor, &timeout, &entry, 1), -ETIME);
	ck_assert_uint_ge(clock_now_ns() - begin, 100 * NSEC_PER_MSEC);
	cancel_and_take(proactor, keys, COUNT);
	stop(proactor);
}
END_TEST

static void *notify_late(void *handle)
{
	usleep(30000);
	proactor_notify(handle);
	return NULL;
}

/* Poll with @timeout, which a thread ends. */
static int poll_notified(struct proactor *proactor, struct proactor_handle *handle,
	const struct timespec *timeout)
{
	struct proactor_entry entry;
	pthread_t thread;
	int r;

	ck_assert_int_eq(pthread_create(&thread, NULL, notify_late, handle), 0);
	r = proactor_poll(proactor, timeout, &entry, 1);
	pthread_join(thread, NULL);
	return r;
}

START_TEST(notification_is_no_time_out)
{
	struct proactor *proactor = start();
	const struct timespec timeout = {.tv_sec = 30};
	struct proactor_handle *handle;
	struct proactor_entry entry;

	must(proactor_handle(proactor, &handle));
	assert_result(poll_notified(proactor, handle, &timeout), 0);
	proactor_notify(handle);
	assert_result(proactor_poll(proactor, &timeout, &entry, 1), 0);
	expect_quiet(proactor);
	proactor_handle_free(handle);
	stop(proactor);
}
END_TEST

/* With a doorbell there, and cancellations on their way: both have completions of their own. */
START_TEST(nothing_but_a_notification_is_nothing)
{
	enum { COUNT = 100 };
	struct proactor *proactor = start_with_capacity(8);
	struct proactor_completion completion;
	struct proactor_handle *handle;
	struct proactor_entry entry;
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t keys[COUNT];
	char byte;

	must(proactor_handle(proactor, &handle));
	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor, op_recv(file, &byte, 1, 0));
	expect_quiet(proactor);
	for (int i = 0; i < COUNT; i++)
		assert_result(proactor_cancel(proactor, keys[i]), PROACTOR_CANCEL_REQUESTED);
	for (int i = 0; i < COUNT; i++) {
		assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
		must(proactor_pop(proactor, &entry, &completion));
		assert_result(completion.result, -ECANCELED);
	}
	expect_quiet(proactor);
	proactor_notify(handle);
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 0);
	proactor_handle_free(handle);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* Each count of operations around the ring's capacity, when the doorbell is asked for and later. */
START_TEST(ring_that_is_exactly_full_can_be_woken)
{
	for (int count = 0; count < 20; count++) {
		struct proactor *proactor = start_with_capacity(8);
		struct proactor_handle *handle;
		struct proactor_entry entry;
		uint64_t keys[20], nops[20];

		for (int i = 0; i < count; i++)
			keys[i] = launch(proactor, op_timeout(far_ns));
		must(proactor_handle(proactor, &handle));
		assert_result(poll_notified(proactor, handle, NULL), 0);
		cancel_and_take(proactor, keys, count);
		for (int i = 0; i < count; i++)
			nops[i] = launch(proactor, op_nop());
		proactor_notify(handle);
		for (int i = 0; i < count; i++)
			assert_result(await(proactor, nops[i]), 0);
		/* where poll had something else to say, it is yet to come */
		(void)proactor_poll(proactor, &no_time, &entry, 1);
		assert_result(poll_notified(proactor, handle, NULL), 0);
		proactor_handle_free(handle);
		stop(proactor);
	}
}
END_TEST

/* Takes @count that end, and all notifications that there are. */
static void take_flood(struct proactor *proactor, int count)
{
	struct proactor_completion completion;
	struct proactor_entry entry;
	int r;

	while ((r = proactor_poll(proactor, count > 0 ? NULL : &no_time, &entry, 1)) != -ETIME) {
		if (must(r) == 0)
			continue;
		must(proactor_pop(proactor, &entry, &completion));
		assert_result(completion.result, POLLIN);
		count--;
	}
	ck_assert_int_eq(count, 0);
}

/*
 * Between two polls of one who waits by proactor_fd(), so that nobody takes completions: the flood
 * is there when the bell is rung, and is more than the ring holds.
 */
static void flood_and_ring(struct proactor *proactor, struct proactor_handle *handle, int64_t file,
	int writer)
{
	enum { COUNT = 200 };
	struct proactor_entry entry;
	char byte;

	for (int i = 0; i < COUNT; i++)
		(void)launch(proactor, op_poll(file, POLLIN));
	assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
	ck_assert_int_eq(write(writer, "x", 1), 1);
	proactor_notify(handle);
	take_flood(proactor, COUNT);
	assert_result(run(proactor, op_read(file, &byte, 1, PROACTOR_CURRENT)), 1);
	take_flood(proactor, 0);
}

START_TEST(doorbell_outlives_a_flood)
{
	struct proactor_options options = options_for_engine();
	struct pollfd pollfd = {.events = POLLIN};
	struct proactor_handle *handle;
	struct proactor *proactor;
	struct proactor_entry entry;
	int64_t file;
	int writer;

	options.capacity = 1;
	options.completion_capacity = 1;
	must(proactor_new(&proactor, &options));
	must(proactor_fd(proactor, &pollfd.fd));
	must(proactor_handle(proactor, &handle));
	file = silent_pipe(proactor, &writer);
	for (int i = 0; i < 10; i++) {
		flood_and_ring(proactor, handle, file, writer);
		proactor_notify(handle);
		ck_assert_int_eq(must(poll(&pollfd, 1, 5000)), 1);
		assert_result(proactor_poll(proactor, &no_time, &entry, 1), 0);
		flood_and_ring(proactor, handle, file, writer);
		assert_result(poll_notified(proactor, handle, NULL), 0);
	}
	proactor_handle_free(handle);
	close(writer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- the pool ---- */

struct gate {
	_Atomic bool is_open;
	_Atomic int passed;
};

static int64_t pass(void *argument)
{
	struct gate *gate = argument;

	while (!gate->is_open)
		usleep(500);
	return ++gate->passed;
}

static uint64_t cpu_ns(void)
{
	struct timespec time;

	must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time));
	return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

START_TEST(full_pool_queues_and_holds_nothing_up)
{
	enum { COUNT = 200 };
	struct proactor_options options = options_for_engine();
	struct timespec while_full = ms(200);
	struct gate gate = {0};
	struct proactor *proactor;
	struct proactor_entry entry;
	uint64_t keys[COUNT], begin;

	options.thread_count_max = 1;
	must(proactor_new(&proactor, &options));
	begin = cpu_ns();
	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor, op_call(pass, &gate));
	assert_result(run(proactor, op_nop()), 0);
	assert_result(run(proactor, op_timeout(NSEC_PER_MSEC)), 0);
	assert_result(proactor_poll(proactor, &while_full, &entry, 1), -ETIME);
	/* processor time, which others on this machine do not add to: who spins had used all */
	ck_assert_uint_le(cpu_ns() - begin, 100 * NSEC_PER_MSEC);
	gate.is_open = true;
	for (int i = 0; i < COUNT; i++)
		assert_result(await(proactor, keys[i]), i + 1);
	stop(proactor);
}
END_TEST

void add_seed_defects(Suite *suite)
{
	suite_add(suite, queue_longer_than_the_ring_shortens_no_wait);
	suite_add(suite, notification_is_no_time_out);
	suite_add(suite, nothing_but_a_notification_is_nothing);
	suite_add(suite, ring_that_is_exactly_full_can_be_woken);
	suite_add(suite, doorbell_outlives_a_flood);
	suite_add(suite, full_pool_queues_and_holds_nothing_up);
}
