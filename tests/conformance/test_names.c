/* Names: unlink, rename, mkdir, symlink, link. */
#include "tests/conformance/conformance.h"

#include <limits.h>
#include <stdio.h>

static bool exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Makes an empty file. */
static void touch(const char *path)
{
	close(must(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600)));
}

static int64_t open_directory(struct proactor *proactor, const char *path)
{
	return must(run(proactor, op_open(path, O_RDONLY | O_DIRECTORY)));
}

/* @path from the root on. Good until the next call. */
static const char *absolute(const char *path)
{
	static char text[PATH_MAX + 64];
	char directory[PATH_MAX];

	ck_assert_ptr_nonnull(getcwd(directory, sizeof(directory)));
	snprintf(text, sizeof(text), "%s/%s", directory, path);
	return text;
}

/* ---- unlink ---- */

START_TEST(unlink_removes_a_name)
{
	struct proactor *proactor = start();
	int64_t directory;

	must(mkdir("directory", 0700));
	directory = open_directory(proactor, "directory");
	touch("file");
	touch("directory/file");
	must(symlink("file", "symlink"));
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "symlink", 0)), 0);
	ck_assert(exists("file"));
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "file", 0)), 0);
	ck_assert(!exists("file"));
	assert_result(run(proactor, op_unlink(directory, "file", 0)), 0);
	ck_assert(!exists("directory/file"));
	close_file(proactor, directory);
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "directory", AT_REMOVEDIR)), 0);
	ck_assert(!exists("directory"));
	touch("last");
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, absolute("last"), 0)), 0);
	ck_assert(!exists("last"));
	stop(proactor);
}
END_TEST

START_TEST(unlink_says_why_it_cannot)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 1);

	must(mkdir("directory", 0700));
	touch("directory/file");
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "missing", 0)), -ENOENT);
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "", 0)), -ENOENT);
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "directory", 0)), -EISDIR);
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "directory", AT_REMOVEDIR)),
		-ENOTEMPTY);
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "file", AT_REMOVEDIR)), -ENOTDIR);
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "file/below", 0)), -ENOTDIR);
	assert_result(run(proactor, op_unlink(PROACTOR_CWD, "file", 1)), -EINVAL);
	assert_result(run(proactor, op_unlink(file, "below", 0)), -ENOTDIR);
	ck_assert(exists("file"));
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- rename ---- */

START_TEST(rename_moves_a_name)
{
	struct proactor *proactor = start();
	int64_t here, there;

	must(mkdir("here", 0700));
	must(mkdir("there", 0700));
	here = open_directory(proactor, "here");
	there = open_directory(proactor, "there");
	touch("one");
	assert_result(run(proactor, op_rename("one", "two", 0)), 0);
	ck_assert(!exists("one") && exists("two"));
	assert_result(run(proactor, op_rename_at(PROACTOR_CWD, "two", here, "two", 0)), 0);
	assert_result(run(proactor, op_rename_at(here, "two", there, "three", 0)), 0);
	ck_assert(!exists("here/two") && exists("there/three"));
	assert_result(run(proactor, op_rename_at(there, "three", PROACTOR_CWD, "four", 0)), 0);
	ck_assert(!exists("there/three") && exists("four"));
	assert_result(run(proactor, op_rename("there", "here/there", 0)), 0);
	ck_assert(exists("here/there"));
	close_file(proactor, here);
	close_file(proactor, there);
	stop(proactor);
}
END_TEST

START_TEST(rename_takes_the_flags_of_the_system_call)
{
	struct proactor *proactor = start();

	close_file(proactor, pattern_file(proactor, "ten", 10));
	close_file(proactor, pattern_file(proactor, "twenty", 20));
	assert_result(run(proactor, op_rename("ten", "twenty", RENAME_NOREPLACE)), -EEXIST);
	assert_result(run(proactor, op_rename("ten", "free", RENAME_NOREPLACE)), 0);
	assert_result(run(proactor, op_rename("free", "twenty", RENAME_EXCHANGE)), 0);
	ck_assert_int_eq(size_of("free"), 20);
	ck_assert_int_eq(size_of("twenty"), 10);
	assert_result(run(proactor, op_rename("free", "missing", RENAME_EXCHANGE)), -ENOENT);
	assert_result(run(proactor,
			      op_rename("free", "twenty", RENAME_EXCHANGE | RENAME_NOREPLACE)),
		-EINVAL);
	assert_result(run(proactor, op_rename("free", "twenty", 1u << 30)), -EINVAL);
	assert_result(run(proactor, op_rename("free", "twenty", 0)), 0);
	ck_assert_int_eq(size_of("twenty"), 20);
	stop(proactor);
}
END_TEST

