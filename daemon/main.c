/*
 * proactord: from the command line to the loop and back.
 *
 * What is set up is taken down in reverse. Failures here are told on stderr and by the exit status
 * (sysexits.h); all that comes later is the server's.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "daemon/listener.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/shard.h"

enum { EXIT_USAGE = 2, EXIT_UNAVAILABLE = 69, RING_CAPACITY = 1024, RING_COMPLETIONS = 16384 };

/* As many descriptors as are allowed: each session and each file takes one. */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* The socket's path where none is given. Its directory is made where it is not there. */
static const char *default_path(char *buffer, size_t size)
{
	const char *runtime = geteuid() == 0 ? NULL : getenv("XDG_RUNTIME_DIR");

	snprintf(buffer, size, "%s/proactord", runtime && *runtime ? runtime : "/run");
	if (mkdir(buffer, 0755) < 0 && errno != EEXIST)
		log_warning("cannot make the directory %s: %s", buffer, err_text(errno));
	strncat(buffer, "/socket", size - strlen(buffer) - 1);
	return buffer;
}

static int open_listener(struct listener *listener, const struct options *options)
{
	char error[LISTENER_ERROR_SIZE], path[4096];
	int r = listener_inherit(listener, error);

	if (r == 0)
		r = listener_open(listener,
			options->socket ? options->socket : default_path(path, sizeof(path)),
			options->socket_mode, options->socket_group, error);
	if (r < 0)
		log_error("%s", error);
	return r;
}

/*
 * How each thread makes its proactor. What has to be done by threads of a pool is done by one pool
 * for all.
 */
static struct proactor_options proactor_settings(const struct options *options,
	struct proactor_threads *threads)
{
	return (struct proactor_options){
		.size = sizeof(struct proactor_options),
		.driver = options->driver,
		.capacity = RING_CAPACITY,
		.completion_capacity = RING_COMPLETIONS,
		.flags = PROACTOR_SHARED_FILES,
		.threads = threads,
	};
}

static int open_proactor(struct proactor **ret_proactor, const struct proactor_options *settings)
{
	int r = proactor_new(ret_proactor, settings);

	if (r == -EPERM)
		log_error(
			"io_uring is forbidden here: by kernel.io_uring_disabled, or by a seccomp profile (EPERM)");
	else if (r < 0)
		log_error("cannot make a proactor: %s (%s)", err_text(-r), err_name(-r));
	else if (*proactor_driver_reason(*ret_proactor))
		log_warning("no io_uring, but %s: %s", proactor_driver_name(*ret_proactor),
			proactor_driver_reason(*ret_proactor));
	return r;
}

static void announce(const struct listener *listener, const struct server *server)
{
	char state[128], driver[80];

	snprintf(driver, sizeof(driver), "%s, %u thread%s",
		proactor_driver_name(server->shards[0].loop.proactor), server->shard_count,
		server->shard_count == 1 ? "" : "s");
	log_info("serving %s on %s", *listener->path ? listener->path : "systemd's socket", driver);
	snprintf(state, sizeof(state), "READY=1\nSTATUS=Serving on %s", driver);
	notify(state);
}

static int serve(struct listener *listener, struct proactor *proactor,
	const struct proactor_options *proactor_options, const struct options *options)
{
	struct server_options settings = {
		.listen_fd = listener->fd,
		.shard_count = options->threads,
		.proactor = *proactor_options,
		.drain_ns = options->drain_ns,
		.spin_ns = options->spin_ns,
		.limits = options->limits,
	};
	struct server server;
	int r;

	r = server_init(&server, proactor, &settings);
	if (r < 0) {
		log_error("cannot start: %s (%s)", err_text(-r), err_name(-r));
		return EXIT_FAILURE;
	}
	listener->fd = -EBADF; /* the server's, which closes it */
	announce(listener, &server);
	r = server_run(&server);
	if (r < 0) {
		log_error("the proactor failed: %s (%s)", err_text(-r), err_name(-r));
		return EXIT_FAILURE;
	}
	server_deinit(&server);
	log_info("stopped");
	return EXIT_SUCCESS;
}

/* From a listener to the end. */
static int run(struct listener *listener, const struct options *options)
{
	struct proactor_options settings;
	struct proactor_threads *threads;
	struct proactor *proactor;
	int r, status;

	r = proactor_threads_new(&threads, 0, 0);
	if (r < 0) {
		log_error("cannot make a pool of threads: %s", err_text(-r));
		return EXIT_UNAVAILABLE;
	}
	settings = proactor_settings(options, threads);
	if (open_proactor(&proactor, &settings) < 0) {
		proactor_threads_free(threads);
		return EXIT_UNAVAILABLE;
	}
	status = serve(listener, proactor, &settings, options);
	/*
	 * a proactor that failed cannot be asked to end what it has in flight: the end of the
	 * process does that
	 */
	if (status == EXIT_SUCCESS) {
		proactor_free(proactor);
		proactor_threads_free(threads);
	}
	return status;
}

int main(int argc, char **argv)
{
	struct listener listener;
	struct options options;
	int status;

	switch (options_parse(&options, argc, argv)) {
	case OPTIONS_DONE: return EXIT_SUCCESS;
	case OPTIONS_WRONG: return EXIT_USAGE;
	case OPTIONS_RUN: break;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a file too large for a limit is the client's error */
	raise_fd_limit();
	if (open_listener(&listener, &options) < 0)
		return EXIT_UNAVAILABLE;
	status = run(&listener, &options);
	listener_close(&listener);
	return status;
}
