/*
 * A client beside one that wants everything: how much longer the slowest in a hundred of a client's
 * reads takes, 4 KiB and one at a time, while another has 128 reads of 1 MiB in flight.
 *
 * The hog is a process of its own with a session of its own, nice and with its data in shared
 * memory where there is any: what it is to take from the victim is the daemon, not the processor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/bench/bench_daemon.h"

enum {
	HOG_SIZE = 1 << 20,
	HOG_DEPTH = 128,
	ENTRIES = 64,
	ROUNDS = 7,
	ROUNDS_QUICK = 3,
	OPS_MIN = 200, /* for there to be a slowest in a hundred */
	OPS_TURN = 20, /* between looks at the clock */
	RUN_MS = 250,
	RUN_MS_QUICK = 80,
};

/* ---- the hog ---- */

struct hog {
	const struct bench *bench;
	const struct bench_daemon *daemon;
	struct proactor *proactor;
	int64_t file;
	void *memory; /* for all at once: nobody looks at it */
	uint64_t turn, in_flight, done;
};

static int push(struct hog *hog)
{
	const uint64_t pieces = (uint64_t)BENCH_DATA_BLOCKS * BENCH_BLOCK_SIZE / HOG_SIZE;
	const struct proactor_op op = {.opcode = PROACTOR_READ,
		.read = {.file = hog->file,
			.data = hog->memory,
			.size = HOG_SIZE,
			.offset = (int64_t)(hog->turn++ % pieces * HOG_SIZE)}};
	struct proactor_completion ready;
	uint64_t key;
	int r = proactor_push(hog->proactor, &op, &key, &ready);

	hog->in_flight += r == PROACTOR_PENDING;
	return r;
}

/* Takes what has ended; with @more pushes as many. */
static int turn(struct hog *hog, bool more)
{
	struct proactor_entry entries[ENTRIES];
	struct proactor_completion completion;
	int r, count = proactor_poll(hog->proactor, NULL, entries, ENTRIES);

	for (int i = 0; i < count; i++) {
		r = proactor_pop(hog->proactor, &entries[i], &completion);
		hog->in_flight--;
		hog->done++;
		if (r >= 0 && completion.result != HOG_SIZE)
			r = -EIO;
		if (r >= 0 && more)
			r = push(hog);
		if (r < 0)
			return r;
	}
	return MIN(count, 0);
}