START_TEST(rename_says_why_it_cannot)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 1);

	must(mkdir("directory", 0700));
	must(mkdir("full", 0700));
	touch("full/file");
	assert_result(run(proactor, op_rename("missing", "x", 0)), -ENOENT);
	assert_result(run(proactor, op_rename("file", "", 0)), -ENOENT);
	assert_result(run(proactor, op_rename("file", "missing/x", 0)), -ENOENT);
	assert_result(run(proactor, op_rename("file", "directory", 0)), -EISDIR);
	assert_result(run(proactor, op_rename("directory", "file", 0)), -ENOTDIR);
	assert_result(run(proactor, op_rename("directory", "full", 0)), -ENOTEMPTY);
	assert_result(run(proactor, op_rename("full", "full/below", 0)), -EINVAL);
	assert_result(run(proactor, op_rename_at(file, "x", PROACTOR_CWD, "y", 0)), -ENOTDIR);
	assert_result(run(proactor, op_rename_at(PROACTOR_CWD, "file", file, "y", 0)), -ENOTDIR);
	ck_assert(exists("file"));
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- mkdir, symlink, link ---- */

START_TEST(mkdir_makes_a_directory)
{
	struct proactor *proactor = start();
	int64_t directory, file = pattern_file(proactor, "file", 1);
	struct stat now;

	umask(022);
	assert_result(run(proactor, op_mkdir(PROACTOR_CWD, "a", 0775)), 0);
	must(stat("a", &now));
	ck_assert_uint_eq(now.st_mode, S_IFDIR | 0755);
	directory = open_directory(proactor, "a");
	assert_result(run(proactor, op_mkdir(directory, "b", 0700)), 0);
	must(stat("a/b", &now));
	ck_assert_uint_eq(now.st_mode, S_IFDIR | 0700);
	assert_result(run(proactor, op_mkdir(PROACTOR_CWD, "a", 0700)), -EEXIST);
	assert_result(run(proactor, op_mkdir(directory, "b/c/d", 0700)), -ENOENT);
	assert_result(run(proactor, op_mkdir(PROACTOR_CWD, "", 0700)), -ENOENT);
	assert_result(run(proactor, op_mkdir(PROACTOR_CWD, "file/x", 0700)), -ENOTDIR);
	assert_result(run(proactor, op_mkdir(file, "x", 0700)), -ENOTDIR);
	close_file(proactor, file);
	close_file(proactor, directory);
	stop(proactor);
}
END_TEST

