/* The command line of proactord. */
#include "tests/harness.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/options.h"

static char output[16384];

/* Parses the command line; what it prints is in @output afterwards. */
static enum options_result parse(struct options *options, const char *const *arguments)
{
	int file = must(open("output", O_RDWR | O_CREAT | O_TRUNC, 0600)), saved[2];
	enum options_result result;
	int argc = 0;

	while (arguments[argc])
		argc++;
	for (int i = 0; i < 2; i++) {
		saved[i] = must(dup(STDOUT_FILENO + i));
		must(dup2(file, STDOUT_FILENO + i));
	}
	optind = 0;
	result = options_parse(options, argc, (char **)(uintptr_t)arguments);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		must(dup2(saved[i], STDOUT_FILENO + i));
		close(saved[i]);
	}
	memset(output, 0, sizeof(output));
	must(pread(file, output, sizeof(output) - 1, 0));
	close(file);
	return result;
}

#define PARSE(options, ...) parse(options, (const char *const[]){"proactord", ##__VA_ARGS__, NULL})

static void check_wrong(const char *option, const char *value, const char *reason)
{
	struct options options;

	ck_assert_msg(PARSE(&options, option, value) == OPTIONS_WRONG, "%s %s is taken", option,
		value);
	ck_assert_msg(strstr(output, reason), "%s %s: \"%s\" says nothing of \"%s\"", option, value,
		output, reason);
	ck_assert_ptr_nonnull(strstr(output, "proactord --help"));
}

START_TEST(without_arguments_everything_has_its_default)
{
	struct options options;
	struct limits defaults;

	ck_assert_int_eq(PARSE(&options), OPTIONS_RUN);
	limits_init(&defaults);
	ck_assert_ptr_null(options.socket);
	ck_assert_uint_eq(options.socket_mode, 0600);
	ck_assert(options.socket_group == (gid_t)-1);
	ck_assert_uint_eq(options.drain_ns, UINT64_C(5000000000));
	ck_assert_uint_ge(options.threads, 1);
	ck_assert_uint_le(options.threads, 64);
	ck_assert_mem_eq(&options.limits, &defaults, sizeof(defaults));
	ck_assert_str_eq(output, "");
}
END_TEST

START_TEST(every_option_is_read_in_both_its_forms)
{
	struct options options;

	ck_assert_int_eq(PARSE(&options, "--socket", "/x", "--socket-mode=0666", "--socket-group",
				 "0", "--driver", "io_uring", "--limit", "files=5", "--drain", "0",
				 "--log-level", "error", "--threads", "64"),
		OPTIONS_RUN);
	ck_assert_str_eq(options.socket, "/x");
	ck_assert_uint_eq(options.socket_mode, 0666);
	ck_assert_uint_eq(options.socket_group, 0);
	ck_assert_uint_eq(options.limits.value[LIMIT_FILES], 5);
	ck_assert_uint_eq(options.drain_ns, 0);
	ck_assert_uint_eq(options.threads, 64);
	ck_assert_int_eq(PARSE(&options, "-s", "/y", "-m660", "-g", "root", "-d", "auto", "-l",
				 "files=6", "-l", "sessions=7", "-w", "86400", "-v", "debug",
				 "-t1"),
		OPTIONS_RUN);
	ck_assert_str_eq(options.socket, "/y");
	ck_assert_uint_eq(options.socket_mode, 0660);
	ck_assert_uint_eq(options.limits.value[LIMIT_FILES], 6);
	ck_assert_uint_eq(options.limits.value[LIMIT_SESSIONS], 7);
	ck_assert_uint_eq(options.drain_ns, UINT64_C(86400000000000));
	ck_assert_uint_eq(options.threads, 1);
}
END_TEST

