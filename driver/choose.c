/*
 * Choosing a driver: the options, the environment, and what is there.
 *
 * By itself it is an io_uring of this process; where none can be had, the daemon's; where there is
 * no daemon either, epoll and threads. Why the better ones were not taken is kept for people to
 * read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/driver.h"

/* $PROACTOR_DRIVER on top of @options. -EINVAL where it names nothing known. */
static int options_from_environment(struct proactor_options *options)
{
	const char *name = secure_getenv("PROACTOR_DRIVER");

	if (options->driver != PROACTOR_DRIVER_AUTO || !name || !*name)
		return 0;
	if (strcmp(name, "io_uring") == 0) {
		options->driver = PROACTOR_DRIVER_IO_URING;
	} else if (strcmp(name, "epoll") == 0) {
		options->driver = PROACTOR_DRIVER_EPOLL;
	} else if (strncmp(name, "unix:", 5) == 0 && name[5] != '\0') {
		options->driver = PROACTOR_DRIVER_REMOTE;
		options->socket_path = name + 5;
	} else {
		return -EINVAL;
	}
	return 0;
}

static bool options_fit(const struct proactor_options *options)
{
	const uint32_t known =
		PROACTOR_SQPOLL | PROACTOR_SQPOLL_CPU | PROACTOR_EVENTFD | PROACTOR_SHARED_FILES;
	bool sqpoll = options->flags & PROACTOR_SQPOLL;

	if (options->driver > PROACTOR_DRIVER_EPOLL || options->flags & ~known ||
		options->taskrun > PROACTOR_TASKRUN_IMMEDIATE)
		return false;
	/* who submits is a thread of the kernel then, which runs the rest as it likes */
	if (sqpoll && options->taskrun != PROACTOR_TASKRUN_AUTO &&
		options->taskrun != PROACTOR_TASKRUN_IMMEDIATE)
		return false;
	if (!sqpoll && (options->flags & PROACTOR_SQPOLL_CPU || options->sqpoll_idle_ms > 0))
		return false;
	if (!(options->flags & PROACTOR_SQPOLL_CPU) && options->sqpoll_cpu > 0)
		return false;
	return options->flags & PROACTOR_EVENTFD ? options->eventfd >= 0 : options->eventfd == 0;
}

/* Copies what the caller's version of the structure has; what it has beyond ours must be zero. */
static int options_read(struct proactor_options *ret_options, const struct proactor_options *given)
{
	struct proactor_options options = {0};
	size_t given_size = given ? given->size : 0;

	if (given && given_size < offsetof(struct proactor_options, capacity))
		return -EINVAL;
	for (size_t i = sizeof(options); i < given_size; i++)
		if (((const uint8_t *)given)[i] != 0)
			return -EINVAL;
	if (given)
		memcpy(&options, given, MIN(given_size, sizeof(options)));
	options.size = sizeof(options);
	if (!options_fit(&options))
		return -EINVAL;
	if (options.required_ops >> PROACTOR_OPCODE_COUNT)
		return -EOPNOTSUPP;
	*ret_options = options;
	return options_from_environment(ret_options);
}

static int new_remote(struct proactor **ret_proactor, const struct proactor_options *options,
	char *reason)
{
	if (remote_new)
		return remote_new(ret_proactor, options, reason);
	snprintf(reason, DRIVER_REASON_SIZE,
		"the daemon: libproactor-client is not linked into this program");
	return -EOPNOTSUPP;
}

static int new_auto(struct proactor **ret_proactor, const struct proactor_options *options)
{
	char reasons[3][DRIVER_REASON_SIZE] = {0};
	int r = uring_new(ret_proactor, options, reasons[0]);

	if (r >= 0)
		return r;
	r = new_remote(ret_proactor, options, reasons[1]);
	if (r >= 0) {
		memcpy((*ret_proactor)->reason, reasons[0], DRIVER_REASON_SIZE);
		return r;
	}
	r = epoll_new(ret_proactor, options, reasons[2]);
	if (r >= 0 && remote_new)
		snprintf((*ret_proactor)->reason, DRIVER_REASON_SIZE, "%.120s; %.120s", reasons[0],
			reasons[1]);
	else if (r >= 0)
		memcpy((*ret_proactor)->reason, reasons[0], DRIVER_REASON_SIZE);
	return r;
}

int proactor_new(struct proactor **ret_proactor, const struct proactor_options *given)
{
	char reason[DRIVER_REASON_SIZE];
	struct proactor_options options;
	int r;

	if (!ret_proactor)
		return -EINVAL;
	r = options_read(&options, given);
	if (r < 0)
		return r;
	switch (options.driver) {
	case PROACTOR_DRIVER_IO_URING: return uring_new(ret_proactor, &options, reason);
	case PROACTOR_DRIVER_REMOTE: return new_remote(ret_proactor, &options, reason);
	case PROACTOR_DRIVER_EPOLL: return epoll_new(ret_proactor, &options, reason);
	default: return new_auto(ret_proactor, &options);
	}
}
