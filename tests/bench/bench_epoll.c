/*
 * The epoll driver, against libuv, which does the same with the same means: threads for files,
 * readiness for sockets.
 *
 * Reads of files: libuv has a thread do each. Ours first asks whether the page cache has it
 * (preadv2(2) with RWF_NOWAIT), and here it always has, which is one row; in the other each read is
 * said to block (PROACTOR_MAY_BLOCK), so that the one pool of threads is measured against the
 * other, with as many of them. Threads may use all processors: those that wait for each other on
 * one are a different thing.
 *
 * The ping-pong is one thread on its processor, with who answers on another.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "tests/bench/bench_peers.h"
#include "tests/bench/bench_proactor.h"

enum { DEPTH = 32, THREADS = 4 };

static const struct proactor_options options = {
	.size = sizeof(options),
	.driver = PROACTOR_DRIVER_EPOLL,
	.capacity = BENCH_RING_ENTRIES,
	.thread_count_max = THREADS,
};

static const char *absent_text(int ours, const char *peer_absent)
{
	return ours < 0 ? "OUR EPOLL DRIVER IS MISSING: not in this library" : peer_absent;
}

/* Whether @r says that there is no such driver, rather than that it failed. */
static bool is_missing(int r)
{
	return r == -EINVAL || r == -EOPNOTSUPP || r == -ENOSYS;
}

static int failed(const char *name, const char *side, int r)
{
	fprintf(stderr, "bench: %s: %s: %s\n", name, side, err_name(-r));
	return r;
}

static int measure_reads(struct bench *bench, const char *name, uint32_t flags)
{
	struct bench_side ours = {.name = "libproactor", .run = bench_proactor_run};
	struct bench_side peer = {.name = "libuv", .run = bench_uv_reads_run};
	const char *peer_absent = bench_uv_absent();
	struct bench_proactor load;
	int missing, r = 0;

	if (!bench_wants(bench, name))
		return 0;
	missing = bench_proactor_init(&load, &options, bench->data_fd, BENCH_DATA_BLOCKS);
	if (missing < 0 && !is_missing(missing))
		r = failed(name, ours.name, missing);
	load.operation = PROACTOR_READ;
	load.depth = DEPTH;
	load.flags = flags;
	ours.context = &load;
	if (r >= 0 && !peer_absent) {
		r = bench_uv_reads_new(&peer.context, bench->data_fd, DEPTH, THREADS);
		if (r < 0)
			(void)failed(name, peer.name, r);
	}
	if (r >= 0)
		r = bench_pair(bench, name, missing < 0 ? NULL : &ours, peer_absent ? NULL : &peer,
			absent_text(missing, peer_absent));
	bench_uv_reads_free(peer.context);
	bench_proactor_deinit(&load);
	return r;
}

static int measure_pings_of(struct bench *bench, const char *name, const struct bench_echo *echo)
{
	struct bench_side ours = {.name = "libproactor", .run = bench_pings_run};
	struct bench_side peer = {.name = "libuv", .run = bench_uv_pings_run};
	const char *peer_absent = bench_uv_absent();
	struct bench_pings *pings = NULL;
	int missing = bench_pings_new(&pings, &options, echo), r = 0;

	if (missing < 0 && !is_missing(missing))
		r = failed(name, ours.name, missing);
	ours.context = pings;
	if (r >= 0 && !peer_absent) {
		r = bench_uv_pings_new(&peer.context, echo);
		if (r < 0)
			(void)failed(name, peer.name, r);
	}
	if (r >= 0)
		r = bench_pair(bench, name, missing < 0 ? NULL : &ours, peer_absent ? NULL : &peer,
			absent_text(missing, peer_absent));
	bench_uv_pings_free(peer.context);
	bench_pings_free(pings);
	return r;
}

static int measure_pings(struct bench *bench, const char *name)
{
	struct bench_echo echo;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = bench_echo_init(&echo);
	r = r < 0 ? failed(name, "who answers", r) : measure_pings_of(bench, name, &echo);
	bench_echo_deinit(&echo);
	return r;
}

int bench_epoll(struct bench *bench)
{
	int r, pings;

	bench_unpin();
	r = measure_reads(bench, "read4k.qd32.epoll.vs_libuv", 0);
	if (r >= 0)
		r = measure_reads(bench, "read4k.qd32.threads.vs_libuv", PROACTOR_MAY_BLOCK);
	bench_pin(BENCH_CPU_SELF);
	pings = measure_pings(bench, "pingpong64.epoll.vs_libuv");
	return r < 0 ? r : pings;
}
