/*
 * The limits as data. See limits.tbl.
 */
#pragma once

#include "base/def.h"

enum limit {
#define LIMIT(name, NAME, fallback, minimum, maximum, unit, summary) LIMIT_##NAME,
#include "proto/limits.tbl"
#undef LIMIT
	LIMIT_COUNT
};

struct limit_info {
	const char *name;
	uint64_t fallback; /* what it is where nobody set it */
	uint64_t minimum;
	uint64_t maximum;
	const char *unit;
	const char *summary;
};

extern const struct limit_info limit_table[LIMIT_COUNT];

struct limits {
	uint64_t value[LIMIT_COUNT];
};

void limits_init(struct limits *limits);

/* The limit called by the @size bytes at @name, or LIMIT_COUNT. */
enum limit limit_find(const char *name, size_t size);

/* Fds that may ride on one message, a constant: more are cut off by the kernel and closed. */
enum { RPC_FDS_MAX = 16 };
