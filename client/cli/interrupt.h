/*
 * SIGINT and SIGTERM: the first asks the work under way to stop and clean up, a second one ends the
 * program at once.
 */
#pragma once

struct proactor_handle;

/*
 * From here on a signal is noted, and @handle (or NULL) notified. For the rest of the program, or
 * until released.
 */
void interrupt_catch(struct proactor_handle *handle);

/* @handle of the call before is about to end. */
void interrupt_release(void);

/* The signal that came, or 0. */
int interrupt_signal(void);

/* The exit status that says so. */
int interrupt_status(void);
