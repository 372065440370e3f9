/* Names and texts of errno values. */
#include "tests/harness.h"

#include <errno.h>
#include <locale.h>

#include "base/err.h"

START_TEST(name_and_number_lead_to_each_other)
{
	for (int error = 1; error < 200; error++) {
		const char *name = err_name(error);

		if (strcmp(name, "EUNKNOWN") != 0)
			ck_assert_int_eq(err_from_name(name), error);
	}
	ck_assert_str_eq(err_name(ENOENT), "ENOENT");
	ck_assert_str_eq(err_name(EHWPOISON), "EHWPOISON");
}
END_TEST

START_TEST(number_without_a_name_is_unknown)
{
	ck_assert_str_eq(err_name(-ENOENT), "EUNKNOWN");
	ck_assert_str_eq(err_name(4000), "EUNKNOWN");
	ck_assert_str_eq(err_text(4000), "Unknown error");
}
END_TEST

START_TEST(name_of_no_error_has_no_number)
{
	ck_assert_int_eq(err_from_name("EUNKNOWN"), 0);
	ck_assert_int_eq(err_from_name("ENOEN"), 0);
	ck_assert_int_eq(err_from_name("enoent"), 0);
	ck_assert_int_eq(err_from_name(""), 0);
}
END_TEST

START_TEST(text_is_english_whatever_the_locale)
{
	(void)setlocale(LC_ALL, "de_DE.UTF-8");
	ck_assert_str_eq(err_text(ENOENT), "No such file or directory");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("err");

	suite_add(suite, name_and_number_lead_to_each_other);
	suite_add(suite, number_without_a_name_is_unknown);
	suite_add(suite, name_of_no_error_has_no_number);
	suite_add(suite, text_is_english_whatever_the_locale);
	return suite_main(suite);
}
