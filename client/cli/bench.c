/*
 * proactl bench: a load generator. How many operations the daemon does for one client, and how long
 * each takes.
 *
 * Without a file it makes one of its own, without a name, so that nothing is left behind and
 * nothing of anybody's is written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "client/cli/format.h"
#include "client/cli/interrupt.h"
#include "client/cli/json.h"
#include "client/cli/load.h"

enum {
	DEPTH_DEFAULT = 32,
	SIZE_DEFAULT = 4096,
	SECONDS_DEFAULT = 2,
	SECONDS_MAX = 86400,
	OWN_FILE_SIZE = 64 << 20,
	FILL_SIZE = 1 << 20,
};

static const struct operation {
	const char *name;
	uint32_t opcode;
	bool has_file;
	bool transfers;
} operations[] = {
	{"nop", PROACTOR_NOP, false, false},
	{"read", PROACTOR_READ, true, true},
	{"write", PROACTOR_WRITE, true, true},
	{"fsync", PROACTOR_FSYNC, true, false},
	{"stat", PROACTOR_STAT, true, false},
};

struct bench {
	struct io io;
	struct load load;
	const struct operation *operation;
	const char *path;      /* of the file; NULL: one of its own */
	const char *transport; /* that was asked for, or NULL */
	bool force;            /* may write to a file that exists */
	bool made;             /* true exactly while there is a file that was not there before */
};

/* ---- the file ---- */

static int fill(int fd)
{
	_cleanup_(freep) uint8_t *bytes = malloc(FILL_SIZE);

	if (!bytes)
		return -ENOMEM;
	memset(bytes, 0x5a, FILL_SIZE);
	for (off_t done = 0; done < OWN_FILE_SIZE; done += FILL_SIZE)
		if (pwrite(fd, bytes, FILL_SIZE, done) != FILL_SIZE)
			return errno > 0 ? -errno : -EIO;
	return 0;
}

static int open_own(int *ret_fd)
{
	const char *folder = secure_getenv("TMPDIR");
	_cleanup_(fd_closep) int fd =
		open(folder && *folder ? folder : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	int r = fd < 0 ? -errno : fill(fd);

	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

/* What is written to is to be nobody's, unless that is said to be all right. */
static int open_given(struct bench *bench, int *ret_fd)
{
	bool writes = bench->operation->opcode == PROACTOR_WRITE;
	int flags = writes ? O_RDWR | O_CREAT | (bench->force ? 0 : O_EXCL) : O_RDONLY;
	bool exists = access(bench->path, F_OK) == 0;
	_cleanup_(fd_closep) int fd = open(bench->path, flags | O_CLOEXEC | O_NOCTTY, 0600);
	int r;

	if (fd < 0)
		return -errno;
	bench->made = writes && !exists;
	r = bench->made ? fill(fd) : 0;
	if (r == 0)
		*ret_fd = TAKE_FD(fd);
	return r;
}

static int open_file(struct bench *bench)
{
	_cleanup_(fd_closep) int fd = -EBADF;
	struct stat stat;
	int r = bench->path ? open_given(bench, &fd) : open_own(&fd);

	if (r == 0 && fstat(fd, &stat) < 0)
		r = -errno;
	if (r == -EEXIST && !bench->force)
		return cli_fail_text(bench->io.cli, EEXIST, "EEXIST",
			"%s: EEXIST: it would be written to; --force if that is meant",
			bench->path);
	if (r == 0)
		r = io_attach(&bench->io, fd, &bench->load.file);
	if (r < 0)
		return io_fail(&bench->io, r, "", bench->path ? bench->path : "a file of its own");
	if (!S_ISREG(stat.st_mode) && !S_ISBLK(stat.st_mode))
		return 0;
	if (S_ISBLK(stat.st_mode))
		stat.st_size = lseek(fd, 0, SEEK_END);
	bench->load.blocks = (uint64_t)stat.st_size / bench->load.size;
	if (bench->operation->transfers && bench->load.blocks == 0)
		return cli_fail_text(bench->io.cli, EINVAL, "EINVAL",
			"%s: EINVAL: it is smaller than the %zu bytes of an operation",
			bench->path ? bench->path : "a file of its own", bench->load.size);
	return 0;
}

/* ---- the transport ---- */

static unsigned count_rings(const char *text)
{
	unsigned count = 0;

	while ((text = strstr(text, "ring"))) {
		text++;
		count++;
	}
	return count;
}

/* What the driver is called tells it; so may the path in that name. */
static const char *transport_taken(const struct bench *bench)
{
	const char *name = proactor_driver_name(bench->io.proactor);

	return count_rings(name) > count_rings(bench->io.cli->socket) ? "ring" : "socket";
}

static int check_transport(const struct bench *bench)
{
	if (!bench->transport || strcmp(bench->transport, transport_taken(bench)) == 0)
		return 0;
	return cli_fail_text(bench->io.cli, EOPNOTSUPP, "EOPNOTSUPP",
		"--transport %s: EOPNOTSUPP: %s is what the daemon and this program agree on",
		bench->transport, transport_taken(bench));
}

/* ---- what came out ---- */

static const struct percentile {
	const char *name;
	double share;
} percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};

static double seconds_of(const struct load *load)
{
	return (double)MAX(load->duration_ns, UINT64_C(1)) / (double)NSEC_PER_SEC;
}

static void print_json(const struct bench *bench)
{
	const struct load *load = &bench->load;
	json_t *latency = json_object(), *result;

	for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++)
		json_object_set_new(latency, percentiles[i].name,
			json_integer((json_int_t)histogram_quantile(&load->latencies,
				percentiles[i].share)));
	json_object_set_new(latency, "mean",
		json_integer((json_int_t)histogram_mean(&load->latencies)));
	result = json_pack("{s:s, s:s, s:s, s:I, s:I, s:f, s:I, s:f, s:I, s:f, s:o}", "operation",
		bench->operation->name, "transport", transport_taken(bench), "driver",
		proactor_driver_name(bench->io.proactor), "size",
		(json_int_t)(bench->operation->transfers ? load->size : 0), "depth",
		(json_int_t)load->depth, "seconds", seconds_of(load), "operations",
		(json_int_t)load->latencies.count, "operations_per_second",
		(double)load->latencies.count / seconds_of(load), "bytes", (json_int_t)load->bytes,
		"bytes_per_second", (double)load->bytes / seconds_of(load), "latency_ns", latency);
	json_print(result, stdout, JSON_PRINT_AUTO);
}

