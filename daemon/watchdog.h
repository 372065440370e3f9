/*
 * The watchdog: tells systemd that all shards are alive.
 *
 * A round goes to all of them (round.h), through their mailboxes and rings; when it is back,
 * systemd is told, and the next is due after half of the time that it allows. A shard that is
 * stuck, or its ring, keeps the round, and the daemon is started anew.
 */
#pragma once

#include "daemon/shard.h"

struct watchdog;

/* Starts, on the first shard. 0, with @ret_watchdog NULL where systemd does not ask. -ENOMEM. */
int watchdog_new(struct watchdog **ret_watchdog, struct shard *shard);

/* Ends the timer. Accepts NULL. */
void watchdog_stop(struct watchdog *watchdog);

/* Whether the timer is in flight yet. Accepts NULL. */
bool watchdog_is_pending(const struct watchdog *watchdog);

/* Nothing may be pending, and no shard running. Accepts NULL. Always returns NULL. */
struct watchdog *watchdog_free(struct watchdog *watchdog);
