/*
 * proactl: the command line of proactord.
 *
 *      proactl [--socket PATH] [--json] COMMAND …
 *
 * Here are the options before the command, and the way to it. See cli.h for what commands share,
 * commands.c for the list.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "client/cli/cli.h"

/* Options up to the command. Returns -1 to go on, or the exit status. */
static int parse(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		CLI_OPTIONS, {"version", no_argument, NULL, CLI_OPTION_VERSION}, {0}};
	int option;

	while ((option = cli_option(cli, argc, argv, "+:h", options)) != -1) {
		if (option != CLI_OPTION_VERSION)
			return cli->status;
		printf("proactl %s\n", VERSION);
		return STATUS_DONE;
	}
	if (optind == argc)
		return cli_fail_usage(cli, "a command is missing");
	return -1;
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	const char *meant;

	cli->command = command_find(argv[0]);
	if (!cli->command) {
		meant = command_did_you_mean(argv[0]);
		return cli_fail_usage(cli, "there is no command \"%s\"%s%s%s", argv[0],
			meant ? "; did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
	}
	/* getopt begins anew, in the command's own arguments */
	optind = 0;
	return cli->command->run(cli, argc, argv);
}

/* What could not be printed was not done: a full disk is to be seen in the exit status. */
static int finish(struct cli *cli, int status)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	cli->json = false;
	return cli_fail(cli, errno > 0 ? -errno : -EIO, "standard output");
}

/*
 * Who starts this without one of the three means /dev/null, not the next descriptor that is opened.
 * The wrong way round, so that what is read or written there fails.
 */
static bool open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	struct cli cli = {0};
	int status;

	if (!open_standard())
		return STATUS_FAILED;
	/* for the widths of columns; numbers stay as they are in JSON */
	(void)setlocale(LC_CTYPE, "");
	/* a reader of stdout that has gone ends this program quietly */
	(void)signal(SIGPIPE, SIG_DFL);
	if (!cli_set_socket(&cli, NULL))
		return cli.status;
	status = parse(&cli, argc, argv);
	if (status < 0)
		status = run_command(&cli, argc - optind, argv + optind);
	return finish(&cli, status);
}
