/* Reading the command line. See options.h. */
#include "daemon/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/spin.h"
#include "daemon/server.h"
#include "driver/proactor.h"

enum option_id {
#define OPTION(ID, name, letter, argument, help) OPTION_##ID,
#include "daemon/options.tbl"
#undef OPTION
	OPTION_COUNT
};

static const struct {
	const char *name;
	int letter;
	const char *argument;
	const char *help;
} table[OPTION_COUNT] = {
#define OPTION(ID, name, letter, argument, help) [OPTION_##ID] = {name, letter, argument, help},
#include "daemon/options.tbl"
#undef OPTION
};

enum {
	DRAIN_SECONDS_DEFAULT = 5,
	DRAIN_SECONDS_MAX = 86400,
	SOCKET_MODE_DEFAULT = 0600,
	SPIN_US_MAX = 1000000
};

static void print_help(void)
{
	printf("Usage: proactord [OPTION]…\n\n"
	       "Owns an io_uring and does the I/O that local programs ask for over MessagePack-RPC on a Unix\n"
	       "socket. Stays in the foreground and logs to stderr; SIGTERM ends it.\n\n");
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		int width = printf("  -%c, --%s%s%s", table[i].letter, table[i].name,
			table[i].argument ? " " : "", table[i].argument ? table[i].argument : "");

		printf("%*s%s\n", MAX(28 - width, 1), "", table[i].help);
	}
	printf("\nLimits (default):\n");
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		printf("  %-16s %11" PRIu64 "  %s: %s, from %" PRIu64 " to %" PRIu64 "\n",
			limit_table[i].name, limit_table[i].fallback, limit_table[i].unit,
			limit_table[i].summary, limit_table[i].minimum, limit_table[i].maximum);
	printf("\nExit status: 0 ended by a signal; 1 failed; 2 wrong usage; 69 the driver or socket cannot be had.\n");
}

/* A whole number without sign, spaces or rest, at most @max. */
static bool parse_number(const char *text, int base, uint64_t max, uint64_t *ret_number)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*ret_number = strtoull(text, &end, base);
	return errno == 0 && *end == '\0' && *ret_number <= max;
}

static bool wrong(enum option_id id, const char *argument, const char *wanted)
{
	fprintf(stderr, "proactord: --%s %s: wants %s\n", table[id].name, argument, wanted);
	return false;
}

static bool parse_limit(struct options *options, const char *argument)
{
	const char *equals = strchr(argument, '=');
	enum limit limit = equals ? limit_find(argument, (size_t)(equals - argument)) : LIMIT_COUNT;
	const struct limit_info *info;
	char wanted[96];
	uint64_t value;

	if (limit == LIMIT_COUNT)
		return wrong(OPTION_LIMIT, argument,
			"NAME=VALUE, with a NAME that `proactord --help` lists");
	info = &limit_table[limit];
	if (!parse_number(equals + 1, 10, info->maximum, &value) || value < info->minimum) {
		snprintf(wanted, sizeof(wanted), "a number of %s from %" PRIu64 " to %" PRIu64,
			info->unit, info->minimum, info->maximum);
		return wrong(OPTION_LIMIT, argument, wanted);
	}
	options->limits.value[limit] = value;
	return true;
}

static bool parse_group(struct options *options, const char *argument)
{
	const struct group *group = getgrnam(argument);
	uint64_t number;

	if (group)
		options->socket_group = group->gr_gid;
	else if (parse_number(argument, 10, UINT32_MAX - 1, &number))
		options->socket_group = (gid_t)number;
	else
		return wrong(OPTION_SOCKET_GROUP, argument, "the name or number of a group");
	return true;
}

static bool parse_driver(struct options *options, const char *argument)
{
	static const struct {
		const char *name;
		uint32_t driver;
	} drivers[] = {
		{"auto", PROACTOR_DRIVER_AUTO},
		{"io_uring", PROACTOR_DRIVER_IO_URING},
		{"epoll", PROACTOR_DRIVER_EPOLL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (strcmp(drivers[i].name, argument) == 0) {
			options->driver = drivers[i].driver;
			return true;
		}
	return wrong(OPTION_DRIVER, argument, "auto, io_uring or epoll");
}

static bool parse_log_level(const char *argument)
{
	static const char *const names[] = {
		[LOG_LEVEL_ERROR] = "error",
		[LOG_LEVEL_WARNING] = "warning",
		[LOG_LEVEL_NOTICE] = "notice",
		[LOG_LEVEL_INFO] = "info",
		[LOG_LEVEL_DEBUG] = "debug",
	};

	for (size_t i = LOG_LEVEL_ERROR; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], argument) == 0) {
			log_set_level((enum log_level)i);
			return true;
		}
	}
	return wrong(OPTION_LOG_LEVEL, argument, "error, warning, notice, info or debug");
}

