/*
 * Ping-pong over TCP: who answers, what goes to and fro, and our side of it.
 */
#pragma once

#include <string.h>

#include "driver/proactor.h"
#include "tests/bench/bench.h"

enum {
	BENCH_ECHO_CONNECTIONS = 32,
	BENCH_ECHO_SIZE = 64,   /* of a message */
	BENCH_ECHO_ROOM = 4096, /* to receive it in; more than it, as programs have */
};

/* Sends back what it receives, on any number of connections. */
struct bench_echo {
	struct bench_child child;
	int listener;
};

int bench_echo_init(struct bench_echo *echo);
void bench_echo_deinit(struct bench_echo *echo);
int bench_echo_connect(const struct bench_echo *echo, int *ret_fd);

/* What goes to and fro on one connection. */
struct bench_ping {
	uint64_t sent[BENCH_ECHO_SIZE / sizeof(uint64_t)];
	uint8_t received[BENCH_ECHO_ROOM];
};

/* The next message, unlike those before it. */
static inline void bench_ping_next(struct bench_ping *ping)
{
	ping->sent[0]++;
	ping->sent[ARRAY_SIZE(ping->sent) - 1] = ~ping->sent[0];
}

static inline bool bench_ping_right(const struct bench_ping *ping, int64_t result)
{
	return result == BENCH_ECHO_SIZE &&
		memcmp(ping->sent, ping->received, BENCH_ECHO_SIZE) == 0;
}

/* Our side; @context is what bench_pings_new() made. As bench_proactor_init(). */
struct bench_pings;
int bench_pings_new(struct bench_pings **ret_pings, const struct proactor_options *options,
	const struct bench_echo *echo);
struct bench_pings *bench_pings_free(struct bench_pings *pings);
int bench_pings_run(void *context, uint64_t op_count, uint64_t seed);
