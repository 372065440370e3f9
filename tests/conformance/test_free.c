/*
 * Ending a proactor with everything in flight.
 *
 * What the kernel or a thread still wrote to memory after proactor_free() would be seen: each
 * buffer is a page of its own between two that nobody may touch; right after the free it is
 * unmapped and another one, filled with a pattern, is put in its place; only then comes the data
 * for which the operations had waited.
 */
#include "tests/conformance/conformance.h"

#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { PAGE = 4096, PAGES = 12, GUARD = 0xa5, SETTLE_US = 30000 };

/* Pages with gaps between them that cannot be touched. */
struct pages {
	uint8_t *start;
};

static uint8_t *page(const struct pages *pages, int index)
{
	return pages->start + (size_t)(2 * index + 1) * PAGE;
}

static void map(const struct pages *pages, int index)
{
	void *at = page(pages, index);

	ck_assert_ptr_eq(mmap(at, PAGE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		at);
	memset(at, GUARD, PAGE);
}

static struct pages pages_new(void)
{
	struct pages pages = {
		mmap(NULL, (2 * PAGES + 1) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)};

	ck_assert_ptr_ne(pages.start, MAP_FAILED);
	for (int i = 0; i < PAGES; i++)
		map(&pages, i);
	return pages;
}

/* Others take their place. */
static void pages_replace(const struct pages *pages)
{
	for (int i = 0; i < PAGES; i++) {
		must(munmap(page(pages, i), PAGE));
		map(pages, i);
	}
}

static void pages_check(const struct pages *pages)
{
	for (int i = 0; i < PAGES; i++) {
		int untouched = 0;

		for (int j = 0; j < PAGE; j++)
			untouched += page(pages, i)[j] == GUARD;
		ck_assert_msg(untouched == PAGE, "page %d: %d bytes were written late", i,
			PAGE - untouched);
	}
}

/* Files for which data may come, and the ends from which it comes. */
struct world {
	int64_t pipe_file, socket_file, datagrams, listening;
	int writer, peer, sender, client;
	struct proactor_address address;
};

static void world_begin(struct proactor *proactor, struct world *world)
{
	int fds[2];

	world->pipe_file = silent_pipe(proactor, &world->writer);
	world->socket_file = stream(proactor, &world->peer);
	must(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds));
	world->datagrams = attach(proactor, fds[0]);
	world->sender = fds[1];
	world->listening = listener(proactor, AF_INET, &world->address);
	world->client = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/* All that was waited for comes now; with the daemon nobody is there any more to hear it. */
static void world_speak(const struct world *world)
{
	char bytes[PAGE];

	memset(bytes, '!', sizeof(bytes));
	for (int i = 0; i < 4; i++) {
		(void)send(world->peer, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)send(world->sender, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	if (engine->in_process)
		ck_assert_int_eq(write(world->writer, bytes, sizeof(bytes)), sizeof(bytes));
	(void)connect(world->client, &world->address.any, world->address.size);
}

static void world_end(const struct world *world)
{
	close(world->writer);
	close(world->peer);
	close(world->sender);
	close(world->client);
	if (!engine->in_process)
		return;
	close((int)world->pipe_file);
	close((int)world->socket_file);
	close((int)world->datagrams);
	close((int)world->listening);
}

/* What an operation is given lies in a page: all that is filled in, and nothing else does. */
static void launch_readers(struct proactor *proactor, const struct world *world,
	const struct pages *pages, uint32_t flags)
{
	struct msghdr *message = (struct msghdr *)(void *)page(pages, 5);
	struct iovec *piece = (struct iovec *)(void *)page(pages, 6);
	struct iovec pieces[2] = {{page(pages, 2), PAGE}, {page(pages, 3), PAGE}};

	*piece = (struct iovec){page(pages, 4), PAGE};
	*message = (struct msghdr){.msg_iov = piece, .msg_iovlen = 1};
	const struct proactor_op ops[] = {
		op_read(world->pipe_file, page(pages, 0), PAGE, PROACTOR_CURRENT),
		op_recv(world->socket_file, page(pages, 1), PAGE, 0),
		op_readv(world->pipe_file, pieces, 2, PROACTOR_CURRENT),
		op_recvmsg(world->datagrams, message, 0),
		op_recvfrom(world->datagrams, page(pages, 7), PAGE, 0,
			(struct proactor_address *)(void *)page(pages, 8)),
		op_accept(world->listening, (struct proactor_address *)(void *)page(pages, 9)),
		op_poll(world->socket_file, POLLIN),
		op_timeout(1000 * NSEC_PER_SEC),
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		(void)launch(proactor, flagged(ops[i], flags));
}

/* Frees @proactor, and looks at the pages. */
static void free_and_watch(struct proactor *proactor, const struct world *world,
	const struct pages *pages)
{
	ck_assert_ptr_null(proactor_free(proactor));
	pages_replace(pages);
	world_speak(world);
	usleep(SETTLE_US);
	pages_check(pages);
	must(munmap(pages->start, (2 * PAGES + 1) * PAGE));
}

START_TEST(nothing_is_written_after_free)
{
	for (int moment = 0; moment < 2; moment++) {
		struct proactor *proactor = start_with_capacity(moment ? 4 : 0);
		struct pages pages = pages_new();
		struct world world;

		world_begin(proactor, &world);
		for (int i = 0; i < 3; i++)
			launch_readers(proactor, &world, &pages, 0);
		if (moment == 1)
			expect_quiet(proactor);
		free_and_watch(proactor, &world, &pages);
		world_end(&world);
	}
}
END_TEST

START_TEST(nothing_is_written_after_free_by_threads_either)
{
	struct proactor *proactor = start();
	struct pages pages = pages_new();
	struct world world;

	world_begin(proactor, &world);
	launch_readers(proactor, &world, &pages, PROACTOR_MAY_BLOCK);
	expect_quiet(proactor);
	free_and_watch(proactor, &world, &pages);
	world_end(&world);
}
END_TEST

START_TEST(nothing_is_written_after_free_from_what_was_cancelled)
{
	struct proactor *proactor = start();
	struct pages pages = pages_new();
	struct world world;

	world_begin(proactor, &world);
	launch_readers(proactor, &world, &pages, 0);
	expect_quiet(proactor);
	must(proactor_cancel_all(proactor));
	free_and_watch(proactor, &world, &pages);
	world_end(&world);
}
END_TEST

START_TEST(nothing_is_written_after_free_from_a_chain_or_in_time)
{
	struct proactor *proactor = start();
	struct pages pages = pages_new();
	struct world world;

	world_begin(proactor, &world);
	launch_readers(proactor, &world, &pages, PROACTOR_CHAIN);
	(void)launch(proactor, op_nop());
	for (int i = 0; i < 4; i++)
		(void)launch(proactor,
			within(op_recv(world.socket_file, page(&pages, 10), PAGE, 0),
				(uint64_t)(1 + i) * 10 * NSEC_PER_MSEC));
	usleep(15000);
	free_and_watch(proactor, &world, &pages);
	world_end(&world);
}
END_TEST

START_TEST(nothing_is_written_after_free_while_data_pours_in)
{
	for (int i = 0; i < (is_slow() ? 10 : 60); i++) {
		struct proactor *proactor = start();
		struct pages pages = pages_new();
		struct world world;

		world_begin(proactor, &world);
		launch_readers(proactor, &world, &pages, i % 3 ? 0 : PROACTOR_MAY_BLOCK);
		if (i % 2)
			(void)proactor_poll(proactor, &no_time, &(struct proactor_entry){0}, 1);
		world_speak(&world);
		if (i % 5 == 0)
			usleep(100);
		proactor_free(proactor);
		pages_replace(&pages);
		usleep(500);
		pages_check(&pages);
		must(munmap(pages.start, (2 * PAGES + 1) * PAGE));
		world_end(&world);
	}
}
END_TEST

/* ---- all there is ---- */

static int64_t nap(void *argument)
{
	usleep(10000);
	return ++*(_Atomic int *)argument;
}

START_TEST(everything_in_flight_at_once_can_be_freed)
{
	for (int moment = 0; moment < 3; moment++) {
		int before = fd_count();
		struct proactor *proactor = start_with_capacity(8);
		struct pages pages = pages_new();
		struct proactor_buffers *buffers;
		struct proactor_handle *handle;
		struct world world;
		_Atomic int calls = 0;
		int done;
		void *memory;

		world_begin(proactor, &world);
		must(proactor_buffers_new(proactor, 2, 100, &buffers));
		must(proactor_memory_new(proactor, PAGE, &memory));
		must(proactor_handle(proactor, &handle));
		for (int i = 0; i < 10; i++) {
			launch_readers(proactor, &world, &pages, 0);
			(void)launch(proactor,
				op_read(world.pipe_file, memory, 1, PROACTOR_CURRENT));
			(void)launch(proactor, op_call(nap, &calls));
			(void)launch(proactor, op_recv_select(world.socket_file, buffers));
			(void)launch(proactor, within(op_timeout(NSEC_PER_SEC * 9), NSEC_PER_SEC));
			(void)launch(proactor,
				flagged(op_accept(world.listening, NULL), PROACTOR_MULTISHOT));
			(void)launch(proactor,
				flagged(op_poll(world.socket_file, POLLIN), PROACTOR_MULTISHOT));
			(void)launch(proactor,
				flagged(op_recv_select(world.socket_file, buffers),
					PROACTOR_MULTISHOT));
			(void)launch(proactor, chained(op_timeout(NSEC_PER_SEC)));
			(void)launch(proactor, chained(op_call(nap, &calls)));
			(void)launch(proactor, op_nop());
		}
		if (moment > 0)
			(void)proactor_poll(proactor, &no_time, &(struct proactor_entry){0}, 1);
		if (moment > 1) {
			world_speak(&world);
			usleep(5000);
		}
		proactor_free(proactor);
		done = calls;
		pages_replace(&pages);
		usleep(SETTLE_US);
		pages_check(&pages);
		ck_assert_int_eq(calls, done);
		must(munmap(pages.start, (2 * PAGES + 1) * PAGE));
		proactor_notify(handle);
		proactor_handle_free(handle);
		world_end(&world);
		ck_assert_int_eq(fd_count(), before);
	}
}
END_TEST

START_TEST(free_does_not_take_for_ever)
{
	struct proactor *proactor = start_with_capacity(1);
	struct pages pages = pages_new();
	struct world world;
	uint64_t begin;

	world_begin(proactor, &world);
	for (int i = 0; i < (is_slow() ? 50 : 500); i++)
		launch_readers(proactor, &world, &pages, 0);
	begin = clock_now_ns();
	proactor_free(proactor);
	ck_assert_uint_lt(clock_now_ns() - begin, (is_slow() ? 30 : 5) * NSEC_PER_SEC);
	must(munmap(pages.start, (2 * PAGES + 1) * PAGE));
	world_end(&world);
}
END_TEST

void add_free(Suite *suite)
{
	suite_add(suite, nothing_is_written_after_free);
	suite_add(suite, nothing_is_written_after_free_by_threads_either);
	suite_add(suite, nothing_is_written_after_free_from_what_was_cancelled);
	suite_add(suite, nothing_is_written_after_free_from_a_chain_or_in_time);
	suite_add(suite, nothing_is_written_after_free_while_data_pours_in);
	suite_add(suite, everything_in_flight_at_once_can_be_freed);
	suite_add(suite, free_does_not_take_for_ever);
}
