/*
 * The matrix: every way to do the same operation, at every depth.
 */
#pragma once

#include "tests/bench/bench.h"

/* Whether @row is a cell of it. */
bool bench_matrix_owns(const struct bench_row *row);

/* Its tables, for people. */
void bench_matrix_print(const struct bench *bench);
