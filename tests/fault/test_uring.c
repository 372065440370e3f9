/* What the io_uring driver has to endure. */
#include "tests/fault/suite.h"

#include <fcntl.h>
#include <limits.h>
#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "driver/uring.h"

/* ---- no ring, or not the best ---- */

static int new_with(struct fault fault, struct proactor **ret_proactor)
{
	struct proactor_options options = {.size = sizeof(options), .driver = driver};

	fault_plan(&fault, 1);
	return IN_DRIVER(proactor_new(ret_proactor, &options));
}

START_TEST(setup_that_is_refused_says_why)
{
	static const int errors[] = {EPERM, ENOSYS, ENOMEM, EINVAL, EMFILE, ENFILE};
	struct proactor *proactor;

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		assert_result(new_with((struct fault){FAULT_SETUP, 1, UINT_MAX, errors[i]},
				      &proactor),
			-errors[i]);
	assert_result(new_with((struct fault){FAULT_MAP_QUEUES, 1, 1, ENOMEM}, &proactor), -ENOMEM);
	for (size_t i = 0; fault_errors[FAULT_PROBE][i] != 0; i++)
		assert_result(new_with((struct fault){FAULT_PROBE, 1, 1,
					       fault_errors[FAULT_PROBE][i]},
				      &proactor),
			-fault_errors[FAULT_PROBE][i]);
	for (unsigned n = 1; n < 3; n++)
		if (new_with((struct fault){FAULT_ALLOCATE, n, 1, ENOMEM}, &proactor) == 0)
			proactor_free(proactor);
	fault_stop();
}
END_TEST

START_TEST(setup_that_is_refused_for_now_is_tried_again)
{
	struct load_options options = options_for(0);

	fault_plan(&(struct fault){FAULT_SETUP, 1, 5, ENOMEM}, 1);
	ck_assert_int_eq(load_run(&options), LOAD_DONE);
	ck_assert_uint_eq(fault_hits(), 5);
}
END_TEST

/* Each mode in turn is the first that the kernel knows. */
START_TEST(each_mode_does)
{
	struct load_options options = options_for(0);

	options.refusals = load_bit(EINVAL);
	for (unsigned n = 1; n <= 4; n++) {
		fault_plan(&(struct fault){FAULT_SETUP, 1, n, EINVAL}, 1);
		ck_assert_int_eq(load_run(&options), LOAD_DONE);
	}
	fault_plan(&(struct fault){FAULT_SETUP, 1, 5, EINVAL}, 1);
	ck_assert_int_eq(load_run(&options), LOAD_REFUSED);
	fault_plan(NULL, 0);
	options.proactor.flags = PROACTOR_SQPOLL;
	options.refusals = load_bit(EPERM);
	options.proactor.sqpoll_idle_ms = 2;
	ck_assert_int_ne(load_run(&options), LOAD_GIVEN_UP);
}
END_TEST

/* The ring of proactor_new() is made, in the mode that this kernel has; that for a loop is not. */
static void refuse_second_ring(const struct load_options *options, enum fault_call call, int error)
{
	struct proactor *proactor;

	fault_plan(NULL, 0);
	must(IN_DRIVER(proactor_new(&proactor, &options->proactor)));
	proactor_free(proactor);
	fault_plan(&(struct fault){call, fault_calls(call) + 1, 3, error}, 1);
	ck_assert_int_eq(load_run(options), LOAD_DONE);
}

START_TEST(ring_for_another_loop_may_be_refused)
{
	struct load_options options = options_for(0);

	options.by_fd = true;
	refuse_second_ring(&options, FAULT_MAP_QUEUES, ENOMEM);
	refuse_second_ring(&options, FAULT_SETUP, EMFILE);
	refuse_second_ring(&options, FAULT_PROBE, ENOMEM);
}
END_TEST

START_TEST(nothing_need_be_registered)
{
	struct load_options options = options_for(0);

	sweep(&options, FAULT_REGISTER_RING, 1, 1);
	sweep(&options, FAULT_REGISTER_TABLE, 1, 3);
	sweep(&options, FAULT_REGISTER_TABLE, UINT_MAX, 1);
	sweep(&options, FAULT_UPDATE_TABLE, 1, 16);
	sweep(&options, FAULT_UPDATE_TABLE, UINT_MAX, 1);
	sweep(&options, FAULT_MMAP, 1, 3);
}
END_TEST

