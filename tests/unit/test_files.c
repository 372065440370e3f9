/* Handles. */
#include "tests/harness.h"

#include "daemon/files.h"

static void drop(struct files *files, struct file *file)
{
	if (!file->leaving)
		files_leave(files, file);
	files_remove(file);
}

START_TEST(handle_names_its_file_and_no_other)
{
	struct files files;
	struct file *a, *b;

	files_init(&files);
	a = files_add(&files, 100);
	b = files_add(&files, 100);
	ck_assert_int_ne(a->handle, b->handle);
	ck_assert_ptr_eq(files_find(&files, a->handle), a);
	ck_assert_ptr_eq(files_find(&files, b->handle), b);
	ck_assert_int_eq(b->file, 100);
	ck_assert_ptr_null(files_find(&files, 0));
	ck_assert_ptr_null(files_find(&files, -1));
	ck_assert_ptr_null(files_find(&files, INT64_MAX));
	ck_assert_ptr_null(files_find(&files, INT64_MIN));
	drop(&files, a);
	drop(&files, b);
	files_deinit(&files);
}
END_TEST

START_TEST(handle_is_never_used_again)
{
	struct files files;
	int64_t last = -1;

	files_init(&files);
	for (int i = 0; i < 1000; i++) {
		struct file *file = files_add(&files, 5);

		ck_assert_int_gt(file->handle, last);
		last = file->handle;
		drop(&files, file);
		ck_assert_ptr_null(files_find(&files, last));
	}
	files_deinit(&files);
}
END_TEST

START_TEST(file_that_is_leaving_has_no_handle_but_exists)
{
	struct files files;
	struct file *file;

	files_init(&files);
	file = files_add(&files, 5);
	file->use_count = 1;
	files_leave(&files, file);
	ck_assert_ptr_null(files_find(&files, file->handle));
	ck_assert(!list_empty(&files.all));
	file->use_count = 0;
	files_remove(file);
	ck_assert(list_empty(&files.all));
	files_deinit(&files);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("files");

	suite_add(suite, handle_names_its_file_and_no_other);
	suite_add(suite, handle_is_never_used_again);
	suite_add(suite, file_that_is_leaving_has_no_handle_but_exists);
	return suite_main(suite);
}
