/*
 * conformance ENGINE [PROACTORD]: runs the suite on one engine.
 *
 * An engine is a driver and what is around it: a new one is a line in the table, with functions to
 * start and stop what it needs outside of the tests. "denied" is the place where most programs
 * live: a process that may not have an io_uring, and takes what it gets.
 */
#include "tests/conformance/conformance.h"

#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { DAEMON_START_MS = 20000 };

static bool daemon_start(const char *program);
static bool daemon_start_on_epoll(const char *program);
static bool daemon_stop(void);
static bool deny(const char *program);

static const struct engine engines[] = {
	{"io_uring", PROACTOR_DRIVER_IO_URING, "io_uring", .in_process = true},
	{"epoll", PROACTOR_DRIVER_EPOLL, "epoll", .in_process = true},
	{"daemon", PROACTOR_DRIVER_REMOTE, "unix:", .start = daemon_start, .stop = daemon_stop},
	{"daemon-on-epoll", PROACTOR_DRIVER_REMOTE, "unix:", .start = daemon_start_on_epoll,
		.stop = daemon_stop},
	{"daemon-by-socket", PROACTOR_DRIVER_REMOTE, "unix:", .transport = "socket",
		.start = daemon_start, .stop = daemon_stop},
	/* where it matters who sleeps when */
	{"daemon-without-spin", PROACTOR_DRIVER_REMOTE, "unix:", .transport = "ring",
		.never_spins = true,
		.only = " files streams call cancel deadlines poll notify push model ",
		.start = daemon_start, .stop = daemon_stop},
	{"daemon-of-threads", PROACTOR_DRIVER_REMOTE, "unix:", .is_threaded = true,
		.start = daemon_start, .stop = daemon_stop},
	{"denied", PROACTOR_DRIVER_AUTO, "epoll", .in_process = true, .denied = true,
		.start = deny},
};

const struct engine *engine;
char engine_socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
static char directory[] = "/tmp/proactor-conformance-XXXXXX";
static pid_t daemon_pid;

static bool daemon_accepts(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	memcpy(address.sun_path, engine_socket, sizeof(engine_socket));
	r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return r == 0;
}

static bool start_daemon(const char *program, const char *driver)
{
	if (!program || !mkdtemp(directory))
		return false;
	snprintf(engine_socket, sizeof(engine_socket), "%s/socket", directory);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(program, "proactord", "--socket", engine_socket, "--driver", driver,
			"--threads", engine->is_threaded ? "4" : "1",
			engine->never_spins ? "--spin-us=0" : NULL, (char *)NULL);
		perror(program);
		_exit(127);
	}
	for (int waited = 0; waited < DAEMON_START_MS && waitpid(daemon_pid, NULL, WNOHANG) == 0;
		waited++) {
		if (daemon_accepts())
			return true;
		usleep(1000);
	}
	fprintf(stderr, "%s: does not accept on %s\n", program, engine_socket);
	return false;
}

static bool daemon_start(const char *program)
{
	return start_daemon(program, "io_uring");
}

static bool daemon_start_on_epoll(const char *program)
{
	return start_daemon(program, "epoll");
}

/* The daemon is asked to end, and has to do so without complaint. */
static bool daemon_stop(void)
{
	int status = -1;

	/* never started: 0 and -1 are many other processes */
	if (daemon_pid <= 0)
		return false;
	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, &status, 0);
	unlink(engine_socket);
	rmdir(directory);
	if (status != 0)
		fprintf(stderr, "the daemon ended with status 0x%x\n", (unsigned)status);
	return status == 0;
}

/*
 * From here on io_uring_setup(2) fails as it does in containers. There is no daemon either: that
 * one would be asked first.
 */
static bool deny(const char *program)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filters = {.len = ARRAY_SIZE(filter), .filter = filter};

	(void)program;
	setenv("PROACTORD_SOCKET", "/nonexistent/socket", 1);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filters) == 0)
		return true;
	perror("seccomp");
	return false;
}

static bool is_wanted(const char *file)
{
	char word[32];

	snprintf(word, sizeof(word), " %s ", file);
	return !engine->only || strstr(engine->only, word);
}

static int run_suite(void)
{
	Suite *suite = suite_create(engine->name);

#define ADD_FILE(file)                                                                             \
	if (is_wanted(#file))                                                                      \
		add_##file(suite);
	SUITE_FILES(ADD_FILE)
#undef ADD_FILE
	return suite_main(suite);
}

int main(int argc, char **argv)
{
	int status = EXIT_FAILURE;

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		if (argc > 1 && strcmp(engines[i].name, argv[1]) == 0)
			engine = &engines[i];
	if (!engine) {
		fprintf(stderr, "usage: conformance ENGINE [PROACTORD]\n");
		return 2;
	}
	unsetenv("PROACTOR_DRIVER");
	unsetenv("PROACTOR_TRANSPORT");
	if (engine->transport)
		setenv("PROACTOR_TRANSPORT", engine->transport, 1);
	if (engine->only)
		fprintf(stderr, "%s: of all files these:%s\n", engine->name, engine->only);
	if (!engine->start || engine->start(argv[2]))
		status = run_suite();
	if (engine->stop && !engine->stop())
		status = EXIT_FAILURE;
	return status;
}