/*
 * Half of the processors that this process may use: each thread is kept busy by clients, who run
 * themselves meanwhile, and on the processors that are left. So on two it is one: two threads there
 * share what the clients leave, and pay for it with switches between them.
 */
static unsigned default_threads(void)
{
	cpu_set_t usable;

	/* EINVAL: there are more than a cpu_set_t can say */
	if (sched_getaffinity(0, sizeof(usable), &usable) < 0)
		return errno == EINVAL ? SHARDS_MAX : 1;
	return MIN(MAX((unsigned)CPU_COUNT(&usable) / 2, 1U), (unsigned)SHARDS_MAX);
}

static bool parse_one(struct options *options, enum option_id id, const char *argument)
{
	uint64_t number;

	switch (id) {
	case OPTION_SOCKET: options->socket = argument; return true;
	case OPTION_SOCKET_MODE:
		if (!parse_number(argument, 8, 0777, &number))
			return wrong(id, argument, "permissions in octal, such as 0660");
		options->socket_mode = (mode_t)number;
		return true;
	case OPTION_SOCKET_GROUP: return parse_group(options, argument);
	case OPTION_DRIVER: return parse_driver(options, argument);
	case OPTION_THREADS:
		if (!parse_number(argument, 10, SHARDS_MAX, &number) || number == 0)
			return wrong(id, argument, "a number of threads from 1 to 64");
		options->threads = (unsigned)number;
		return true;
	case OPTION_LIMIT: return parse_limit(options, argument);
	case OPTION_DRAIN:
		if (!parse_number(argument, 10, DRAIN_SECONDS_MAX, &number))
			return wrong(id, argument, "a number of seconds from 0 to 86400");
		options->drain_ns = number * NSEC_PER_SEC;
		return true;
	case OPTION_SPIN_US:
		if (!parse_number(argument, 10, SPIN_US_MAX, &number))
			return wrong(id, argument, "a number of microseconds from 0 to 1000000");
		options->spin_ns = number * NSEC_PER_USEC;
		return true;
	case OPTION_LOG_LEVEL: return parse_log_level(argument);
	default: return true;
	}
}

/* What getopt_long(3) wants to know, from the table. */
static void build(struct option *longs, char *shorts)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		longs[i] = (struct option){
			.name = table[i].name,
			.has_arg = table[i].argument ? required_argument : no_argument,
			.val = table[i].letter,
		};
		*shorts++ = (char)table[i].letter;
		if (table[i].argument)
			*shorts++ = ':';
	}
	longs[OPTION_COUNT] = (struct option){0};
	*shorts = '\0';
}

static enum option_id id_of(int letter)
{
	size_t i = 0;

	while (i < OPTION_COUNT && table[i].letter != letter)
		i++;
	return (enum option_id)i;
}

/* What could not be printed was not done. */
static enum options_result end_output(void)
{
	if (fflush(stdout) == 0)
		return OPTIONS_DONE;
	fprintf(stderr, "proactord: standard output: %s\n", err_name(errno));
	return OPTIONS_WRONG;
}

enum options_result options_parse(struct options *options, int argc, char **argv)
{
	struct option longs[OPTION_COUNT + 1];
	char shorts[2 * OPTION_COUNT + 1];
	int letter;

	*options = (struct options){
		.socket_mode = SOCKET_MODE_DEFAULT,
		.socket_group = (gid_t)-1,
		.driver = PROACTOR_DRIVER_AUTO,
		.threads = default_threads(),
		.drain_ns = DRAIN_SECONDS_DEFAULT * NSEC_PER_SEC,
		.spin_ns = SPIN_US_DEFAULT * NSEC_PER_USEC,
	};
	limits_init(&options->limits);
	build(longs, shorts);
	while ((letter = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		enum option_id id = id_of(letter);

		if (id == OPTION_COUNT || !parse_one(options, id, optarg)) {
			fprintf(stderr, "Try 'proactord --help'.\n");
			return OPTIONS_WRONG;
		}
		if (id == OPTION_HELP)
			print_help();
		else if (id == OPTION_VERSION)
			printf("proactord " VERSION "\n");
		else
			continue;
		return end_output();
	}
	if (optind < argc) {
		fprintf(stderr, "proactord: unexpected argument '%s'\nTry 'proactord --help'.\n",
			argv[optind]);
		return OPTIONS_WRONG;
	}
	return OPTIONS_RUN;
}
