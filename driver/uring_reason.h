/*
 * Why there is no ring, in one line for a person who can do something about it.
 *
 * An errno says little: EPERM is what a container's seccomp filter says, what the sysctl says, and
 * what a security module says. What tells them apart is looked at when it has happened.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* What is known of the process and of its machine. */
struct uring_facts {
	int disabled;          /* kernel.io_uring_disabled; -1: cannot be read, or is not there */
	int seccomp_mode;      /* of this process: prctl(PR_GET_SECCOMP), 2: filters; -1: unknown */
	uint64_t memlock_size; /* RLIMIT_MEMLOCK; UINT64_MAX: none */
};

void uring_facts_find(struct uring_facts *ret_facts);

/* @call failed with @error, a negative errno. Writes a line, at most @size bytes with the NUL. */
void uring_facts_explain(const struct uring_facts *facts, const char *call, int error, char *reason,
	size_t size);
