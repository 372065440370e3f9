/*
 * Every way to do the same, side by side in one race at every depth: so that one can see what the
 * daemon costs, and what it spares, against all that one could use in its place.
 *
 * A cell is a row called matrix.OPERATION.qdDEPTH.WAY, with ".unpinned" behind it where the kernel
 * chooses the processors. Its yardstick is the loop on a ring of one's own. What has no depth
 * (plain calls, memcpy, the bare ping-pong) is there at depth 1.
 */
#include "tests/bench/bench_matrix.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/bench/bench_ways.h"

/* ---- the cells ---- */

static void name_cell(char name[BENCH_NAME_SIZE], const struct bench_task *task, unsigned depth,
	unsigned way, bool pinned)
{
	snprintf(name, BENCH_NAME_SIZE, "matrix.%s.qd%u.%s%s", task->name, depth,
		bench_ways[way].name, pinned ? "" : ".unpinned");
}

static void add_cell(struct bench_field *field, const char *name, const struct bench_racer *racer,
	const struct bench_racer *yardstick, unsigned rounds, double line_ns)
{
	struct bench_row *row = bench_add_row(field->bench, name, "ops/s");

	row->pair_count = rounds;
	memcpy(row->ours, racer->per_second, sizeof(row->ours));
	if (yardstick) {
		memcpy(row->yardstick, yardstick->per_second, sizeof(row->yardstick));
		row->yardstick_name = yardstick->side.name;
	}
	row->p50_ns = histogram_quantile(&racer->latencies, 0.5);
	row->p99_ns = histogram_quantile(&racer->latencies, 0.99);
	row->extras[0] = (struct bench_extra){"line_ns", line_ns};
}

static int race(struct bench_field *field, struct bench_racer *racers, unsigned depth, bool pinned)
{
	const struct bench_pace pace = field->bench->options.quick
		? (struct bench_pace){5, 6 * NSEC_PER_MSEC}
		: (struct bench_pace){7, 40 * NSEC_PER_MSEC};
	unsigned entered[BENCH_WAY_COUNT], count = 0;
	const struct bench_racer *yardstick = NULL;
	char name[BENCH_NAME_SIZE];
	double line_ns = bench_line_ns();
	int r;

	memset(racers, 0, BENCH_WAY_COUNT * sizeof(*racers));
	for (unsigned way = 0; way < BENCH_WAY_COUNT; way++) {
		name_cell(name, field->task, depth, way, pinned);
		if (!field->sides[way].run || (bench_ways[way].flat && depth > 1) ||
			!bench_wants(field->bench, name))
			continue;
		racers[count].side = field->sides[way];
		if (way == BENCH_WAY_LIBURING)
			yardstick = &racers[count];
		entered[count++] = way;
	}
	r = bench_race(racers, count, &pace);
	line_ns = MAX(line_ns, bench_line_ns());
	for (unsigned i = 0; r >= 0 && i < count; i++) {
		name_cell(name, field->task, depth, entered[i], pinned);
		add_cell(field, name, &racers[i], yardstick, pace.rounds, line_ns);
	}
	return r;
}

static void add_absent(struct bench_field *field)
{
	char name[BENCH_NAME_SIZE];

	for (unsigned way = 0; way < BENCH_WAY_COUNT; way++) {
		struct bench_row *row;

		name_cell(name, field->task, 1, way, true);
		if (!field->absent[way] || !bench_wants(field->bench, name))
			continue;
		row = bench_add_row(field->bench, name, "ops/s");
		snprintf(row->absent, sizeof(row->absent), "%s", field->absent[way]);
	}
}

static int race_all(struct bench_field *field)
{
	struct bench_racer *racers = calloc(BENCH_WAY_COUNT, sizeof(*racers));
	const unsigned *depths =
		field->bench->options.quick ? field->task->quick_depths : field->task->depths;
	int r = racers ? 0 : -ENOMEM;

	for (unsigned pinned = 2; r >= 0 && pinned-- > 0;) {
		fprintf(stderr, "  matrix.%s%s\n", field->task->name, pinned ? "" : ".unpinned");
		bench_field_pin(field, pinned);
		for (const unsigned *depth = depths; r >= 0 && *depth > 0; depth++) {
			bench_field_set_depth(field, *depth);
			r = race(field, racers, *depth, pinned);
		}
	}
	bench_field_pin(field, true);
	free(racers);
	return r;
}

