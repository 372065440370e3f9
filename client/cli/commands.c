/*
 * The commands: one table, from which come the look-up, `proactl --help` and `proactl COMMAND
 * --help`.
 */
#include <stdio.h>
#include <string.h>

#include "client/cli/cli.h"

static const struct command commands[] = {
	{
		.name = "ping",
		.usage = "[-c COUNT] [-i SECONDS]",
		.summary = "how long the way to the daemon and back takes",
		.help = "  -c, --count COUNT       how many times; 0: until interrupted (default 4)\n"
			"  -i, --interval SECONDS  between two of them (default 0.2)\n",
		.run = command_ping,
	},
	{
		.name = "info",
		.usage = "",
		.summary = "version, driver and why this one, features, limits",
		.help = "",
		.run = command_info,
	},
	{
		.name = "cat",
		.usage = "FILE...",
		.summary = "copies files to standard output; - is standard input",
		.help = "The files are opened with your rights, not the daemon's; the daemon reads them.\n\n"
			"Examples:\n"
			"  proactl cat /var/log/syslog | grep proactord\n"
			"  proactl cat header - footer < body > page\n",
		.run = command_cat,
	},
	{
		.name = "cp",
		.usage = "[--depth N] [--block SIZE] SRC DST",
		.summary = "copies a file, with many operations in flight",
		.help = "DST may be a directory. - is standard input or output. A DST that exists is overwritten.\n"
			"Where the copy fails, a DST that it has made is removed. Both files are opened with\n"
			"your rights, not the daemon's.\n\n"
			"      --depth N     operations in flight (default 32)\n"
			"      --block SIZE  bytes an operation reads or writes, 256K or 1M say (default 256K, and no\n"
			"                    more than the daemon allows: transfer_size in 'proactl info')\n"
			"  -f, --force       accepted for the sake of habit\n"
			"  -q, --quiet       no progress, no summary\n\n"
			"On a terminal, progress is shown on standard error. With --json an object with bytes, "
			"seconds\n"
			"and bytes_per_second is printed.\n\n"
			"Examples:\n"
			"  proactl cp disk.img /mnt/backup/\n"
			"  tar c src | proactl cp - /srv/src.tar\n",
		.run = command_cp,
	},
	{
		.name = "nc",
		.usage = "HOST PORT | -l [HOST] PORT | -U PATH | -l -U PATH",
		.summary = "a byte pipe over the daemon's sockets",
		.help = "Connects, or listens for one connection; then sends standard input and prints what is "
			"received.\n"
			"When standard input ends, the sending direction is shut down and receiving goes on. It ends "
			"when\n"
			"the peer has ended and standard input is at its end, silent for a second, or a terminal.\n\n"
			"  -l, --listen  wait for a connection; the address is told on standard error. Without\n"
			"                HOST on all addresses; PORT 0 takes a free one\n"
			"  -U, --unix    a Unix socket, which is for the daemon's own user only\n"
			"  -4, -6        IPv4 only, IPv6 only\n\n"
			"Examples:\n"
			"  printf 'GET / HTTP/1.0\\r\\n\\r\\n' | proactl nc example.org 80\n"
			"  proactl nc -l 127.0.0.1 7000 > received\n",
		.run = command_nc,
	},
	{
		.name = "call",
		.usage = "[--raw] METHOD [PARAM...]",
		.summary = "calls any method of the daemon",
		.help = "A PARAM is JSON, or a string where it is not JSON. {\"base64\": \"...\"} stands for bytes; "
			"@FILE for\n"
			"the bytes of a file, @- for standard input. 'proactl describe' lists the methods.\n\n"
			"The result is printed as JSON, on one line unless stdout is a terminal; bytes as\n"
			"{\"base64\": \"...\"}, integers above 9223372036854775807 as strings.\n\n"
			"      --raw  writes a result of bytes as they are\n\n"
			"Each call is a session of its own: files that it opens are closed when it ends.\n\n"
			"Examples:\n"
			"  proactl call stat null /etc/hostname\n"
			"  proactl call timeout 500000000\n",
		.run = command_call,
	},
	{
		.name = "describe",
		.usage = "[METHOD]",
		.summary = "lists the daemon's methods, or explains one",
		.help = "Parameters in [brackets] may be left out.\n",
		.run = command_describe,
	},
	{
		.name = "stats",
		.usage = "[--prometheus]",
		.summary = "what the daemon has done: counters",
		.help = "      --prometheus  in the text format of Prometheus\n",
		.run = command_stats,
	},
	{
		.name = "sessions",
		.usage = "",
		.summary =
			"who is connected: your own, or everybody's for root and the daemon's user",
		.help = "",
		.run = command_sessions,
	},
	{
		.name = "bench",
		.usage = "[OPTION...] [nop | read | write | fsync | stat]",
		.summary = "a load generator: operations a second, and how long each takes",
		.help = "Keeps operations in flight (default: reads at random offsets) and prints throughput and\n"
			"percentiles of latency. Without --file it uses a file of 64 MiB without a name in $TMPDIR or\n"
			"/tmp.\n\n"
			"      --size SIZE       bytes that an operation reads or writes (default 4K)\n"
			"      --depth N         operations in flight (default 32)\n"
			"      --seconds N       how long (default 2; with --count, until there were enough)\n"
			"      --count N         how many operations\n"
			"      --transport WAY   socket, or ring: shared memory (default: the best there is)\n"
			"      --file FILE       read from; or written to, which is made and removed again\n"
			"      --sequential      one block after the other, not at random\n"
			"  -f, --force           write to a FILE that exists: what is in it is lost\n\n"
			"Examples:\n"
			"  proactl bench nop --depth 1\n"
			"  proactl bench read --size 256K --file disk.img --seconds 10\n",
		.run = command_bench,
	},
	{
		.name = "help",
		.usage = "[COMMAND]",
		.summary = "this, or more about a command",
		.help = "",
		.run = command_help,
	},
	{0},
};

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (strcmp(command->name, name) == 0)
			return command;
	return NULL;
}

