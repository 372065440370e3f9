/* The window. See window.h. */
#include "client/window.h"

#include <errno.h>

#include "base/cleanup.h"

/*
 * The daemon takes memory in powers of two from this on, with a little for headers; see
 * daemon/chunk.h.
 */
enum { COST_MIN = 4096, COST_HEADERS = 128 };

/*
 * Records stand one after another, whatever the size of the messages between: each is padded to
 * this.
 */
enum { ALIGNMENT = _Alignof(struct window_request) };

void window_init(struct window *window, uint64_t operation_count, uint64_t memory_size)
{
	/* half of the memory: answers that are on their way count, too */
	*window = (struct window){
		.operation_count_max = MAX(operation_count, UINT64_C(1)),
		.memory_size_max = memory_size / 2,
	};
}

static const struct window_request *first(const struct window *window)
{
	return buffer_size(&window->held) > 0
		? (const struct window_request *)buffer_bytes(&window->held)
		: NULL;
}

void window_deinit(struct window *window)
{
	for (const struct window_request *request; (request = first(window));) {
		fd_close(request->fd);
		window_drop(window);
	}
	buffer_deinit(&window->held);
}

uint64_t window_cost(size_t data_size)
{
	uint64_t cost = COST_MIN;

	while (cost < data_size)
		cost *= 2;
	return cost + COST_HEADERS;
}

static bool has_room(const struct window *window, uint64_t cost)
{
	if (window->operation_count == 0)
		return true; /* one that is larger than the window goes alone */
	return window->operation_count < window->operation_count_max &&
		window->memory_size + cost <= window->memory_size_max;
}

bool window_admits(const struct window *window, uint64_t cost)
{
	return buffer_size(&window->held) == 0 && has_room(window, cost);
}

void window_enter(struct window *window, uint64_t cost)
{
	window->operation_count++;
	window->memory_size += cost;
}

void window_leave(struct window *window, uint64_t cost)
{
	assert(window->operation_count > 0 && window->memory_size >= cost);
	window->operation_count--;
	window->memory_size -= cost;
}

static size_t padding(size_t size)
{
	return -size & (ALIGNMENT - 1);
}

int window_hold(struct window *window, const struct window_request *request, const void *message)
{
	static const uint8_t zeros[ALIGNMENT];
	int r = buffer_reserve(&window->held,
		sizeof(*request) + request->size + padding(request->size));

	if (r < 0)
		return r;
	(void)buffer_append(&window->held, request, sizeof(*request));
	(void)buffer_append(&window->held, message, request->size);
	(void)buffer_append(&window->held, zeros, padding(request->size));
	return 0;
}

const struct window_request *window_next(const struct window *window)
{
	const struct window_request *request = first(window);

	return request && has_room(window, request->cost) ? request : NULL;
}

void window_drop(struct window *window)
{
	uint32_t size = first(window)->size;

	buffer_consume(&window->held, sizeof(struct window_request) + size + padding(size));
}
