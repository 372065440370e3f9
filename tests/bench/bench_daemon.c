/*
 * proactord, and the client's ends to it.
 *
 * The library chooses the transport by itself, and the environment overrides (PROACTOR_TRANSPORT).
 * Whether a ring was taken tells the driver's name; whether memory is shared tells the kernel: a
 * mapping that is.
 */
#include "tests/bench/bench_daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "client/call.h"

enum { OWN_ARGUMENTS = 5, OPTIONS_MAX = 12 };
#define PATIENCE_NS (10 * NSEC_PER_SEC)

static int await(struct bench_daemon *daemon)
{
	for (;;) {
		struct connection connection = {.fd = -EBADF};
		int r = connection_init(&connection, daemon->socket_path);

		connection_deinit(&connection);
		if (r >= 0 || !bench_server_retry(&daemon->server))
			return r;
	}
}

int bench_daemon_init(struct bench_daemon *daemon, const struct bench *bench,
	const char *const options[])
{
	/* remembered until the end */
	static char socket_path[256], program[256];
	const char *arguments[OWN_ARGUMENTS + OPTIONS_MAX + 1] = {
		program, "--socket", socket_path, "--log-level", "warning"};
	int r;

	*daemon = (struct bench_daemon){.socket_path = socket_path};
	if ((size_t)snprintf(socket_path, sizeof(socket_path), "%s/proactord.socket",
		    bench->options.folder) >= sizeof(socket_path) ||
		(size_t)snprintf(program, sizeof(program), "%s/proactord", bench->options.build) >=
			sizeof(program))
		return -ENAMETOOLONG;
	if (access(program, X_OK) < 0) {
		snprintf(daemon->absent, sizeof(daemon->absent),
			"OUR DAEMON IS MISSING: there is no %.100s", program);
		return 0;
	}
	for (size_t i = 0; options && options[i]; i++) {
		assert(i < OPTIONS_MAX);
		arguments[OWN_ARGUMENTS + i] = options[i];
	}
	r = bench_server_start(&daemon->server, socket_path, arguments);
	if (r >= 0)
		r = await(daemon);
	return r < 0 ? bench_failed("proactord", "start", r) : 0;
}

void bench_daemon_deinit(struct bench_daemon *daemon)
{
	bench_server_stop(&daemon->server);
}

/* ---- transports ---- */

static unsigned count_rings(const char *text)
{
	unsigned count = 0;

	while ((text = strstr(text, "ring"))) {
		text++;
		count++;
	}
	return count;
}

/* The socket's path is in the name too. */
static bool is_on_ring(const struct bench_daemon *daemon, const struct proactor *proactor)
{
	return count_rings(proactor_driver_name(proactor)) > count_rings(daemon->socket_path);
}

/* Whether @address is in a mapping that others may have as well. */
static bool is_shared(const void *address)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long begin, end;
	char line[512], flags[5];
	bool shared = false;

	while (maps && !shared && fgets(line, sizeof(line), maps))
		shared = sscanf(line, "%lx-%lx %4s", &begin, &end, flags) == 3 &&
			(uintptr_t)address >= begin && (uintptr_t)address < end && flags[3] == 's';
	if (maps)
		(void)fclose(maps);
	return shared;
}

static bool has_memory(struct proactor *proactor)
{
	void *memory;
	bool shared;

	if (proactor_memory_new(proactor, BENCH_BLOCK_SIZE, &memory) < 0)
		return false;
	shared = is_shared(memory);
	proactor_memory_free(proactor, memory);
	return shared;
}

/* NULL, or why @proactor is not what was asked for. */
static const char *missing(const struct bench_daemon *daemon, enum bench_transport transport,
	struct proactor *proactor)
{
	switch (transport) {
	case BENCH_SOCKET:
		return is_on_ring(daemon, proactor)
			? "PROACTOR_TRANSPORT=socket was given a ring all the same"
			: NULL;
	case BENCH_MEMORY:
		return has_memory(proactor)
			? NULL
			: "SHARED MEMORY IS MISSING: proactor_memory_new() does not give any here";
	case BENCH_RING:
		return is_on_ring(daemon, proactor)
			? NULL
			: "SHARED RINGS ARE MISSING: PROACTOR_TRANSPORT=ring was given none here";
	default: return NULL;
	}
}

int bench_daemon_connect(const struct bench_daemon *daemon, enum bench_transport transport,
	struct proactor **ret_proactor, const char **ret_absent)
{
	const struct proactor_options options = {.size = sizeof(options),
		.driver = PROACTOR_DRIVER_REMOTE,
		.socket_path = daemon->socket_path};
	struct proactor *proactor;
	int r;

	*ret_proactor = NULL;
	*ret_absent = daemon->absent[0] ? daemon->absent : NULL;
	if (*ret_absent)
		return 0;
	if (transport == BENCH_BEST)
		(void)unsetenv("PROACTOR_TRANSPORT");
	else
		(void)setenv("PROACTOR_TRANSPORT", transport == BENCH_RING ? "ring" : "socket",
			/* overwrite= */ 1);
	r = proactor_new(&proactor, &options);
	if (r < 0)
		return bench_failed("proactord", "connect", r);
	*ret_absent = missing(daemon, transport, proactor);
	*ret_proactor = *ret_absent ? proactor_free(proactor) : proactor;
	return 0;
}

int bench_daemon_load(const struct bench_daemon *daemon, enum bench_transport transport,
	struct bench_proactor *ret_load, int fd, const struct bench_shape *shape,
	const char **ret_absent)
{
	struct proactor *proactor;
	int r = bench_daemon_connect(daemon, transport, &proactor, ret_absent);

	*ret_load = (struct bench_proactor){0};
	if (r < 0 || *ret_absent)
		return r;
	r = bench_proactor_init_on(ret_load, proactor, fd, shape, transport != BENCH_SOCKET);
	return r < 0 ? bench_failed("proactord", "load", r) : 0;
}

const char *bench_daemon_note(const struct bench_daemon *daemon, struct proactor *proactor)
{
	if (is_on_ring(daemon, proactor))
		return has_memory(proactor) ? "by ring, shared memory" : "by ring, data inline";
	return has_memory(proactor) ? "by socket, shared memory" : "by socket, data inline";
}

/* ---- counters ---- */

/* The value of @key in the map that @reader is at. */
static int enter(struct reader *reader, const char *key)
{
	const uint8_t *name;
	uint32_t count;
	size_t size;

	if (reader_map(reader, &count) < 0)
		return -EPROTO;
	for (uint32_t i = 0; i < count; i++) {
		if (reader_bytes(reader, &name, &size) < 0)
			return -EPROTO;
		if (size == strlen(key) && memcmp(name, key, size) == 0)
			return 0;
		if (reader_skip(reader) < 0)
			return -EPROTO;
	}
	return -ENOENT;
}

int bench_daemon_count(const struct bench_daemon *daemon, const char *group, const char *name,
	uint64_t *ret_count)
{
	_cleanup_(connection_deinit) struct connection connection = {.fd = -EBADF};
	struct rpc_message response;
	struct rpc_error error;
	int r = connection_init(&connection, daemon->socket_path);

	if (r >= 0)
		r = call_run(&connection, "stats", NULL, 0, clock_now_ns() + PATIENCE_NS, &response,
			&error);
	if (r >= 0 && error.code != 0)
		r = -EPROTO;
	if (r >= 0)
		r = enter(&response.result, group);
	if (r >= 0)
		r = enter(&response.result, name);
	if (r >= 0)
		r = reader_uint(&response.result, UINT64_MAX, ret_count);
	return r < 0 ? bench_failed("proactord", "stats", r) : 0;
}