static int hog_init(struct hog *hog)
{
	const char *absent;
	int fd, r = bench_daemon_connect(hog->daemon, BENCH_MEMORY, &hog->proactor, &absent);

	if (r >= 0 && absent)
		r = bench_daemon_connect(hog->daemon, BENCH_SOCKET, &hog->proactor, &absent);
	if (r >= 0)
		r = proactor_memory_new(hog->proactor, HOG_SIZE, &hog->memory);
	if (r < 0)
		return r;
	fd = fcntl(hog->bench->data_fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : proactor_attach(hog->proactor, fd, &hog->file);
}

/* Told anything, it begins; told again, it ends and says how many it did. */
static void eat(int fd, void *context)
{
	struct hog *hog = context;
	char told;
	int r = hog_init(hog);

	(void)setpriority(PRIO_PROCESS, 0, 19);
	while (r >= 0 && read(fd, &told, 1) == 1) {
		hog->done = 0;
		while (r >= 0 && hog->in_flight < HOG_DEPTH)
			r = push(hog);
		while (r >= 0 && recv(fd, &told, 1, MSG_DONTWAIT) < 0)
			r = turn(hog, true);
		while (r >= 0 && hog->in_flight > 0)
			r = turn(hog, false);
		if (r >= 0 && write(fd, &hog->done, sizeof(hog->done)) != sizeof(hog->done))
			return;
	}
	if (r < 0)
		(void)bench_failed("fairness", "the hog", r);
}

/* ---- the victim ---- */

/* The slowest in a hundred, in µs. */
static int measure_victim(struct bench_proactor *victim, uint64_t run_ns, double *ret_p99_us)
{
	struct histogram latencies = {0};
	uint64_t end_ns = clock_now_ns() + run_ns;
	int r = 0;

	victim->blocks.latencies = &latencies;
	while (r >= 0 && (latencies.count < OPS_MIN || clock_now_ns() < end_ns))
		r = bench_proactor_run(victim, OPS_TURN, latencies.count + 1);
	victim->blocks.latencies = NULL;
	*ret_p99_us = (double)histogram_quantile(&latencies, 0.99) / (double)NSEC_PER_USEC;
	return r;
}

static int measure_beside(struct bench_proactor *victim, const struct bench_child *hog,
	uint64_t run_ns, double *ret_p99_us, double *ret_hog_mib)
{
	uint64_t begin_ns = clock_now_ns(), done;
	int r;

	if (write(hog->fd, "", 1) != 1)
		return -EIO;
	/* until it has all in flight */
	(void)usleep(20000);
	r = measure_victim(victim, run_ns, ret_p99_us);
	if (write(hog->fd, "", 1) != 1 || read(hog->fd, &done, sizeof(done)) != sizeof(done))
		return -EIO;
	*ret_hog_mib = (double)done * (double)NSEC_PER_SEC / (double)(clock_now_ns() - begin_ns);
	return r;
}

static int measure(struct bench *bench, const char *name, struct bench_proactor *victim,
	const struct bench_child *hog, const char *note)
{
	bool quick = bench->options.quick;
	uint64_t run_ns = (quick ? RUN_MS_QUICK : RUN_MS) * NSEC_PER_MSEC;
	unsigned rounds = quick ? ROUNDS_QUICK : ROUNDS;
	double alone[ROUNDS], beside[ROUNDS], hog_mib[ROUNDS];
	struct bench_row *row;
	int r = 0;

	fprintf(stderr, "  %s\n", name);
	for (unsigned i = 0; r >= 0 && i < rounds; i++) {
		r = measure_victim(victim, run_ns, &alone[i]);
		if (r >= 0)
			r = measure_beside(victim, hog, run_ns, &beside[i], &hog_mib[i]);
	}
	if (r < 0)
		return bench_failed(name, "a run", r);
	row = bench_add_row(bench, name, "us");
	for (unsigned i = 0; i < rounds; i++)
		row->ours[row->pair_count++] = MAX(beside[i] - alone[i], 0.0);
	row->extras[0] = (struct bench_extra){"alone_us", bench_quantile(alone, rounds, 0.5)};
	row->extras[1] = (struct bench_extra){"beside_us", bench_quantile(beside, rounds, 0.5)};
	row->extras[2] = (struct bench_extra){"hog_mib_s", bench_quantile(hog_mib, rounds, 0.5)};
	snprintf(row->note, sizeof(row->note), "%s", note);
	return 0;
}

int bench_fairness(struct bench *bench)
{
	static const char name[] = "fairness.p99_us";
	struct bench_daemon daemon;
	struct hog hog = {.bench = bench, .daemon = &daemon};
	struct bench_child child = {0};
	struct bench_proactor victim = {0};
	const char *absent = NULL;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = bench_daemon_init(&daemon, bench, NULL);
	if (r >= 0)
		r = bench_daemon_load(&daemon, BENCH_BEST, &victim, bench->data_fd, &bench_shape_4k,
			&absent);
	if (r >= 0 && !absent)
		r = bench_child_start(&child, eat, &hog);
	victim.operation = PROACTOR_READ;
	if (r >= 0 && absent)
		(void)bench_add_value(bench, name, "us", 0, absent);
	else if (r >= 0)
		r = measure(bench, name, &victim, &child,
			bench_daemon_note(&daemon, victim.proactor));
	bench_child_stop(&child);
	bench_proactor_deinit(&victim);
	bench_daemon_deinit(&daemon);
	return r;
}