START_TEST(symlink_makes_a_name_that_stands_for_another)
{
	struct proactor *proactor = start();
	int64_t directory, file = pattern_file(proactor, "file", 1);
	char target[16] = "";

	must(mkdir("directory", 0700));
	directory = open_directory(proactor, "directory");
	assert_result(run(proactor, op_symlink(PROACTOR_CWD, "name", "file")), 0);
	ck_assert_int_eq(readlink("name", target, sizeof(target)), 4);
	ck_assert_str_eq(target, "file");
	assert_result(run(proactor, op_symlink(directory, "name", "../nothing")), 0);
	ck_assert_int_eq(readlink("directory/name", target, sizeof(target)), 10);
	ck_assert_str_eq(target, "../nothing");
	assert_result(run(proactor, op_symlink(PROACTOR_CWD, "name", "file")), -EEXIST);
	assert_result(run(proactor, op_symlink(PROACTOR_CWD, "new", "")), -ENOENT);
	assert_result(run(proactor, op_symlink(PROACTOR_CWD, "missing/new", "file")), -ENOENT);
	assert_result(run(proactor, op_symlink(file, "new", "file")), -ENOTDIR);
	close_file(proactor, directory);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(link_gives_a_file_another_name)
{
	struct proactor *proactor = start();
	int64_t directory, file = pattern_file(proactor, "file", 77);
	struct stat now;

	must(mkdir("directory", 0700));
	directory = open_directory(proactor, "directory");
	must(symlink("file", "symlink"));
	assert_result(run(proactor, op_link("file", "second", 0)), 0);
	assert_result(run(proactor, op_link_at(PROACTOR_CWD, "second", directory, "third", 0)), 0);
	assert_result(run(proactor, op_link_at(directory, "third", PROACTOR_CWD, "fourth", 0)), 0);
	must(stat("fourth", &now));
	ck_assert_int_eq(now.st_nlink, 4);
	/* the link itself, unless told to follow */
	assert_result(run(proactor, op_link("symlink", "fifth", 0)), 0);
	must(lstat("fifth", &now));
	ck_assert(S_ISLNK(now.st_mode));
	assert_result(run(proactor, op_link("symlink", "sixth", AT_SYMLINK_FOLLOW)), 0);
	must(lstat("sixth", &now));
	ck_assert_int_eq(now.st_nlink, 5);
	close_file(proactor, directory);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(link_says_why_it_cannot)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 1);

	must(mkdir("directory", 0700));
	assert_result(run(proactor, op_link("missing", "x", 0)), -ENOENT);
	assert_result(run(proactor, op_link("file", "missing/x", 0)), -ENOENT);
	assert_result(run(proactor, op_link("file", "directory", 0)), -EEXIST);
	assert_result(run(proactor, op_link("directory", "x", 0)), -EPERM);
	assert_result(run(proactor, op_link("file", "x", 1)), -EINVAL);
	assert_result(run(proactor, op_link("/proc/version", "x", 0)), -EXDEV);
	assert_result(run(proactor, op_link_at(file, "x", PROACTOR_CWD, "y", 0)), -ENOTDIR);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- paths ---- */

START_TEST(names_may_go_as_soon_as_they_were_pushed)
{
	enum { COUNT = 6 };
	struct proactor *proactor = start();
	/* beyond what a small copy would be kept in */
	static char one[400], other[400];
	static const struct {
		const char *one, *other;
	} names[COUNT] = {{"unlink", ""}, {"rename", "renamed"}, {"mkdir", ""},
		{"symlink", "target"}, {"link", "linked"}, {"unlink2", ""}};
	int64_t results[COUNT];

	touch("unlink");
	touch("unlink2");
	touch("rename");
	touch("link");
	for (int i = 0; i < COUNT; i++) {
		const struct proactor_op ops[COUNT] = {
			op_unlink(PROACTOR_CWD, one, 0),
			op_rename(one, other, 0),
			op_mkdir(PROACTOR_CWD, one, 0700),
			op_symlink(PROACTOR_CWD, one, other),
			op_link(one, other, 0),
			op_unlink(PROACTOR_CWD, one, 0),
		};
		struct proactor_completion ready;
		uint64_t key = 0;
		size_t lead = i % 2 ? 300 : 2;

		memset(one, '/', lead);
		one[0] = '.';
		strcpy(one + lead, names[i].one);
		memset(other, '/', lead);
		other[0] = '.';
		strcpy(other + lead, names[i].other);
		if (must(proactor_push(proactor, &ops[i], &key, &ready)) == PROACTOR_READY)
			results[i] = ready.result;
		memset(one, 'x', sizeof(one));
		memset(other, 'x', sizeof(other));
		if (key != 0)
			results[i] = await(proactor, key);
		assert_result(results[i], 0);
	}
	ck_assert(!exists("unlink") && !exists("unlink2") && exists("renamed"));
	ck_assert(exists("mkdir") && exists("symlink") && exists("linked"));
	stop(proactor);
}
END_TEST

START_TEST(names_that_are_missing_or_too_long_are_refused)
{
	struct proactor *proactor = start();
	static char path[PATH_MAX + 1];

	memset(path, '/', PATH_MAX);
	for (int i = 0; i < 2; i++) {
		const char *bad = i == 0 ? NULL : path;

		refuse(proactor, op_unlink(PROACTOR_CWD, bad, 0), -EINVAL);
		refuse(proactor, op_rename(bad, "x", 0), -EINVAL);
		refuse(proactor, op_rename("x", bad, 0), -EINVAL);
		refuse(proactor, op_mkdir(PROACTOR_CWD, bad, 0), -EINVAL);
		refuse(proactor, op_symlink(PROACTOR_CWD, bad, "x"), -EINVAL);
		refuse(proactor, op_symlink(PROACTOR_CWD, "x", bad), -EINVAL);
		refuse(proactor, op_link(bad, "x", 0), -EINVAL);
		refuse(proactor, op_link("x", bad, 0), -EINVAL);
	}
	stop(proactor);
}
END_TEST

void add_names(Suite *suite)
{
	suite_add(suite, unlink_removes_a_name);
	suite_add(suite, unlink_says_why_it_cannot);
	suite_add(suite, rename_moves_a_name);
	suite_add(suite, rename_takes_the_flags_of_the_system_call);
	suite_add(suite, rename_says_why_it_cannot);
	suite_add(suite, mkdir_makes_a_directory);
	suite_add(suite, symlink_makes_a_name_that_stands_for_another);
	suite_add(suite, link_gives_a_file_another_name);
	suite_add(suite, link_says_why_it_cannot);
	suite_add(suite, names_may_go_as_soon_as_they_were_pushed);
	suite_add(suite, names_that_are_missing_or_too_long_are_refused);
}
