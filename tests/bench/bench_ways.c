/* The ways to do one operation. See bench_ways.h. */
#include "tests/bench/bench_ways.h"

#include <errno.h>

const struct bench_way_info bench_ways[BENCH_WAY_COUNT] = {
	[BENCH_WAY_PREAD] = {"pread", "pread(2), one thread", true, true},
	[BENCH_WAY_LIBURING] = {"liburing", "liburing by hand", false, false},
	[BENCH_WAY_LIBPROACTOR] = {"libproactor", "libproactor in-process", false, false},
	[BENCH_WAY_SOCKET] = {"socket", "daemon: socket, data inline", false, false},
	[BENCH_WAY_MEMORY] = {"memory", "daemon: socket + memory", false, true},
	[BENCH_WAY_RING] = {"ring", "daemon: ring + memory", false, false},
	[BENCH_WAY_NBDKIT] = {"nbdkit", "nbdkit + libnbd", false, true},
	[BENCH_WAY_QEMU] = {"qemu", "qemu-storage-daemon + libnbd", false, true},
	[BENCH_WAY_PINGPONG] = {"pingpong", "bare socket ping-pong", true, false},
	[BENCH_WAY_MEMCPY] = {"memcpy", "memcpy(3)", true, true},
};

enum { LARGE_SIZE = 256 * 1024, LARGE_DEPTH = 32 };

static const struct bench_shape shape_256k = {
	.size = LARGE_SIZE, .depth_max = LARGE_DEPTH, .block_count = BENCH_DATA_BLOCKS};

const struct bench_task bench_tasks[BENCH_TASK_COUNT] = {
	{"read4k", PROACTOR_READ, &bench_shape_4k, BENCH_BLOCK_SIZE, {1, 2, 4, 8, 16, 32, 64, 128},
		{1, 8, 32, 128}},
	{"nop", PROACTOR_NOP, &bench_shape_4k, BENCH_PING_SIZE, {1, 2, 4, 8, 16, 32, 64, 128},
		{1, 8, 32, 128}},
	{"read256k", PROACTOR_READ, &shape_256k, LARGE_SIZE, {1, 8, 32}, {1, 8}},
};

static int init_plain(struct bench_field *field)
{
	const struct bench_shape *shape = field->task->shape;
	int fd = field->bench->data_fd;
	int r = bench_pingpong_init(&field->pingpong, field->task->answer_size);

	if (r >= 0)
		r = bench_liburing_init(&field->liburing, fd, shape);
	field->liburing.operation = field->task->operation;
	field->sides[BENCH_WAY_PINGPONG] = bench_pingpong_side(&field->pingpong);
	field->sides[BENCH_WAY_LIBURING] = bench_liburing_side(&field->liburing);
	if (field->task->operation == PROACTOR_NOP)
		return r;
	if (r >= 0)
		r = bench_pread_init(&field->pread, fd, shape);
	if (r >= 0)
		r = bench_memcpy_init(&field->memcpy, fd, shape);
	field->sides[BENCH_WAY_PREAD] = bench_pread_side(&field->pread);
	field->sides[BENCH_WAY_MEMCPY] = bench_memcpy_side(&field->memcpy);
	return r;
}

static int init_inprocess(struct bench_field *field, struct bench_proactor *load)
{
	struct proactor *proactor;
	int r = proactor_new(&proactor, &bench_ring_options);

	/* as the loop by hand: memory of its own */
	return r < 0 ? r
		     : bench_proactor_init_on(load, proactor, field->bench->data_fd,
			       field->task->shape, /* memory= */ false);
}

static int init_proactors(struct bench_field *field)
{
	static const enum bench_transport transports[] = {[BENCH_WAY_SOCKET] = BENCH_SOCKET,
		[BENCH_WAY_MEMORY] = BENCH_MEMORY,
		[BENCH_WAY_RING] = BENCH_RING};
	int r = 0;

	for (unsigned way = BENCH_WAY_LIBPROACTOR; r >= 0 && way <= BENCH_WAY_RING; way++) {
		struct bench_proactor *load = &field->loads[way - BENCH_WAY_LIBPROACTOR];

		if (bench_ways[way].reads && field->task->operation != PROACTOR_READ)
			continue;
		r = way == BENCH_WAY_LIBPROACTOR
			? init_inprocess(field, load)
			: bench_daemon_load(field->daemon, transports[way], load,
				  field->bench->data_fd, field->task->shape, &field->absent[way]);
		load->operation = field->task->operation;
		if (!field->absent[way])
			field->sides[way] = bench_proactor_side(load, bench_ways[way].name);
	}
	return r;
}

static int init_nbds(struct bench_field *field)
{
	int r = 0;

	for (unsigned i = 0; r >= 0 && i < ARRAY_SIZE(field->nbds); i++) {
		unsigned way = BENCH_WAY_NBDKIT + i;

		field->absent[way] = bench_nbd_absent((enum bench_nbd_server)i);
		if (field->absent[way])
			continue;
		r = bench_nbd_new(&field->nbds[i], field->bench, (enum bench_nbd_server)i,
			field->task->shape);
		if (r >= 0)
			field->sides[way] = bench_nbd_side(field->nbds[i]);
	}
	return r;
}

int bench_field_init(struct bench_field *field)
{
	int r;

	field->liburing.ring.ring_fd = -EBADF;
	r = init_plain(field);
	if (r >= 0)
		r = init_proactors(field);
	if (r >= 0 && field->task->operation == PROACTOR_READ)
		r = init_nbds(field);
	return r;
}

void bench_field_deinit(struct bench_field *field)
{
	for (size_t i = 0; i < ARRAY_SIZE(field->nbds); i++)
		bench_nbd_free(field->nbds[i]);
	for (size_t i = 0; i < ARRAY_SIZE(field->loads); i++)
		bench_proactor_deinit(&field->loads[i]);
	bench_memcpy_deinit(&field->memcpy);
	bench_pread_deinit(&field->pread);
	bench_liburing_deinit(&field->liburing);
	bench_pingpong_deinit(&field->pingpong);
}

void bench_field_set_depth(struct bench_field *field, unsigned depth)
{
	field->liburing.depth = depth;
	for (size_t i = 0; i < ARRAY_SIZE(field->loads); i++)
		field->loads[i].depth = depth;
	for (size_t i = 0; i < ARRAY_SIZE(field->nbds); i++)
		if (field->nbds[i])
			bench_nbd_set_depth(field->nbds[i], depth);
}

void bench_field_pin(struct bench_field *field, bool pinned)
{
	struct bench_server answerer = {.pid = field->pingpong.child.pid};

	if (pinned)
		bench_pin(BENCH_CPU_SELF);
	else
		bench_unpin();
	bench_server_pin(&field->daemon->server, pinned);
	bench_server_pin(&answerer, pinned);
	for (size_t i = 0; i < ARRAY_SIZE(field->nbds); i++)
		if (field->nbds[i])
			bench_nbd_pin(field->nbds[i], pinned);
}
