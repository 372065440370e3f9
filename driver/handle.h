/*
 * The handle: how a proactor is woken from other threads and from signal handlers.
 *
 *            begin_sleep                  notify: write the eventfd
 *      AWAKE ───────────▶ ASLEEP ──────────────────────▶ NOTIFIED
 *        ▲ ◀── end_sleep ──┘                                 │
 *        │  ──── notify: no system call ───────────────────▶ │
 *        └──────────────── end_sleep: "there was one" ───────┘
 *
 * One atomic word decides whether a notification costs a system call: only a sleeping driver needs
 * the eventfd, which is written at most once a sleep. What its count is does not matter: a driver
 * that watches it edge-triggered never reads it, one that watches it level-triggered empties it.
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

/* Before the driver sleeps. False: there was a notification, do not sleep. */
bool handle_begin_sleep(struct proactor_handle *handle);

/* After it. True: there was a notification, which is herewith consumed. */
bool handle_end_sleep(struct proactor_handle *handle);
