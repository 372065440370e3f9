/*
 * The peer: nbdkit, whose file plugin serves the same data file over a Unix socket, and libnbd, its
 * asynchronous client.
 *
 * Both at their best: requests are issued as soon as there is room, replies are simple ones (a
 * third faster than structured ones), the buffer is not cleared before each read, the checks of
 * misuse are off. nbdkit's threads stay on the processor of servers, where they are as fast as on
 * both.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench_peers.h"

#if __has_include(<libnbd.h>)
#include <libnbd.h>

enum { DEPTH = 32 };

struct nbd {
	struct bench_server server;
	char socket_path[4096];
	struct nbd_handle *handle;
	struct bench_blocks blocks;
	unsigned free[DEPTH]; /* buffers to start the next reads with */
	unsigned free_count;
	uint64_t ended;
	bool wrong;
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

const char *bench_nbd_absent(void)
{
	return in_path("nbdkit") ? NULL : "nbdkit is not installed";
}

static int connect_once(struct nbd *nbd)
{
	nbd_close(nbd->handle);
	nbd->handle = nbd_create();
	if (!nbd->handle)
		return -ENOMEM;
	if (nbd_set_pread_initialize(nbd->handle, false) < 0 ||
		nbd_set_strict_mode(nbd->handle, 0) < 0 ||
		nbd_set_request_structured_replies(nbd->handle, false) < 0 ||
		nbd_connect_unix(nbd->handle, nbd->socket_path) < 0)
		return -ECONNREFUSED;
	return 0;
}

static int start_and_connect(struct nbd *nbd, const struct bench *bench)
{
	const char *const arguments[] = {"nbdkit", "--foreground", "--readonly", "--unix",
		nbd->socket_path, "file", bench->data_path, NULL};
	int r;

	if ((size_t)snprintf(nbd->socket_path, sizeof(nbd->socket_path), "%s/nbdkit.socket",
		    bench->options.folder) >= sizeof(nbd->socket_path))
		return -ENAMETOOLONG;
	r = bench_blocks_init(&nbd->blocks, BENCH_DATA_BLOCKS);
	if (r < 0)
		return r;
	r = bench_server_start(&nbd->server, nbd->socket_path, arguments);
	if (r < 0)
		return r;
	do
		r = connect_once(nbd);
	while (r == -ECONNREFUSED && bench_server_retry(&nbd->server));
	if (r < 0)
		fprintf(stderr, "bench: nbdkit: %s\n",
			nbd_get_error() ? nbd_get_error() : "no connection");
	return r;
}

int bench_nbd_new(void **ret_context, const struct bench *bench)
{
	static struct nbd nbd; /* its socket's path is remembered until the end */
	int r = start_and_connect(&nbd, bench);

	if (r < 0) {
		bench_nbd_free(&nbd);
		return r;
	}
	for (unsigned i = 0; i < DEPTH; i++)
		nbd.free[nbd.free_count++] = i;
	*ret_context = &nbd;
	return 0;
}

void bench_nbd_free(void *context)
{
	struct nbd *nbd = context;

	if (!nbd)
		return;
	nbd_close(nbd->handle);
	nbd->handle = NULL;
	bench_server_stop(&nbd->server);
	bench_blocks_deinit(&nbd->blocks);
}

struct request {
	struct nbd *nbd;
	unsigned index;
};

/* Must not call libnbd. 1: the command is retired. */
static int read_done(void *context, int *error)
{
	struct nbd *nbd = ((struct request *)context)->nbd;
	unsigned index = ((struct request *)context)->index;

	if (*error != 0 || !bench_blocks_right(&nbd->blocks, index, BENCH_BLOCK_SIZE))
		nbd->wrong = true;
	nbd->free[nbd->free_count++] = index;
	nbd->ended++;
	return 1;
}

static int start(struct nbd *nbd, struct request *request)
{
	unsigned index = nbd->free[--nbd->free_count];
	nbd_completion_callback callback = {.callback = read_done, .user_data = &request[index]};

	request[index] = (struct request){nbd, index};
	if (nbd_aio_pread(nbd->handle, bench_blocks_buffer(&nbd->blocks, index), BENCH_BLOCK_SIZE,
		    bench_blocks_next(&nbd->blocks, index), callback, 0) < 0)
		return -EIO;
	return 0;
}

int bench_nbd_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct nbd *nbd = context;
	struct request requests[DEPTH];

	bench_blocks_begin(&nbd->blocks, seed);
	nbd->ended = 0;
	for (uint64_t started = 0; nbd->ended < op_count && !nbd->wrong;) {
		for (; nbd->free_count > 0 && started < op_count; started++)
			if (start(nbd, requests) < 0)
				return -EIO;
		if (nbd->ended < op_count && nbd_poll(nbd->handle, -1) < 0)
			return -EIO;
	}
	return nbd->wrong ? -EIO : 0;
}

#else /* without libnbd */

const char *bench_nbd_absent(void)
{
	return "libnbd is not installed (Debian: libnbd-dev, and nbdkit)";
}

int bench_nbd_new(void **ret_context, const struct bench *bench)
{
	(void)ret_context;
	(void)bench;
	return -EOPNOTSUPP;
}

void bench_nbd_free(void *context)
{
	(void)context;
}

int bench_nbd_run(void *context, uint64_t op_count, uint64_t seed)
{
	(void)context;
	(void)op_count;
	(void)seed;
	return -EOPNOTSUPP;
}

#endif
