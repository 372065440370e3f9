/*
 * A byte queue in one piece of memory: written at the tail, read at the head.
 *
 *      data      head            tail        capacity
 *        | free   | waiting bytes | free        |
 *
 * Room is made by moving the waiting bytes to the front when that is enough, else by doubling.
 * Pointers into it live until the next call that makes room.
 */
#pragma once

#include "base/def.h"

struct buffer {
	uint8_t *data;
	size_t head;
	size_t tail;
	size_t capacity;
};

void buffer_deinit(struct buffer *buffer);

/* Makes room for @size bytes at the tail. -ENOMEM leaves the buffer as it was. */
int buffer_reserve(struct buffer *buffer, size_t size);

/* Appends a copy of @bytes. -ENOMEM leaves the buffer as it was. */
int buffer_append(struct buffer *buffer, const void *bytes, size_t size);

/* Gives the memory of an empty buffer back when it has grown beyond @keep bytes. */
void buffer_trim(struct buffer *buffer, size_t keep);

static inline const uint8_t *buffer_bytes(const struct buffer *buffer)
{
	/* of one that never had any: NULL + 0 is not defined in C */
	return (const uint8_t *)((uintptr_t)buffer->data + buffer->head);
}

static inline size_t buffer_size(const struct buffer *buffer)
{
	return buffer->tail - buffer->head;
}

static inline size_t buffer_room(const struct buffer *buffer)
{
	return buffer->capacity - buffer->tail;
}

/* @size bytes were written at the tail, into room that was reserved. */
static inline void buffer_commit(struct buffer *buffer, size_t size)
{
	assert(size <= buffer_room(buffer));
	buffer->tail += size;
}

static inline void buffer_consume(struct buffer *buffer, size_t size)
{
	assert(size <= buffer_size(buffer));
	buffer->head += size;
	if (buffer->head == buffer->tail)
		buffer->head = buffer->tail = 0;
}

static inline void buffer_clear(struct buffer *buffer)
{
	buffer->head = buffer->tail = 0;
}