START_TEST(eventfd_that_cannot_be_registered_is_a_refusal)
{
	struct load_options options = options_for(0);

	options.proactor.flags = PROACTOR_EVENTFD;
	options.proactor.eventfd = must(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	options.refusals = load_bit(ENOMEM) | load_bit(EBUSY);
	sweep(&options, FAULT_REGISTER_EVENTFD, 1, 1);
	fault_plan(NULL, 0);
	ck_assert_int_eq(load_run(&options), LOAD_DONE);
	close(options.proactor.eventfd);
}
END_TEST

/* ---- older kernels ---- */

enum { SETUP_NO_SQARRAY = 1 << 16 };

START_TEST(older_kernels_do)
{
	static const struct fault_kernel kernels[] = {
		/* 6.8: no ftruncate; 6.1: no array that can be left out; 6.0; */
		{.op_last = 54},
		{.setup_flags = SETUP_NO_SQARRAY, .op_last = IORING_OP_SENDMSG_ZC},
		{.setup_flags = SETUP_NO_SQARRAY | IORING_SETUP_DEFER_TASKRUN,
			.op_last = IORING_OP_SENDMSG_ZC},
		/* 5.19: no multishot receive; 5.15: no rings of buffers, no sockets; */
		{.setup_flags = SETUP_NO_SQARRAY | IORING_SETUP_DEFER_TASKRUN |
				IORING_SETUP_SINGLE_ISSUER,
			.op_last = IORING_OP_URING_CMD},
		{.setup_flags = SETUP_NO_SQARRAY | IORING_SETUP_DEFER_TASKRUN |
				IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
				IORING_SETUP_SUBMIT_ALL,
			.op_last = IORING_OP_LINKAT,
			.lacks_buffer_rings = true},
		/* 5.11: no multishot poll, no names but unlink and rename */
		{.setup_flags = SETUP_NO_SQARRAY | IORING_SETUP_DEFER_TASKRUN |
				IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
				IORING_SETUP_SUBMIT_ALL,
			.features = IORING_FEAT_RSRC_TAGS,
			.op_last = IORING_OP_UNLINKAT,
			.lacks_buffer_rings = true},
	};
	struct load_options options = options_for(0);

	for (size_t i = 0; i < ARRAY_SIZE(kernels); i++) {
		fault_kernel(&kernels[i]);
		fault_plan(NULL, 0);
		ck_assert_int_eq(load_run(&options), LOAD_DONE);
		options.by_fd = true;
		ck_assert_int_eq(load_run(&options), LOAD_DONE);
		options.by_fd = false;
		run_random(options,
			UINT32_MAX &
				~(FAULT_BIT(SETUP) | FAULT_BIT(MAP_QUEUES) | FAULT_BIT(PROBE) |
					FAULT_BIT(ALLOCATE)),
			30, 4);
	}
	fault_kernel(&(struct fault_kernel){.features = IORING_FEAT_NODROP});
	options.refusals = load_bit(ENOSYS);
	ck_assert_int_eq(load_run(&options), LOAD_REFUSED);
	fault_kernel(&(struct fault_kernel){.op_last = IORING_OP_ACCEPT});
	options.refusals = LOAD_ANY;
	ck_assert_int_eq(load_run(&options), LOAD_REFUSED);
	fault_kernel(NULL);
}
END_TEST

/* ---- the system call ---- */

START_TEST(enter_may_fail_at_each_call)
{
	struct load_options options = options_for(0);

	sweep(&options, FAULT_ENTER, 1, 24);
	options.proactor.capacity = 2;
	sweep(&options, FAULT_ENTER, 1, 24);
	sweep(&options, FAULT_ENTER, 7, 16);
	options.by_fd = true;
	sweep(&options, FAULT_ENTER, 2, 12);
}
END_TEST

START_TEST(transfers_may_be_short)
{
	struct load_options options = options_for(0);

	sweep(&options, FAULT_TAKE_TRANSFER, 1, 20);
	sweep(&options, FAULT_TAKE_TRANSFER, UINT_MAX, 1);
}
END_TEST

START_TEST(cancellations_may_miss)
{
	struct load_options options = options_for(0);

	sweep(&options, FAULT_TAKE_CANCEL, 1, 20);
	sweep(&options, FAULT_TAKE_CANCEL, 30, 1);
	options.by_fd = true;
	sweep(&options, FAULT_TAKE_CANCEL, 1, 20);
	sweep(&options, FAULT_TAKE_CANCEL, 30, 1);
}
END_TEST

START_TEST(completions_may_overflow)
{
	struct load_options options = options_for(0);

	options.proactor.completion_capacity = 1;
	fault_plan(NULL, 0);
	for (options.proactor.capacity = 1; options.proactor.capacity <= 4;
		options.proactor.capacity *= 2)
		for (int i = 0; i < 8; i++) {
			options.by_fd = i & 1;
			options.one_by_one = i & 2;
			options.proactor.taskrun =
				i & 4 ? PROACTOR_TASKRUN_IMMEDIATE : PROACTOR_TASKRUN_AUTO;
			ck_assert_int_eq(load_run(&options), LOAD_DONE);
		}
	options.proactor.capacity = 2;
	run_random(options, FAULT_BIT(ENTER) | FAULT_BIT(TAKE_CANCEL), 4, 20);
}
END_TEST

/* ---- one thing after another ---- */

static struct proactor *start(uint32_t capacity)
{
	struct proactor_options options = {
		.size = sizeof(options), .driver = driver, .capacity = capacity};
	struct proactor *proactor;

	must(proactor_new(&proactor, &options));
	return proactor;
}

static uint64_t push(struct proactor *proactor, struct proactor_op op)
{
	struct proactor_completion ready;
	uint64_t key;

	assert_result(proactor_push(proactor, &op, &key, &ready), PROACTOR_PENDING);
	return key;
}

static const struct timespec no_time = {0};

static const struct proactor_op forever = {
	.opcode = PROACTOR_TIMEOUT, .timeout.duration_ns = 1000000000000};

static void expect(struct proactor *proactor, uint64_t key, int64_t result)
{
	struct proactor_completion completion;
	struct proactor_entry entry;
	struct timespec limit = {.tv_sec = 5};
	uint64_t deadline_ns = clock_deadline_ns(&limit);

	assert_result(IN_DRIVER(proactor_poll(proactor, &limit, &entry, 1)), 1);
	/* what was there all the time is found at its end, too */
	ck_assert(clock_now_ns() < deadline_ns);
	ck_assert_uint_eq(entry.key, key);
	assert_result(entry.result, result);
	must(proactor_pop(proactor, &entry, &completion));
}

START_TEST(lost_completions_are_reported)
{
	struct proactor *proactor = start(0);
	struct proactor_entry entry;

	push(proactor, forever);
	fault_plan(&(struct fault){FAULT_ENTER, 1, 1, EBADR}, 1);
	assert_result(IN_DRIVER(proactor_poll(proactor, NULL, &entry, 1)), -EBADR);
	fault_stop();
	proactor_free(proactor);
}
END_TEST

/* The kernel is busy and memory is short: what does not fit into the queue has no place. */
static const struct fault no_room[] = {
	{FAULT_ENTER, 1, 1, EAGAIN},
	{FAULT_ALLOCATE, 1, 1, ENOMEM},
};

static const struct proactor_op nop = {.opcode = PROACTOR_NOP};

START_TEST(missed_cancellation_is_repeated_without_memory)
{
	struct proactor *proactor = start(1);
	uint64_t key = push(proactor, forever);
	struct proactor_entry entry;

	assert_result(proactor_poll(proactor, &no_time, &entry, 1), -ETIME);
	fault_plan(&(struct fault){FAULT_TAKE_CANCEL, 1, 1, ENOENT}, 1);
	assert_result(IN_DRIVER(proactor_cancel(proactor, key)), PROACTOR_CANCEL_REQUESTED);
	assert_result(IN_DRIVER(proactor_poll(proactor, &no_time, &entry, 1)), -ETIME);
	ck_assert_uint_eq(fault_hits(), 1);
	fault_plan(no_room, ARRAY_SIZE(no_room));
	expect(proactor, push(proactor, nop), 0);
	ck_assert_uint_eq(fault_hits(), 2);
	expect(proactor, key, -ECANCELED);
	proactor_free(proactor);
}
END_TEST

/* ---- who starves ---- */

struct starving {
	struct proactor *proactor;
	struct proactor_buffers *buffers;
	struct proactor_op op;
	int peer;
	void *lent; /* the one buffer that there is */
};

static struct starving starving_begin(void)
{
	struct starving starving = {.proactor = start(1)};
	struct proactor_completion completion;
	struct proactor_entry entry;
	int fds[2];

	must(proactor_buffers_new(starving.proactor, 1, 8, &starving.buffers));
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	starving.peer = fds[1];
	starving.op = (struct proactor_op){
		.opcode = PROACTOR_RECV,
		.flags = PROACTOR_BUFFER_SELECT,
		.recv = {.file = fds[0], .buffers = starving.buffers},
	};
	must(write(starving.peer, "xyz", 3));
	push(starving.proactor, starving.op);
	assert_result(proactor_poll(starving.proactor, NULL, &entry, 1), 1);
	must(proactor_pop(starving.proactor, &entry, &completion));
	starving.lent = proactor_buffer_data(starving.buffers, entry.flags);
	return starving;
}

static void starving_end(struct starving *starving)
{
	close((int)starving->op.recv.file);
	close(starving->peer);
}

/* When it was told, a buffer was there again; but to ask once more there was no room. */
START_TEST(who_cannot_be_asked_again_has_ended)
{
	struct starving starving = starving_begin();
	uint64_t key = push(starving.proactor, starving.op), other;

	/* has the first submitted, and takes its place */
	other = push(starving.proactor, forever);
	must(proactor_buffer_release(starving.buffers, starving.lent));
	fault_plan(no_room, ARRAY_SIZE(no_room));
	expect(starving.proactor, key, -ENOMEM);
	ck_assert_uint_eq(fault_hits(), 2);
	must(proactor_cancel(starving.proactor, other));
	proactor_free(starving.proactor);
	starving_end(&starving);
}
END_TEST

START_TEST(who_starves_ends_with_the_proactor)
{
	struct starving starving = starving_begin();
	struct proactor_entry entry;

	push(starving.proactor, forever);
	push(starving.proactor, starving.op);
	assert_result(proactor_poll(starving.proactor, &no_time, &entry, 1), -ETIME);
	push(starving.proactor, forever);
	/* the first of three cannot be cancelled */
	fault_plan(no_room, ARRAY_SIZE(no_room));
	(void)IN_DRIVER(proactor_free(starving.proactor));
	ck_assert_uint_eq(fault_hits(), 2);
	starving_end(&starving);
}
END_TEST

/* What is left over because the kernel takes no more is not waited for by what it took. */
START_TEST(nobody_waits_while_something_is_left_over)
{
	struct proactor *proactor = start(1);
	uint64_t keys[3];

	/* what comes first stays in, what follows finds no room: the kernel is busy */
	fault_plan(&(struct fault){FAULT_ENTER, 1, 3, EAGAIN}, 1);
	fault_driver_begin();
	keys[0] = push(proactor, forever);
	keys[1] = push(proactor, forever);
	keys[2] = push(proactor, nop);
	fault_driver_end();
	expect(proactor, keys[2], 0);
	fault_stop();
	for (int i = 0; i < 2; i++)
		must(proactor_cancel(proactor, keys[i]));
	proactor_free(proactor);
}
END_TEST

/* ---- idleness ---- */

enum { FEATURE_NO_IOWAIT = 1 << 17, ENTER_NO_IOWAIT = 1 << 7 };

/* Sleeps once, with nothing to do. Whether the kernel was told that this is no wait for a disk. */
static bool sleeps_idly(struct proactor *proactor)
{
	struct proactor_entry entry;

	fault_plan(NULL, 0);
	assert_result(IN_DRIVER(proactor_poll(proactor, &(struct timespec){.tv_nsec = 1000000},
			      &entry, 1)),
		-ETIME);
	ck_assert(fault_wait_flags() & IORING_ENTER_GETEVENTS);
	return fault_wait_flags() & ENTER_NO_IOWAIT;
}

START_TEST(idle_ring_does_not_count_as_waiting_for_a_disk)
{
	struct proactor *proactor = start(0);
	bool is_known = uring_of(proactor)->ring.features & FEATURE_NO_IOWAIT;
	int fd;

	ck_assert_int_eq(sleeps_idly(proactor), is_known);
	/* the ring for another loop is another one */
	must(proactor_fd(proactor, &fd));
	ck_assert_int_eq(sleeps_idly(proactor), is_known);
	proactor_free(proactor);
	/* to a kernel that does not know it, it would be EINVAL */
	fault_kernel(&(struct fault_kernel){.features = FEATURE_NO_IOWAIT});
	proactor = start(0);
	ck_assert(!sleeps_idly(proactor));
	proactor_free(proactor);
	fault_kernel(NULL);
}
END_TEST

void add_uring(Suite *suite)
{
	suite_add(suite, idle_ring_does_not_count_as_waiting_for_a_disk);
	suite_add(suite, setup_that_is_refused_says_why);
	suite_add(suite, setup_that_is_refused_for_now_is_tried_again);
	suite_add(suite, each_mode_does);
	suite_add(suite, ring_for_another_loop_may_be_refused);
	suite_add(suite, nothing_need_be_registered);
	suite_add(suite, eventfd_that_cannot_be_registered_is_a_refusal);
	suite_add(suite, older_kernels_do);
	suite_add(suite, enter_may_fail_at_each_call);
	suite_add(suite, transfers_may_be_short);
	suite_add(suite, cancellations_may_miss);
	suite_add(suite, completions_may_overflow);
	suite_add(suite, lost_completions_are_reported);
	suite_add(suite, missed_cancellation_is_repeated_without_memory);
	suite_add(suite, who_cannot_be_asked_again_has_ended);
	suite_add(suite, who_starves_ends_with_the_proactor);
	suite_add(suite, nobody_waits_while_something_is_left_over);
}
