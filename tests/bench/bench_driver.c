/*
 * The io_uring driver against the loop that one would write by hand with liburing, in the same
 * process and thread, on rings that are made alike.
 */
#include <errno.h>

#include "tests/bench/bench_liburing.h"

static int measure(struct bench *bench, struct bench_proactor *ours,
	struct bench_liburing *yardstick)
{
	static const struct {
		const char *name;
		enum proactor_opcode operation;
		unsigned depth;
	} rows[] = {
		{"nop.qd1.driver.vs_liburing", PROACTOR_NOP, 1},
		{"nop.qd32.driver.vs_liburing", PROACTOR_NOP, 32},
		{"read4k.qd1.driver.vs_liburing", PROACTOR_READ, 1},
		{"read4k.qd8.driver.vs_liburing", PROACTOR_READ, 8},
		{"read4k.qd32.driver.vs_liburing", PROACTOR_READ, 32},
		{"read4k.qd128.driver.vs_liburing", PROACTOR_READ, 128},
	};
	const struct bench_side side = bench_proactor_side(ours, "libproactor");
	const struct bench_side peer = bench_liburing_side(yardstick);
	int r = 0;

	/* not beyond a failure: operations may be in flight still */
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(rows); i++) {
		ours->operation = yardstick->operation = rows[i].operation;
		ours->depth = yardstick->depth = rows[i].depth;
		r = bench_pair(bench, rows[i].name, &side, &peer, NULL);
	}
	return r;
}

int bench_driver(struct bench *bench)
{
	struct bench_liburing yardstick = {.ring.ring_fd = -EBADF};
	struct bench_proactor ours;
	int r;

	r = bench_proactor_init(&ours, &bench_ring_options, bench->data_fd, BENCH_DATA_BLOCKS);
	if (r < 0)
		(void)bench_failed("driver", "no ring", r);
	else
		r = bench_liburing_init(&yardstick, bench->data_fd, &bench_shape_4k);
	if (r >= 0)
		r = measure(bench, &ours, &yardstick);
	bench_liburing_deinit(&yardstick);
	bench_proactor_deinit(&ours);
	return r;
}
