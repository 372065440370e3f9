/* Numbers to objects. See map.h. */
#include "base/map.h"

#include <errno.h>
#include <stdlib.h>

enum { BUCKETS_MIN = 16 };

void map_deinit(struct map *map)
{
	assert(map->count == 0);
	free(map->buckets);
	*map = (struct map){0};
}

/*
 * Keys are counters as a rule; a multiplication (Fibonacci hashing) spreads also those that are
 * multiples of something.
 */
static struct map_node **bucket_of(const struct map *map, uint64_t key)
{
	return &map->buckets[(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (map->bucket_count - 1)];
}

struct map_node *map_find(const struct map *map, uint64_t key)
{
	struct map_node *node;

	if (map->count == 0)
		return NULL;
	for (node = *bucket_of(map, key); node && node->key != key; node = node->next)
		continue;
	return node;
}

static void link_node(struct map *map, struct map_node *node)
{
	struct map_node **bucket = bucket_of(map, node->key);

	node->next = *bucket;
	*bucket = node;
}

static int grow(struct map *map)
{
	struct map old = *map;
	size_t count = MAX(old.bucket_count * 2, (size_t)BUCKETS_MIN);
	struct map_node **buckets = calloc(count, sizeof(struct map_node *)), *node;

	if (!buckets)
		return -ENOMEM;
	map->buckets = buckets;
	map->bucket_count = count;
	for (size_t i = 0; i < old.bucket_count; i++)
		while ((node = old.buckets[i])) {
			old.buckets[i] = node->next;
			link_node(map, node);
		}
	free(old.buckets);
	return 0;
}

int map_insert(struct map *map, uint64_t key, struct map_node *node)
{
	if (map_find(map, key))
		return -EEXIST;
	if (map->count >= map->bucket_count && grow(map) < 0)
		return -ENOMEM;
	node->key = key;
	link_node(map, node);
	map->count++;
	return 0;
}

void map_remove(struct map *map, struct map_node *node)
{
	struct map_node **link;

	assert(map->count > 0);
	for (link = bucket_of(map, node->key); *link != node; link = &(*link)->next)
		assert(*link);
	*link = node->next;
	map->count--;
}
