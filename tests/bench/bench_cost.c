/*
 * What an operation costs that time does not tell: system calls of the daemon, and allocations, in
 * it and in its client.
 *
 * System calls are counted by the kernel: `perf stat` on its tracepoint, or `strace -c`; where
 * neither may, the daemon's own count of its enters, and the row says so. Allocations are counted
 * in the processes themselves, with a preloaded library; of two runs of `proactl bench`, a short
 * and a long one, the difference is what operations allocate, without beginning and end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench_daemon.h"

enum { DEPTH = 32, ATTACH_US = 400000, OPS = 200000, OPS_QUICK = 50000 };

static uint64_t op_count_of(const struct bench *bench)
{
	return bench->options.quick ? OPS_QUICK : OPS;
}

/* ---- programs ---- */

/* Starts @arguments without a word of theirs on our terminal. */
static int spawn(const char *const arguments[], pid_t *ret_pid)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(null, STDERR_FILENO);
		execvp(arguments[0], (char *const *)arguments);
		_exit(127);
	}
	*ret_pid = pid;
	return 0;
}

/* Its exit status; -1 where a signal ended it. */
static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- system calls ---- */

/* "1234,,raw_syscalls:sys_enter,…" */
static bool read_perf(FILE *file, uint64_t *ret_count)
{
	char line[256];

	while (fgets(line, sizeof(line), file))
		if (strstr(line, "sys_enter") && sscanf(line, "%" SCNu64 ",", ret_count) == 1)
			return true;
	return false;
}

/* "100.00    0.001234           1      1234        12 total" */
static bool read_strace(FILE *file, uint64_t *ret_count)
{
	char line[256];

	while (fgets(line, sizeof(line), file))
		if (strstr(line, " total") && sscanf(line, "%*f %*f %*u %" SCNu64, ret_count) == 1)
			return true;
	return false;
}

static bool nothing_to_read(FILE *file, uint64_t *ret_count)
{
	(void)file;
	(void)ret_count;
	return false;
}

/* Each writes to the file that its last argument but one names. */
static const struct counter {
	const char *note;
	const char *const *arguments; /* ended by NULL; then "-p PID -o FILE" */
	bool (*read)(FILE *file, uint64_t *ret_count);
} counters[] = {
	{"counted by perf stat",
		(const char *const[]){"perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", NULL},
		read_perf},
	{"counted by strace -c", (const char *const[]){"strace", "-c", "-f", NULL}, read_strace},
	{"the daemon's own count of its enters", NULL, nothing_to_read},
};

/* Runs @load under @counter. 1: counted. 0: @counter does not count here. */
static int count_with(const struct counter *counter, const struct bench_daemon *daemon,
	struct bench_proactor *load, uint64_t op_count, const char *path, uint64_t *ret_count)
{
	const char *arguments[12];
	char pid_text[16];
	size_t n = 0;
	pid_t pid = 0;
	FILE *file;
	int r, counted;

	snprintf(pid_text, sizeof(pid_text), "%d", (int)daemon->server.pid);
	for (; counter->arguments[n]; n++)
		arguments[n] = counter->arguments[n];
	memcpy(&arguments[n], (const char *[]){"-p", pid_text, "-o", path, NULL},
		5 * sizeof(*arguments));
	r = spawn(arguments, &pid);
	if (r < 0)
		return r;
	(void)usleep(ATTACH_US);
	r = bench_proactor_run(load, op_count, 1);
	(void)kill(pid, SIGINT);
	(void)reap(pid);
	file = fopen(path, "re");
	counted = file && counter->read(file, ret_count) && *ret_count > 0;
	if (file)
		(void)fclose(file);
	(void)unlink(path);
	return r < 0 ? r : counted;
}

static int count_enters(const struct bench_daemon *daemon, struct bench_proactor *load,
	uint64_t op_count, uint64_t *ret_count)
{
	uint64_t before, after;
	int r = bench_daemon_count(daemon, "proactor", "enters", &before);

	if (r >= 0)
		r = bench_proactor_run(load, op_count, 1);
	if (r >= 0)
		r = bench_daemon_count(daemon, "proactor", "enters", &after);
	if (r >= 0)
		*ret_count = after - before;
	return r;
}

