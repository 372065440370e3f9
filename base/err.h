/*
 * How this project speaks of errors.
 *
 *  - A *bug* is an assertion.
 *  - A *system failure* is a negative errno, passed up untouched; outputs are written on success
 *    only.
 *  - A *condition* that the direct caller must decide on is a positive value of the module's own
 *    enum.
 *  - A *failed I/O* is data: it belongs to whoever asked for it, and is neither logged nor traced.
 */
#pragma once

/*
 * The symbolic name of errno value @error ("ENOENT"), or "EUNKNOWN". Never NULL; static storage;
 * any thread.
 */
const char *err_name(int error);

/*
 * The text of errno value @error ("No such file or directory"), in English whatever the locale. As
 * err_name().
 */
const char *err_text(int error);