static int measure(struct bench *bench, const struct bench_task *task,
	const struct bench_daemon *daemon)
{
	struct bench_field *field = calloc(1, sizeof(*field));
	int r;

	if (!field)
		return -ENOMEM;
	field->bench = bench;
	field->task = task;
	field->daemon = daemon;
	r = bench_field_init(field);
	add_absent(field);
	r = r < 0 ? bench_failed("matrix", task->name, r) : race_all(field);
	bench_field_deinit(field);
	free(field);
	return r;
}

/* Whether any cell of it is wanted, without knowing which there will be. */
static bool is_wanted(const struct bench *bench, const struct bench_task *task)
{
	char name[BENCH_NAME_SIZE];

	for (unsigned i = 0; i < 2 * BENCH_WAY_COUNT * BENCH_DEPTHS_MAX; i++) {
		unsigned depth = task->depths[i % BENCH_DEPTHS_MAX];

		name_cell(name, task, depth, i / BENCH_DEPTHS_MAX % BENCH_WAY_COUNT,
			i < BENCH_WAY_COUNT * BENCH_DEPTHS_MAX);
		if (depth > 0 && bench_wants(bench, name))
			return true;
	}
	return false;
}

int bench_matrix(struct bench *bench)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < BENCH_TASK_COUNT; i++) {
		struct bench_daemon daemon;

		if (!is_wanted(bench, &bench_tasks[i]))
			continue;
		r = bench_daemon_init(&daemon, bench, NULL);
		if (r >= 0)
			r = measure(bench, &bench_tasks[i], &daemon);
		bench_daemon_deinit(&daemon);
	}
	return r;
}

/* ---- for people ---- */

bool bench_matrix_owns(const struct bench_row *row)
{
	return strncmp(row->name, "matrix.", strlen("matrix.")) == 0;
}

static const struct bench_row *find(const struct bench *bench, const char *name)
{
	for (unsigned i = 0; i < bench->row_count; i++)
		if (strcmp(bench->rows[i].name, name) == 0)
			return &bench->rows[i];
	return NULL;
}

enum figure { RATIO, RATE, P99 };

static void print_cell(const struct bench_row *row, enum figure figure)
{
	double value = 0;

	if (row && row->pair_count > 0)
		value = figure == RATIO  ? bench_ratio(row).median
			: figure == RATE ? bench_quantile(row->ours, row->pair_count, 0.5) / 1000
					 : (double)row->p99_ns / (double)NSEC_PER_USEC;
	if (row && row->absent[0])
		printf(" %9s", "absent");
	else if (value <= 0)
		printf(" %9s", "");
	else
		printf(" %9.*f", value < 10 ? 3 : value < 1000 ? 1 : 0, value);
}

static void print_table(const struct bench *bench, const struct bench_task *task, bool pinned,
	enum figure figure)
{
	static const char *const titles[] = {[RATIO] = "against liburing in-process, times",
		[RATE] = "thousand operations a second",
		[P99] = "p99 of the time of an operation, us"};
	char name[BENCH_NAME_SIZE];

	printf("\n%s, %s, %s; depth\n%-30s", task->name, pinned ? "pinned" : "unpinned",
		titles[figure], "");
	for (const unsigned *depth = task->depths; *depth > 0; depth++)
		printf(" %9u", *depth);
	printf("\n");
	for (unsigned way = 0; way < BENCH_WAY_COUNT; way++) {
		if (bench_ways[way].reads && task->operation != PROACTOR_READ)
			continue;
		printf("%-30s", bench_ways[way].summary);
		for (const unsigned *depth = task->depths; *depth > 0; depth++) {
			name_cell(name, task, *depth, way, pinned);
			print_cell(find(bench, name), figure);
		}
		printf("\n");
	}
}

void bench_matrix_print(const struct bench *bench)
{
	for (size_t i = 0; i < BENCH_TASK_COUNT; i++) {
		if (!is_wanted(bench, &bench_tasks[i]))
			continue;
		for (enum figure figure = RATIO; figure <= P99; figure++)
			print_table(bench, &bench_tasks[i], true, figure);
		print_table(bench, &bench_tasks[i], false, RATIO);
	}
}
