/*
 * The peer of the epoll driver: libuv, an event loop on epoll with a pool of threads for files.
 *
 * Written as its manual has it: uv_fs_read() with a callback that starts the next; uv_read_start()
 * once for each connection, and uv_write() of the next ping in its callback. Buffers are there
 * before, nothing is allocated. The buffer to receive in has more room than a message, so that
 * libuv does not have to ask the socket again whether that was all.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/bench_peers.h"

#if __has_include(<uv.h>)
#include <uv.h>

const char *bench_uv_absent(void)
{
	return NULL;
}

/* ---- reads ---- */

struct uv_reads {
	uv_loop_t loop;
	int fd;
	unsigned depth;
	struct bench_blocks blocks;
	uv_fs_t requests[BENCH_DEPTH_MAX];
	uint64_t op_count, started;
	bool wrong;
};

static void read_done(uv_fs_t *request);

/* Starts the next read with @request's buffer, unless there were enough. */
static void read_next(struct uv_reads *reads, uv_fs_t *request)
{
	unsigned index = (unsigned)(request - reads->requests);
	uv_buf_t buffer =
		uv_buf_init((char *)bench_blocks_buffer(&reads->blocks, index), BENCH_BLOCK_SIZE);

	if (reads->started == reads->op_count || reads->wrong)
		return;
	reads->started++;
	request->data = reads;
	if (uv_fs_read(&reads->loop, request, reads->fd, &buffer, 1,
		    (int64_t)bench_blocks_next(&reads->blocks, index), read_done) < 0)
		reads->wrong = true;
}

static void read_done(uv_fs_t *request)
{
	struct uv_reads *reads = request->data;
	unsigned index = (unsigned)(request - reads->requests);

	if (unlikely(!bench_blocks_right(&reads->blocks, index, request->result)))
		reads->wrong = true;
	uv_fs_req_cleanup(request);
	read_next(reads, request);
}

int bench_uv_reads_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct uv_reads *reads = context;

	bench_blocks_begin(&reads->blocks, seed);
	reads->op_count = op_count;
	reads->started = 0;
	for (unsigned i = 0; i < reads->depth; i++)
		read_next(reads, &reads->requests[i]);
	/* as long as anything is in flight */
	(void)uv_run(&reads->loop, UV_RUN_DEFAULT);
	return reads->wrong || reads->started != op_count ? -EIO : 0;
}

int bench_uv_reads_new(void **ret_context, int fd, unsigned depth, unsigned threads)
{
	struct uv_reads *reads = calloc(1, sizeof(*reads));
	char text[16];
	int r;

	if (!reads)
		return -ENOMEM;
	assert(depth <= BENCH_DEPTH_MAX);
	reads->fd = fd;
	reads->depth = depth;
	/* looked at when the first work is queued */
	(void)snprintf(text, sizeof(text), "%u", threads);
	(void)setenv("UV_THREADPOOL_SIZE", text, /* overwrite= */ 1);
	r = uv_loop_init(&reads->loop);
	if (r >= 0) {
		r = bench_blocks_init(&reads->blocks, BENCH_DATA_BLOCKS);
		if (r >= 0)
			*ret_context = reads;
		else
			(void)uv_loop_close(&reads->loop);
	}
	if (r < 0)
		free(reads);
	return r;
}

void bench_uv_reads_free(void *context)
{
	struct uv_reads *reads = context;

	if (!reads)
		return;
	(void)uv_loop_close(&reads->loop);
	bench_blocks_deinit(&reads->blocks);
	free(reads);
}

/* ---- pings ---- */

struct uv_connection {
	uv_tcp_t handle;
	uv_write_t write;
	bool writing; /* until the callback of @write */
	struct bench_ping ping;
};

struct uv_pings {
	uv_loop_t loop;
	uint64_t op_count, started, ended;
	bool wrong;
	unsigned connection_count;
	struct uv_connection connections[BENCH_ECHO_CONNECTIONS];
};

static void write_done(uv_write_t *write, int status)
{
	struct uv_connection *connection = container_of(write, struct uv_connection, write);
	struct uv_pings *pings = connection->handle.data;

	connection->writing = false;
	if (unlikely(status < 0))
		pings->wrong = true;
}