/* ---- help ---- */

static const char options_text[] =
	"  --socket PATH  the daemon's socket (default: $PROACTORD_SOCKET, then $XDG_RUNTIME_DIR/proactord/socket\n"
	"                 where that exists, then /run/proactord/socket)\n"
	"  --json         results and errors as JSON\n"
	"  -h, --help     this, or the help of a command\n";

static const char version_text[] = "  --version      the version\n";

static const char tail_text[] =
	"\nExamples:\n"
	"  proactl info                               is it there, and what drives its I/O?\n"
	"  proactl cp big.iso /mnt/usb/               copy with a progress bar\n"
	"  proactl describe read                      what does the method read take?\n"
	"  proactl --json stats | jq .operations      numbers for a script\n"
	"\nExit status:\n"
	"  0    done\n"
	"  1    the operation failed; the message says which, on what, and the name of the error\n"
	"  2    wrong usage\n"
	"  69   the daemon is not reachable, or went away\n"
	"  75   busy, or over quota: worth another try later\n"
	"  76   the daemon and this program do not understand each other: unknown method, wrong parameters\n"
	"  77   no permission, for the socket or the operation\n"
	"  130  interrupted (SIGINT); 141 and 143 by SIGPIPE, the reader has gone, and by SIGTERM\n"
	"\nEnvironment:\n"
	"  PROACTORD_SOCKET  the daemon's socket, where --socket is not given\n"
	"  NO_COLOR          set and not empty: no colours\n"
	"  TERM              \"dumb\": no progress bar\n";

void help_print(void)
{
	printf("proactl: asks proactord, the daemon that does I/O for local programs\n\n"
	       "usage: proactl [--socket PATH] [--json] COMMAND ...\n\nCommands:\n");
	for (const struct command *command = commands; command->name; command++)
		printf("  %-10s %s\n", command->name, command->summary);
	printf("\n'proactl COMMAND --help' says more about each.\n\nOptions:\n%s%s%s", options_text,
		version_text, tail_text);
}

void help_print_command(const struct command *command)
{
	printf("proactl %s: %s\n\nusage: proactl %s%s%s\n\n%s%sOptions of every command:\n%s",
		command->name, command->summary, command->name, *command->usage ? " " : "",
		command->usage, command->help, *command->help ? "\n" : "", options_text);
}

static const char *next_command(void *context)
{
	const struct command **at = context;

	return (*at)->name ? (*at)++->name : NULL;
}

int command_help(struct cli *cli, int argc, char **argv)
{
	const struct command *command;

	if (!cli_no_options(cli, argc, argv, 0, 1))
		return cli->status;
	if (optind == argc) {
		help_print();
		return STATUS_DONE;
	}
	command = command_find(argv[optind]);
	if (!command)
		return cli_fail_usage(cli, "there is no command \"%s\"", argv[optind]);
	help_print_command(command);
	return STATUS_DONE;
}

/* ---- did you mean ---- */

enum { NAME_SIZE_MAX = 32, DISTANCE_MAX = 2 };

/*
 * How many letters must be changed, added, left out or swapped with the next (Damerau, restricted).
 */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][NAME_SIZE_MAX + 1] = {0};
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];
	size_t a_size = strlen(a), b_size = strlen(b);

	if (a_size > NAME_SIZE_MAX || b_size > NAME_SIZE_MAX)
		return NAME_SIZE_MAX;
	for (unsigned j = 0; j <= b_size; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a_size; i++) {
		unsigned *oldest = before;

		before = last, last = row, row = oldest;
		row[0] = i;
		for (unsigned j = 1; j <= b_size; j++) {
			row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = MIN(row[j], last[j] + 1);
			row[j] = MIN(row[j], row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = MIN(row[j], before[j - 2] + 1);
		}
	}
	return row[b_size];
}

const char *cli_did_you_mean(const char *name, const char *(*next)(void *context), void *context)
{
	const char *best = NULL, *candidate;
	unsigned best_distance = DISTANCE_MAX + 1;

	while ((candidate = next(context))) {
		unsigned d = distance(name, candidate);

		/* "desc" and "ses" are meant as well */
		if (strlen(name) >= 2 && strncmp(name, candidate, strlen(name)) == 0)
			d = MIN(d, 1U);
		if (d < best_distance && d < strlen(name)) {
			best = candidate;
			best_distance = d;
		}
	}
	return best;
}

const char *command_did_you_mean(const char *name)
{
	const struct command *at = commands;

	return cli_did_you_mean(name, next_command, &at);
}
