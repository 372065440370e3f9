/*
 * The benchmark's main program, and the one way in which anything is measured: as a pair of sides
 * in alternation.
 *
 * Runs are counted in operations, not timed from inside, so that the loops measured contain nothing
 * but the work; how many make a run of the wanted length is found out while warming up. See
 * bench.h.
 */
#include "tests/bench/bench_blocks.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

#define WARM_UP_OPS UINT64_C(2000)
enum { SECONDS_MAX = 600 };

/*
 * How long and how often. Sixteen rows of 51 × 2 × 0.1 s and warming up: about three minutes;
 * QUICK=1: about one.
 */
struct measure {
	unsigned pair_count;
	uint64_t run_ns;
};

static struct measure measure_of(const struct bench *bench)
{
	return bench->options.quick ? (struct measure){15, 80 * NSEC_PER_MSEC}
				    : (struct measure){51, 100 * NSEC_PER_MSEC};
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
	if (r < 0) {
		fprintf(stderr, "bench: %s: %s\n", side->name,
			r == -EIO ? "wrong result or wrong data" : err_name(-r));
		return r;
	}
	*ret_per_second = (double)op_count * (double)NSEC_PER_SEC / (double)(end_ns - begin_ns);
	return 0;
}

/* Warms @side up, and finds how many operations take @run_ns. */
static int calibrate(const struct bench_side *side, uint64_t run_ns, uint64_t *ret_op_count)
{
	uint64_t op_count_max = side->op_count_max ? side->op_count_max : UINT64_MAX;
	uint64_t op_count = MIN(WARM_UP_OPS, op_count_max);
	double per_second;
	int r;

	for (unsigned i = 0; i < 3; i++) {
		r = run_timed(side, op_count, i + 1, &per_second);
		if (r < 0)
			return r;
		op_count = MAX((uint64_t)(per_second * (double)run_ns / (double)NSEC_PER_SEC),
			UINT64_C(100));
		op_count = MIN(op_count, op_count_max);
	}
	*ret_op_count = op_count;
	return 0;
}

struct racer {
	const struct bench_side *side; /* NULL: missing */
	uint64_t op_count;
	double *per_second; /* of each run */
};

static int run_pair(struct racer racers[static 2], unsigned pair)
{
	for (unsigned i = 0; i < 2; i++) {
		/* A B, B A, ...: a drift hits both alike */
		struct racer *racer = &racers[(pair + i) % 2];
		int r;

		if (!racer->side)
			continue;
		r = run_timed(racer->side, racer->op_count, pair + 1, &racer->per_second[pair]);
		if (r < 0)
			return r;
	}
	return 0;
}

bool bench_wants(const struct bench *bench, const char *name)
{
	return !bench->options.only || strstr(name, bench->options.only);
}

int bench_pair(struct bench *bench, const char *name, const struct bench_side *ours,
	const struct bench_side *yardstick, const char *absent)
{
	struct measure measure = measure_of(bench);
	struct bench_row *row = &bench->rows[bench->row_count];
	struct racer racers[2] = {{ours, 0, row->ours}, {yardstick, 0, row->yardstick}};
	int r = 0;

	if (!bench_wants(bench, name))
		return 0;
	assert(bench->row_count < BENCH_ROWS_MAX && (absent || (ours && yardstick)));
	*row = (struct bench_row){.name = name, .unit = "ops/s", .absent = absent};
	row->yardstick_name = yardstick ? yardstick->name : "-";
	fprintf(stderr, "  %-34s %s\n", name, absent ? absent : "");
	for (unsigned i = 0; i < 2 && r >= 0; i++)
		if (racers[i].side)
			r = calibrate(racers[i].side, measure.run_ns, &racers[i].op_count);
	for (; r >= 0 && (ours || yardstick) && row->pair_count < measure.pair_count;
		row->pair_count++)
		r = run_pair(racers, row->pair_count);
	if (r >= 0)
		bench->row_count++;
	return r;
}

static int read_options(struct bench_options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"folder", required_argument, NULL, 'f'},
		{"results", required_argument, NULL, 'r'},
		{"daemon", required_argument, NULL, 'd'},
		{"only", required_argument, NULL, 'o'},
		{"quick", no_argument, NULL, 'q'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (c) {
		case 'f': options->folder = optarg; break;
		case 'r': options->results = optarg; break;
		case 'd': options->daemon_path = optarg; break;
		case 'o': options->only = optarg; break;
		case 'q': options->quick = true; break;
		default: return -EINVAL;
		}
	}
	return optind == argc && options->folder && options->results && options->daemon_path
		? 0
		: -EINVAL;
}

static int run_all(struct bench *bench)
{
	static int (*const families[])(struct bench *) = {
		bench_driver, bench_files, bench_accept, bench_epoll, bench_socket};
	int r = bench_blocks_make_file(bench), failed = 0;

	if (r < 0) {
		fprintf(stderr, "bench: the data file: %s\n", err_name(-r));
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		r = families[i](bench);
		failed = MIN(failed, r);
	}
	return failed;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	int r, written;

	if (read_options(&bench.options, argc, argv) < 0) {
		fprintf(stderr,
			"usage: bench --folder DIR --results FILE --daemon PROGRAM [--only NAME] [--quick]\n");
		return 2;
	}
	bench_watch(SECONDS_MAX);
	bench_pin(BENCH_CPU_SELF);
	r = run_all(&bench);
	bench_remove_now();
	written = bench_results_write(&bench);
	if (written < 0)
		fprintf(stderr, "bench: %s: %s\n", bench.options.results, err_name(-written));
	bench_results_print(&bench);
	if (r < 0)
		fprintf(stderr, "bench: FAILED: not everything could be measured, see above\n");
	return r < 0 || written < 0;
}
