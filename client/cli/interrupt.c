/* Signals. See interrupt.h. */
#include "client/cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

#include "client/cli/cli.h"
#include "driver/proactor.h"

/* A handler has no context of its own: the one place of this program that needs globals. */
static struct proactor_handle *volatile notified;
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	struct proactor_handle *handle = notified;

	caught = number;
	if (handle)
		proactor_notify(handle);
}

/* Who is started with a signal ignored, as a job of a script is, goes on ignoring it. */
static void set(int number, const struct sigaction *action)
{
	struct sigaction old;

	if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		(void)sigaction(number, action, NULL);
}

static void set_handler(void (*handler)(int))
{
	/*
	 * reset by the first: the second one is not asked to be patient. No SA_RESTART: what blocks
	 * is to come back.
	 */
	struct sigaction action = {.sa_handler = handler, .sa_flags = (int)SA_RESETHAND};

	(void)sigemptyset(&action.sa_mask);
	set(SIGINT, &action);
	set(SIGTERM, &action);
}

void interrupt_catch(struct proactor_handle *handle)
{
	notified = handle;
	if (caught == 0)
		set_handler(on_signal);
}

void interrupt_release(void)
{
	set_handler(SIG_DFL);
	notified = NULL;
}

int interrupt_signal(void)
{
	return caught;
}

int interrupt_status(void)
{
	return STATUS_SIGNAL + caught;
}
