/*
 * How fast TCP connections are accepted and closed, by the io_uring driver and through the daemon,
 * against the loop that one would write by hand with liburing: all a multishot accept, and a close
 * for each connection.
 *
 * What is timed begins with a full backlog (bench_flood.c) and ends when all that was in it is
 * closed, so that nothing but the accepting side is at work. Each side has a listening socket of
 * its own, since the accept stays armed from one run to the next. The backlog is larger than the
 * completion queue: on both sides the kernel ends the multishot accept when that is full, and it is
 * armed again.
 */
#include <errno.h>
#include <fcntl.h>

#include "tests/bench/bench_flood.h"
#include "tests/bench/bench_daemon.h"
#include "tests/bench/bench_liburing.h"

enum { BATCH = 128 }; /* of completions; both sides */

/* ---- ours ---- */

struct ours {
	const struct bench_flood *flood;
	struct proactor *proactor;
	int64_t listener;
	bool armed;
	/* it is not armed between runs: an engine of another process would accept right then */
	bool rests;
	uint64_t accept_key;
	uint64_t closed; /* in this run */
};

static int close_connection(struct ours *ours, int64_t file)
{
	const struct proactor_op op = {.opcode = PROACTOR_CLOSE, .close = {.file = file}};
	struct proactor_completion ready;
	uint64_t key;
	int r;

	if (unlikely(file < 0))
		return -EIO;
	r = proactor_push(ours->proactor, &op, &key, &ready);
	if (r != PROACTOR_READY)
		return r;
	ours->closed++;
	return ready.result == 0 ? 0 : -EIO;
}

static int arm(struct ours *ours)
{
	const struct proactor_op op = {
		.opcode = PROACTOR_ACCEPT,
		.flags = PROACTOR_MULTISHOT,
		.accept = {.file = ours->listener},
	};
	struct proactor_completion ready;
	int r = proactor_push(ours->proactor, &op, &ours->accept_key, &ready);

	if (r == PROACTOR_READY)
		return close_connection(ours, ready.result);
	ours->armed = r >= 0;
	return r;
}

static int take(struct ours *ours, const struct proactor_entry *entry)
{
	struct proactor_completion completion;
	int r = proactor_pop(ours->proactor, entry, &completion);

	if (unlikely(r < 0))
		return r;
	if (completion.opcode == PROACTOR_ACCEPT) {
		ours->armed = completion.flags & PROACTOR_MORE;
		return close_connection(ours, completion.result);
	}
	ours->closed++;
	return completion.result == 0 ? 0 : -EIO;
}

static int ours_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct ours *ours = context;
	struct proactor_entry entries[BATCH];
	int r = 0;

	(void)seed;
	ours->closed = 0;
	while (r >= 0 && ours->closed < op_count) {
		int count;

		if (!ours->armed) {
			r = arm(ours);
			continue;
		}
		count = proactor_poll(ours->proactor, NULL, entries, BATCH);
		if (count < 0)
			return count;
		for (int i = 0; i < count && r >= 0; i++)
			r = take(ours, &entries[i]);
	}
	return MIN(r, 0);
}

static int disarm(struct ours *ours)
{
	struct proactor_completion completion;
	struct proactor_entry entry;
	int r = proactor_cancel(ours->proactor, ours->accept_key);

	if (r >= 0)
		r = proactor_poll(ours->proactor, NULL, &entry, 1);
	if (r >= 0)
		r = proactor_pop(ours->proactor, &entry, &completion);
	ours->armed = false;
	return r < 0 || completion.result == -ECANCELED ? r : -EIO;
}

static int ours_prepare(void *context, uint64_t op_count)
{
	struct ours *ours = context;
	int r = ours->rests && ours->armed ? disarm(ours) : 0;

	return r < 0 ? r : bench_flood_make(ours->flood, 0, op_count);
}

