/*
 * Which operations the kernel has, found by asking it.
 *
 * Those that wait for something without bound must be the kernel's own: no thread could be taken
 * out of them again. The others are done without it where it lacks them: at once where they never
 * block, else by threads.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver/uring.h"

enum { OPS_MAX = 256 }; /* what a probe has room for */

/* IORING_OP_LAST is none: such operations are never the kernel's. */
static const uint8_t kernel_ops[PROACTOR_OPCODE_COUNT] = {
	[PROACTOR_NOP] = IORING_OP_NOP,
	[PROACTOR_TIMEOUT] = IORING_OP_TIMEOUT,
	[PROACTOR_OPEN] = IORING_OP_OPENAT,
	[PROACTOR_CLOSE] = IORING_OP_CLOSE,
	[PROACTOR_READ] = IORING_OP_READ,
	[PROACTOR_WRITE] = IORING_OP_WRITE,
	[PROACTOR_FSYNC] = IORING_OP_FSYNC,
	[PROACTOR_STAT] = IORING_OP_STATX,
	[PROACTOR_SOCKET] = IORING_OP_SOCKET,
	[PROACTOR_BIND] = URING_OP_BIND,
	[PROACTOR_LISTEN] = URING_OP_LISTEN,
	[PROACTOR_ACCEPT] = IORING_OP_ACCEPT,
	[PROACTOR_CONNECT] = IORING_OP_CONNECT,
	[PROACTOR_SHUTDOWN] = IORING_OP_SHUTDOWN,
	[PROACTOR_RECV] = IORING_OP_RECV,
	[PROACTOR_SEND] = IORING_OP_SEND,
	[PROACTOR_POLL] = IORING_OP_POLL_ADD,
	[PROACTOR_RECVMSG] = IORING_OP_RECVMSG,
	[PROACTOR_SENDMSG] = IORING_OP_SENDMSG,
	[PROACTOR_READV] = IORING_OP_READV,
	[PROACTOR_WRITEV] = IORING_OP_WRITEV,
	[PROACTOR_FALLOCATE] = IORING_OP_FALLOCATE,
	[PROACTOR_FTRUNCATE] = URING_OP_FTRUNCATE,
	[PROACTOR_UNLINK] = IORING_OP_UNLINKAT,
	[PROACTOR_RENAME] = IORING_OP_RENAMEAT,
	[PROACTOR_MKDIR] = IORING_OP_MKDIRAT,
	[PROACTOR_SYMLINK] = IORING_OP_SYMLINKAT,
	[PROACTOR_LINK] = IORING_OP_LINKAT,
	[PROACTOR_SPLICE] = IORING_OP_SPLICE,
	[PROACTOR_RECVFROM] = IORING_OP_RECVMSG,
	[PROACTOR_SENDTO] = IORING_OP_SENDMSG,
	[PROACTOR_CALL] = UINT8_MAX,
};

#define BIT(NAME) (UINT64_C(1) << PROACTOR_##NAME)
static const uint64_t kernel_only = BIT(NOP) | BIT(TIMEOUT) | BIT(READ) | BIT(WRITE) | BIT(READV) |
	BIT(WRITEV) | BIT(ACCEPT) | BIT(CONNECT) | BIT(RECV) | BIT(SEND) | BIT(RECVFROM) |
	BIT(SENDTO) | BIT(RECVMSG) | BIT(SENDMSG) | BIT(POLL);

/* Of these. */
static const uint64_t frequent = BIT(NOP) | BIT(READ) | BIT(WRITE) | BIT(RECV) | BIT(SEND);

/*
 * That an operation can be multishot is no bit of its own; it came with another operation of the
 * same release, or with a feature.
 */
static void probe_multishot(struct uring *uring, const struct io_uring_params *params,
	const struct io_uring_probe *probe)
{
	uring->multishot_poll = params->features & IORING_FEAT_RSRC_TAGS;             /* 5.13 */
	uring->multishot_accept = io_uring_opcode_supported(probe, IORING_OP_SOCKET); /* 5.19 */
	uring->multishot_recv = io_uring_opcode_supported(probe, IORING_OP_SEND_ZC);  /* 6.0 */
}

/* liburing's does not say what was wrong. */
static int ask(struct uring *uring, struct io_uring_probe **ret_probe)
{
	size_t size = sizeof(struct io_uring_probe) + OPS_MAX * sizeof(struct io_uring_probe_op);
	struct io_uring_probe *probe = calloc(1, size);
	int r = probe ? io_uring_register_probe(&uring->ring, probe, OPS_MAX) : -ENOMEM;

	if (r < 0) {
		free(probe);
		return r;
	}
	*ret_probe = probe;
	return 0;
}

int uring_probe(struct uring *uring, const struct io_uring_params *params, char *reason)
{
	uint64_t needed = kernel_only | (uring->options.required_ops & ~BIT(CALL)), missing = 0;
	struct io_uring_probe *probe;
	int r = ask(uring, &probe);

	if (r < 0) {
		uring_explain("io_uring: asking for its operations", r, reason);
		return r;
	}
	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++) {
		if (kernel_ops[opcode] != UINT8_MAX &&
			io_uring_opcode_supported(probe, kernel_ops[opcode]))
			continue;
		uring->op_special[opcode] |= URING_LACKS;
		missing |= UINT64_C(1) << opcode;
	}
	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++)
		if (!(frequent >> opcode & 1))
			uring->op_special[opcode] |= URING_RARE;
	uring->op_special[PROACTOR_CLOSE] |= URING_ENDS_FILE;
	probe_multishot(uring, params, probe);
	free(probe);
	if ((missing & needed) == 0)
		return 0;
	snprintf(reason, DRIVER_REASON_SIZE, "io_uring: the kernel lacks the operation %s",
		op_table[__builtin_ctzll(missing & needed)].name);
	return -EOPNOTSUPP;
}