static int count_calls(struct bench *bench, const char *name, const struct bench_daemon *daemon,
	struct bench_proactor *load)
{
	static char path[256]; /* remembered until the end */
	uint64_t op_count = op_count_of(bench), calls = 0;
	const struct counter *counter = counters;
	struct bench_row *row;
	int r = 0;

	snprintf(path, sizeof(path), "%.200s/calls", bench->options.folder);
	bench_remove_later(path);
	for (; counter->arguments && r == 0; counter += r == 0)
		r = count_with(counter, daemon, load, op_count, path, &calls);
	if (!counter->arguments)
		r = count_enters(daemon, load, op_count, &calls);
	if (r < 0)
		return bench_failed(name, "a run", r);
	row = bench_add_value(bench, name, "calls/op", (double)calls / (double)op_count, NULL);
	snprintf(row->note, sizeof(row->note), "%s; %s", counter->note,
		bench_daemon_note(daemon, load->proactor));
	return 0;
}

static int measure_calls(struct bench *bench, const char *name, enum bench_transport transport)
{
	struct bench_daemon daemon;
	struct bench_proactor load = {0};
	const char *absent = NULL;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = bench_daemon_init(&daemon, bench, NULL);
	if (r >= 0)
		r = bench_daemon_load(&daemon, transport, &load, bench->data_fd, &bench_shape_4k,
			&absent);
	load.operation = PROACTOR_READ;
	load.depth = DEPTH;
	if (r >= 0 && absent)
		(void)bench_add_value(bench, name, "calls/op", 0, absent);
	else if (r >= 0)
		r = bench_proactor_run(&load, op_count_of(bench), 1);
	if (r >= 0 && !absent)
		r = count_calls(bench, name, &daemon, &load);
	bench_proactor_deinit(&load);
	bench_daemon_deinit(&daemon);
	return r;
}

/* ---- allocations ---- */

/* A counter in a file that a preloaded program maps too. */
struct tally {
	char path[PATH_MAX];
	volatile uint64_t *count;
};

