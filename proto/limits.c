/* The limits, built from limits.tbl. */
#include "proto/limits.h"

#include <string.h>

const struct limit_info limit_table[LIMIT_COUNT] = {
#define LIMIT(name, NAME, fallback, minimum, maximum, unit, summary)                               \
	[LIMIT_##NAME] = {#name, fallback, minimum, maximum, unit, summary},
#include "proto/limits.tbl"
#undef LIMIT
};

void limits_init(struct limits *limits)
{
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		limits->value[i] = limit_table[i].fallback;
}

enum limit limit_find(const char *name, size_t size)
{
	size_t i = 0;

	while (i < LIMIT_COUNT &&
		(strlen(limit_table[i].name) != size ||
			memcmp(limit_table[i].name, name, size) != 0))
		i++;
	return (enum limit)i;
}
