/*
 * The yardstick in this process: a loop as one writes it by hand with liburing.
 */
#pragma once

#include <liburing.h>

#include "tests/bench/bench_proactor.h"

/* The ring: queues as bench_ring_options makes them, and all that spares time. */
int bench_ring_init(struct io_uring *ring);

/* Keeps @depth operations in flight. */
struct bench_liburing {
	struct io_uring ring;
	enum proactor_opcode operation; /* PROACTOR_NOP or PROACTOR_READ */
	unsigned depth;
	struct bench_blocks blocks;
};

/* On @fd, the caller's. Deinit is right after a failure too. */
int bench_liburing_init(struct bench_liburing *load, int fd, const struct bench_shape *shape);
void bench_liburing_deinit(struct bench_liburing *load);

/* A side of it. */
struct bench_side bench_liburing_side(struct bench_liburing *load);
