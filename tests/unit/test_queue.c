/*
 * The queue of slots that two processes share: what either side can count on, whatever the other
 * does.
 */
#include "tests/harness.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proto/queue.h"

enum { ENTRIES = 8, LAPS = 1000 };

static uint8_t *memory;
static struct queue producer, consumer;

static void set_up(uint32_t entries, uint32_t position)
{
	memory = aligned_alloc(4096, (queue_memory_size(entries) + 4095) / 4096 * 4096);
	ck_assert_ptr_nonnull(memory);
	memset(memory, 0, queue_memory_size(entries));
	producer = consumer = queue_of(memory, entries, /* is_responses= */ false);
	producer.position = consumer.position = producer.consumed = position;
	queue_release(&consumer);
}

static void tear_down(void)
{
	free(memory);
}

/* A frame that says which it is. */
static struct queue_slot frame_of(uint32_t number)
{
	struct queue_slot slot = {.size = (uint8_t)(4 + number % (QUEUE_FRAME_SIZE_MAX - 3))};

	for (size_t i = 4; i < slot.size; i++)
		slot.frame[i] = (uint8_t)(number * 7 + i);
	memcpy(slot.frame, &number, sizeof(number));
	return slot;
}

static void put(uint32_t number)
{
	struct queue_slot slot = frame_of(number);

	/* an assertion of libcheck's is a system call */
	if (!queue_has_room(&producer))
		ck_abort_msg("no room for frame %u", number);
	queue_put(&producer, &slot);
}

/* The next frame is that one. */
static void take(uint32_t number)
{
	struct queue_slot slot, wanted = frame_of(number);

	if (!queue_has(&consumer) || !queue_copy(&consumer, &slot))
		ck_abort_msg("no frame %u", number);
	queue_advance(&consumer);
	if (slot.size != wanted.size || memcmp(slot.frame, wanted.frame, wanted.size) != 0)
		ck_abort_msg("frame %u is another", number);
}

/* ---- layout ---- */

START_TEST(layout_is_that_of_the_protocol)
{
	struct queue responses;

	set_up(ENTRIES, 0);
	responses = queue_of(memory, ENTRIES, /* is_responses= */ true);
	ck_assert_uint_eq(queue_memory_size(ENTRIES), 4096 + 2 * 8 * 64);
	ck_assert_ptr_eq(producer.control, memory);
	ck_assert_ptr_eq(&producer.control->sleeps, memory + 4);
	ck_assert_ptr_eq(&producer.control->is_full, memory + 8);
	ck_assert_ptr_eq(responses.control, memory + 128);
	ck_assert_ptr_eq(producer.slots, memory + 4096);
	ck_assert_ptr_eq(responses.slots, memory + 4096 + 8 * 64);
	put(5);
	ck_assert_uint_eq(memory[4096], 1);
	ck_assert_uint_eq(memory[4097], frame_of(5).size);
	ck_assert_mem_eq(memory + 4098, frame_of(5).frame, frame_of(5).size);
	tear_down();
}
END_TEST

/* ---- laps ---- */

static void run_laps(uint32_t first)
{
	uint32_t put_count = 0, taken_count = 0;

	set_up(ENTRIES, first);
	while (taken_count < LAPS * ENTRIES) {
		/* as many as there is room for, by a different number each time */
		for (uint32_t i = 0; i <= taken_count % ENTRIES && queue_has_room(&producer); i++)
			put(put_count++);
		ck_assert_uint_le(put_count - taken_count, ENTRIES);
		for (uint32_t i = 0; i <= put_count % 3 && queue_has(&consumer); i++)
			take(taken_count++);
		queue_release(&consumer);
	}
	ck_assert_uint_eq(producer.position, first + put_count);
	tear_down();
}

START_TEST(frames_come_out_whole_and_in_order_lap_after_lap)
{
	run_laps(0);
}
END_TEST

START_TEST(positions_may_pass_the_end_of_their_numbers)
{
	for (uint32_t before = 0; before <= 2 * ENTRIES; before++)
		run_laps(UINT32_MAX - before);
}
END_TEST

START_TEST(slot_of_an_earlier_lap_is_no_frame)
{
	set_up(ENTRIES, 0);
	for (uint32_t i = 0; i < ENTRIES; i++)
		put(i);
	for (uint32_t i = 0; i < ENTRIES; i++)
		take(i);
	ck_assert(!queue_has(&consumer));
	for (unsigned turn = 0; turn < 256; turn++) {
		producer.slots[0].turn = (uint8_t)turn;
		ck_assert_int_eq(queue_has(&consumer), turn == 2);
	}
	tear_down();
}
END_TEST

