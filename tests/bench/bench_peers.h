/*
 * Programs of others to measure against, as far as they are installed.
 */
#pragma once

#include "tests/bench/bench_blocks.h"
#include "tests/bench/bench_echo.h"

/* ---- bench_nbd.c ---- */

/* What is missing for it, or NULL. */
const char *bench_nbd_absent(void);

/*
 * Starts nbdkit on the data file and connects. Then bench_nbd_run() is a side's run with the
 * context given.
 */
int bench_nbd_new(void **ret_context, const struct bench *bench);
void bench_nbd_free(void *context);
int bench_nbd_run(void *context, uint64_t op_count, uint64_t seed);

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
