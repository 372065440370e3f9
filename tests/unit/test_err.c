/* Names and texts of errno values. */
#include "tests/harness.h"

#include <errno.h>
#include <locale.h>

#include "base/err.h"

START_TEST(number_has_the_name_of_its_constant)
{
	ck_assert_str_eq(err_name(EPERM), "EPERM");
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

START_TEST(text_is_english_whatever_the_locale)
{
	(void)setlocale(LC_ALL, "de_DE.UTF-8");
	ck_assert_str_eq(err_text(ENOENT), "No such file or directory");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("err");

	suite_add(suite, number_has_the_name_of_its_constant);
	suite_add(suite, number_without_a_name_is_unknown);
	suite_add(suite, text_is_english_whatever_the_locale);
	return suite_main(suite);
}
