/*
 * What every fuzz target shares. A target is one file with LLVMFuzzerTestOneInput(); it runs under
 * libFuzzer (`make fuzz T=…`) and, over its corpus and with the main() of replay.c, in every `make
 * check`.
 *
 * What a target finds is a failed assertion, a sanitizer's report, or a time-out.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
