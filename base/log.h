/*
 * Logging to stderr, for the daemon alone: libraries log nothing.
 *
 * Under the journal (JOURNAL_STREAM is set) each line begins with its level as "<N>", which systemd
 * takes off (sd-daemon(3)); elsewhere with the program's name. A function logs an error or returns
 * it, never both.
 */
#pragma once

#include "base/def.h"

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Lines above @level are dropped. The default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * Keeps a client from filling the log: at most @burst lines an interval. The first line of the next
 * interval says how many were left out.
 */
struct log_limit {
	uint64_t interval_ns;
	unsigned burst;
	uint64_t since_ns;
	unsigned count;
};

/* Whether a line may be logged now. */
bool log_limit_allows(struct log_limit *limit);