static void print_people(const struct bench *bench)
{
	const struct load *load = &bench->load;
	char text[FORMAT_SIZE], rate[FORMAT_SIZE];

	printf("%s", bench->operation->name);
	if (bench->operation->transfers)
		printf(" of %zu bytes %s", load->size,
			load->blocks > 0 && !load->sequential ? "at random" : "in order");
	printf(", depth %" PRIu32 ", by the %s of %s\n", load->depth, transport_taken(bench),
		bench->io.cli->socket);
	printf("operations  %.0f/s  (%" PRIu64 " in %.2f s)\n",
		(double)load->latencies.count / seconds_of(load), load->latencies.count,
		seconds_of(load));
	if (bench->operation->transfers) {
		format_bytes((double)load->bytes / seconds_of(load), rate);
		format_bytes((double)load->bytes, text);
		printf("data        %s/s  (%s)\n", rate, text);
	}
	printf("latency   ");
	for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++) {
		format_duration(histogram_quantile(&load->latencies, percentiles[i].share), text);
		printf("  %s %s", percentiles[i].name, text);
	}
	printf("\n");
}

/* ---- the command ---- */

static bool parse_seconds(const char *text, uint64_t *ret_duration_ns)
{
	char *end;
	double seconds = strtod(text, &end);

	/* written so that NaN is refused too */
	if (end == text || *end != '\0' || !(seconds > 0 && seconds <= SECONDS_MAX))
		return false;
	/* 0 is as if nothing had been given */
	*ret_duration_ns = MAX((uint64_t)(seconds * (double)NSEC_PER_SEC), UINT64_C(1));
	return true;
}

enum {
	OPTION_SIZE = CLI_OPTION_OWN,
	OPTION_DEPTH,
	OPTION_SECONDS,
	OPTION_COUNT,
	OPTION_TRANSPORT,
	OPTION_FILE,
	OPTION_SEQUENTIAL,
};

/* NULL, or what is wrong with the argument. */
static const char *take_option(struct bench *bench, int option)
{
	uint64_t number = 0;

	switch (option) {
	case OPTION_SIZE:
		if (!cli_parse_size(optarg, UINT32_MAX, &number))
			return "is not a size, such as 4096, 64K or 1M";
		bench->load.size = (size_t)number;
		return NULL;
	case OPTION_DEPTH:
		if (!cli_parse_number(optarg, 1, UINT32_MAX, &number))
			return "is not a number from 1 on";
		bench->load.depth = (uint32_t)number;
		return NULL;
	case OPTION_SECONDS:
		return parse_seconds(optarg, &bench->load.duration_max_ns)
			? NULL
			: "is not a number of seconds above 0";
	case OPTION_COUNT:
		return cli_parse_number(optarg, 1, UINT64_MAX, &bench->load.count_max)
			? NULL
			: "is not a number from 1 on";
	case OPTION_TRANSPORT:
		bench->transport = optarg;
		return strcmp(optarg, "socket") == 0 || strcmp(optarg, "ring") == 0
			? NULL
			: "is neither socket nor ring";
	case OPTION_FILE: bench->path = optarg; return NULL;
	case OPTION_SEQUENTIAL: bench->load.sequential = true; return NULL;
	default: bench->force = true; return NULL;
	}
}

