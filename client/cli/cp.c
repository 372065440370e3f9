/*
 * proactl cp: one file to another, with many operations in flight in the daemon.
 *
 * The destination is written where it is to be, not beside it. When that fails, one that was made
 * here is removed again; of one that existed before it is said that it is incomplete.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/cli/copy.h"
#include "client/cli/interrupt.h"
#include "client/cli/json.h"

struct cp {
	struct io io;
	struct copy copy;
	struct progress progress;
	struct statx source;
	char path[PATH_MAX]; /* the destination, "-" for stdout */
	/* true exactly while a destination is there that was not there before */
	bool made;
	bool spoilt; /* a regular file that was there before has lost its contents */
	bool quiet;
	uint64_t depth; /* as asked for; 0: the default */
	uint64_t block_size;
};

static bool is_stream(const char *name)
{
	return strcmp(name, "-") == 0;
}

static bool is_ordered(mode_t mode)
{
	return !S_ISREG(mode) && !S_ISBLK(mode);
}

/* ---- opening ---- */

static int open_source(struct cp *cp)
{
	struct copy_end *from = &cp->copy.from;
	int r = io_open(&cp->io, from->name, O_RDONLY, 0, &from->file);

	if (r == 0)
		r = io_stat(&cp->io, from->file, &cp->source);
	if (r == 0 && S_ISDIR(cp->source.stx_mode))
		r = -EISDIR;
	if (r < 0)
		return io_fail(&cp->io, r, "", from->name);
	/* the position of a standard stream is shared with whoever uses it next */
	from->ordered = is_stream(from->name) || is_ordered(cp->source.stx_mode);
	cp->copy.size = cp->source.stx_size;
	return 0;
}

