/*
 * A thousand clients that do nothing: what each costs the daemon.
 *
 * Each has done one operation, so that all that a session keeps is there. Counted is what the
 * daemon's process has grown by, resident memory and page tables; memory that it shares counts in
 * full. What any server's connection costs in the kernel stands beside it, a socket and its file,
 * as the sizes of these objects where /sys/kernel/slab tells them. Then, while nothing happens, how
 * often one of its threads wakes up.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench_daemon.h"

enum { IDLE_SESSIONS = 1000, FIRST_SESSIONS = 24, REST_SECONDS = 3, REST_SECONDS_QUICK = 1 };

/* ---- the clients ---- */

struct clients {
	const struct bench_daemon *daemon;
	enum bench_transport transport;
};

static int do_nothing(struct proactor *proactor)
{
	const struct proactor_op nop = {.opcode = PROACTOR_NOP};
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;
	int r = proactor_push(proactor, &nop, &key, &completion);

	if (r == PROACTOR_PENDING)
		r = proactor_poll(proactor, NULL, &entry, 1);
	return r == 1 ? proactor_pop(proactor, &entry, &completion) : r;
}

/* Told a count, opens so many sessions more, and says how many it could. */
static void open_as_told(int fd, void *context)
{
	const struct clients *clients = context;
	uint32_t count, opened;

	while (read(fd, &count, sizeof(count)) == sizeof(count)) {
		for (opened = 0; opened < count; opened++) {
			struct proactor *proactor;
			const char *absent;

			if (bench_daemon_connect(clients->daemon, clients->transport, &proactor,
				    &absent) < 0 ||
				absent || do_nothing(proactor) < 0)
				break;
		}
		if (write(fd, &opened, sizeof(opened)) != sizeof(opened))
			return;
	}
}

static int tell(const struct bench_child *child, uint32_t count)
{
	uint32_t opened;

	if (write(child->fd, &count, sizeof(count)) != sizeof(count) ||
		recv(child->fd, &opened, sizeof(opened), MSG_WAITALL) != sizeof(opened))
		return -EIO;
	return opened == count ? 0 : -EMFILE;
}

/* ---- the daemon ---- */

/* The number behind @key in /proc/@pid/@name; 0: there is none. */
static uint64_t read_number(pid_t pid, const char *name, const char *key)
{
	char path[320], line[256];
	uint64_t number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%.256s", (int)pid, name);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
			number = strtoull(line + strlen(key) + 1, NULL, 10);
	if (file)
		(void)fclose(file);
	return number;
}

/* Calls @each with the name of every entry of /proc/@pid/@folder, and sums what it gives. */
static uint64_t sum_over(pid_t pid, const char *folder,
	uint64_t (*each)(pid_t pid, const char *name))
{
	char path[64];
	struct dirent *entry;
	uint64_t sum = 0;
	DIR *names;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, folder);
	names = opendir(path);
	while (names && (entry = readdir(names)))
		if (entry->d_name[0] != '.')
			sum += each(pid, entry->d_name);
	if (names)
		(void)closedir(names);
	return sum;
}

static uint64_t one(pid_t pid, const char *name)
{
	(void)pid;
	(void)name;
	return 1;
}

static uint64_t switches_of(pid_t pid, const char *thread)
{
	char name[300];

	snprintf(name, sizeof(name), "task/%.200s/status", thread);
	return read_number(pid, name, "voluntary_ctxt_switches");
}

static uint64_t memory_of(pid_t pid)
{
	return 1024 *
		(read_number(pid, "smaps_rollup", "Rss") + read_number(pid, "status", "VmPTE"));
}

/* The size of an object of the kernel; 0: unknown. */
static uint64_t object_size(const char *name)
{
	char path[128];
	uint64_t size = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/slab/%.64s/slab_size", name);
	file = fopen(path, "re");
	if (file && fscanf(file, "%" SCNu64, &size) != 1)
		size = 0;
	if (file)
		(void)fclose(file);
	return size;
}

/* Of one session with @files open files: a socket with its inode; each file with its name. */
static double kernel_memory(double files)
{
	uint64_t socket = object_size("UNIX-STREAM");

	if (socket == 0)
		socket = object_size("UNIX");
	if (socket == 0)
		return 0;
	return (double)(socket + object_size("sock_inode_cache")) +
		files * (double)(object_size("filp") + object_size("dentry"));
}

/* ---- the rows ---- */

static int rest(struct bench *bench, const char *name, const struct bench_daemon *daemon,
	const struct bench_child *child)
{
	unsigned seconds = bench->options.quick ? REST_SECONDS_QUICK : REST_SECONDS;
	pid_t pid = daemon->server.pid;
	uint64_t memory, files, switches;
	double process, kernel;
	struct bench_row *row;
	int r = tell(child, FIRST_SESSIONS);

	if (r < 0)
		return r;
	memory = memory_of(pid);
	files = sum_over(pid, "fd", one);
	r = tell(child, IDLE_SESSIONS);
	if (r < 0)
		return r;
	(void)usleep(200000);
	process = ((double)memory_of(pid) - (double)memory) / IDLE_SESSIONS;
	files = sum_over(pid, "fd", one) - files;
	kernel = kernel_memory((double)files / IDLE_SESSIONS);
	switches = sum_over(pid, "task", switches_of);
	(void)sleep(seconds);
	switches = sum_over(pid, "task", switches_of) - switches;
	row = bench_add_value(bench, name, "bytes", process, NULL);
	row->extras[0] = (struct bench_extra){"kernel_bytes", kernel};
	row->extras[1] = (struct bench_extra){"wakeups_per_s", (double)switches / (double)seconds};
	snprintf(row->note, sizeof(row->note),
		"in its process, page tables included; kernel_bytes are the socket's");
	return 0;
}

/* Whether there is such a transport: the child cannot say why not. */
static int find_absent(const struct bench_daemon *daemon, enum bench_transport transport,
	const char **ret_absent)
{
	struct proactor *proactor;
	int r = bench_daemon_connect(daemon, transport, &proactor, ret_absent);

	proactor_free(proactor);
	return r;
}

static int measure(struct bench *bench, const char *name, enum bench_transport transport)
{
	static const char *const options[] = {
		"--limit", "sessions=4000", "--limit", "user_sessions=4000", NULL};
	struct bench_daemon daemon;
	struct clients clients = {&daemon, transport};
	struct bench_child child = {0};
	const char *absent = NULL;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = bench_daemon_init(&daemon, bench, options);
	if (r >= 0)
		r = find_absent(&daemon, transport, &absent);
	if (r >= 0 && absent) {
		(void)bench_add_value(bench, name, "bytes", 0, absent);
	} else if (r >= 0) {
		r = bench_child_start(&child, open_as_told, &clients);
		if (r >= 0)
			r = rest(bench, name, &daemon, &child);
		if (r < 0)
			(void)bench_failed(name, "the sessions", r);
	}
	bench_child_stop(&child);
	bench_daemon_deinit(&daemon);
	return r;
}

int bench_idle(struct bench *bench)
{
	int r = measure(bench, "idle_session_bytes.socket", BENCH_SOCKET);
	int by_ring = measure(bench, "idle_session_bytes.ring", BENCH_RING);

	return MIN(r, by_ring);
}
