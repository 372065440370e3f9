/*
 * The peers: nbdkit, whose file plugin serves the same data file over a Unix socket, and
 * qemu-storage-daemon, which does too; and libnbd, the asynchronous client of both.
 *
 * All at their best: requests are issued as soon as there is room, replies are simple ones (a third
 * faster than structured ones), the buffer is not cleared before each read, the checks of misuse
 * are off; QEMU reads with its io_uring. Their threads stay on the processor of servers, where they
 * are as fast as on both.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench_peers.h"

#if __has_include(<libnbd.h>)
#include <libnbd.h>

struct bench_nbd {
	const char *name;
	struct bench_server server;
	struct nbd_handle *handle;
	struct bench_blocks blocks;
	unsigned depth;
	unsigned free[BENCH_DEPTH_MAX]; /* buffers to start the next reads with */
	unsigned free_count;
	uint64_t ended;
	bool wrong;
};

static const struct program {
	const char *name;
	const char *absent;
} programs[] = {
	[BENCH_NBDKIT] = {"nbdkit", "nbdkit is not installed"},
	[BENCH_QEMU] = {"qemu-storage-daemon",
		"qemu-storage-daemon is not installed (Debian: qemu-system-common)"},
};

static bool in_path(const char *program)
{
	const char *folder = getenv("PATH");
	char path[4096];

	while (folder) {
		size_t size = strcspn(folder, ":");

		snprintf(path, sizeof(path), "%.*s/%s", (int)size, folder, program);
		if (access(path, X_OK) == 0)
			return true;
		folder = folder[size] ? folder + size + 1 : NULL;
	}
	return false;
}

const char *bench_nbd_absent(enum bench_nbd_server server)
{
	return in_path(programs[server].name) ? NULL : programs[server].absent;
}

static int connect_once(struct bench_nbd *nbd)
{
	nbd_close(nbd->handle);
	nbd->handle = nbd_create();
	if (!nbd->handle)
		return -ENOMEM;
	if (nbd_set_pread_initialize(nbd->handle, false) < 0 ||
		nbd_set_strict_mode(nbd->handle, 0) < 0 ||
		nbd_set_request_structured_replies(nbd->handle, false) < 0 ||
		nbd_connect_unix(nbd->handle, nbd->server.socket_path) < 0)
		return -ECONNREFUSED;
	return 0;
}

static int start_nbdkit(struct bench_nbd *nbd, const struct bench *bench, const char *socket_path)
{
	const char *const arguments[] = {programs[BENCH_NBDKIT].name, "--foreground", "--readonly",
		"--unix", socket_path, "file", bench->data_path, NULL};

	return bench_server_start(&nbd->server, socket_path, arguments);
}

static int start_qemu(struct bench_nbd *nbd, const struct bench *bench, const char *socket_path)
{
	char file[600], address[600];
	const char *const arguments[] = {programs[BENCH_QEMU].name, "--blockdev", file,
		"--nbd-server", address, "--export", "type=nbd,id=data,node-name=data,name=", NULL};

	if ((size_t)snprintf(file, sizeof(file),
		    "driver=file,node-name=data,read-only=on,aio=io_uring,filename=%s",
		    bench->data_path) >= sizeof(file) ||
		(size_t)snprintf(address, sizeof(address), "addr.type=unix,addr.path=%s",
			socket_path) >= sizeof(address))
		return -ENAMETOOLONG;
	return bench_server_start(&nbd->server, socket_path, arguments);
}

static int start_and_connect(struct bench_nbd *nbd, const struct bench *bench,
	enum bench_nbd_server server)
{
	static char paths[2][256]; /* remembered until the end */
	char *path = paths[server];
	int r;

	if ((size_t)snprintf(path, sizeof(paths[0]), "%s/%s.socket", bench->options.folder,
		    programs[server].name) >= sizeof(paths[0]))
		return -ENAMETOOLONG;
	r = server == BENCH_QEMU ? start_qemu(nbd, bench, path) : start_nbdkit(nbd, bench, path);
	if (r < 0)
		return r;
	do
		r = connect_once(nbd);
	while (r == -ECONNREFUSED && bench_server_retry(&nbd->server));
	if (r < 0)
		fprintf(stderr, "bench: %s: %s\n", programs[server].name,
			nbd_get_error() ? nbd_get_error() : "no connection");
	return r;
}

