/*
 * What came out: build/bench/results.json for programs, a table for people.
 *
 * The file is a list of objects: name; ours and yardstick, in `unit`, medians over the runs; ratio,
 * the median of the ratios of the pairs, ours ÷ yardstick, with its quartiles; runs, the pairs
 * themselves. What was not measured is null, and `absent` then says what is missing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/bench/bench.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which @share of @values lie; 0 of none. */
static double quantile(const double *values, unsigned count, double share)
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

	if (row->absent)
		return (struct bench_ratio){0};
	for (unsigned i = 0; i < row->pair_count; i++)
		ratios[i] = row->ours[i] / row->yardstick[i];
	return (struct bench_ratio){
		.median = quantile(ratios, row->pair_count, 0.5),
		.low = quantile(ratios, row->pair_count, 0.25),
		.high = quantile(ratios, row->pair_count, 0.75),
	};
}

/* ---- for programs ---- */

static void write_number(FILE *file, const char *key, double value, int decimals)
{
	if (value > 0)
		fprintf(file, ", \"%s\": %.*f", key, decimals, value);
	else
		fprintf(file, ", \"%s\": null", key);
}

/* Our own words: nothing in them needs escaping. */
static void write_string(FILE *file, const char *key, const char *text)
{
	fprintf(file, ", \"%s\": \"%s\"", key, text);
}

static void write_runs(FILE *file, const struct bench_row *row)
{
	fprintf(file, ", \"runs\": [");
	for (unsigned i = 0; i < row->pair_count; i++)
		fprintf(file, "%s[%.0f, %.0f]", i ? ", " : "", row->ours[i], row->yardstick[i]);
	fprintf(file, "]");
}

static void write_row(FILE *file, const struct bench_row *row)
{
	struct bench_ratio ratio = bench_ratio(row);

	fprintf(file, "\t{\"name\": \"%s\"", row->name);
	write_number(file, "ours", quantile(row->ours, row->pair_count, 0.5), 0);
	write_number(file, "yardstick", quantile(row->yardstick, row->pair_count, 0.5), 0);
	write_number(file, "ratio", ratio.median, 4);
	write_number(file, "ratio_low", ratio.low, 4);
	write_number(file, "ratio_high", ratio.high, 4);
	write_string(file, "unit", row->unit);
	write_string(file, "yardstick_name", row->yardstick_name);
	if (row->absent)
		write_string(file, "absent", row->absent);
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

/* ---- for people ---- */

static void print_rate(double per_second)
{
	if (per_second > 0)
		printf(" %11.0f", per_second);
	else
		printf(" %11s", "-");
}

static void print_row(const struct bench_row *row)
{
	struct bench_ratio ratio = bench_ratio(row);

	if (row->absent)
		printf("ABSENT  %-15s", "");
	else
		printf("%6.3f  [%.3f %.3f]  ", ratio.median, ratio.low, ratio.high);
	printf("%-32s", row->name);
	print_rate(quantile(row->ours, row->pair_count, 0.5));
	print_rate(quantile(row->yardstick, row->pair_count, 0.5));
	printf("  %s %s\n", row->unit, row->absent ? row->absent : row->yardstick_name);
}

void bench_results_print(const struct bench *bench)
{
	printf("\n%6s  %-15s  %-32s %11s %11s  unit, yardstick; %u pairs of runs each, medians\n",
		"ratio", "[quartiles]", "name", "ours", "yardstick",
		bench->row_count ? bench->rows[0].pair_count : 0);
	for (unsigned absent = 0; absent < 2; absent++)
		for (unsigned i = 0; i < bench->row_count; i++)
			if (!bench->rows[i].absent == !absent)
				print_row(&bench->rows[i]);
	for (unsigned i = 0; i < bench->row_count; i++)
		if (bench->rows[i].absent)
			fprintf(stderr, "bench: NOT COMPARED: %s: %s\n", bench->rows[i].name,
				bench->rows[i].absent);
	printf("\nwritten to %s\n", bench->options.results);
}
