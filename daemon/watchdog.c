/* The watchdog. See watchdog.h. */
#include "daemon/watchdog.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/notify.h"
#include "daemon/round.h"

struct watchdog {
	struct round round;
	struct shard *shard;
	struct task timer;
	uint64_t interval_ns;
	bool stopped;
};

static void start_timer(struct watchdog *watchdog)
{
	struct proactor_op op = {
		.opcode = PROACTOR_TIMEOUT, .timeout = {.duration_ns = watchdog->interval_ns}};

	loop_push(&watchdog->shard->loop, &watchdog->timer, &op);
}

static void due(struct task *task, int64_t result)
{
	struct watchdog *watchdog = container_of(task, struct watchdog, timer);

	(void)result;
	if (!watchdog->stopped)
		round_start(&watchdog->round, watchdog->shard);
}

/* That it gets here is all that is wanted. */
static void visit(struct round *round, struct shard *shard)
{
	(void)round;
	(void)shard;
}

static void done(struct round *round)
{
	struct watchdog *watchdog = container_of(round, struct watchdog, round);

	if (watchdog->stopped)
		return;
	notify("WATCHDOG=1");
	start_timer(watchdog);
}

int watchdog_new(struct watchdog **ret_watchdog, struct shard *shard)
{
	uint64_t allowed_ns = notify_watchdog_ns();
	struct watchdog *watchdog;

	*ret_watchdog = NULL;
	if (allowed_ns == 0)
		return 0;
	watchdog = calloc(1, sizeof(*watchdog));
	if (!watchdog)
		return -ENOMEM;
	watchdog->round.visit = visit;
	watchdog->round.done = done;
	watchdog->timer.complete = due;
	watchdog->shard = shard;
	watchdog->interval_ns = allowed_ns / 2;
	start_timer(watchdog);
	*ret_watchdog = watchdog;
	return 0;
}

void watchdog_stop(struct watchdog *watchdog)
{
	if (!watchdog)
		return;
	watchdog->stopped = true;
	loop_cancel(&watchdog->shard->loop, &watchdog->timer);
}

bool watchdog_is_pending(const struct watchdog *watchdog)
{
	return watchdog && watchdog->timer.pending;
}

struct watchdog *watchdog_free(struct watchdog *watchdog)
{
	free(watchdog);
	return NULL;
}
