/* proactl cat: files to standard output, read and written by the daemon. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "client/cli/copy.h"

/*
 * Whether @file is the regular file that stdout goes to: what is written would be read again
 * without end.
 */
static bool is_output(const struct statx *file)
{
	struct stat output;

	return S_ISREG(file->stx_mode) && fstat(STDOUT_FILENO, &output) == 0 &&
		output.st_ino == file->stx_ino &&
		output.st_dev == makedev(file->stx_dev_major, file->stx_dev_minor);
}

/* A failure of this one file is @ret_over = false: there may be more. */
static int fail(struct io *io, const struct copy *copy, int error, bool *ret_over)
{
	*ret_over = copy->failed_to || error == -ECANCELED || error == -ECONNRESET;
	if (copy->failed_to && error == -EPIPE)
		return io_broken_pipe();
	return io_fail(io, error, copy->failed_to ? "writing" : "reading",
		copy->failed_to ? copy->to.name : copy->from.name);
}

static int cat_open(struct io *io, struct copy *copy, bool *ret_over)
{
	struct statx stat;
	int r = io_stat(io, copy->from.file, &stat);

	if (r < 0)
		return fail(io, copy, r, ret_over);
	if (is_output(&stat))
		return cli_fail_text(io->cli, EINVAL, "EINVAL", "%s is standard output as well",
			copy->from.name);
	copy->from.ordered = strcmp(copy->from.name, "-") == 0 ||
		!(S_ISREG(stat.stx_mode) || S_ISBLK(stat.stx_mode));
	copy->size = stat.stx_size;
	r = copy_run(copy, io);
	return r < 0 ? fail(io, copy, r, ret_over) : 0;
}

static int cat_one(struct io *io, struct copy *copy, const char *name, bool *ret_over)
{
	int r, status;

	copy->from = (struct copy_end){.name = name};
	copy->failed_to = false;
	r = io_open(io, name, O_RDONLY, 0, &copy->from.file);
	if (r < 0) {
		*ret_over = r == -ECANCELED || r == -ECONNRESET;
		return io_fail(io, r, "", name);
	}
	status = cat_open(io, copy, ret_over);
	if (io->proactor && !*ret_over)
		(void)io_close(io, &copy->from.file);
	return status;
}

static int cat_all(struct io *io, const struct io_limits *limits, char **names)
{
	struct progress progress = {0}; /* the terminal may be where the data goes */
	struct copy copy = {
		.to = {.name = "standard output", .ordered = true}, .progress = &progress};
	bool over = false;
	int r = io_attach(io, STDOUT_FILENO, &copy.to.file), status = 0;

	if (r < 0)
		return io_fail(io, r, "", copy.to.name);
	copy_choose(&copy, limits, 0, 0);
	for (; *names && !over; names++) {
		int this_status = cat_one(io, &copy, *names, &over);

		/* the first failure is the one that is told */
		status = status ? status : this_status;
	}
	return status;
}

int command_cat(struct cli *cli, int argc, char **argv)
{
	struct io_limits limits;
	struct io io;
	int status;

	if (!cli_no_options(cli, argc, argv, 1, INT16_MAX))
		return cli->status;
	cli->data_on_stdout = true;
	status = io_ask_limits(cli, &limits);
	if (status == 0)
		status = io_init(&io, cli);
	if (status != 0)
		return status;
	status = cat_all(&io, &limits, argv + optind);
	io_deinit(&io);
	return status;
}
