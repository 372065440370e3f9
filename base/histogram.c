/* Latencies, counted. See histogram.h. */
#include "base/histogram.h"

/* The largest value that counts in bucket @index. */
static uint64_t bucket_end(unsigned index)
{
	unsigned shift;

	if (index < 2 * HISTOGRAM_LINEAR)
		return index;
	shift = index / HISTOGRAM_LINEAR - 1;
	return ((uint64_t)(index - shift * HISTOGRAM_LINEAR + 1) << shift) - 1;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		histogram->buckets[i] += other->buckets[i];
	histogram->count += other->count;
	histogram->sum += other->sum;
	histogram->max = MAX(histogram->max, other->max);
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
	double wanted = share * (double)histogram->count;
	uint64_t seen = 0;

	assert(share >= 0 && share <= 1);
	for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen > 0 && (double)seen >= wanted)
			return MIN(bucket_end(i), histogram->max);
	}
	/* the last bucket has no end of its own */
	return histogram->max;
}

uint64_t histogram_mean(const struct histogram *histogram)
{
	return histogram->count > 0 ? histogram->sum / histogram->count : 0;
}
