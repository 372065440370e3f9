/*
 * The progress of a copy, on stderr where that is a terminal; else all of this does nothing.
 *
 *      disk.img   42% ████████▌            1.2 GiB  1.9 GiB/s  ETA 1 s
 *
 * Drawn at most ten times a second, in one line of the terminal's width. On TERM=dumb there is no
 * bar, only the last line.
 */
#pragma once

#include "base/def.h"

struct progress {
	const char *name;
	uint64_t total;    /* bytes that are expected; 0: nobody knows */
	uint64_t start_ns; /* clock_now_ns() */
	uint64_t drawn_ns;
	bool summary; /* a last line is wanted */
	bool bar;
	bool color;
	bool utf8;
	bool drawn; /* true exactly while a bar stands on the terminal */
};

/* @name is not copied. @quiet: nothing is ever shown. */
void progress_init(struct progress *progress, const char *name, uint64_t total, bool quiet);

/* @bytes were copied by now. */
void progress_update(struct progress *progress, uint64_t bytes);

/* Takes the bar away: before anything else is printed. */
void progress_clear(struct progress *progress);

/* Takes the bar away, and says how much was copied and how fast. */
void progress_finish(struct progress *progress, uint64_t bytes);