static int tally_init(struct tally *tally, const struct bench *bench, const char *name)
{
	int fd, r = 0;

	snprintf(tally->path, sizeof(tally->path), "%.200s/%s", bench->options.folder, name);
	bench_remove_later(tally->path);
	fd = open(tally->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*tally->count)) < 0)
		return -errno;
	tally->count = mmap(NULL, sizeof(*tally->count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (tally->count == MAP_FAILED)
		r = -errno;
	(void)close(fd);
	return r;
}

/* From here on, programs that are started count in @tally; NULL: none does. */
static void preload(const struct bench *bench, const struct tally *tally)
{
	char path[PATH_MAX], library[PATH_MAX];

	(void)unsetenv("LD_PRELOAD");
	if (!tally)
		return;
	snprintf(path, sizeof(path), "%.4000s/tests/bench/preload/allocations.so",
		bench->options.build);
	if (!realpath(path, library) || !realpath(tally->path, path))
		return;
	(void)setenv("LD_PRELOAD", library, /* overwrite= */ 1);
	(void)setenv("BENCH_ALLOCATIONS", path, /* overwrite= */ 1);
}

struct allocations {
	const struct bench *bench;
	const struct bench_daemon *daemon;
	const char *transport;
	struct tally *client, *server;
};

/* What a client of @op_count operations makes both allocate. */
static int count_allocations(const struct allocations *of, uint64_t op_count, uint64_t *ret_client,
	uint64_t *ret_server)
{
	char proactl[PATH_MAX], count[24];
	const char *const arguments[] = {proactl, "--socket", of->daemon->socket_path, "bench",
		"read", "--depth", "32", "--file", of->bench->data_path, "--count", count,
		"--transport", of->transport, NULL};
	uint64_t client = *of->client->count, server = *of->server->count;
	pid_t pid = 0;
	int r;

	snprintf(proactl, sizeof(proactl), "%.4000s/proactl", of->bench->options.build);
	snprintf(count, sizeof(count), "%" PRIu64, op_count);
	preload(of->bench, of->client);
	r = spawn(arguments, &pid);
	preload(of->bench, NULL);
	if (r < 0)
		return r;
	if (reap(pid) != 0)
		return -ECHILD;
	/* until the daemon has let go of the session */
	(void)usleep(50000);
	*ret_client = *of->client->count - client;
	*ret_server = *of->server->count - server;
	return 0;
}

/* What a long run allocates beyond a short one. */
static int count_beyond(const struct allocations *of, uint64_t op_count, uint64_t *ret_client,
	uint64_t *ret_server)
{
	enum { FEW = 1000 };
	uint64_t client[2], server[2];
	int r = count_allocations(of, FEW, &client[0], &server[0]);

	if (r >= 0)
		r = count_allocations(of, FEW + op_count, &client[1], &server[1]);
	if (r < 0)
		return r;
	/* a session allocates: nothing counted means that nobody counts */
	if (client[0] == 0 || server[0] == 0)
		return -ENOSYS;
	*ret_client = client[1] > client[0] ? client[1] - client[0] : 0;
	*ret_server = server[1] > server[0] ? server[1] - server[0] : 0;
	return 0;
}

static int add_allocations(struct bench *bench, const char *name, const struct allocations *of,
	const char *note)
{
	enum { TRIES = 3 };
	uint64_t op_count = op_count_of(bench), client = UINT64_MAX, server = UINT64_MAX;
	struct bench_row *row;
	/* the first is for what the daemon keeps */
	int r = count_allocations(of, op_count, &client, &server);

	/* what operations allocate is there each time; what grew once is not */
	client = server = UINT64_MAX;
	for (unsigned i = 0; r >= 0 && i < TRIES; i++) {
		uint64_t client_now, server_now;

		r = count_beyond(of, op_count, &client_now, &server_now);
		if (r >= 0) {
			client = MIN(client, client_now);
			server = MIN(server, server_now);
		}
	}
	if (r == -ENOSYS) {
		(void)bench_add_value(bench, name, "allocs/op", 0,
			"the counting library could not be preloaded");
		return 0;
	}
	if (r < 0)
		return bench_failed(name, "proactl bench", r);
	row = bench_add_value(bench, name, "allocs/op",
		(double)(client + server) / (double)op_count, NULL);
	row->extras[0] = (struct bench_extra){"client", (double)client / (double)op_count};
	row->extras[1] = (struct bench_extra){"daemon", (double)server / (double)op_count};
	snprintf(row->note, sizeof(row->note), "%s", note);
	return 0;
}

/* What BENCH_BEST is here, by the name that proactl has for it. */
static int find_transport(const struct bench_daemon *daemon, enum bench_transport transport,
	const char **ret_name, const char **ret_note, const char **ret_absent)
{
	struct proactor *proactor;
	int r = bench_daemon_connect(daemon, transport, &proactor, ret_absent);

	if (r < 0 || *ret_absent)
		return r;
	*ret_note = bench_daemon_note(daemon, proactor);
	*ret_name = strstr(*ret_note, "ring") ? "ring" : "socket";
	proactor_free(proactor);
	return 0;
}

static int measure_allocations(struct bench *bench, const char *name,
	enum bench_transport transport)
{
	static struct tally client, server; /* their paths are remembered until the end */
	struct bench_daemon daemon = {0};
	struct allocations of = {bench, &daemon, NULL, &client, &server};
	const char *note, *absent = NULL;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = tally_init(&client, bench, "allocations.client");
	if (r >= 0)
		r = tally_init(&server, bench, "allocations.daemon");
	preload(bench, &server);
	if (r >= 0)
		r = bench_daemon_init(&daemon, bench, NULL);
	preload(bench, NULL);
	if (r >= 0)
		r = find_transport(&daemon, transport, &of.transport, &note, &absent);
	if (r >= 0 && absent)
		(void)bench_add_value(bench, name, "allocs/op", 0, absent);
	else if (r >= 0)
		r = add_allocations(bench, name, &of, note);
	bench_daemon_deinit(&daemon);
	return r;
}

int bench_costs(struct bench *bench)
{
	int r = measure_calls(bench, "syscalls_per_op.qd32.ring", BENCH_RING);

	if (r >= 0)
		r = measure_calls(bench, "syscalls_per_op.qd32.socket", BENCH_SOCKET);
	if (r >= 0)
		r = measure_allocations(bench, "allocs_per_op", BENCH_BEST);
	if (r >= 0)
		r = measure_allocations(bench, "allocs_per_op.socket", BENCH_SOCKET);
	return r;
}