int bench_nbd_new(struct bench_nbd **ret_nbd, const struct bench *bench,
	enum bench_nbd_server server, const struct bench_shape *shape)
{
	struct bench_nbd *nbd = calloc(1, sizeof(*nbd));
	int r;

	if (!nbd)
		return -ENOMEM;
	nbd->name = programs[server].name;
	r = bench_blocks_init_shape(&nbd->blocks, shape, NULL);
	if (r >= 0)
		r = start_and_connect(nbd, bench, server);
	if (r < 0) {
		bench_nbd_free(nbd);
		return r;
	}
	bench_nbd_set_depth(nbd, 1);
	*ret_nbd = nbd;
	return 0;
}

struct bench_nbd *bench_nbd_free(struct bench_nbd *nbd)
{
	if (!nbd)
		return NULL;
	nbd_close(nbd->handle);
	bench_server_stop(&nbd->server);
	bench_blocks_deinit(&nbd->blocks);
	free(nbd);
	return NULL;
}

void bench_nbd_set_depth(struct bench_nbd *nbd, unsigned depth)
{
	assert(depth <= nbd->blocks.shape.depth_max);
	nbd->depth = depth;
}

void bench_nbd_pin(const struct bench_nbd *nbd, bool pinned)
{
	bench_server_pin(&nbd->server, pinned);
}

struct request {
	struct bench_nbd *nbd;
	unsigned index;
};

/* Must not call libnbd. 1: the command is retired. */
static int read_done(void *context, int *error)
{
	struct bench_nbd *nbd = ((struct request *)context)->nbd;
	unsigned index = ((struct request *)context)->index;

	if (*error != 0 ||
		!bench_blocks_right(&nbd->blocks, index, (int64_t)nbd->blocks.shape.size))
		nbd->wrong = true;
	nbd->free[nbd->free_count++] = index;
	nbd->ended++;
	return 1;
}

static int start(struct bench_nbd *nbd, struct request *request)
{
	unsigned index = nbd->free[--nbd->free_count];
	nbd_completion_callback callback = {.callback = read_done, .user_data = &request[index]};

	request[index] = (struct request){nbd, index};
	if (nbd_aio_pread(nbd->handle, bench_blocks_buffer(&nbd->blocks, index),
		    nbd->blocks.shape.size, bench_blocks_next(&nbd->blocks, index), callback,
		    0) < 0)
		return -EIO;
	return 0;
}

static int run(void *context, uint64_t op_count, uint64_t seed)
{
	struct bench_nbd *nbd = context;
	struct request requests[BENCH_DEPTH_MAX];

	bench_blocks_begin(&nbd->blocks, seed);
	nbd->ended = 0;
	nbd->free_count = 0;
	for (unsigned i = 0; i < nbd->depth; i++)
		nbd->free[nbd->free_count++] = i;
	for (uint64_t started = 0; nbd->ended < op_count && !nbd->wrong;) {
		for (; nbd->free_count > 0 && started < op_count; started++)
			if (start(nbd, requests) < 0)
				return -EIO;
		if (nbd->ended < op_count && nbd_poll(nbd->handle, -1) < 0)
			return -EIO;
	}
	return nbd->wrong ? -EIO : 0;
}

struct bench_side bench_nbd_side(struct bench_nbd *nbd)
{
	return (struct bench_side){
		.name = nbd->name, .run = run, .context = nbd, .latencies = &nbd->blocks.latencies};
}

#else /* without libnbd */

const char *bench_nbd_absent(enum bench_nbd_server server)
{
	(void)server;
	return "libnbd is not installed (Debian: libnbd-dev; nbdkit, qemu-system-common)";
}

int bench_nbd_new(struct bench_nbd **ret_nbd, const struct bench *bench,
	enum bench_nbd_server server, const struct bench_shape *shape)
{
	(void)ret_nbd;
	(void)bench;
	(void)server;
	(void)shape;
	return -EOPNOTSUPP;
}

struct bench_nbd *bench_nbd_free(struct bench_nbd *nbd)
{
	(void)nbd;
	return NULL;
}

void bench_nbd_set_depth(struct bench_nbd *nbd, unsigned depth)
{
	(void)nbd;
	(void)depth;
}

void bench_nbd_pin(const struct bench_nbd *nbd, bool pinned)
{
	(void)nbd;
	(void)pinned;
}

struct bench_side bench_nbd_side(struct bench_nbd *nbd)
{
	return (struct bench_side){.context = nbd};
}

#endif