/* Sends the next ping, unless there were enough. */
static void ping_next(struct uv_pings *pings, struct uv_connection *connection)
{
	uv_buf_t buffer = uv_buf_init((char *)connection->ping.sent, BENCH_ECHO_SIZE);

	if (pings->started == pings->op_count)
		return;
	pings->started++;
	bench_ping_next(&connection->ping);
	if (unlikely(connection->writing ||
		    uv_write(&connection->write, (uv_stream_t *)&connection->handle, &buffer, 1,
			    write_done) < 0))
		pings->wrong = true;
	connection->writing = true;
}

static void give_buffer(uv_handle_t *handle, size_t suggested_size, uv_buf_t *ret_buffer)
{
	struct uv_connection *connection = container_of(handle, struct uv_connection, handle);

	(void)suggested_size;
	*ret_buffer = uv_buf_init((char *)connection->ping.received, BENCH_ECHO_ROOM);
}

static void ping_done(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct uv_connection *connection = container_of(stream, struct uv_connection, handle);
	struct uv_pings *pings = stream->data;

	(void)buffer;
	if (size == 0) /* EAGAIN */
		return;
	pings->ended++;
	if (unlikely(!bench_ping_right(&connection->ping, size)))
		pings->wrong = true;
	ping_next(pings, connection);
}

int bench_uv_pings_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct uv_pings *pings = context;

	(void)seed;
	pings->op_count = op_count;
	pings->started = pings->ended = 0;
	for (unsigned i = 0; i < BENCH_ECHO_CONNECTIONS; i++)
		ping_next(pings, &pings->connections[i]);
	while (pings->ended < op_count && !pings->wrong)
		(void)uv_run(&pings->loop, UV_RUN_ONCE);
	return pings->wrong ? -EIO : 0;
}

static int open_connection(struct uv_pings *pings, const struct bench_echo *echo)
{
	struct uv_connection *connection = &pings->connections[pings->connection_count];
	int fd, r = bench_echo_connect(echo, &fd);

	if (r < 0)
		return r;
	r = uv_tcp_init(&pings->loop, &connection->handle);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	/* from here on it has to be closed */
	pings->connection_count++;
	connection->handle.data = pings;
	r = uv_tcp_open(&connection->handle, fd);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	return uv_read_start((uv_stream_t *)&connection->handle, give_buffer, ping_done);
}

int bench_uv_pings_new(void **ret_context, const struct bench_echo *echo)
{
	struct uv_pings *pings = calloc(1, sizeof(*pings));
	int r;

	if (!pings)
		return -ENOMEM;
	r = uv_loop_init(&pings->loop);
	if (r < 0) {
		free(pings);
		return r;
	}
	for (unsigned i = 0; r >= 0 && i < BENCH_ECHO_CONNECTIONS; i++)
		r = open_connection(pings, echo);
	if (r < 0)
		bench_uv_pings_free(pings);
	else
		*ret_context = pings;
	return r;
}

void bench_uv_pings_free(void *context)
{
	struct uv_pings *pings = context;

	if (!pings)
		return;
	for (unsigned i = 0; i < pings->connection_count; i++)
		uv_close((uv_handle_t *)&pings->connections[i].handle, NULL);
	(void)uv_run(&pings->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&pings->loop);
	free(pings);
}

#else /* without libuv */

const char *bench_uv_absent(void)
{
	return "libuv is not installed (Debian: libuv1-dev)";
}

int bench_uv_reads_new(void **ret_context, int fd, unsigned depth, unsigned threads)
{
	(void)ret_context;
	(void)fd;
	(void)depth;
	(void)threads;
	return -EOPNOTSUPP;
}

void bench_uv_reads_free(void *context)
{
	(void)context;
}

int bench_uv_reads_run(void *context, uint64_t op_count, uint64_t seed)
{
	(void)context;
	(void)op_count;
	(void)seed;
	return -EOPNOTSUPP;
}

int bench_uv_pings_new(void **ret_context, const struct bench_echo *echo)
{
	(void)ret_context;
	(void)echo;
	return -EOPNOTSUPP;
}

void bench_uv_pings_free(void *context)
{
	(void)context;
}

int bench_uv_pings_run(void *context, uint64_t op_count, uint64_t seed)
{
	(void)context;
	(void)op_count;
	(void)seed;
	return -EOPNOTSUPP;
}

#endif
