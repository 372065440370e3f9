/* What the daemon tells of itself. See report.h. */
#include "daemon/report.h"

#include <string.h>

#include "proto/method.h"

struct number {
	const char *name;
	uint64_t value;
};

static void pack_group(struct pack *pack, const char *name, const struct number *numbers,
	size_t count)
{
	pack_str(pack, name);
	pack_map(pack, count);
	for (size_t i = 0; i < count; i++)
		pack_pair_uint(pack, numbers[i].name, numbers[i].value);
}

#define PACK_GROUP(pack, name, ...)                                                                \
	pack_group(pack, name, (const struct number[]){__VA_ARGS__},                               \
		sizeof((const struct number[]){__VA_ARGS__}) / sizeof(struct number))

void report_hello(struct pack *pack, const struct shard *shard)
{
	const struct proactor *proactor = shard->loop.proactor;

	pack_map(pack, 7);
	pack_pair_str(pack, "server", "proactord " VERSION);
	pack_pair_uint(pack, "version", PROTOCOL_VERSION);
	pack_pair_str(pack, "driver", proactor_driver_name(proactor));
	pack_pair_str(pack, "driver_reason", proactor_driver_reason(proactor));
	pack_pair_uint(pack, "threads", shard->server->shard_count);
	pack_str(pack, "features");
	pack_array(pack, 4);
	pack_str(pack, "fds");
	pack_str(pack, "memory");
	pack_str(pack, "pool");
	pack_str(pack, "ring");
	pack_str(pack, "limits");
	method_pack_limits(pack, &shard->limits);
}

/* How often each method was called, of those that were. */
static void pack_methods(struct pack *pack, const struct stats *stats)
{
	size_t count = 0;

	for (size_t i = 0; i < PROACTOR_OPCODE_COUNT; i++)
		count += stats->by_op[i] > 0;
	for (size_t i = 0; i < METHOD_COUNT; i++)
		count += stats->by_method[i] > 0;
	pack_str(pack, "methods");
	pack_map(pack, count);
	for (size_t i = 0; i < PROACTOR_OPCODE_COUNT; i++)
		if (stats->by_op[i] > 0)
			pack_pair_uint(pack, op_table[i].name, stats->by_op[i]);
	for (size_t i = 0; i < METHOD_COUNT; i++)
		if (stats->by_method[i] > 0)
			pack_pair_uint(pack, method_name((enum method)i), stats->by_method[i]);
}

static void sum_users(const struct users *users, struct account *ret_sum)
{
	struct user *user;

	*ret_sum = (struct account){0};
	list_for_each_entry (user, &users->all, link)
		for (size_t i = 0; i < RESOURCE_COUNT; i++)
			ret_sum->used[i] += user->shares[i].used;
}

void report_take_tally(const struct shard *shard, struct tally *ret_tally)
{
	*ret_tally = (struct tally){
		.stats = shard->stats,
		.session_count = shard->session_count,
		.kept_bytes = shard->chunks.kept_bytes,
		.turn_count = shard->loop.turn_count,
	};
	proactor_stats(shard->loop.proactor, &ret_tally->proactor);
	sum_users(&shard->users, &ret_tally->used);
}

/* Each is a number, and the sum of numbers is what is wanted of all of them. */
void report_add_tally(struct tally *sum, const struct tally *tally)
{
	uint64_t *numbers = (uint64_t *)sum;
	const uint64_t *more = (const uint64_t *)tally;

	_Static_assert(sizeof(*sum) % sizeof(*numbers) == 0, "nothing but numbers");
	for (size_t i = 0; i < sizeof(*sum) / sizeof(*numbers); i++)
		numbers[i] += more[i];
}

void report_pack_stats(struct pack *pack, const struct shard *shard, const struct tally *tally)
{
	const struct stats *stats = &tally->stats;
	const struct proactor_stats *ring = &tally->proactor;
	const uint64_t *used = tally->used.used;

	pack_map(pack, 9);
	pack_pair_uint(pack, "uptime_ns", shard->loop.now_ns - shard->server->started_ns);
	pack_pair_uint(pack, "threads", shard->server->shard_count);
	PACK_GROUP(pack, "sessions", {"open", tally->session_count},
		{"accepted", stats->sessions_accepted}, {"ended", stats->sessions_ended},
		{"refused", stats->sessions_refused}, {"failed", stats->sessions_failed},
		{"stalls", stats->stalls}, {"shots_paused", stats->shots_paused},
		{"accept_errors", stats->accept_errors}, {"doorbells", stats->doorbells},
		{"wakes", stats->wakes});
	PACK_GROUP(pack, "operations", {"submitted", stats->operations_submitted},
		{"completed", stats->operations_completed},
		{"cancelled", stats->operations_cancelled},
		{"in_flight", used[RESOURCE_OPERATIONS]}, {"failed", stats->operations_failed});
	PACK_GROUP(pack, "files", {"opened", stats->files_opened}, {"closed", stats->files_closed},
		{"open", stats->files_opened - stats->files_closed},
		{"fds_unasked", stats->fds_unasked});
	PACK_GROUP(pack, "memory", {"charged_bytes", used[RESOURCE_MEMORY]},
		{"shared_bytes", used[RESOURCE_SHARED_MEMORY]}, {"kept_bytes", tally->kept_bytes});
	PACK_GROUP(pack, "messages", {"requests", stats->requests},
		{"refused", stats->requests_refused},
		{"notifications_ignored", stats->notifications_ignored},
		{"received_bytes", stats->received_bytes}, {"sent_bytes", stats->sent_bytes});
	PACK_GROUP(pack, "proactor", {"turns", tally->turn_count}, {"pushed", ring->pushed},
		{"completed", ring->completed}, {"cancelled", ring->cancelled},
		{"in_flight", ring->in_flight}, {"enters", ring->enters},
		{"overflows", ring->overflows});
	pack_methods(pack, stats);
}

struct witness report_witness(const struct session *asker)
{
	return (struct witness){.uid = asker->uid, .knows_all = asker->trusted || asker->uid == 0};
}

static bool may_know(const struct witness *witness, const struct session *session)
{
	return witness->knows_all || witness->uid == session->uid;
}

static void pack_session(struct pack *pack, const struct session *session)
{
	static const char *const states[] = {"open", "draining", "closing"};

	pack_map(pack, 13);
	pack_pair_uint(pack, "id", session->id);
	pack_pair_uint(pack, "pid", (uint64_t)session->pid);
	pack_pair_uint(pack, "uid", session->uid);
	pack_pair_uint(pack, "gid", session->gid);
	pack_pair_uint(pack, "thread", session->shard->index);
	pack_pair_str(pack, "state", states[session->state]);
	pack_pair_uint(pack, "age_ns", session->shard->loop.now_ns - session->opened_ns);
	pack_pair_uint(pack, "submitted", session->submitted);
	pack_pair_uint(pack, "ended", session->completed);
	pack_pair_uint(pack, "in_flight", session->account.used[RESOURCE_OPERATIONS]);
	pack_pair_uint(pack, "files", session->account.used[RESOURCE_FILES]);
	pack_pair_uint(pack, "memory_bytes", session->account.used[RESOURCE_MEMORY]);
	pack_pair_uint(pack, "unsent_bytes", session->outbox.size);
}

size_t report_pack_sessions(struct pack *pack, const struct shard *shard,
	const struct witness *witness)
{
	struct session *session;
	size_t count = 0;

	list_for_each_entry (session, &shard->sessions, link) {
		if (!may_know(witness, session))
			continue;
		pack_session(pack, session);
		count++;
	}
	return count;
}
