/* Options and arguments. See cli.h. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "client/cli/cli.h"
#include "client/socket_path.h"

static int over(struct cli *cli, int status)
{
	cli->status = status;
	return CLI_OPTION_OVER;
}

bool cli_set_socket(struct cli *cli, const char *path)
{
	int r = path && !*path ? -EINVAL : socket_path(path, cli->socket, sizeof(cli->socket));

	if (r == 0)
		return true;
	cli->status = cli_fail_usage(cli, "--socket: %s: %s", err_name(-r), err_text(-r));
	return false;
}

/* What getopt found wrong with the argument before optind. */
static int bad_option(struct cli *cli, char **argv, bool argument_missing)
{
	const char *argument = argv[optind - 1];
	const char *says = argument_missing ? "needs an argument" : "is not an option";

	/* of letters in a row, "-xyz", optind is not past them before the last */
	if (optopt > 0 && optopt < CLI_OPTION_JSON)
		return over(cli, cli_fail_usage(cli, "-%c %s", optopt, says));
	if (optopt >= CLI_OPTION_JSON && !argument_missing)
		says = "takes no argument";
	return over(cli, cli_fail_usage(cli, "%s %s", argument, says));
}

int cli_option(struct cli *cli, int argc, char **argv, const char *letters,
	const struct option *options)
{
	opterr = 0;
	for (;;) {
		int option = getopt_long(argc, argv, letters, options, NULL);

		switch (option) {
		case '?': return bad_option(cli, argv, /* argument_missing= */ false);
		case ':': return bad_option(cli, argv, /* argument_missing= */ true);
		case CLI_OPTION_JSON: cli->json = true; break;
		case CLI_OPTION_SOCKET:
			if (!cli_set_socket(cli, optarg))
				return CLI_OPTION_OVER;
			break;
		case 'h':
			if (cli->command)
				help_print_command(cli->command);
			else
				help_print();
			return over(cli, STATUS_DONE);
		default: return option;
		}
	}
}

bool cli_check_count(struct cli *cli, int argc, int min, int max)
{
	int count = argc - optind;

	if (count >= min && count <= max)
		return true;
	cli->status =
		cli_fail_usage(cli, count < min ? "an argument is missing" : "too many arguments");
	return false;
}

bool cli_no_options(struct cli *cli, int argc, char **argv, int min, int max)
{
	static const struct option options[] = {CLI_OPTIONS, {0}};

	while (cli_option(cli, argc, argv, ":h", options) != -1)
		return false;
	return cli_check_count(cli, argc, min, max);
}

bool cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
	uint64_t number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end != '\0' || errno != 0 || number < min ||
		number > max)
		return false;
	*ret_number = number;
	return true;
}

bool cli_parse_size(const char *text, uint64_t max, uint64_t *ret_size)
{
	static const char units[] = "KMGT";
	uint64_t size;
	const char *unit;
	char *end;

	errno = 0;
	size = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno != 0)
		return false;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		if (__builtin_mul_overflow(size, UINT64_C(1) << (10 * (unit - units + 1)), &size))
			return false;
		/* K, KB and KiB all mean 1024 here */
		end++;
		end += strncmp(end, "iB", 2) == 0 ? 2 : *end == 'B';
	}
	if (*end != '\0' || size == 0 || size > max)
		return false;
	*ret_size = size;
	return true;
}
