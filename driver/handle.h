/*
 * The handle: how a proactor is woken from other threads and from signal handlers.
 *
 *             begin_sleep               notify: write the eventfd
 *      AWAKE ────────────▶ ASLEEP ─────────────────────────────────────▶ NOTIFIED
 *       ▲ │ ◀──end_sleep──── │ wake: write the eventfd                    ▲   ▲ │
 *       │ │                  ▼                                            │   │ │
 *       │ │ ─────wake────▶ WOKEN ──────────────notify────────────────────┘   │ │
 *       │ │ ◀──end_sleep,────┘                                                │ │
 *       │ │      settle                                                       │ │
 *       │ └────────────────────notify: no system call────────────────────────┘ │
 *       └──────────────────────end_sleep: "there was one"───────────────────────┘
 *
 * A notification is the caller's: poll reports it. A wake-up is the library's own (a thread has
 * done some work): it ends the sleep, or keeps the next from beginning, and is not reported.
 *
 * One atomic word decides whether either costs a system call: only a sleeping driver needs the
 * eventfd, which is written at most once a sleep. What its count is does not matter: a driver that
 * watches it edge-triggered never reads it, one that watches it level-triggered empties it.
 */
#pragma once

#include "base/def.h"
#include "driver/proactor.h"

struct proactor_handle {
	_Atomic uint32_t references;
	_Atomic uint32_t state;
	int eventfd; /* as long as there is a reference */
};

/* With one reference. -ENOMEM, -EMFILE. */
int handle_new(struct proactor_handle **ret_handle);

struct proactor_handle *handle_reference(struct proactor_handle *handle);

/* Before the driver sleeps. False: there was a notification or a wake-up, do not sleep. */
bool handle_begin_sleep(struct proactor_handle *handle);

/* Whether the sleep that has begun is to end: there was a notification or a wake-up meanwhile. */
bool handle_was_rung(const struct proactor_handle *handle);

/*
 * After it. True: there was a notification, which is herewith consumed. What others did before they
 * notified or woke is seen from here on.
 */
bool handle_end_sleep(struct proactor_handle *handle);

/* Ends the sleep, or prevents the next one. From any thread and from signal handlers. */
void handle_wake(struct proactor_handle *handle);

/*
 * What wake-ups are about is looked at now: one that came before needs no sleep to end. To be
 * called before looking, by the thread that sleeps.
 */
void handle_settle(struct proactor_handle *handle);
