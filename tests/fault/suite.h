/* The tests of the folder. */
#pragma once

#include "tests/fault/load.h"

/* The driver under test: enum proactor_driver. */
extern uint32_t driver;

void add_all(Suite *suite);     /* test_all.c: each driver */
void add_sigpipe(Suite *suite); /* test_sigpipe.c: each driver */
void add_uring(Suite *suite);   /* test_uring.c */
void add_reasons(Suite *suite); /* test_reasons.c: io_uring, as the others take its place */
void add_table(Suite *suite);   /* test_table.c: io_uring */
void add_epoll(Suite *suite);   /* test_epoll.c */

#define FAULT_BIT(name) (1U << FAULT_##name)

/* The options for a load on that driver, with all that @calls (a bit 1 << call each) may say. */
struct load_options options_for(uint32_t calls);

/*
 * Runs the load with each call of the kind failing in turn, each with each of its errors, @count at
 * a time. Calls after the @last are left alone.
 */
void sweep(const struct load_options *options, enum fault_call call, unsigned count, unsigned last);

/*
 * Runs the load @count times, with one of @calls in @one_in failing by chance, from the seed in
 * $SEED, and once only, or from any.
 */
void run_random(struct load_options options, uint32_t calls, unsigned one_in, unsigned count);
