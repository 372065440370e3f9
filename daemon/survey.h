/*
 * Surveys: the reports that are about all shards, `stats` and `sessions`. Each shard is asked for
 * its part (round.h), and the answer goes out when all have come.
 *
 * A session has one at a time and lives until it is over, since it names the session. Its msgid is
 * taken meanwhile, like that of an operation.
 */
#pragma once

#include "base/map.h"
#include "proto/method.h"
#include "proto/rpc.h"

struct session;
struct survey;

/* Whether @method is such a report. */
static inline bool survey_does(enum method method)
{
	return method == METHOD_STATS || method == METHOD_SESSIONS;
}

/*
 * Begins the survey that answers @msgid; @session has none. False: @error says why not.
 */
bool survey_start(struct session *session, enum method method, uint32_t msgid,
	struct rpc_error *error);

/* Whether @node is what @survey, or NULL, has in session->operations_by_msgid. */
bool survey_is(const struct survey *survey, const struct map_node *node);
