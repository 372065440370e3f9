/*
 * The one way in which anything is measured: sides that run in alternation. See bench.h.
 *
 * Runs are counted in operations, not timed from inside, so that the loops measured contain nothing
 * but the work; how many make a run of the wanted length is found out while warming up. The time of
 * single operations is counted in runs of their own, for the same reason.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/err.h"
#include "tests/bench/bench.h"

#define WARM_UP_OPS UINT64_C(2000)
enum { LATENCY_RUNS = 5, LATENCY_SHARE = 4 };

int bench_failed(const char *name, const char *what, int r)
{
	fprintf(stderr, "bench: %s: %s: %s\n", name, what,
		r == -EIO ? "wrong result or wrong data" : err_name(-r));
	return r;
}

static int run_timed(const struct bench_side *side, uint64_t op_count, uint64_t seed,
	double *ret_per_second)
{
	uint64_t begin_ns, end_ns;
	int r = side->prepare ? side->prepare(side->context, op_count) : 0;

	begin_ns = clock_now_ns();
	if (r >= 0)
		r = side->run(side->context, op_count, seed);
	end_ns = MAX(clock_now_ns(), begin_ns + 1);
	if (r < 0)
		return bench_failed(side->name, "a run", r);
	*ret_per_second = (double)op_count * (double)NSEC_PER_SEC / (double)(end_ns - begin_ns);
	return 0;
}

/*
 * Warms @side up, and finds how many operations take @run_ns. Beginning with few: what is slow may
 * be slow by a thousand.
 */
static int calibrate(const struct bench_side *side, uint64_t run_ns, uint64_t *ret_op_count)
{
	uint64_t op_count_max = side->op_count_max ? side->op_count_max : UINT64_MAX;
	uint64_t op_count = MIN(WARM_UP_OPS / 10, op_count_max);
	double per_second;
	int r;

	for (unsigned i = 0; i < 3; i++) {
		r = run_timed(side, op_count, i + 1, &per_second);
		if (r < 0)
			return r;
		op_count = MAX((uint64_t)(per_second * (double)run_ns / (double)NSEC_PER_SEC),
			UINT64_C(20));
		op_count = MIN(op_count, op_count_max);
	}
	*ret_op_count = op_count;
	return 0;
}

/* A B C, C B A, …: a drift hits all alike. */
static unsigned turn(unsigned round, unsigned i, unsigned count)
{
	return round % 2 ? count - 1 - i : i;
}

static int count_latencies(struct bench_racer *racers, unsigned count, const uint64_t *op_counts)
{
	double ignored;
	int r = 0;

	for (unsigned round = 0; round < LATENCY_RUNS; round++) {
		for (unsigned i = 0; r >= 0 && i < count; i++) {
			unsigned at = turn(round, i, count);
			struct bench_racer *racer = &racers[at];

			if (!racer->side.latencies)
				continue;
			*racer->side.latencies = &racer->latencies;
			r = run_timed(&racer->side, MAX(op_counts[at] / LATENCY_SHARE, 20U),
				round + 1, &ignored);
			*racer->side.latencies = NULL;
		}
	}
	return r;
}

int bench_race(struct bench_racer *racers, unsigned count, const struct bench_pace *pace)
{
	uint64_t op_counts[BENCH_SIDES_MAX];
	int r = 0;

	assert(count <= BENCH_SIDES_MAX && pace->rounds <= BENCH_PAIRS_MAX);
	for (unsigned i = 0; r >= 0 && i < count; i++)
		r = calibrate(&racers[i].side, pace->run_ns, &op_counts[i]);
	for (unsigned round = 0; round < pace->rounds; round++) {
		for (unsigned i = 0; r >= 0 && i < count; i++) {
			unsigned at = turn(round, i, count);

			r = run_timed(&racers[at].side, op_counts[at], round + 1,
				&racers[at].per_second[round]);
		}
	}
	return r < 0 ? r : count_latencies(racers, count, op_counts);
}

/* ---- rows ---- */

bool bench_wants(const struct bench *bench, const char *name)
{
	return !bench->options.only || strstr(name, bench->options.only);
}

struct bench_row *bench_add_row(struct bench *bench, const char *name, const char *unit)
{
	struct bench_row *row = &bench->rows[bench->row_count++];

	assert(bench->row_count <= BENCH_ROWS_MAX && strlen(name) < BENCH_NAME_SIZE);
	*row = (struct bench_row){
		.unit = unit, .yardstick_name = "-", .unpinned = !bench_is_pinned()};
	snprintf(row->name, sizeof(row->name), "%s", name);
	return row;
}

struct bench_row *bench_add_value(struct bench *bench, const char *name, const char *unit,
	double value, const char *absent)
{
	struct bench_row *row = bench_add_row(bench, name, unit);

	fprintf(stderr, "  %-34s %s\n", name, absent ? absent : "");
	if (absent) {
		snprintf(row->absent, sizeof(row->absent), "%s", absent);
		return row;
	}
	row->ours[row->pair_count++] = value;
	return row;
}

static struct bench_row *add_pair(struct bench *bench, const char *name,
	const struct bench_racer *ours, const struct bench_racer *yardstick, const char *absent,
	unsigned rounds)
{
	struct bench_row *row = bench_add_row(bench, name, "ops/s");

	snprintf(row->absent, sizeof(row->absent), "%s", absent ? absent : "");
	row->pair_count = ours || yardstick ? rounds : 0;
	if (ours) {
		memcpy(row->ours, ours->per_second, sizeof(row->ours));
		row->p50_ns = histogram_quantile(&ours->latencies, 0.5);
		row->p99_ns = histogram_quantile(&ours->latencies, 0.99);
		snprintf(row->note, sizeof(row->note), "%s",
			ours->side.note ? ours->side.note : "");
	}
	if (yardstick) {
		memcpy(row->yardstick, yardstick->per_second, sizeof(row->yardstick));
		row->yardstick_name = yardstick->side.name;
	}
	return row;
}

int bench_pair(struct bench *bench, const char *name, const struct bench_side *ours,
	const struct bench_side *yardstick, const char *absent)
{
	const struct bench_pace pace = bench->options.quick
		? (struct bench_pace){5, 25 * NSEC_PER_MSEC}
		: (struct bench_pace){31, 100 * NSEC_PER_MSEC};
	_cleanup_(freep) struct bench_racer *racers = calloc(2, sizeof(*racers));
	struct bench_row *row;
	unsigned count = 0;
	double line_ns;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	if (!racers)
		return -ENOMEM;
	assert(absent || ours);
	fprintf(stderr, "  %-34s %s\n", name, absent ? absent : "");
	if (ours)
		racers[count++].side = *ours;
	if (yardstick)
		racers[count++].side = *yardstick;
	line_ns = bench_line_ns();
	r = bench_race(racers, count, &pace);
	if (r < 0)
		return r;
	row = add_pair(bench, name, ours ? &racers[0] : NULL, yardstick ? &racers[count - 1] : NULL,
		absent, pace.rounds);
	row->extras[0] = (struct bench_extra){"line_ns", MAX(line_ns, bench_line_ns())};
	return 0;
}
