/* What systemd is told, by the protocol of sd_notify(3). Nothing where it does not listen. */
#pragma once

#include <stdint.h>

/* Sends @state ("READY=1"); several assignments are separated by newlines. */
void notify(const char *state);

/* How often systemd wants to hear WATCHDOG=1 at least, in nanoseconds; 0: not at all. */
uint64_t notify_watchdog_ns(void);
