/*
 * What came out: results.json, for programs, and what it is to be held against.
 *
 * The file is a list of objects, one a case: name; ours and yardstick, in `unit`, medians over the
 * runs; ratio, the median of the ratios of the pairs, ours ÷ yardstick, with its quartiles; runs,
 * the pairs themselves; pinned; p50_ns and p99_ns, of the time that one operation of ours takes.
 * Where something is to be reached: goal, `value`, which is the ratio or, where there is a unit to
 * the goal, ours; and reached. What was not measured is null, and `absent` then says what is
 * missing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_quantile(const double *values, unsigned count, double share)
{
	double sorted[BENCH_PAIRS_MAX];

	assert(count <= BENCH_PAIRS_MAX);
	if (count == 0)
		return 0;
	memcpy(sorted, values, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), compare);
	return sorted[(size_t)(share * (count - 1) + 0.5)];
}

struct bench_ratio bench_ratio(const struct bench_row *row)
{
	double ratios[BENCH_PAIRS_MAX];
	bool whole = !row->absent[0] && row->pair_count > 0 && row->yardstick[0] > 0;

	if (!whole)
		return (struct bench_ratio){0};
	for (unsigned i = 0; i < row->pair_count; i++)
		ratios[i] = row->ours[i] / row->yardstick[i];
	return (struct bench_ratio){
		.median = bench_quantile(ratios, row->pair_count, 0.5),
		.low = bench_quantile(ratios, row->pair_count, 0.25),
		.high = bench_quantile(ratios, row->pair_count, 0.75),
	};
}

/* ---- goals ---- */

enum { AT_LEAST = false, AT_MOST = true, RATIO = false, OURS = true };

static const struct bench_goal goals[] = {
	{"nop.qd1.driver.vs_liburing", 0.90, AT_LEAST, RATIO},
	{"nop.qd32.driver.vs_liburing", 0.90, AT_LEAST, RATIO},
	{"read4k.qd1.driver.vs_liburing", 0.97, AT_LEAST, RATIO},
	{"read4k.qd8.driver.vs_liburing", 0.97, AT_LEAST, RATIO},
	{"read4k.qd32.driver.vs_liburing", 0.97, AT_LEAST, RATIO},
	{"read4k.qd128.driver.vs_liburing", 0.97, AT_LEAST, RATIO},
	{"accept.driver.vs_liburing", 0.97, AT_LEAST, RATIO},
	{"read4k.qd32.epoll.vs_libuv", 1.0, AT_LEAST, RATIO},
	{"pingpong64.epoll.vs_libuv", 1.0, AT_LEAST, RATIO},
	{"read4k.qd32.ring.vs_inprocess", 0.90, AT_LEAST, RATIO},
	{"read4k.qd1.ring.vs_inprocess", 0.70, AT_LEAST, RATIO},
	{"read4k.qd32.ring.vs_nbdkit", 5, AT_LEAST, RATIO},
	{"read4k.qd32.memory.vs_nbdkit", 3, AT_LEAST, RATIO},
	{"read4k.qd32.socket.vs_nbdkit", 2, AT_LEAST, RATIO},
	{"direct4k.qd32.ring.vs_inprocess", 0.97, AT_LEAST, RATIO},
	{"seq256k.ring.vs_inprocess", 0.92, AT_LEAST, RATIO},
	{"nop.qd1.ring.vs_pingpong", 10, AT_LEAST, RATIO},
	{"nop.qd1.socket.vs_pingpong", 0.87, AT_LEAST, RATIO},
	{"nop.qd32.ring", 5e6, AT_LEAST, OURS},
	{"nop.qd32.socket", 1.5e6, AT_LEAST, OURS},
	{"echo64.c64.ring.vs_inprocess", 0.80, AT_LEAST, RATIO},
	{"accept.vs_inprocess", 0.90, AT_LEAST, RATIO},
	{"connect.vs_raw", 0.75, AT_LEAST, RATIO},
	{"fairness.p99_us", 60, AT_MOST, OURS},
	{"syscalls_per_op.qd32.ring", 1.0 / 16, AT_MOST, OURS},
	{"allocs_per_op", 0, AT_MOST, OURS},
	{"scale.s256.vs_s1", 0.9, AT_LEAST, RATIO},
	{"idle_session_bytes.socket", 6144, AT_MOST, OURS},
	{"idle_session_bytes.ring", 24576, AT_MOST, OURS},
	{0},
};

