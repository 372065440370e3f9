/* Numbers for people. */
#pragma once

#include <stdint.h>

enum { FORMAT_SIZE = 24 };

/* "512 B", "1.2 MiB". */
void format_bytes(double bytes, char text[FORMAT_SIZE]);

/* "840 ns", "21.0 us", "1.50 s", "3m07s", "2h05m", "12d03h". */
void format_duration(uint64_t duration_ns, char text[FORMAT_SIZE]);
