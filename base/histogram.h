/*
 * Latencies, counted so that percentiles can be told without keeping the values.
 *
 * Log-linear buckets: values below HISTOGRAM_LINEAR have a bucket each; beyond, every power of two
 * is cut into as many equal ones, so that a bucket is 1/32 of the values in it at most, from
 * nanoseconds to a minute:
 *
 *      0 1 2 … 31 │ 32 33 … 63 │ 64,65 66,67 … 126,127 │ 128…131 …
 *        exact         exact       2 values a bucket        4
 *
 * No allocation, a few nanoseconds a value. Zeroed is empty. Values too large count in the last
 * bucket; the largest is kept besides, exactly.
 */
#pragma once

#include "base/def.h"

enum {
	HISTOGRAM_LINEAR_BITS = 5,
	HISTOGRAM_LINEAR = 1 << HISTOGRAM_LINEAR_BITS,
	HISTOGRAM_VALUE_BITS = 36, /* values below 2^36 have buckets of their own */
	HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS - HISTOGRAM_LINEAR_BITS + 1) * HISTOGRAM_LINEAR,
};

struct histogram {
	uint64_t count; /* of values; the sum of @buckets */
	uint64_t sum;   /* of the values; beyond 2^64 it wraps */
	uint64_t max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* The bucket of @value. */
static inline unsigned histogram_bucket(uint64_t value)
{
	unsigned shift;

	if (value < HISTOGRAM_LINEAR)
		return (unsigned)value;
	if (unlikely(value >> HISTOGRAM_VALUE_BITS))
		return HISTOGRAM_BUCKETS - 1;
	/* so that the leading bit and the HISTOGRAM_LINEAR_BITS behind it remain */
	shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_LINEAR_BITS;
	return shift * HISTOGRAM_LINEAR + (unsigned)(value >> shift);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->buckets[histogram_bucket(value)]++;
	histogram->count++;
	histogram->sum += value;
	histogram->max = MAX(histogram->max, value);
}

/* Adds the values of @other. */
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/*
 * The value that @share (0 to 1) of the values do not exceed: the largest of its bucket, and no
 * more than the largest of all. 0 of none.
 */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

/* The average; 0 of none. */
uint64_t histogram_mean(const struct histogram *histogram);