/* "DIR" becomes "DIR/NAME". -EISDIR: there is no name to give it. */
static int choose_path(struct cp *cp, const char *given)
{
	const char *name = cp->copy.from.name, *slash = strrchr(name, '/');
	struct stat target;
	int length;

	if (stat(given, &target) < 0 || !S_ISDIR(target.st_mode) || is_stream(given))
		length = snprintf(cp->path, sizeof(cp->path), "%s", given);
	else if (is_stream(name))
		return -EISDIR;
	else
		length = snprintf(cp->path, sizeof(cp->path), "%s/%s", given,
			slash ? slash + 1 : name);
	return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static bool is_source(const struct cp *cp, const struct stat *target)
{
	return target->st_ino == cp->source.stx_ino &&
		target->st_dev == makedev(cp->source.stx_dev_major, cp->source.stx_dev_minor);
}

static int open_stdout(struct cp *cp)
{
	struct stat target;
	int r = fstat(STDOUT_FILENO, &target) < 0 ? -errno : 0;

	cp->copy.to.name = "standard output";
	cp->copy.to.ordered = true;
	if (r == 0 && S_ISREG(target.st_mode) && is_source(cp, &target))
		return cli_fail_text(cp->io.cli, EINVAL, "EINVAL", "%s is standard output as well",
			cp->copy.from.name);
	if (r == 0)
		r = io_attach(&cp->io, STDOUT_FILENO, &cp->copy.to.file);
	return r < 0 ? io_fail(&cp->io, r, "", cp->copy.to.name) : 0;
}

static int open_target(struct cp *cp)
{
	struct copy_end *to = &cp->copy.to;
	bool exists;
	uint32_t mode = S_ISREG(cp->source.stx_mode) ? cp->source.stx_mode & 0777 : 0666;
	struct stat target;
	int r;

	if (is_stream(cp->path))
		return open_stdout(cp);
	to->name = cp->path;
	exists = stat(cp->path, &target) == 0;
	if (exists && is_source(cp, &target))
		return cli_fail_text(cp->io.cli, EINVAL, "EINVAL", "%s and %s are the same file",
			cp->copy.from.name, cp->path);
	to->ordered = exists && is_ordered(target.st_mode);
	/* one that appears in between is not the one that was looked at */
	r = io_open(&cp->io, cp->path, O_WRONLY | O_CREAT | O_NOCTTY | (exists ? 0 : O_EXCL), mode,
		&to->file);
	/* not before the daemon has it: else what was there is lost for nothing */
	if (r == 0 && exists && S_ISREG(target.st_mode))
		r = io_truncate(&cp->io, to->file);
	if (r < 0) {
		/* made here it may have been, and then not been taken by the daemon */
		if (!exists && r != -EEXIST && stat(cp->path, &target) == 0 && target.st_size == 0)
			(void)unlink(cp->path);
		return io_fail(&cp->io, r, "", cp->path);
	}
	cp->made = !exists;
	cp->spoilt = exists && S_ISREG(target.st_mode);
	return 0;
}

/* ---- ending ---- */

/* The source has shrunk after more of it was read and written: its copy ends where it does. */
static int cut(struct cp *cp)
{
	int fd, r = proactor_detach(cp->io.proactor, cp->copy.to.file, &fd);

	if (r < 0)
		return r;
	cp->copy.to.file = -1;
	r = ftruncate(fd, (off_t)cp->copy.end) < 0 ? -errno : 0;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

/* Some file systems tell only now that there was no room. */
static int end_target(struct cp *cp)
{
	int r = 0;

	if (!cp->copy.to.ordered && cp->copy.written_end > cp->copy.end) {
		r = cut(cp);
		cp->copy.bytes = cp->copy.end;
	}
	if (r == 0)
		r = io_close(&cp->io, &cp->copy.to.file);
	cp->copy.failed_to = r < 0;
	return r;
}

static int fail(struct cp *cp, int error)
{
	bool to = cp->copy.failed_to;
	char what[64 + PATH_MAX];

	progress_clear(&cp->progress);
	if (cp->made && unlink(cp->path) < 0 && errno != ENOENT)
		(void)cli_fail(cp->io.cli, -errno, "removing the incomplete %s", cp->path);
	if (to && error == -EPIPE && is_stream(cp->path))
		return io_broken_pipe();
	/* what is said of these does not name the file */
	if ((interrupt_signal() || error == -ECONNRESET) && cp->spoilt)
		fprintf(stderr, "proactl: cp: %s%s existed before and is incomplete now\n",
			interrupt_signal() ? "interrupted: " : "", cp->path);
	snprintf(what, sizeof(what), "%s%s%s", cp->spoilt ? cp->path : "",
		cp->spoilt ? " existed before and is incomplete now: " : "",
		to ? "writing" : "reading");
	return io_fail(&cp->io, error, what, to ? cp->copy.to.name : cp->copy.from.name);
}

static void tell(struct cp *cp, uint64_t duration_ns)
{
	double seconds = (double)MAX(duration_ns, UINT64_C(1)) / NSEC_PER_SEC;
	json_t *result;

	if (!cp->io.cli->json) {
		progress_finish(&cp->progress, cp->copy.bytes);
		return;
	}
	progress_clear(&cp->progress);
	/* nanoseconds and bytes are as fine as it gets */
	result = json_pack("{s:I, s:f, s:I}", "bytes", (json_int_t)cp->copy.bytes, "seconds",
		seconds, "bytes_per_second", (json_int_t)((double)cp->copy.bytes / seconds));
	json_print(result, cp->io.cli->data_on_stdout ? stderr : stdout, JSON_PRINT_AUTO);
}

/* ---- the command ---- */

static int copy_opened(struct cp *cp)
{
	uint64_t start_ns = clock_now_ns();
	int r;

	progress_init(&cp->progress,
		is_stream(cp->path) || is_stream(cp->copy.from.name) ? "cp" : cp->path,
		cp->copy.size, cp->quiet);
	cp->copy.progress = &cp->progress;
	r = copy_run(&cp->copy, &cp->io);
	if (r == 0)
		r = end_target(cp);
	if (r < 0)
		return fail(cp, r);
	tell(cp, clock_now_ns() - start_ns);
	return STATUS_DONE;
}

static int run(struct cp *cp, struct cli *cli, const char *to)
{
	struct io_limits limits;
	int r, status = io_ask_limits(cli, &limits);

	if (status != 0)
		return status;
	copy_choose(&cp->copy, &limits, cp->depth, cp->block_size);
	status = io_init(&cp->io, cli);
	if (status == 0)
		status = open_source(cp);
	if (status != 0)
		return status;
	r = choose_path(cp, to);
	if (r < 0)
		return cli_fail(cli, r, "%s", to);
	status = open_target(cp);
	return status == 0 ? copy_opened(cp) : status;
}

/* -1: go on; else the exit status. */
static int parse(struct cp *cp, struct cli *cli, int argc, char **argv)
{
	enum { OPTION_DEPTH = CLI_OPTION_OWN, OPTION_BLOCK };
	static const struct option options[] = {CLI_OPTIONS,
		{"depth", required_argument, NULL, OPTION_DEPTH},
		{"block", required_argument, NULL, OPTION_BLOCK}, {"force", no_argument, NULL, 'f'},
		{"quiet", no_argument, NULL, 'q'}, {0}};
	int option;

	while ((option = cli_option(cli, argc, argv, ":hfq", options)) != -1) {
		switch (option) {
		case OPTION_DEPTH:
			if (!cli_parse_number(optarg, 1, UINT32_MAX, &cp->depth))
				return cli_fail_usage(cli, "--depth %s is not a number from 1 on",
					optarg);
			break;
		case OPTION_BLOCK:
			if (!cli_parse_size(optarg, UINT32_MAX, &cp->block_size))
				return cli_fail_usage(cli,
					"--block %s is not a size, such as 4096, 256K or 1M",
					optarg);
			break;
		case 'f': break;
		case 'q': cp->quiet = true; break;
		default: return cli->status;
		}
	}
	return cli_check_count(cli, argc, 2, 2) ? -1 : cli->status;
}

int command_cp(struct cli *cli, int argc, char **argv)
{
	struct cp cp = {.copy = {.from.file = -1, .to.file = -1}};
	int status = parse(&cp, cli, argc, argv);

	if (status >= 0)
		return status;
	cp.copy.from.name = argv[optind];
	cli->data_on_stdout = is_stream(argv[optind + 1]);
	status = run(&cp, cli, argv[optind + 1]);
	io_deinit(&cp.io);
	return status;
}