static int ours_init(struct ours *ours, const struct bench_flood *flood)
{
	int r, fd;

	ours->flood = flood;
	fd = fcntl(flood->listeners[0], F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = proactor_attach(ours->proactor, fd, &ours->listener);
	return r < 0 || ours->rests ? r : arm(ours);
}

/* ---- by hand ---- */

enum { TAG_ACCEPT, TAG_CLOSE };

struct yardstick {
	const struct bench_flood *flood;
	struct io_uring ring;
	bool armed;
};

/* @closed counts. */
static int yardstick_take(struct yardstick *yardstick, const struct io_uring_cqe *cqe,
	uint64_t *closed)
{
	struct io_uring_sqe *sqe;

	if (unlikely(cqe->res < 0))
		return -EIO;
	if (cqe->user_data == TAG_CLOSE) {
		++*closed;
		return 0;
	}
	yardstick->armed = cqe->flags & IORING_CQE_F_MORE;
	sqe = io_uring_get_sqe(&yardstick->ring);
	io_uring_prep_close(sqe, cqe->res);
	io_uring_sqe_set_data64(sqe, TAG_CLOSE);
	return 0;
}

/* A batch is smaller than the submission queue, which each turn empties: there is always room. */
static int yardstick_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct yardstick *yardstick = context;
	struct io_uring_cqe *cqes[BATCH];
	uint64_t closed = 0;

	(void)seed;
	while (closed < op_count) {
		unsigned count;
		int r;

		if (!yardstick->armed) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&yardstick->ring);

			io_uring_prep_multishot_accept(sqe, yardstick->flood->listeners[1], NULL,
				NULL, SOCK_CLOEXEC);
			io_uring_sqe_set_data64(sqe, TAG_ACCEPT);
			yardstick->armed = true;
		}
		r = io_uring_submit_and_wait(&yardstick->ring, 1);
		count = io_uring_peek_batch_cqe(&yardstick->ring, cqes, BATCH);
		for (unsigned i = 0; r >= 0 && i < count; i++)
			r = yardstick_take(yardstick, cqes[i], &closed);
		if (unlikely(r < 0))
			return r;
		io_uring_cq_advance(&yardstick->ring, count);
	}
	return 0;
}

static int yardstick_prepare(void *context, uint64_t op_count)
{
	return bench_flood_make(((struct yardstick *)context)->flood, 1, op_count);
}

/* ---- the rows ---- */

/* @ours has its proactor, or there is what is @absent. */
static int measure(struct bench *bench, const char *name, struct ours *ours, const char *absent,
	const char *note)
{
	struct bench_flood flood;
	struct yardstick yardstick = {.flood = &flood, .ring.ring_fd = -EBADF};
	int r = bench_flood_init(&flood);
	const struct bench_side sides[] = {
		{.name = "ours",
			.run = ours_run,
			.context = ours,
			.prepare = ours_prepare,
			.op_count_max = flood.room,
			.note = note},
		{.name = "liburing",
			.run = yardstick_run,
			.context = &yardstick,
			.prepare = yardstick_prepare,
			.op_count_max = flood.room},
	};

	if (r >= 0)
		r = bench_ring_init(&yardstick.ring);
	if (r >= 0 && !absent)
		r = ours_init(ours, &flood);
	if (r < 0)
		(void)bench_failed(name, "prepare", r);
	else
		r = bench_pair(bench, name, absent ? NULL : &sides[0], &sides[1], absent);
	ours->proactor = proactor_free(ours->proactor);
	if (yardstick.ring.ring_fd >= 0)
		io_uring_queue_exit(&yardstick.ring);
	bench_flood_deinit(&flood);
	return r;
}

static int measure_driver(struct bench *bench, const char *name)
{
	struct ours ours = {0};
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = proactor_new(&ours.proactor, &bench_ring_options);
	return r < 0 ? bench_failed(name, "no ring", r) : measure(bench, name, &ours, NULL, NULL);
}

static int measure_daemon(struct bench *bench, const char *name)
{
	/* accepted faster than closed, all that a backlog holds may be open at once */
	static const char *const options[] = {"--limit", "files=8192", NULL};
	struct bench_daemon daemon;
	struct ours ours = {.rests = true};
	const char *absent;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = bench_daemon_init(&daemon, bench, options);
	if (r >= 0)
		r = bench_daemon_connect(&daemon, BENCH_BEST, &ours.proactor, &absent);
	if (r >= 0)
		r = measure(bench, name, &ours, absent,
			absent ? NULL : bench_daemon_note(&daemon, ours.proactor));
	bench_daemon_deinit(&daemon);
	return r;
}

int bench_accept(struct bench *bench)
{
	int r = measure_driver(bench, "accept.driver.vs_liburing");
	int through = measure_daemon(bench, "accept.vs_inprocess");

	return MIN(r, through);
}
