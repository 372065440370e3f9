/* The byte queue. See buffer.h. */
#include "base/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 512 };

void buffer_deinit(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

static void move_to_front(struct buffer *buffer)
{
	size_t size = buffer_size(buffer);

	if (buffer->head == 0)
		return;
	memmove(buffer->data, buffer->data + buffer->head, size);
	buffer->head = 0;
	buffer->tail = size;
}

int buffer_reserve(struct buffer *buffer, size_t size)
{
	size_t needed, capacity = MAX(buffer->capacity, (size_t)CAPACITY_MIN);
	uint8_t *data;

	if (likely(buffer_room(buffer) >= size && buffer->data))
		return 0;
	if (__builtin_add_overflow(buffer_size(buffer), size, &needed))
		return -ENOMEM;
	if (needed > buffer->capacity) {
		while (capacity < needed)
			if (__builtin_mul_overflow(capacity, 2, &capacity))
				return -ENOMEM;
		data = realloc(buffer->data, capacity);
		if (!data)
			return -ENOMEM;
		buffer->data = data;
		buffer->capacity = capacity;
	}
	if (buffer_room(buffer) < size)
		move_to_front(buffer);
	return 0;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
	int r = buffer_reserve(buffer, size);

	if (r < 0)
		return r;
	if (size > 0)
		memcpy(buffer->data + buffer->tail, bytes, size);
	buffer_commit(buffer, size);
	return 0;
}

void buffer_trim(struct buffer *buffer, size_t keep)
{
	if (buffer_size(buffer) == 0 && buffer->capacity > keep)
		buffer_deinit(buffer);
}
