/*
 * Programs of others to measure against, as far as they are installed.
 */
#pragma once

#include "tests/bench/bench_blocks.h"
#include "tests/bench/bench_echo.h"

/* ---- bench_nbd.c ---- */

enum bench_nbd_server { BENCH_NBDKIT, BENCH_QEMU };

/* What is missing for it, or NULL. */
const char *bench_nbd_absent(enum bench_nbd_server server);

/* A server of the data file and a client of it, with operations of one shape. */
struct bench_nbd;

/* Starts the server and connects. */
int bench_nbd_new(struct bench_nbd **ret_nbd, const struct bench *bench,
	enum bench_nbd_server server, const struct bench_shape *shape);
struct bench_nbd *bench_nbd_free(struct bench_nbd *nbd);

void bench_nbd_set_depth(struct bench_nbd *nbd, unsigned depth);
void bench_nbd_pin(const struct bench_nbd *nbd, bool pinned);
struct bench_side bench_nbd_side(struct bench_nbd *nbd);

/* ---- bench_uv.c ---- */

/* What is missing for it, or NULL. */
const char *bench_uv_absent(void);

/* Reads of the data file @fd, @depth in flight, by @threads threads of libuv. */
int bench_uv_reads_new(void **ret_context, int fd, unsigned depth, unsigned threads);
void bench_uv_reads_free(void *context);
int bench_uv_reads_run(void *context, uint64_t op_count, uint64_t seed);

/* Pings of @echo on BENCH_ECHO_CONNECTIONS connections. */
int bench_uv_pings_new(void **ret_context, const struct bench_echo *echo);
void bench_uv_pings_free(void *context);
int bench_uv_pings_run(void *context, uint64_t op_count, uint64_t seed);