/* ---- full ---- */

START_TEST(full_queue_has_room_for_what_was_released)
{
	set_up(ENTRIES, 0);
	for (uint32_t i = 0; i < ENTRIES; i++)
		put(i);
	ck_assert(!queue_has_room(&producer));
	take(0);
	take(1);
	/* taken, and not released: the producer may not write there */
	ck_assert(!queue_has_room(&producer));
	queue_release(&consumer);
	put(ENTRIES);
	put(ENTRIES + 1);
	ck_assert(!queue_has_room(&producer));
	for (uint32_t i = 2; i < ENTRIES + 2; i++)
		take(i);
	ck_assert(!queue_has(&consumer));
	tear_down();
}
END_TEST

START_TEST(consumed_that_nobody_can_have_written_is_no_room)
{
	static const uint32_t away[] = {
		1, 2, ENTRIES, ENTRIES + 1, 1000, UINT32_C(1) << 31, UINT32_MAX - ENTRIES - 1};

	for (size_t i = 0; i < ARRAY_SIZE(away); i++) {
		set_up(ENTRIES, 77);
		for (uint32_t frame = 0; frame < ENTRIES; frame++)
			put(frame);
		/* beyond the producer, or more than a lap behind */
		atomic_store(&producer.control->consumed, producer.position + away[i]);
		ck_assert_msg(!queue_has_room(&producer), "%u ahead", away[i]);
		atomic_store(&producer.control->consumed, producer.position - ENTRIES - away[i]);
		ck_assert_msg(!queue_has_room(&producer), "%u behind", away[i]);
		/* an honest number mends it */
		atomic_store(&producer.control->consumed, producer.position - ENTRIES + 1);
		ck_assert(queue_has_room(&producer));
		tear_down();
	}
}
END_TEST

/* What is before and after the slots stays as it is, whatever the control says. */
START_TEST(no_number_takes_the_producer_out_of_its_slots)
{
	uint8_t canary[QUEUE_SLOT_SIZE];

	srandom(5);
	set_up(ENTRIES, 0);
	memset(canary, 0xa5, sizeof(canary));
	memset(producer.slots + ENTRIES, 0xa5, sizeof(canary));
	memset(memory + QUEUE_SLOTS_AT - sizeof(canary), 0xa5, sizeof(canary));
	for (uint32_t i = 0; i < 100000; i++) {
		atomic_store(&producer.control->consumed, (uint32_t)random() * 2654435761U);
		if (i % 2)
			atomic_store(&producer.control->consumed, producer.position);
		if (queue_has_room(&producer))
			put(i);
	}
	ck_assert_uint_gt(producer.position, 10000);
	ck_assert_mem_eq(producer.slots + ENTRIES, canary, sizeof(canary));
	ck_assert_mem_eq(memory + QUEUE_SLOTS_AT - sizeof(canary), canary, sizeof(canary));
	tear_down();
}
END_TEST

/* ---- what is in a slot ---- */

START_TEST(sizes_that_no_frame_has_are_refused)
{
	struct queue_slot slot;

	set_up(ENTRIES, 0);
	put(1);
	for (unsigned size = 0; size < 256; size++) {
		producer.slots[0].size = (uint8_t)size;
		ck_assert(queue_has(&consumer));
		ck_assert_int_eq(queue_copy(&consumer, &slot),
			size > 0 && size <= QUEUE_FRAME_SIZE_MAX);
	}
	tear_down();
}
END_TEST

START_TEST(copy_does_not_change_with_the_slot)
{
	struct queue_slot slot, wanted = frame_of(60);

	set_up(ENTRIES, 0);
	put(60);
	ck_assert(queue_copy(&consumer, &slot));
	memset(&producer.slots[0], 0xff, sizeof(slot));
	ck_assert_uint_eq(slot.size, wanted.size);
	ck_assert_mem_eq(slot.frame, wanted.frame, wanted.size);
	tear_down();
}
END_TEST

/* ---- sleeping ---- */

START_TEST(consumer_that_sleeps_is_woken_once)
{
	set_up(ENTRIES, 0);
	ck_assert(!queue_must_wake(&producer));
	ck_assert(queue_begin_sleep(&consumer));
	put(0);
	ck_assert(queue_must_wake(&producer));
	put(1);
	ck_assert_msg(!queue_must_wake(&producer), "woken twice");
	queue_end_sleep(&consumer);
	take(0);
	take(1);
	ck_assert(queue_begin_sleep(&consumer));
	queue_end_sleep(&consumer);
	ck_assert_msg(!queue_must_wake(&producer), "it is awake");
	tear_down();
}
END_TEST

