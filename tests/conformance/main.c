/*
 * conformance DRIVER [PROACTORD]: runs the suite on one driver.
 *
 * A new driver is a line in the table, with functions to start and stop what it needs outside of
 * this process.
 */
#include "tests/conformance/conformance.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { DAEMON_START_MS = 20000 };

static bool daemon_start(const char *program);
static bool daemon_stop(void);

static const struct engine engines[] = {
	{"io_uring", PROACTOR_DRIVER_IO_URING, "io_uring", .in_process = true},
	{"daemon", PROACTOR_DRIVER_REMOTE, "unix:", .start = daemon_start, .stop = daemon_stop},
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

static bool daemon_start(const char *program)
{
	if (!program || !mkdtemp(directory))
		return false;
	snprintf(engine_socket, sizeof(engine_socket), "%s/socket", directory);
	daemon_pid = fork();
	if (daemon_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(program, "proactord", "--socket", engine_socket, (char *)NULL);
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

/* The daemon is asked to end, and has to do so without complaint. */
static bool daemon_stop(void)
{
	int status = -1;

	kill(daemon_pid, SIGTERM);
	waitpid(daemon_pid, &status, 0);
	unlink(engine_socket);
	rmdir(directory);
	if (status != 0)
		fprintf(stderr, "the daemon ended with status 0x%x\n", (unsigned)status);
	return status == 0;
}

static int run_suite(void)
{
	Suite *suite = suite_create(engine->name);

	add_files(suite);
	add_paths(suite);
	add_attach(suite);
	add_sockets(suite);
	add_streams(suite);
	add_cancel(suite);
	add_poll(suite);
	add_notify(suite);
	add_lifetime(suite);
	add_push(suite);
	add_model(suite);
	return suite_main(suite);
}

int main(int argc, char **argv)
{
	int status = EXIT_FAILURE;

	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		if (argc > 1 && strcmp(engines[i].name, argv[1]) == 0)
			engine = &engines[i];
	if (!engine) {
		fprintf(stderr, "usage: conformance DRIVER [PROACTORD]\n");
		return 2;
	}
	unsetenv("PROACTOR_DRIVER");
	if (!engine->start || engine->start(argv[2]))
		status = run_suite();
	if (engine->stop && !engine->stop())
		status = EXIT_FAILURE;
	return status;
}
