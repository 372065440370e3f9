/*
 * The window: how much of a client's work is with the daemon at a time.
 *
 * At its limits on operations in flight and on memory the daemon stops reading, and everything
 * behind that is held up, a cancellation among it; a program with many operations that wait
 * (receives, accepts) would be stuck. So a client that knows the limits stays below: what is beyond
 * is held here, in order, and sent when there is room.
 */
#pragma once

#include "base/buffer.h"

struct window {
	uint64_t operation_count_max;
	uint64_t memory_size_max;
	uint64_t operation_count; /* with the daemon */
	uint64_t memory_size;
	struct buffer held; /* struct window_request, each followed by its bytes */
};

/* A request that is held. */
struct window_request {
	uint64_t key;  /* of its operation */
	uint64_t cost; /* in memory of the daemon */
	uint32_t size; /* of the message */
	int fd;        /* that rides on it; -1: none */
};

/* @operation_count and @memory_size as the daemon's `hello` tells. */
void window_init(struct window *window, uint64_t operation_count, uint64_t memory_size);

/* Closes the descriptors that are held. Idempotent, also on a zeroed one. */
void window_deinit(struct window *window);

/* What an operation with @data_size bytes of data takes of the daemon's memory at most. */
uint64_t window_cost(size_t data_size);

/* Whether a request of @cost may be sent now: there is room, and none is held before it. */
bool window_admits(const struct window *window, uint64_t cost);

/* One was sent; the response to one came. */
void window_enter(struct window *window, uint64_t cost);
void window_leave(struct window *window, uint64_t cost);

/* Holds a request, and from then on its descriptor. -ENOMEM. */
int window_hold(struct window *window, const struct window_request *request, const void *message);

/* The first that is held, where it may be sent now, or NULL. Its message follows it. */
const struct window_request *window_next(const struct window *window);

/* It was sent or is not wanted any more, and its descriptor is somebody else's. */
void window_drop(struct window *window);
