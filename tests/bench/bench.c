/*
 * The benchmark's main program. See bench.h.
 */
#include "tests/bench/bench_blocks.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/err.h"

/* Some ten minutes are what it is to take; this ends one that hangs. */
enum { SECONDS_MAX = 1200 };

/* Above it, figures are to be measured again. */
#define OTHERS_MAX 0.05

static int read_options(struct bench_options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{"folder", required_argument, NULL, 'f'},
		{"results", required_argument, NULL, 'r'},
		{"build", required_argument, NULL, 'b'},
		{"only", required_argument, NULL, 'o'},
		{"quick", no_argument, NULL, 'q'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0) {
		switch (c) {
		case 'f': options->folder = optarg; break;
		case 'r': options->results = optarg; break;
		case 'b': options->build = optarg; break;
		case 'o': options->only = optarg; break;
		case 'q': options->quick = true; break;
		default: return -EINVAL;
		}
	}
	return optind == argc && options->folder && options->results && options->build ? 0
										       : -EINVAL;
}

static int run_all(struct bench *bench)
{
	static int (*const families[])(struct bench *) = {bench_driver, bench_files, bench_accept,
		bench_epoll, bench_transports, bench_connect, bench_servers, bench_fairness,
		bench_costs, bench_crowds, bench_idle, bench_matrix};
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

/* A thousand clients are a thousand descriptors, here and in the daemon. */
static void raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	static struct bench bench;
	double others;
	int r, written;

	if (read_options(&bench.options, argc, argv) < 0) {
		fprintf(stderr,
			"usage: bench --folder DIR --results FILE --build DIR [--only NAME] [--quick]\n");
		return 2;
	}
	raise_files();
	bench_watch(SECONDS_MAX);
	bench_pin(BENCH_CPU_SELF);
	(void)bench_others(/* begins= */ true);
	r = run_all(&bench);
	bench_remove_now();
	others = bench_others(/* begins= */ false);
	(void)bench_add_value(&bench, "machine.others", "of the processors' time", others, NULL);
	written = bench_results_write(&bench);
	if (written < 0)
		fprintf(stderr, "bench: %s: %s\n", bench.options.results, err_name(-written));
	bench_table_print(&bench);
	if (others > OTHERS_MAX)
		fprintf(stderr,
			"bench: THE MACHINE WAS NOT OURS: others had %.0f %% of the processors\n",
			others * 100);
	if (r < 0)
		fprintf(stderr, "bench: FAILED: not everything could be measured, see above\n");
	return r < 0 || written < 0;
}
