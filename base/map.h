/*
 * A hash table from 64-bit numbers to objects, intrusive: the objects carry their node, the table
 * allocates its buckets only, and those when it grows. It never shrinks.
 */
#pragma once

#include "base/def.h"

struct map_node {
	struct map_node *next; /* in the bucket */
	uint64_t key;
};

struct map {
	struct map_node **buckets;
	size_t bucket_count; /* 0, or a power of two */
	size_t count;
};

/* Frees the buckets; the table must be empty. Idempotent, also on a zeroed one. */
void map_deinit(struct map *map);

struct map_node *map_find(const struct map *map, uint64_t key);

/* Adds @node as @key. -EEXIST: there is one. -ENOMEM. */
int map_insert(struct map *map, uint64_t key, struct map_node *node);

/* Takes @node, which is there, out. */
void map_remove(struct map *map, struct map_node *node);