START_TEST(nobody_goes_to_sleep_over_a_frame)
{
	set_up(ENTRIES, 0);
	put(0);
	ck_assert(!queue_begin_sleep(&consumer));
	queue_end_sleep(&consumer);
	take(0);
	ck_assert(queue_begin_sleep(&consumer));
	tear_down();
}
END_TEST

START_TEST(producer_that_waits_for_room_is_woken_once)
{
	set_up(ENTRIES, 0);
	for (uint32_t i = 0; i < ENTRIES; i++)
		put(i);
	ck_assert(!queue_was_full(&consumer));
	queue_await_room(&producer);
	ck_assert(!queue_has_room(&producer));
	take(0);
	queue_release(&consumer);
	ck_assert(queue_was_full(&consumer));
	ck_assert_msg(!queue_was_full(&consumer), "woken twice");
	ck_assert(queue_has_room(&producer));
	tear_down();
}
END_TEST

/* ---- two threads ---- */

static int doorbell, wake;

static void ring(int fd)
{
	must(eventfd_write(fd, 1));
}

static void await_ring(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	eventfd_t count;

	ck_assert_msg(poll(&pollfd, 1, 20000) == 1, "nobody rings");
	must(eventfd_read(fd, &count));
}

static void *produce(void *count)
{
	struct queue queue = producer;

	for (uint32_t i = 0; i < *(const uint32_t *)count; i++) {
		struct queue_slot slot = frame_of(i);

		while (!queue_has_room(&queue)) {
			queue_await_room(&queue);
			if (queue_has_room(&queue))
				break;
			if (queue_must_wake(&queue))
				ring(doorbell);
			await_ring(wake);
		}
		queue_put(&queue, &slot);
		if (i % 5 == 0 && queue_must_wake(&queue))
			ring(doorbell);
	}
	if (queue_must_wake(&queue))
		ring(doorbell);
	return NULL;
}

START_TEST(two_threads_that_sleep_and_wake_lose_nothing)
{
	uint32_t count = is_slow() ? 100000 : 1000000;
	pthread_t thread;

	set_up(ENTRIES, UINT32_MAX - 1000);
	doorbell = must(eventfd(0, EFD_CLOEXEC));
	wake = must(eventfd(0, EFD_CLOEXEC));
	ck_assert_int_eq(pthread_create(&thread, NULL, produce, &count), 0);
	for (uint32_t i = 0; i < count; i++) {
		struct queue_slot slot;
		uint32_t number;

		while (!queue_has(&consumer)) {
			bool sleeps = queue_begin_sleep(&consumer);

			if (queue_was_full(&consumer))
				ring(wake);
			if (sleeps)
				await_ring(doorbell);
			queue_end_sleep(&consumer);
		}
		if (!queue_copy(&consumer, &slot))
			ck_abort_msg("frame %u has no size", i);
		memcpy(&number, slot.frame, sizeof(number));
		/* an assertion of libcheck's is a system call */
		if (number != i || slot.size != frame_of(i).size)
			ck_abort_msg("frame %u is %u", i, number);
		queue_advance(&consumer);
		queue_release(&consumer);
		if (queue_was_full(&consumer))
			ring(wake);
	}
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	close(doorbell);
	close(wake);
	tear_down();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("queue");

	suite_add(suite, layout_is_that_of_the_protocol);
	suite_add(suite, frames_come_out_whole_and_in_order_lap_after_lap);
	suite_add(suite, positions_may_pass_the_end_of_their_numbers);
	suite_add(suite, slot_of_an_earlier_lap_is_no_frame);
	suite_add(suite, full_queue_has_room_for_what_was_released);
	suite_add(suite, consumed_that_nobody_can_have_written_is_no_room);
	suite_add(suite, no_number_takes_the_producer_out_of_its_slots);
	suite_add(suite, sizes_that_no_frame_has_are_refused);
	suite_add(suite, copy_does_not_change_with_the_slot);
	suite_add(suite, consumer_that_sleeps_is_woken_once);
	suite_add(suite, nobody_goes_to_sleep_over_a_frame);
	suite_add(suite, producer_that_waits_for_room_is_woken_once);
	suite_add(suite, two_threads_that_sleep_and_wake_lose_nothing);
	return suite_main(suite);
}
