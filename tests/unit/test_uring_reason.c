/* Each cause that keeps a ring away has words of its own. */
#include "tests/harness.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/def.h"
#include "driver/uring_reason.h"

enum { NO_SECCOMP = 0, FILTERED = 2, TEXT_SIZE = 256, TEXT_SHORT = 120 };

static const struct uring_facts plain = {0, NO_SECCOMP, UINT64_MAX};

static const char *reason(struct uring_facts facts, int error)
{
	static char text[TEXT_SIZE];

	memset(text, 'x', sizeof(text));
	uring_facts_explain(&facts, "io_uring_setup", error, text, sizeof(text));
	ck_assert_ptr_null(strchr(text, '\n'));
	/* two of them go into the reason of a driver */
	ck_assert_uint_le(strlen(text), TEXT_SHORT);
	ck_assert(strncmp(text, "io_uring_setup: ", 16) == 0);
	return text;
}

#define assert_says(facts, error, says)                                                            \
	ck_assert_msg(strstr(reason(facts, error), says), "%s", reason(facts, error))
#define assert_silent_on(facts, error, says)                                                       \
	ck_assert_msg(!strstr(reason(facts, error), says), "%s", reason(facts, error))

START_TEST(seccomp_is_named_where_there_is_a_filter)
{
	struct uring_facts filtered = {0, FILTERED, UINT64_MAX};

	assert_says(filtered, -EPERM, "EPERM");
	assert_says(filtered, -EPERM, "seccomp");
	assert_silent_on(filtered, -EPERM, "io_uring_disabled");
	assert_says(plain, -EPERM, "security module");
	assert_silent_on(plain, -EPERM, "seccomp");
	assert_says(plain, -EACCES, "EACCES");
}
END_TEST

START_TEST(sysctl_is_named_where_it_forbids)
{
	struct uring_facts facts = {2, FILTERED, UINT64_MAX};

	assert_says(facts, -EPERM, "io_uring_disabled = 2");
	/* whatever the filter says, this is enough */
	assert_silent_on(facts, -EPERM, "seccomp");
	facts.disabled = 1;
	assert_says(facts, -EPERM, "io_uring_disabled = 1");
	assert_says(facts, -EPERM, "seccomp");
	facts.seccomp_mode = NO_SECCOMP;
	assert_says(facts, -EPERM, "io_uring_group");
	assert_silent_on(facts, -EPERM, "seccomp");
	facts.disabled = -1;
	assert_silent_on(facts, -EPERM, "io_uring_disabled");
}
END_TEST

START_TEST(limit_of_locked_memory_is_named_where_there_is_one)
{
	struct uring_facts limited = {0, NO_SECCOMP, 64 * 1024};

	assert_says(limited, -ENOMEM, "ENOMEM");
	assert_says(limited, -ENOMEM, "64 KiB");
	assert_says(limited, -ENOMEM, "ulimit -l");
	assert_says(plain, -ENOMEM, "ENOMEM");
	assert_silent_on(plain, -ENOMEM, "ulimit");
}
END_TEST

START_TEST(kernel_without_io_uring_is_told_from_one_that_hides_it)
{
	struct uring_facts filtered = {-1, FILTERED, UINT64_MAX};

	assert_says(plain, -ENOSYS, "ENOSYS");
	assert_silent_on(plain, -ENOSYS, "seccomp");
	assert_says(filtered, -ENOSYS, "seccomp");
}
END_TEST

START_TEST(no_two_causes_have_the_same_words)
{
	static const int errors[] = {EPERM, EACCES, ENOSYS, ENOMEM, EINVAL, EMFILE, ENFILE, EBUSY};
	char texts[ARRAY_SIZE(errors)][TEXT_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		strcpy(texts[i], reason(plain, -errors[i]));
		ck_assert_ptr_nonnull(strstr(texts[i], strerrorname_np(errors[i])));
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(texts[i], texts[k]);
	}
}
END_TEST

START_TEST(facts_are_those_of_this_process)
{
	struct rlimit limit = {128 * 1024, RLIM_INFINITY};
	struct uring_facts facts;

	must(getrlimit(RLIMIT_MEMLOCK, &limit));
	limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)128 * 1024);
	must(setrlimit(RLIMIT_MEMLOCK, &limit));
	uring_facts_find(&facts);
	ck_assert_uint_eq(facts.memlock_size, limit.rlim_cur);
	ck_assert_int_eq(facts.seccomp_mode, prctl(PR_GET_SECCOMP));
	ck_assert_int_ge(facts.disabled, -1);
	ck_assert_int_le(facts.disabled, 2);
}
END_TEST

START_TEST(line_is_cut_to_its_room)
{
	char text[8] = "xxxxxxx";

	uring_facts_explain(&plain, "io_uring_setup", -EPERM, text, 5);
	ck_assert_str_eq(text, "io_u");
	ck_assert_int_eq(text[5], 'x');
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("uring_reason");

	suite_add(suite, seccomp_is_named_where_there_is_a_filter);
	suite_add(suite, sysctl_is_named_where_it_forbids);
	suite_add(suite, limit_of_locked_memory_is_named_where_there_is_one);
	suite_add(suite, kernel_without_io_uring_is_told_from_one_that_hides_it);
	suite_add(suite, no_two_causes_have_the_same_words);
	suite_add(suite, facts_are_those_of_this_process);
	suite_add(suite, line_is_cut_to_its_room);
	return suite_main(suite);
}
