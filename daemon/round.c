/* Rounds. See round.h. */
#include "daemon/round.h"

#include "daemon/shard.h"

static void came_back(struct round *round)
{
	assert(round->missing > 0);
	if (--round->missing == 0)
		round->done(round);
}

static void deliver(struct letter *letter, struct shard *shard)
{
	struct round_letter *own = container_of(letter, struct round_letter, letter);
	struct round *round = own->round;

	if (own->visited) {
		came_back(round);
		return;
	}
	round->visit(round, shard);
	own->visited = true;
	mailbox_post(&round->shard->mailbox, letter);
}

void round_start(struct round *round, struct shard *shard)
{
	struct server *server = shard->server;

	assert(!round_is_pending(round));
	round->shard = shard;
	round->missing = server->shard_count;
	for (unsigned i = 0; i < server->shard_count; i++) {
		if (i == shard->index)
			continue;
		round->letters[i] =
			(struct round_letter){.letter = {.deliver = deliver}, .round = round};
		mailbox_post(&server->shards[i].mailbox, &round->letters[i].letter);
	}
	round->visit(round, shard);
	came_back(round);
}
