/* Logging: what arrives on the other end of stderr. */
#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char text[16384];
static char program[] = "prog";
static int real_stderr = -1;
static int reader = -1;

static void capture_begin(void)
{
	int fds[2];

	must(pipe2(fds, O_CLOEXEC | O_NONBLOCK));
	real_stderr = must(dup(STDERR_FILENO));
	must(dup2(fds[1], STDERR_FILENO));
	close(fds[1]);
	reader = fds[0];
	program_invocation_short_name = program;
	unsetenv("JOURNAL_STREAM");
}

/* What was logged since capture_begin(). */
static const char *capture_end(void)
{
	ssize_t size = read(reader, text, sizeof(text) - 1);

	text[size > 0 ? size : 0] = '\0';
	must(dup2(real_stderr, STDERR_FILENO));
	close(real_stderr);
	close(reader);
	return text;
}

START_TEST(line_begins_with_the_program_and_ends_once)
{
	capture_begin();
	log_error("%s %d", "answer", 42);
	ck_assert_str_eq(capture_end(), "prog: answer 42\n");
}
END_TEST

START_TEST(line_for_the_journal_begins_with_its_level)
{
	capture_begin();
	setenv("JOURNAL_STREAM", "8:1234", 1);
	log_warning("careful");
	log_notice("look");
	ck_assert_str_eq(capture_end(), "<4>careful\n<5>look\n");
}
END_TEST

START_TEST(lines_above_the_level_are_dropped)
{
	capture_begin();
	log_debug("no");
	log_info("yes");
	log_set_level(LOG_LEVEL_WARNING);
	log_notice("no");
	log_warning("yes");
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("yes");
	ck_assert_str_eq(capture_end(), "prog: yes\nprog: yes\nprog: yes\n");
}
END_TEST

START_TEST(line_that_is_too_long_is_cut_and_still_ends)
{
	static char filler[5000];
	size_t size;

	memset(filler, 'x', sizeof(filler) - 1);
	capture_begin();
	log_error("%s", filler);
	log_error("next");
	(void)capture_end();
	size = strcspn(text, "\n");
	ck_assert_uint_gt(size, 1000);
	ck_assert_uint_lt(size, 1024);
	ck_assert_str_eq(text + size, "\nprog: next\n");
	ck_assert_int_eq(text[size - 1], 'x');
}
END_TEST

START_TEST(name_of_the_program_may_be_longer_than_a_line)
{
	static char name[1100];

	/* around the size of a line, where one byte too many hits what stands next to it */
	for (size_t size = 1000; size < sizeof(name); size++) {
		memset(name, 'n', size);
		capture_begin();
		program_invocation_short_name = name;
		log_error("something");
		program_invocation_short_name = program;
		(void)capture_end();
		ck_assert_uint_le(strlen(text), 1024);
		ck_assert_int_eq(text[strlen(text) - 1], '\n');
	}
}
END_TEST

START_TEST(errno_is_not_touched)
{
	capture_begin();
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_error("lost");
	ck_assert_int_eq(errno, ENOSPC);
	must(dup2(real_stderr, STDERR_FILENO));
	(void)capture_end();
}
END_TEST

START_TEST(burst_is_let_through_and_the_rest_is_not)
{
	struct log_limit limit = {.interval_ns = UINT64_MAX, .burst = 3};
	int allowed = 0;

	for (int i = 0; i < 10; i++)
		allowed += log_limit_allows(&limit);
	ck_assert_int_eq(allowed, 3);
}
END_TEST

START_TEST(next_interval_says_how_many_were_left_out)
{
	struct log_limit limit = {.interval_ns = UINT64_MAX, .burst = 3};

	for (int i = 0; i < 10; i++)
		(void)log_limit_allows(&limit);
	limit.interval_ns = 0;
	capture_begin();
	ck_assert(log_limit_allows(&limit));
	ck_assert(log_limit_allows(&limit));
	ck_assert_str_eq(capture_end(), "prog: 7 similar lines were left out\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");

	suite_add(suite, line_begins_with_the_program_and_ends_once);
	suite_add(suite, line_for_the_journal_begins_with_its_level);
	suite_add(suite, lines_above_the_level_are_dropped);
	suite_add(suite, line_that_is_too_long_is_cut_and_still_ends);
	suite_add(suite, name_of_the_program_may_be_longer_than_a_line);
	suite_add(suite, errno_is_not_touched);
	suite_add(suite, burst_is_let_through_and_the_rest_is_not);
	suite_add(suite, next_interval_says_how_many_were_left_out);
	return suite_main(suite);
}
