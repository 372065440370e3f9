/*
 * proactl: what its commands share.
 *
 * A command is a row of the table in commands.c and a function. It takes its options with
 * cli_option(), does its work, and returns the exit status; it reports a failure where it happens,
 * by one of the cli_fail…() functions, each of which gives the status that such a failure has. Data
 * goes to stdout; all else, and errors, to stderr. With --json, errors are an object on stdout
 * instead, unless stdout carries the data of a file or connection.
 */
#pragma once

#include <getopt.h>
#include <linux/limits.h>

#include "base/def.h"
#include "proto/rpc.h"

/*
 * Exit statuses, as sysexits.h numbers them where it has a number. Part of the interface: see
 * `proactl --help`.
 */
enum {
	STATUS_DONE = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_UNREACHABLE = 69,
	STATUS_BUSY = 75,
	STATUS_PROTOCOL = 76,
	STATUS_PERMISSION = 77,
	STATUS_SIGNAL = 128, /* and the signal's number: 130 is SIGINT */
};

struct cli {
	const struct command *command;
	char socket[PATH_MAX]; /* where the daemon listens */
	bool json;
	/* true exactly while stdout belongs to a file's or connection's bytes */
	bool data_on_stdout;
	int status; /* of a command that cli_option() says is over */
};

struct command {
	const char *name;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line */
	const char *help;    /* paragraphs, options, examples */
	int (*run)(struct cli *cli, int argc, char **argv);
};

/* ---- options (options.c) ---- */

/* The options that every command takes; the first rows of its own list. */
enum {
	CLI_OPTION_JSON = 256,
	CLI_OPTION_SOCKET,
	CLI_OPTION_VERSION,
	CLI_OPTION_OVER,
	CLI_OPTION_OWN
};

/* clang-format off */
#define CLI_OPTIONS                                                                                                    \
	{"help", no_argument, NULL, 'h'},                                                                              \
	{"json", no_argument, NULL, CLI_OPTION_JSON},                                                                  \
	{"socket", required_argument, NULL, CLI_OPTION_SOCKET}
/* clang-format on */

/*
 * The next option, as getopt_long(3); @letters begin with "+:" or ":". Those of CLI_OPTIONS are
 * dealt with here. -1: none is left, optind is at the first argument. CLI_OPTION_OVER: help was
 * given, or an error; the command returns cli->status.
 */
int cli_option(struct cli *cli, int argc, char **argv, const char *letters,
	const struct option *options);

/* Whether from @min to @max arguments follow the options. False: cli->status is to be returned. */
bool cli_check_count(struct cli *cli, int argc, int min, int max);

/*
 * Options of a command that takes no option of its own, and @min to @max arguments. False: return
 * cli->status.
 */
bool cli_no_options(struct cli *cli, int argc, char **argv, int min, int max);

/* "256K", "1M", "4096": a size in bytes from 1 to @max. */
bool cli_parse_size(const char *text, uint64_t max, uint64_t *ret_size);

/* A decimal number from @min to @max. */
bool cli_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);

/* Sets the socket's path. False: it is too long; cli->status. */
bool cli_set_socket(struct cli *cli, const char *path);

/* ---- help (commands.c) ---- */

void help_print(void);
void help_print_command(const struct command *command);

/* The command called @name, or NULL. */
const struct command *command_find(const char *name);

/* The command that was meant by @name, or NULL. */
const char *command_did_you_mean(const char *name);

/* Of the names that @next gives (NULL after the last) the one that was meant by @name, or NULL. */
const char *cli_did_you_mean(const char *name, const char *(*next)(void *context), void *context);

/* ---- failures (fail.c) ---- */

/* @error, a negative errno: "proactl: COMMAND: WHAT: ENAME: text". */
int cli_fail(const struct cli *cli, int error, const char *what, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * What no errno tells: @name is what the error is called, @code the errno that comes nearest.
 * STATUS_FAILED.
 */
int cli_fail_text(const struct cli *cli, int code, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Wrong usage. */
int cli_fail_usage(const struct cli *cli, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Nobody answers on the socket: @error says why. */
int cli_fail_connect(const struct cli *cli, int error);

/* The daemon went away in the middle, or what came from it is no message (@reason). */
int cli_fail_lost(const struct cli *cli, const char *reason);

/* The daemon's answer to @method is not what the protocol says. */
int cli_fail_answer(const struct cli *cli, const char *method);

/* The daemon answered @method with @error. @value is the error as it came, or NULL. */
int cli_fail_remote(const struct cli *cli, const char *method, const struct rpc_error *error,
	const struct reader *value);

/* The exit status that goes with @code, an errno or one of the protocol's. */
int cli_status_of(int code);

/* ---- commands ---- */

int command_bench(struct cli *cli, int argc, char **argv);
int command_call(struct cli *cli, int argc, char **argv);
int command_cat(struct cli *cli, int argc, char **argv);
int command_cp(struct cli *cli, int argc, char **argv);
int command_describe(struct cli *cli, int argc, char **argv);
int command_help(struct cli *cli, int argc, char **argv);
int command_info(struct cli *cli, int argc, char **argv);
int command_nc(struct cli *cli, int argc, char **argv);
int command_ping(struct cli *cli, int argc, char **argv);
int command_sessions(struct cli *cli, int argc, char **argv);
int command_stats(struct cli *cli, int argc, char **argv);