const struct bench_goal *bench_goal(const char *name)
{
	for (const struct bench_goal *goal = goals; goal->name; goal++)
		if (strcmp(goal->name, name) == 0)
			return goal;
	return NULL;
}

static double value_of(const struct bench_goal *goal, const struct bench_row *row)
{
	return goal->of_ours ? bench_quantile(row->ours, row->pair_count, 0.5)
			     : bench_ratio(row).median;
}

bool bench_goal_check(const struct bench_goal *goal, const struct bench_row *row, bool *ret_reached)
{
	double value = value_of(goal, row);

	if (row->absent[0] || row->pair_count == 0 || (!goal->of_ours && value <= 0))
		return false;
	*ret_reached = goal->at_most ? value <= goal->value : value >= goal->value;
	return true;
}

/* ---- the file ---- */

/* %.9g: exact for what is counted, short for what is not. */
static void write_number(FILE *file, const char *key, double value, bool known)
{
	if (known)
		fprintf(file, ", \"%s\": %.9g", key, value);
	else
		fprintf(file, ", \"%s\": null", key);
}

/* Our own words, and paths without control characters. */
static void write_string(FILE *file, const char *key, const char *text)
{
	fprintf(file, ", \"%s\": \"", key);
	for (; *text; text++)
		fprintf(file, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
	fprintf(file, "\"");
}

static void write_runs(FILE *file, const struct bench_row *row)
{
	bool has_yardstick = row->yardstick[0] > 0;

	fprintf(file, ", \"runs\": [");
	for (unsigned i = 0; i < row->pair_count; i++) {
		fprintf(file, "%s[%.9g, ", i ? ", " : "", row->ours[i]);
		fprintf(file, has_yardstick ? "%.9g]" : "null]", row->yardstick[i]);
	}
	fprintf(file, "]");
}

static void write_goal(FILE *file, const struct bench_row *row)
{
	const struct bench_goal *goal = bench_goal(row->name);
	bool reached = false, known;

	if (!goal)
		return;
	known = bench_goal_check(goal, row, &reached);
	fprintf(file, ", \"goal\": {\"%s\": %.9g, \"of\": \"%s\"}",
		goal->at_most ? "at_most" : "at_least", goal->value,
		goal->of_ours ? "ours" : "ratio");
	write_number(file, "value", value_of(goal, row), known);
	fprintf(file, ", \"reached\": %s", !known ? "null" : reached ? "true" : "false");
}

static void write_row(FILE *file, const struct bench_row *row)
{
	struct bench_ratio ratio = bench_ratio(row);
	bool has_ours = row->pair_count > 0 && (!row->absent[0] || row->ours[0] > 0);

	fprintf(file, "\t{\"name\": \"%s\"", row->name);
	write_number(file, "ours", bench_quantile(row->ours, row->pair_count, 0.5), has_ours);
	write_number(file, "yardstick", bench_quantile(row->yardstick, row->pair_count, 0.5),
		row->yardstick[0] > 0);
	write_number(file, "ratio", ratio.median, ratio.median > 0);
	write_number(file, "ratio_low", ratio.low, ratio.median > 0);
	write_number(file, "ratio_high", ratio.high, ratio.median > 0);
	write_string(file, "unit", row->unit);
	write_string(file, "yardstick_name", row->yardstick_name);
	fprintf(file, ", \"pinned\": %s", row->unpinned ? "false" : "true");
	write_number(file, "p50_ns", (double)row->p50_ns, row->p50_ns > 0);
	write_number(file, "p99_ns", (double)row->p99_ns, row->p99_ns > 0);
	for (size_t i = 0; i < BENCH_EXTRAS_MAX && row->extras[i].name; i++)
		write_number(file, row->extras[i].name, row->extras[i].value, true);
	write_goal(file, row);
	if (row->absent[0])
		write_string(file, "absent", row->absent);
	if (row->note[0])
		write_string(file, "note", row->note);
	write_runs(file, row);
	fprintf(file, "}");
}

int bench_results_write(const struct bench *bench)
{
	FILE *file = fopen(bench->options.results, "we");
	bool failed;

	if (!file)
		return -errno;
	fprintf(file, "[\n");
	for (unsigned i = 0; i < bench->row_count; i++) {
		write_row(file, &bench->rows[i]);
		fprintf(file, "%s\n", i + 1 < bench->row_count ? "," : "");
	}
	fprintf(file, "]\n");
	failed = ferror(file);
	return fclose(file) != 0 || failed ? -EIO : 0;
}
