/*
 * Packs values at the tail of a buffer, by msgpack-c, each in its shortest form.
 *
 * Memory that runs out is remembered, not reported by each call: a message is packed in one go and
 * asked once, at its end, whether it is whole.
 */
#pragma once

#include "base/buffer.h"

struct pack {
	struct buffer *buffer;
	bool failed;
};

static inline struct pack pack_into(struct buffer *buffer)
{
	return (struct pack){.buffer = buffer};
}

void pack_nil(struct pack *pack);
void pack_bool(struct pack *pack, bool boolean);
void pack_uint(struct pack *pack, uint64_t number);
void pack_int(struct pack *pack, int64_t number);
void pack_double(struct pack *pack, double number);
void pack_str(struct pack *pack, const char *string);
void pack_str_sized(struct pack *pack, const char *string, size_t size);
void pack_bin(struct pack *pack, const void *bytes, size_t size);

/* Bytes of a bin whose header is packed. */
void pack_body(struct pack *pack, const void *bytes, size_t size);

/* What follows: @size bytes, @count values, @count pairs. The caller packs them. */
void pack_bin_header(struct pack *pack, size_t size);
void pack_array(struct pack *pack, size_t count);
void pack_map(struct pack *pack, size_t count);

/* A pair of a map. */
static inline void pack_pair_uint(struct pack *pack, const char *key, uint64_t number)
{
	pack_str(pack, key);
	pack_uint(pack, number);
}

static inline void pack_pair_str(struct pack *pack, const char *key, const char *string)
{
	pack_str(pack, key);
	pack_str(pack, string);
}
