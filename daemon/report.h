/* What the daemon tells of itself: hello, stats, sessions. */
#pragma once

#include "daemon/session.h"
#include "proto/pack.h"

void report_hello(struct pack *pack, const struct server *server);
void report_stats(struct pack *pack, const struct server *server);

/* The sessions that @asker may know of. */
void report_sessions(struct pack *pack, const struct session *asker);
