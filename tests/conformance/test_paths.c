/* What goes by a path: open and stat. */
#include "tests/conformance/conformance.h"

#include <limits.h>

START_TEST(open_says_why_it_cannot)
{
	struct proactor *proactor = start();

	close_file(proactor, pattern_file(proactor, "file", 10));
	must(mkdir("directory", 0700));
	must(symlink("loop", "loop"));
	assert_result(run(proactor, op_open("missing", O_RDONLY)), -ENOENT);
	assert_result(run(proactor, op_open("", O_RDONLY)), -ENOENT);
	assert_result(run(proactor, op_open("file/below", O_RDONLY)), -ENOTDIR);
	assert_result(run(proactor, op_open("directory", O_WRONLY)), -EISDIR);
	assert_result(run(proactor, op_open("file", O_RDONLY | O_DIRECTORY)), -ENOTDIR);
	assert_result(run(proactor, op_open("file", O_WRONLY | O_CREAT | O_EXCL)), -EEXIST);
	assert_result(run(proactor, op_open("loop", O_RDONLY)), -ELOOP);
	stop(proactor);
}
END_TEST

START_TEST(open_creates_with_the_mode_it_is_given)
{
	struct proactor *proactor = start();
	struct stat stat_now;
	int64_t file;

	umask(022);
	file = must(run(proactor,
		op_open_at(PROACTOR_CWD, "new", O_WRONLY | O_CREAT | O_EXCL, 0664)));
	must(stat("new", &stat_now));
	ck_assert_uint_eq(stat_now.st_mode & 07777, 0644);
	ck_assert_int_eq(stat_now.st_size, 0);
	ck_assert_uint_eq(stat_now.st_uid, geteuid());
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(open_truncates)
{
	struct proactor *proactor = start();
	struct statx stat;
	int64_t file;

	close_file(proactor, pattern_file(proactor, "file", 10));
	file = must(run(proactor, op_open("file", O_RDWR | O_TRUNC)));
	assert_result(run(proactor, op_stat(file, "", 0, &stat)), 0);
	ck_assert_uint_eq(stat.stx_size, 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(path_begins_at_the_directory_it_is_given_with)
{
	struct proactor *proactor = start();
	int64_t directory, file;
	struct statx stat;
	char byte;

	must(mkdir("directory", 0700));
	directory = must(run(proactor, op_open("directory", O_RDONLY | O_DIRECTORY)));
	file = must(run(proactor, op_open_at(directory, "inside", O_RDWR | O_CREAT, 0600)));
	assert_result(run(proactor, op_write(file, "i", 1, 0)), 1);
	close_file(proactor, file);
	must(access("directory/inside", F_OK));
	assert_result(run(proactor, op_stat(directory, "inside", 0, &stat)), 0);
	ck_assert_uint_eq(stat.stx_size, 1);
	file = must(run(proactor, op_open_at(directory, "../directory/inside", O_RDONLY, 0)));
	assert_result(run(proactor, op_read(file, &byte, 1, 0)), 1);
	assert_result(run(proactor, op_open_at(file, "x", O_RDONLY, 0)), -ENOTDIR);
	assert_result(run(proactor, op_open_at(directory, "missing", O_RDONLY, 0)), -ENOENT);
	close_file(proactor, file);
	close_file(proactor, directory);
	stop(proactor);
}
END_TEST

START_TEST(working_directory_is_that_of_the_moment)
{
	struct proactor *proactor = start();
	struct statx stat;

	must(mkdir("below", 0700));
	close_file(proactor, pattern_file(proactor, "below/file", 77));
	assert_result(run(proactor, op_stat(PROACTOR_CWD, "file", 0, &stat)), -ENOENT);
	must(chdir("below"));
	assert_result(run(proactor, op_stat(PROACTOR_CWD, "file", 0, &stat)), 0);
	ck_assert_uint_eq(stat.stx_size, 77);
	close_file(proactor, must(run(proactor, op_open("file", O_RDONLY))));
	stop(proactor);
}
END_TEST

START_TEST(stat_of_a_path_and_of_its_file_agree)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 12345);
	struct statx by_path = {0}, by_file = {0};
	struct stat expected;

	must(chmod("file", 0640));
	must(stat("file", &expected));
	assert_result(run(proactor, op_stat(PROACTOR_CWD, "file", 0, &by_path)), 0);
	assert_result(run(proactor, op_stat(file, "", 0, &by_file)), 0);
	ck_assert_uint_eq(by_path.stx_size, 12345);
	ck_assert_uint_eq(by_path.stx_mode, expected.st_mode);
	ck_assert_uint_eq(by_path.stx_ino, expected.st_ino);
	ck_assert_uint_eq(by_path.stx_uid, expected.st_uid);
	ck_assert_int_eq(by_path.stx_mtime.tv_sec, expected.st_mtim.tv_sec);
	ck_assert_uint_eq(by_path.stx_mtime.tv_nsec, expected.st_mtim.tv_nsec);
	ck_assert_uint_eq(by_path.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	ck_assert_uint_eq(by_file.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	/* from here to the times there is nothing but what was asked for */
	ck_assert_mem_eq(&by_path.stx_blksize, &by_file.stx_blksize, 4);
	ck_assert_mem_eq(&by_path.stx_nlink, &by_file.stx_nlink,
		offsetof(struct statx, stx_attributes_mask) - 16);
	ck_assert_mem_eq(&by_path.stx_atime, &by_file.stx_atime, sizeof(by_path.stx_atime));
	ck_assert_mem_eq(&by_path.stx_ctime, &by_file.stx_ctime, 12);
	ck_assert_mem_eq(&by_path.stx_mtime, &by_file.stx_mtime, 12);
	ck_assert_uint_eq(by_path.stx_dev_major, by_file.stx_dev_major);
	ck_assert_uint_eq(by_path.stx_dev_minor, by_file.stx_dev_minor);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(stat_follows_a_link_unless_told_not_to)
{
	struct proactor *proactor = start();
	struct statx stat;

	must(mkdir("directory", 0700));
	must(symlink("directory", "link"));
	assert_result(run(proactor, op_stat(PROACTOR_CWD, "link", 0, &stat)), 0);
	ck_assert_uint_eq(stat.stx_mode & S_IFMT, S_IFDIR);
	assert_result(run(proactor, op_stat(PROACTOR_CWD, "link", AT_SYMLINK_NOFOLLOW, &stat)), 0);
	ck_assert_uint_eq(stat.stx_mode & S_IFMT, S_IFLNK);
	assert_result(run(proactor, op_stat(PROACTOR_CWD, "missing", 0, &stat)), -ENOENT);
	assert_result(run(proactor, op_stat(PROACTOR_CWD, "directory", 1U << 31, &stat)), -EINVAL);
	stop(proactor);
}
END_TEST

START_TEST(stat_of_a_pipe_and_of_a_socket_say_so)
{
	struct proactor *proactor = start();
	int writer, peer;
	int64_t pipe_file = silent_pipe(proactor, &writer), socket_file = stream(proactor, &peer);
	struct statx stat;

	assert_result(run(proactor, op_stat(pipe_file, "", 0, &stat)), 0);
	ck_assert_uint_eq(stat.stx_mode & S_IFMT, S_IFIFO);
	assert_result(run(proactor, op_stat(socket_file, "", 0, &stat)), 0);
	ck_assert_uint_eq(stat.stx_mode & S_IFMT, S_IFSOCK);
	close(writer);
	close(peer);
	close_file(proactor, pipe_file);
	close_file(proactor, socket_file);
	stop(proactor);
}
END_TEST

START_TEST(path_may_go_as_soon_as_it_was_pushed)
{
	struct proactor *proactor = start();
	char short_path[16] = "file", long_path[3000];
	struct proactor_completion ready[3];
	struct proactor_op ops[3];
	struct statx stat;
	uint64_t keys[3] = {0};
	int64_t results[3];

	close_file(proactor, pattern_file(proactor, "file", 10));
	memset(long_path, '/', sizeof(long_path));
	memcpy(long_path, ".", 1);
	memcpy(long_path + sizeof(long_path) - 5, "file", 5);
	ops[0] = op_open(short_path, O_RDONLY);
	ops[1] = op_open(long_path, O_RDONLY);
	ops[2] = op_stat(PROACTOR_CWD, long_path, 0, &stat);
	for (int i = 0; i < 3; i++)
		must(proactor_push(proactor, &ops[i], &keys[i], &ready[i]));
	memset(short_path, 'x', sizeof(short_path));
	memset(long_path, 'x', sizeof(long_path));
	for (int i = 0; i < 3; i++)
		results[i] = keys[i] ? await(proactor, keys[i]) : ready[i].result;
	close_file(proactor, must(results[0]));
	close_file(proactor, must(results[1]));
	assert_result(results[2], 0);
	ck_assert_uint_eq(stat.stx_size, 10);
	stop(proactor);
}
END_TEST

START_TEST(longest_path_of_all_is_taken)
{
	struct proactor *proactor = start();
	static char path[PATH_MAX];
	struct statx stat;

	close_file(proactor, pattern_file(proactor, "file", 10));
	memset(path, '/', PATH_MAX - 1);
	path[0] = '.';
	memcpy(path + PATH_MAX - 5, "file", 5);
	close_file(proactor, must(run(proactor, op_open(path, O_RDONLY))));
	assert_result(run(proactor, op_stat(PROACTOR_CWD, path, 0, &stat)), 0);
	memset(path, 'x', 300);
	assert_result(run(proactor, op_open(path, O_RDONLY)), -ENAMETOOLONG);
	stop(proactor);
}
END_TEST

void add_paths(Suite *suite)
{
	suite_add(suite, open_says_why_it_cannot);
	suite_add(suite, open_creates_with_the_mode_it_is_given);
	suite_add(suite, open_truncates);
	suite_add(suite, path_begins_at_the_directory_it_is_given_with);
	suite_add(suite, working_directory_is_that_of_the_moment);
	suite_add(suite, stat_of_a_path_and_of_its_file_agree);
	suite_add(suite, stat_follows_a_link_unless_told_not_to);
	suite_add(suite, stat_of_a_pipe_and_of_a_socket_say_so);
	suite_add(suite, path_may_go_as_soon_as_it_was_pushed);
	suite_add(suite, longest_path_of_all_is_taken);
}
