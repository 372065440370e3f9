/* Latencies, counted. */
#include "tests/harness.h"

#include "base/histogram.h"

static struct histogram histogram, other;

START_TEST(empty_one_says_zero)
{
	ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 0);
	ck_assert_uint_eq(histogram_quantile(&histogram, 1), 0);
	ck_assert_uint_eq(histogram_mean(&histogram), 0);
}
END_TEST

START_TEST(small_values_are_exact)
{
	for (uint64_t value = 0; value < 64; value++)
		histogram_add(&histogram, value);
	for (uint64_t value = 0; value < 64; value++)
		ck_assert_uint_eq(histogram_quantile(&histogram, (double)(value + 1) / 64), value);
	ck_assert_uint_eq(histogram_quantile(&histogram, 0), 0);
	ck_assert_uint_eq(histogram_mean(&histogram), 31);
}
END_TEST

START_TEST(every_value_is_told_within_a_thirty_second)
{
	for (uint64_t value = 1; value >> HISTOGRAM_VALUE_BITS == 0; value += value / 7 + 1) {
		uint64_t told;

		histogram = (struct histogram){0};
		histogram_add(&histogram, value);
		histogram_add(&histogram, UINT64_MAX);
		told = histogram_quantile(&histogram, 0.5);
		ck_assert_uint_ge(told, value);
		ck_assert_uint_le(told - value, value / 32);
	}
}
END_TEST

START_TEST(buckets_follow_each_other_without_a_gap)
{
	unsigned last = histogram_bucket(0);

	for (uint64_t value = 1; value < 1 << 20; value++) {
		unsigned bucket = histogram_bucket(value);

		/* an assertion of libcheck's is a system call */
		if (bucket != last && bucket != last + 1)
			ck_abort_msg("%" PRIu64 ": %u after %u", value, bucket, last);
		last = bucket;
	}
	ck_assert_uint_eq(histogram_bucket((UINT64_C(1) << HISTOGRAM_VALUE_BITS) - 1),
		HISTOGRAM_BUCKETS - 1);
}
END_TEST

START_TEST(value_that_is_too_large_is_told_as_the_largest)
{
	histogram_add(&histogram, UINT64_MAX - 1);
	ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), UINT64_MAX - 1);
	ck_assert_uint_eq(histogram_quantile(&histogram, 1), UINT64_MAX - 1);
}
END_TEST

START_TEST(quantile_is_never_above_the_largest)
{
	histogram_add(&histogram, 1000001);
	ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 1000001);
}
END_TEST

START_TEST(tail_is_told_apart_from_the_rest)
{
	for (int i = 0; i < 9990; i++)
		histogram_add(&histogram, 10);
	for (int i = 0; i < 10; i++)
		histogram_add(&histogram, 60);
	ck_assert_uint_eq(histogram_quantile(&histogram, 0.99), 10);
	ck_assert_uint_eq(histogram_quantile(&histogram, 0.999), 10);
	ck_assert_uint_eq(histogram_quantile(&histogram, 0.9991), 60);
	ck_assert_uint_eq(histogram_quantile(&histogram, 1), 60);
}
END_TEST

START_TEST(merged_has_the_values_of_both)
{
	histogram_add(&histogram, 5);
	histogram_add(&other, 7);
	histogram_add(&other, 9);
	histogram_merge(&histogram, &other);
	ck_assert_uint_eq(histogram.count, 3);
	ck_assert_uint_eq(histogram.max, 9);
	ck_assert_uint_eq(histogram_mean(&histogram), 7);
	ck_assert_uint_eq(histogram_quantile(&histogram, 0.5), 7);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("histogram");

	suite_add(suite, empty_one_says_zero);
	suite_add(suite, small_values_are_exact);
	suite_add(suite, every_value_is_told_within_a_thirty_second);
	suite_add(suite, buckets_follow_each_other_without_a_gap);
	suite_add(suite, value_that_is_too_large_is_told_as_the_largest);
	suite_add(suite, quantile_is_never_above_the_largest);
	suite_add(suite, tail_is_told_apart_from_the_rest);
	suite_add(suite, merged_has_the_values_of_both);
	return suite_main(suite);
}
