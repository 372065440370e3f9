/*
 * A function that stands in for one of the system's: WRAP(int, accept4, (int fd, …)) { … }
 *
 * With --wrap=NAME what the driver calls NAME is __wrap_NAME, and __real_NAME the system's.
 */
#pragma once

#include "tests/fault/fault.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100
#endif

/* Whether the kernel that the test has in mind knows @flags of preadv2(2). */
bool fault_kernel_has_rwf(int flags);

/* clang-format off */
#define WRAP(type, name, parameters)                                                               \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters
/* clang-format on */
