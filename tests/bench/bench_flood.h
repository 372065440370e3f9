/*
 * Connections that wait to be accepted.
 */
#pragma once

#include "tests/bench/bench.h"

/* Connects to @listeners and hangs up at once, as often as it is told. */
struct bench_flood {
	struct bench_child child;
	int listeners[2]; /* one for each side */
	unsigned room;    /* how many connections may wait in one */
};

int bench_flood_init(struct bench_flood *flood);
void bench_flood_deinit(struct bench_flood *flood);

/*
 * Has @count connections wait in listener @index, where there must be none. -EIO: there were, or
 * they could not be made.
 */
int bench_flood_make(const struct bench_flood *flood, unsigned index, uint64_t count);
