/* Logging to stderr. See log.h. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_SIZE = 1024 };

static enum log_level level_max = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	level_max = level;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[LINE_SIZE];
	int saved = errno, prefix_size, size;
	va_list arguments;

	if (level > level_max)
		return;
	if (getenv("JOURNAL_STREAM"))
		prefix_size = snprintf(line, sizeof(line), "<%d>", (int)level);
	else
		prefix_size =
			snprintf(line, sizeof(line), "%.64s: ", program_invocation_short_name);
	va_start(arguments, format);
	size = vsnprintf(line + prefix_size, sizeof(line) - (size_t)prefix_size - 1, format,
		arguments);
	va_end(arguments);
	if (size >= 0) {
		size = MIN(prefix_size + size, (int)sizeof(line) - 2);
		line[size++] = '\n';
		/*
		 * one write a line, so that lines of several processes do not mix; there is nobody
		 * to tell if it fails
		 */
		(void)!write(STDERR_FILENO, line, (size_t)size);
	}
	errno = saved;
}

bool log_limit_allows(struct log_limit *limit)
{
	uint64_t now = clock_now_ns();

	if (now - limit->since_ns >= limit->interval_ns) {
		if (limit->count > limit->burst)
			log_warning("%u similar lines were left out", limit->count - limit->burst);
		limit->since_ns = now;
		limit->count = 0;
	}
	return limit->count++ < limit->burst;
}
