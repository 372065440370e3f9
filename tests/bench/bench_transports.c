/*
 * Through the daemon: the same loop over proactor.h as in-process, with the driver that talks to
 * proactord; by socket with the data inline, with the data in shared memory, and by shared rings.
 *
 * Yardsticks: the loop on a ring of one's own; nbdkit, a server of blocks over such a socket; for
 * operations that do nothing, two processes that send a byte string of a call's size to and fro
 * with blocking calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench_daemon.h"
#include "tests/bench/bench_liburing.h"
#include "tests/bench/bench_peers.h"
#include "tests/bench/bench_plain.h"

enum { SEQUENTIAL_SIZE = 256 * 1024, SEQUENTIAL_DEPTH = 8 };

static const struct bench_shape sequential = {
	.size = SEQUENTIAL_SIZE,
	.depth_max = SEQUENTIAL_DEPTH,
	.block_count = BENCH_DATA_BLOCKS,
	.sequential = true,
};

enum yardstick { NONE, INPROCESS, NBDKIT, PINGPONG };

static const struct row {
	const char *name;
	enum bench_transport transport;
	enum proactor_opcode operation;
	unsigned depth;
	const struct bench_shape *shape;
	enum yardstick yardstick;
	bool direct; /* past the page cache */
} rows[] = {
	{"read4k.qd1.ring.vs_inprocess", BENCH_RING, PROACTOR_READ, 1, &bench_shape_4k, INPROCESS,
		false},
	{"read4k.qd32.ring.vs_inprocess", BENCH_RING, PROACTOR_READ, 32, &bench_shape_4k, INPROCESS,
		false},
	{"read4k.qd32.ring.vs_nbdkit", BENCH_RING, PROACTOR_READ, 32, &bench_shape_4k, NBDKIT,
		false},
	{"read4k.qd32.memory.vs_nbdkit", BENCH_MEMORY, PROACTOR_READ, 32, &bench_shape_4k, NBDKIT,
		false},
	{"read4k.qd32.socket.vs_nbdkit", BENCH_SOCKET, PROACTOR_READ, 32, &bench_shape_4k, NBDKIT,
		false},
	{"direct4k.qd32.ring.vs_inprocess", BENCH_RING, PROACTOR_READ, 32, &bench_shape_4k,
		INPROCESS, true},
	{"seq256k.ring.vs_inprocess", BENCH_RING, PROACTOR_READ, SEQUENTIAL_DEPTH, &sequential,
		INPROCESS, false},
	{"seq256k.socket.vs_inprocess", BENCH_SOCKET, PROACTOR_READ, SEQUENTIAL_DEPTH, &sequential,
		INPROCESS, false},
	{"nop.qd1.ring.vs_pingpong", BENCH_RING, PROACTOR_NOP, 1, &bench_shape_4k, PINGPONG, false},
	{"nop.qd1.socket.vs_pingpong", BENCH_SOCKET, PROACTOR_NOP, 1, &bench_shape_4k, PINGPONG,
		false},
	{"nop.qd32.ring", BENCH_RING, PROACTOR_NOP, 32, &bench_shape_4k, NONE, false},
	{"nop.qd32.socket", BENCH_SOCKET, PROACTOR_NOP, 32, &bench_shape_4k, NONE, false},
};

/* What a row has beside ours; each is the only one. */
struct peers {
	struct bench_liburing liburing;
	struct bench_pingpong pingpong;
	struct bench_nbd *nbd;
};

/* Makes the yardstick. 0, and where there is none @ret_absent. */
static int peer_init(struct peers *peers, const struct row *row, const struct bench *bench, int fd,
	struct bench_side *ret_side, const char **ret_absent)
{
	int r = 0;

	*ret_absent = NULL;
	switch (row->yardstick) {
	case INPROCESS:
		r = bench_liburing_init(&peers->liburing, fd, row->shape);
		peers->liburing.operation = row->operation;
		peers->liburing.depth = row->depth;
		*ret_side = bench_liburing_side(&peers->liburing);
		break;
	case NBDKIT:
		*ret_absent = bench_nbd_absent(BENCH_NBDKIT);
		r = *ret_absent ? 0 : bench_nbd_new(&peers->nbd, bench, BENCH_NBDKIT, row->shape);
		if (!peers->nbd)
			break;
		bench_nbd_set_depth(peers->nbd, row->depth);
		*ret_side = bench_nbd_side(peers->nbd);
		break;
	case PINGPONG:
		r = bench_pingpong_init(&peers->pingpong, BENCH_PING_SIZE);
		*ret_side = bench_pingpong_side(&peers->pingpong);
		break;
	default: break;
	}
	return r;
}

static void peer_deinit(struct peers *peers)
{
	bench_liburing_deinit(&peers->liburing);
	bench_pingpong_deinit(&peers->pingpong);
	bench_nbd_free(peers->nbd);
}

/* Where the file system does not have that, -EINVAL. */
static int open_direct(const struct bench *bench, int *ret_fd)
{
	_cleanup_(fd_closep) int fd = open(bench->data_path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	_cleanup_(freep) void *block = aligned_alloc(BENCH_BLOCK_SIZE, BENCH_BLOCK_SIZE);

	if (fd < 0 || !block)
		return -errno;
	if (pread(fd, block, BENCH_BLOCK_SIZE, 0) != BENCH_BLOCK_SIZE)
		return -EINVAL;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

static int measure_on(struct bench *bench, const struct row *row, const struct bench_daemon *daemon,
	int fd)
{
	struct peers peers = {.liburing.ring.ring_fd = -EBADF};
	struct bench_side ours = {0}, peer = {0};
	const char *absent, *peer_absent;
	struct bench_proactor load;
	int r = bench_daemon_load(daemon, row->transport, &load, fd, row->shape, &absent);

	load.operation = row->operation;
	load.depth = row->depth;
	ours = bench_proactor_side(&load, "proactord");
	if (r >= 0) {
		r = peer_init(&peers, row, bench, fd, &peer, &peer_absent);
		if (r < 0)
			(void)bench_failed(row->name, "the yardstick", r);
	}
	if (r >= 0) {
		ours.note = absent ? NULL : bench_daemon_note(daemon, load.proactor);
		r = bench_pair(bench, row->name, absent ? NULL : &ours, peer.run ? &peer : NULL,
			absent ? absent : peer_absent);
	}
	peer_deinit(&peers);
	bench_proactor_deinit(&load);
	return r;
}

static int measure(struct bench *bench, const struct row *row, const struct bench_daemon *daemon)
{
	_cleanup_(fd_closep) int fd = -EBADF;
	int r;

	if (!bench_wants(bench, row->name))
		return 0;
	if (!row->direct)
		return measure_on(bench, row, daemon, bench->data_fd);
	r = open_direct(bench, &fd);
	if (r == -EINVAL)
		return bench_pair(bench, row->name, NULL, NULL,
			"the file system of the benchmark's folder has no O_DIRECT");
	return r < 0 ? bench_failed(row->name, "O_DIRECT", r) : measure_on(bench, row, daemon, fd);
}

int bench_transports(struct bench *bench)
{
	struct bench_daemon daemon;
	int failed = bench_daemon_init(&daemon, bench, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(rows) && daemon.server.pid > 0; i++) {
		int r = measure(bench, &rows[i], &daemon);

		failed = MIN(failed, r);
	}
	bench_daemon_deinit(&daemon);
	return failed;
}
