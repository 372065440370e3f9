/* Surveys. See survey.h. */
#include "daemon/survey.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/reply.h"
#include "daemon/report.h"
#include "daemon/round.h"
#include "daemon/session.h"

/* What a shard tells. */
struct part {
	struct tally tally;
	struct buffer sessions; /* packed, */
	size_t session_count;   /* so many */
	bool failed;            /* memory is short there */
};

struct survey {
	struct round round;
	struct map_node node; /* of session->operations_by_msgid */
	struct session *session;
	enum method method;
	struct witness witness; /* who asks, for those who do not see the session */
	unsigned part_count;
	struct part parts[]; /* of each shard */
};

static struct survey *survey_free(struct survey *survey)
{
	for (unsigned i = 0; i < survey->part_count; i++)
		buffer_deinit(&survey->parts[i].sessions);
	free(survey);
	return NULL;
}

static void visit(struct round *round, struct shard *shard)
{
	struct survey *survey = container_of(round, struct survey, round);
	struct part *part = &survey->parts[shard->index];
	struct pack pack = pack_into(&part->sessions);

	if (survey->method == METHOD_STATS)
		report_take_tally(shard, &part->tally);
	else
		part->session_count = report_pack_sessions(&pack, shard, &survey->witness);
	part->failed = pack.failed;
}

static void pack_stats(struct pack *pack, const struct survey *survey)
{
	struct tally sum = survey->parts[0].tally;

	for (unsigned i = 1; i < survey->part_count; i++)
		report_add_tally(&sum, &survey->parts[i].tally);
	report_pack_stats(pack, survey->session->shard, &sum);
}

static void pack_sessions(struct pack *pack, const struct survey *survey)
{
	size_t count = 0;

	for (unsigned i = 0; i < survey->part_count; i++)
		count += survey->parts[i].session_count;
	pack_array(pack, count);
	for (unsigned i = 0; i < survey->part_count; i++) {
		const struct buffer *sessions = &survey->parts[i].sessions;

		pack->failed = pack->failed || survey->parts[i].failed ||
			buffer_append(pack->buffer, buffer_bytes(sessions), buffer_size(sessions)) <
				0;
	}
}

static void answer(struct survey *survey)
{
	struct session *session = survey->session;
	struct pack pack = reply_begin(session, (uint32_t)survey->node.key);

	if (survey->method == METHOD_STATS)
		pack_stats(&pack, survey);
	else
		pack_sessions(&pack, survey);
	reply_end(session, &pack);
}

static void done(struct round *round)
{
	struct survey *survey = container_of(round, struct survey, round);
	struct session *session = survey->session;

	map_remove(&session->operations_by_msgid, &survey->node);
	if (session->state != SESSION_CLOSING)
		answer(survey);
	session->survey = survey_free(survey);
	/* it may have been held back for this */
	session->shard->room_made = true;
}

static void done_later(struct round *round)
{
	struct session *session = container_of(round, struct survey, round)->session;

	done(round);
	session_progress(session);
}

bool survey_start(struct session *session, enum method method, uint32_t msgid,
	struct rpc_error *error)
{
	unsigned part_count = session->shard->server->shard_count;
	struct survey *survey = calloc(1, sizeof(*survey) + part_count * sizeof(survey->parts[0]));

	assert(!session->survey);
	if (!survey || map_insert(&session->operations_by_msgid, msgid, &survey->node) < 0) {
		free(survey);
		rpc_error_set(error, ENOMEM, "%s", method_name(method));
		return false;
	}
	survey->session = session;
	survey->method = method;
	survey->witness = report_witness(session);
	survey->part_count = part_count;
	session->survey = survey;
	survey->round.visit = visit;
	/* the caller goes on with the session: where this ends at once, it does not end with it */
	survey->round.done = part_count > 1 ? done_later : done;
	round_start(&survey->round, session->shard);
	return true;
}

bool survey_is(const struct survey *survey, const struct map_node *node)
{
	return survey && node == &survey->node;
}
