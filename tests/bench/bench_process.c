/*
 * Processors and processes: who runs where, and that nothing is left behind.
 *
 * Everything that measures runs on one processor and every server on another, ours and the peers'
 * alike. Servers are children that the kernel ends with us (PR_SET_PDEATHSIG), so that even a
 * killed benchmark leaves none. A pool of threads is measured on all processors: that is what it
 * is for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "tests/bench/bench.h"

enum { REMOVABLE_MAX = 8, TRIES_MAX = 250, TRY_NS = 20000000 };

/* ---- processors ---- */

static bool pinned;

/* Those that this process may use, as it was started. NULL: nobody knows. */
static const cpu_set_t *cpus_allowed(void)
{
	static cpu_set_t allowed;
	static bool known;

	if (!known && sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return NULL;
	known = true;
	return &allowed;
}

/* The @cpu-th of those; with fewer, round and round. */
static cpu_set_t choose(const cpu_set_t *allowed, unsigned cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	cpu %= (unsigned)CPU_COUNT(allowed);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, allowed) || cpu-- > 0)
			continue;
		CPU_SET(i, &one);
		break;
	}
	return one;
}

void bench_pin(unsigned cpu)
{
	const cpu_set_t *allowed = cpus_allowed();
	cpu_set_t one;

	if (!allowed)
		return;
	one = choose(allowed, cpu);
	(void)sched_setaffinity(0, sizeof(one), &one);
	pinned = true;
}

void bench_unpin(void)
{
	const cpu_set_t *allowed = cpus_allowed();

	if (allowed)
		(void)sched_setaffinity(0, sizeof(*allowed), allowed);
	pinned = false;
}

unsigned bench_cpu_count(void)
{
	const cpu_set_t *allowed = cpus_allowed();

	return allowed ? (unsigned)CPU_COUNT(allowed) : 1;
}

bool bench_is_pinned(void)
{
	return pinned;
}

/* ---- what is to be removed ---- */

static const char *removable[REMOVABLE_MAX];

void bench_remove_later(const char *path)
{
	size_t i = 0;

	while (i < REMOVABLE_MAX && removable[i] && strcmp(removable[i], path) != 0)
		i++;
	assert(i < REMOVABLE_MAX);
	removable[i] = path;
	(void)unlink(path); /* of a run that was killed */
}

void bench_remove_now(void)
{
	for (size_t i = 0; i < REMOVABLE_MAX && removable[i]; i++)
		(void)unlink(removable[i]);
}

static void end_early(int signal)
{
	static const char text[] = "\nbench: interrupted, or stuck for far too long: no results\n";

	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	bench_remove_now();
	_exit(128 + signal);
}

void bench_watch(unsigned seconds_max)
{
	const struct sigaction action = {.sa_handler = end_early};

	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)alarm(seconds_max);
}

/* ---- servers ---- */

static void become_server(const char *const arguments[], pid_t parent)
{
	bench_pin(BENCH_CPU_SERVER);
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		_exit(126);
	execvp(arguments[0], (char *const *)arguments);
	fprintf(stderr, "bench: %s: %s\n", arguments[0], strerror(errno));
	_exit(127);
}

int bench_server_start(struct bench_server *server, const char *socket_path,
	const char *const arguments[])
{
	pid_t parent = getpid(), pid;

	bench_remove_later(socket_path);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_server(arguments, parent);
	*server = (struct bench_server){.pid = pid, .socket_path = socket_path};
	return 0;
}

void bench_server_stop(struct bench_server *server)
{
	if (server->pid > 0) {
		(void)kill(server->pid, SIGTERM);
		while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	server->pid = 0;
}

/* Threads of the kernel that work for it may refuse; they follow the one that made them. */
void bench_server_pin(const struct bench_server *server, bool is_pinned)
{
	const cpu_set_t *allowed = cpus_allowed();
	cpu_set_t set;
	char path[64];
	struct dirent *entry;
	DIR *folder;

	if (!allowed || server->pid <= 0)
		return;
	set = is_pinned ? choose(allowed, BENCH_CPU_SERVER) : *allowed;
	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)server->pid);
	folder = opendir(path);
	while (folder && (entry = readdir(folder)))
		if (atoi(entry->d_name) > 0)
			(void)sched_setaffinity(atoi(entry->d_name), sizeof(set), &set);
	if (folder)
		(void)closedir(folder);
}

bool bench_server_retry(struct bench_server *server)
{
	const struct timespec pause = clock_timespec(TRY_NS);

	if (waitpid(server->pid, NULL, WNOHANG) != 0) {
		server->pid = 0;
		return false;
	}
	(void)nanosleep(&pause, NULL);
	return server->tries++ < TRIES_MAX;
}

/* ---- children ---- */

/* Not bench_watch()'s business any more: a child is killed, and removes nothing. */
static _Noreturn void become_child(int fd, pid_t parent, void (*body)(int fd, void *context),
	void *context)
{
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	bench_pin(BENCH_CPU_SERVER);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(126);
	body(fd, context);
	_exit(0);
}

int bench_child_start(struct bench_child *child, void (*body)(int fd, void *context), void *context)
{
	pid_t parent = getpid(), pid;
	int fds[2];

	*child = (struct bench_child){.fd = -EBADF};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		become_child(fds[1], parent, body, context);
	}
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		return -EAGAIN;
	}
	*child = (struct bench_child){.pid = pid, .fd = fds[0]};
	return 0;
}

void bench_child_stop(struct bench_child *child)
{
	if (child->pid <= 0)
		return;
	child->fd = fd_close(child->fd);
	(void)kill(child->pid, SIGKILL);
	while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	child->pid = 0;
}
