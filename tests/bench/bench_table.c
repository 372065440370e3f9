/*
 * The tables on the terminal. Ratios first: they hold on other machines as well, rates do not.
 *
 * One line a case with the goal that it has; then, for each operation, the ways to do it at each
 * depth: how they compare with a loop in the same process, how fast they are, how long the slowest
 * in a hundred takes.
 */
#include <stdio.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/bench_matrix.h"

static void print_figure(double value, bool known)
{
	if (!known)
		printf(" %11s", "-");
	else
		printf(" %11.*f", value >= 1000 || value <= 0 ? 0 : value >= 10 ? 1 : 4, value);
}

static void print_verdict(const struct bench_row *row)
{
	const struct bench_goal *goal = bench_goal(row->name);
	bool reached;

	if (!goal || !bench_goal_check(goal, row, &reached))
		printf("%-15s", "");
	else
		printf("%s %s %-8.5g", reached ? "ok  " : "MISS",
			goal->at_most ? "<=" : ">=", goal->value);
}

static void print_row(const struct bench_row *row)
{
	struct bench_ratio ratio = bench_ratio(row);

	if (row->absent[0])
		printf("ABSENT  %-17s", "");
	else if (ratio.median > 0)
		printf("%7.3f [%6.3f %6.3f]  ", ratio.median, ratio.low, ratio.high);
	else
		printf("%7s %-17s", "-", "");
	print_verdict(row);
	printf("%-34s", row->name);
	print_figure(bench_quantile(row->ours, row->pair_count, 0.5),
		row->pair_count > 0 && !(row->absent[0] && row->ours[0] <= 0));
	print_figure(bench_quantile(row->yardstick, row->pair_count, 0.5), row->yardstick[0] > 0);
	printf("  %s, %s%s%s", row->unit, row->absent[0] ? row->absent : row->yardstick_name,
		row->note[0] ? "; " : "", row->note);
	for (size_t i = 0; i < BENCH_EXTRAS_MAX && row->extras[i].name; i++)
		printf("%s%s %.4g", i ? ", " : "; ", row->extras[i].name, row->extras[i].value);
	printf("\n");
}

static void print_rows(const struct bench *bench)
{
	printf("\n%7s %-15s  %-15s%-34s %11s %11s  unit, yardstick; medians\n", "ratio",
		"[quartiles]", "goal", "name", "ours", "yardstick");
	for (unsigned absent = 0; absent < 2; absent++)
		for (unsigned i = 0; i < bench->row_count; i++) {
			const struct bench_row *row = &bench->rows[i];

			if (!bench_matrix_owns(row) && !row->absent[0] == !absent)
				print_row(row);
		}
}

void bench_table_print(const struct bench *bench)
{
	print_rows(bench);
	bench_matrix_print(bench);
	for (unsigned i = 0; i < bench->row_count; i++)
		if (bench->rows[i].absent[0])
			fprintf(stderr, "bench: NOT COMPARED: %s: %s\n", bench->rows[i].name,
				bench->rows[i].absent);
	printf("\nwritten to %s\n", bench->options.results);
}
