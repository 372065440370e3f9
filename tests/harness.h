/*
 * What every test program shares. See harness.c for what it refuses.
 *
 *      START_TEST(count_that_cannot_fit_is_refused)
 *      {
 *              assert_result(rpc_count(1 << 30), -E2BIG);
 *      }
 *      END_TEST
 *
 *      int main(void)
 *      {
 *              Suite *suite = suite_create("rpc");
 *
 *              suite_add(suite, count_that_cannot_fit_is_refused);
 *              return suite_main(suite);
 *      }
 */
#pragma once

#include <check.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adds @test, as a case of its own so that CASE= can name it. */
void suite_add(Suite *suite, const TTest *test);

/* Runs @suite and frees it. What main() returns. */
int suite_main(Suite *suite);

/* How many descriptors this process has open. */
int fd_count(void);

/* How many threads this process has. Only differences count: a tool may have one of its own. */
int thread_count(void);

/* Whether this runs under valgrind or a sanitizer: then tests that are about volume do less. */
bool is_slow(void);

/* @result as text, "ENOENT" for -ENOENT. Good until the eighth call after this one. */
const char *result_text(int64_t result);

/* Two results, as proactor.h has them: 0 or more, or a negative errno. */
#define assert_result(actual, expected)                                                            \
	do {                                                                                       \
		int64_t result_actual = (actual), result_expected = (expected);                    \
		ck_assert_msg(result_actual == result_expected, "%s is %s, not %s", #actual,       \
			result_text(result_actual), result_text(result_expected));                 \
	} while (0)

/* For what prepares a test: the call must succeed. Gives its value. */
#define must(call)                                                                                 \
	({                                                                                         \
		__typeof__(call) must_result = (call);                                             \
		ck_assert_msg(must_result >= 0, "%s: %s", #call,                                   \
			must_error((int64_t)must_result));                                         \
		must_result;                                                                       \
	})

/* Why a call failed: errno for -1, else the errno that the result is. */
const char *must_error(int64_t result);