START_TEST(limit_is_taken_up_to_both_ends_of_its_range)
{
	struct options options;
	char argument[64], wanted[64];

	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		const struct limit_info *info = &limit_table[i];

		snprintf(wanted, sizeof(wanted), "from %" PRIu64 " to %" PRIu64, info->minimum,
			info->maximum);
		snprintf(argument, sizeof(argument), "%s=%" PRIu64, info->name, info->minimum);
		ck_assert_msg(PARSE(&options, "-l", argument) == OPTIONS_RUN, "%s", output);
		snprintf(argument, sizeof(argument), "%s=%" PRIu64, info->name, info->maximum);
		ck_assert_msg(PARSE(&options, "-l", argument) == OPTIONS_RUN, "%s", output);
		ck_assert_uint_eq(options.limits.value[i], info->maximum);
		snprintf(argument, sizeof(argument), "%s=%" PRIu64, info->name, info->minimum - 1);
		check_wrong("--limit", argument, wanted);
		snprintf(argument, sizeof(argument), "%s=%" PRIu64, info->name, info->maximum + 1);
		check_wrong("--limit", argument, wanted);
	}
}
END_TEST

START_TEST(malformed_value_is_refused_with_what_is_wanted)
{
	static const char *const limits[] = {"files", "files=", "=5", "file=5", "filesx=5", ""};
	static const char *const numbers[] = {"files=-1", "files= 5", "files=5x", "files=0x5",
		"files=18446744073709551617", "files=+5"};
	static const char *const drains[] = {"", "-1", "86401", "1.5", "5s"};
	static const char *const threads[] = {"", "0", "65", "-1", "2x"};
	static const char *const modes[] = {"", "8", "1000", "rw", "-1"};

	for (size_t i = 0; i < 6; i++)
		check_wrong("--limit", limits[i], i == 1 ? "from" : "NAME=VALUE");
	for (size_t i = 0; i < 6; i++)
		check_wrong("--limit", numbers[i], "a number of files from 1 to 1048576");
	for (size_t i = 0; i < 5; i++)
		check_wrong("--drain", drains[i], "from 0 to 86400");
	for (size_t i = 0; i < 5; i++)
		check_wrong("--threads", threads[i], "from 1 to 64");
	for (size_t i = 0; i < 5; i++)
		check_wrong("--socket-mode", modes[i], "octal");
	check_wrong("--socket-group", "no such group", "group");
	check_wrong("--socket-group", "4294967295", "group");
	check_wrong("--driver", "kqueue", "auto, io_uring or epoll");
	check_wrong("--log-level", "loud", "error, warning, notice, info or debug");
}
END_TEST

START_TEST(unknown_option_and_stray_argument_are_refused)
{
	struct options options;

	ck_assert_int_eq(PARSE(&options, "--nonsense"), OPTIONS_WRONG);
	ck_assert_int_eq(PARSE(&options, "--socket"), OPTIONS_WRONG);
	ck_assert_int_eq(PARSE(&options, "stray"), OPTIONS_WRONG);
	ck_assert_ptr_nonnull(strstr(output, "unexpected argument 'stray'"));
}
END_TEST

START_TEST(help_lists_every_option_and_every_limit)
{
	static const char *const names[] = {
#define OPTION(ID, name, letter, argument, help) "--" name,
#include "daemon/options.tbl"
#undef OPTION
	};
	struct options options;

	ck_assert_int_eq(PARSE(&options, "--help"), OPTIONS_DONE);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert_msg(strstr(output, names[i]), "%s", names[i]);
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		ck_assert_msg(strstr(output, limit_table[i].name), "%s", limit_table[i].name);
	ck_assert_int_eq(PARSE(&options, "-V"), OPTIONS_DONE);
	ck_assert_str_eq(output, "proactord " VERSION "\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");

	suite_add(suite, without_arguments_everything_has_its_default);
	suite_add(suite, every_option_is_read_in_both_its_forms);
	suite_add(suite, limit_is_taken_up_to_both_ends_of_its_range);
	suite_add(suite, malformed_value_is_refused_with_what_is_wanted);
	suite_add(suite, unknown_option_and_stray_argument_are_refused);
	suite_add(suite, help_lists_every_option_and_every_limit);
	return suite_main(suite);
}
