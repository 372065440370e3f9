/*
 * The frame around every suite: what libcheck does not look after.
 *
 *  - A run in which nothing ran is a failure: libcheck takes an empty suite or a misspelt
 *    CK_RUN_CASE for success.
 *  - Each test has a process, a time limit and an empty directory of its own to work in; all of it
 *    goes at the end.
 *  - A test that ends with more descriptors open than it began with has failed, and the descriptors
 *    are named.
 *  - A build without assertions is refused (base/def.h).
 *
 * Failures are printed; the numbers go as one line, "suite passed failed skipped", to the file that
 * $TEST_RESULTS names, where tests/run finds them.
 */
#include "tests/harness.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/def.h"

enum { TIME_LIMIT_S = 60, REMOVE_FDS_MAX = 16 };

static char scratch[] = "/tmp/proactor-test-XXXXXX";
static int fds_before;

bool is_slow(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#else
	return getenv("TEST_SLOW") != NULL;
#endif
}

const char *result_text(int64_t result)
{
	static _Thread_local char texts[8][32];
	static _Thread_local unsigned next;
	const char *name = result < 0 && result > -4096 ? strerrorname_np((int)-result) : NULL;
	char *text = texts[next++ % ARRAY_SIZE(texts)];

	if (name)
		snprintf(text, sizeof(texts[0]), "-%s", name);
	else
		snprintf(text, sizeof(texts[0]), "%" PRId64, result);
	return text;
}

const char *must_error(int64_t result)
{
	return result_text(result == -1 ? -errno : result);
}

/* ---- descriptors ---- */

static int walk_fds(bool print)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;

	assert(dir);
	while ((entry = readdir(dir))) {
		char target[PATH_MAX] = "";

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		count++;
		if (print && readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) >= 0)
			fprintf(stderr, "open: %s %s\n", entry->d_name, target);
	}
	closedir(dir);
	return count;
}

int fd_count(void)
{
	return walk_fds(/* print= */ false);
}

/* ---- threads ---- */

static void *do_nothing(void *argument)
{
	return argument;
}

/* ThreadSanitizer has a thread of its own once there has been another: so that one comes first. */
static void start_thread_of_tool(void)
{
	static bool is_started;
	pthread_t thread;

	if (is_started)
		return;
	is_started = true;
	ck_assert_int_eq(pthread_create(&thread, NULL, do_nothing, NULL), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

int thread_count(void)
{
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	start_thread_of_tool();
	dir = opendir("/proc/self/task");
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

/* ---- before and after each test ---- */

static void before_test(void)
{
	char name[] = "XXXXXX";

	must(chdir(scratch));
	ck_assert_ptr_nonnull(mkdtemp(name));
	must(chdir(name));
	fds_before = fd_count();
}

static void after_test(void)
{
	int fds_after = fd_count();

	if (fds_after != fds_before)
		(void)walk_fds(/* print= */ true);
	ck_assert_msg(fds_after == fds_before, "%d descriptors open before, %d after", fds_before,
		fds_after);
}

void suite_add(Suite *suite, const TTest *test)
{
	TCase *test_case = tcase_create(test->name);

	tcase_add_checked_fixture(test_case, before_test, after_test);
	tcase_set_timeout(test_case, TIME_LIMIT_S);
	_tcase_add_test(test_case, test, 0, 0, 0, 1);
	suite_add_tcase(suite, test_case);
}

/* ---- the whole run ---- */

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

static void print_failures(SRunner *runner, int count)
{
	TestResult **failures = srunner_failures(runner);

	for (int i = 0; i < count; i++)
		fprintf(stderr, "%s:%d: %s: %s\n", tr_lfile(failures[i]), tr_lno(failures[i]),
			tr_tcname(failures[i]), tr_msg(failures[i]));
	free(failures);
}

static void report(const char *name, int passed, int failed)
{
	const char *path = getenv("TEST_RESULTS");
	FILE *results = path ? fopen(path, "ae") : NULL;

	printf("%-24s %d passed, %d failed\n", name, passed, failed);
	fflush(stdout);
	if (!results)
		return;
	fprintf(results, "%s %d %d 0\n", name, passed, failed);
	fclose(results);
}

int suite_main(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	const char *name = getenv("TEST_SUITE");
	int run, failed;

	if (!mkdtemp(scratch)) {
		perror(scratch);
		return EXIT_FAILURE;
	}
	srunner_run_all(runner, CK_SILENT);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	print_failures(runner, failed);
	if (run == 0) {
		fprintf(stderr, "%s: nothing ran: no case is called \"%s\"\n",
			name ? name : "suite", getenv("CK_RUN_CASE") ? getenv("CK_RUN_CASE") : "");
		failed = 1;
	}
	report(name ? name : "suite", MAX(run - failed, 0), failed);
	srunner_free(runner);
	(void)nftw(scratch, remove_one, REMOVE_FDS_MAX, FTW_DEPTH | FTW_PHYS);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
