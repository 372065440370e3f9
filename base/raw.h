/*
 * System calls made in place, where we know how (RAW_CALLS is defined then).
 *
 * libc's and liburing's are calls into another library, and one more return above the system call:
 * each of these is mispredicted under the kernel's SRSO mitigation, about 10 ns a frame as
 * measured. ThreadSanitizer is to see the library's calls, and tests stand in for them, who define
 * DRIVER_CALLS_LIBRARIES (tests/fault/).
 */
#pragma once

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && !defined(DRIVER_CALLS_LIBRARIES)
#define RAW_CALLS 1

/* Returns what the kernel does: a negative errno on failure. */
static inline __attribute__((always_inline)) long raw_call4(long number, unsigned long a,
	unsigned long b, unsigned long c, unsigned long d)
{
	register unsigned long r10 __asm__("r10") = d;
	long result = number;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

static inline __attribute__((always_inline)) long raw_call6(long number, unsigned long a,
	unsigned long b, unsigned long c, unsigned long d, unsigned long e, unsigned long f)
{
	register unsigned long r10 __asm__("r10") = d;
	register unsigned long r8 __asm__("r8") = e;
	register unsigned long r9 __asm__("r9") = f;
	long result = number;

	__asm__ volatile("syscall"
			 : "+a"(result)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#endif