static const struct operation *find_operation(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	return NULL;
}

/* -1: go on; else the exit status. */
static int parse(struct bench *bench, struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_OPTIONS,
		{"size", required_argument, NULL, OPTION_SIZE},
		{"depth", required_argument, NULL, OPTION_DEPTH},
		{"seconds", required_argument, NULL, OPTION_SECONDS},
		{"count", required_argument, NULL, OPTION_COUNT},
		{"transport", required_argument, NULL, OPTION_TRANSPORT},
		{"file", required_argument, NULL, OPTION_FILE},
		{"sequential", no_argument, NULL, OPTION_SEQUENTIAL},
		{"force", no_argument, NULL, 'f'}, {0}};
	const char *name, *wrong;
	int option;

	while ((option = cli_option(cli, argc, argv, ":hf", options)) != -1) {
		if (option == CLI_OPTION_OVER)
			return cli->status;
		wrong = take_option(bench, option);
		if (wrong)
			return cli_fail_usage(cli, "%s %s", optarg, wrong);
	}
	if (!cli_check_count(cli, argc, 0, 1))
		return cli->status;
	name = optind < argc ? argv[optind] : "read";
	bench->operation = find_operation(name);
	if (!bench->operation)
		return cli_fail_usage(cli,
			"%s is no operation that this measures: nop, read, write, "
			"fsync, stat",
			name);
	bench->load.opcode = bench->operation->opcode;
	if (bench->load.duration_max_ns == 0)
		bench->load.duration_max_ns =
			bench->load.count_max > 0 ? UINT64_MAX : SECONDS_DEFAULT * NSEC_PER_SEC;
	return -1;
}

static int check_limits(const struct bench *bench, struct cli *cli)
{
	struct io_limits limits;
	int status = io_ask_limits(cli, &limits);

	if (status != 0)
		return status;
	if (bench->operation->transfers && bench->load.size > limits.transfer_size)
		return cli_fail_text(cli, EMSGSIZE, "EMSGSIZE",
			"--size %zu: EMSGSIZE: the daemon transfers %" PRIu64 " bytes at a time",
			bench->load.size, limits.transfer_size);
	if (bench->load.depth <= limits.operations)
		return 0;
	(void)cli_fail_text(cli, EDQUOT, "EDQUOT",
		"--depth %" PRIu32 ": EDQUOT: the daemon takes %" PRIu64 " operations at a time",
		bench->load.depth, limits.operations);
	return cli_status_of(EDQUOT);
}

static int run(struct bench *bench, struct cli *cli)
{
	int r, status = check_limits(bench, cli);

	if (status != 0)
		return status;
	if (bench->transport)
		(void)setenv("PROACTOR_TRANSPORT", bench->transport, /* overwrite= */ 1);
	status = io_init(&bench->io, cli);
	if (status == 0)
		status = check_transport(bench);
	if (status == 0 && bench->operation->has_file)
		status = open_file(bench);
	if (status != 0)
		return status;
	r = load_run(&bench->load, &bench->io);
	if (r == -ENODATA)
		return cli_fail_text(cli, ENODATA, "ENODATA", "%s: ENODATA: it has ended",
			bench->path);
	if (r < 0)
		return io_fail(&bench->io, r, bench->operation->name,
			bench->path ? bench->path : "");
	if (cli->json)
		print_json(bench);
	else
		print_people(bench);
	return interrupt_signal() ? interrupt_status() : STATUS_DONE;
}

int command_bench(struct cli *cli, int argc, char **argv)
{
	struct bench bench = {.load = {.depth = DEPTH_DEFAULT, .size = SIZE_DEFAULT, .file = -1}};
	int status = parse(&bench, cli, argc, argv);

	if (status >= 0)
		return status;
	status = run(&bench, cli);
	io_deinit(&bench.io);
	load_deinit(&bench.load);
	if (bench.made)
		(void)unlink(bench.path);
	return status;
}
