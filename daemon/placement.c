/* Placement. See placement.h. */
#include "daemon/placement.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "daemon/session.h"

/* A connection on its way to its shard. */
struct arrival {
	struct letter letter;
	int fd;
};

static bool is_less_loaded(const struct shard *shard, const struct shard *other)
{
	uint64_t own = atomic_load_explicit(&shard->placed_count, memory_order_relaxed);
	uint64_t others = atomic_load_explicit(&other->placed_count, memory_order_relaxed);

	return own < others ||
		(own == others &&
			atomic_load_explicit(&shard->operation_count, memory_order_relaxed) <
				atomic_load_explicit(&other->operation_count,
					memory_order_relaxed));
}

struct shard *placement_choose(struct server *server)
{
	struct shard *best = &server->shards[0];

	for (unsigned i = 1; i < server->shard_count; i++)
		if (is_less_loaded(&server->shards[i], best))
			best = &server->shards[i];
	return best;
}

/* @shard was chosen, and has been counted so. */
static int begin(struct shard *shard, int fd)
{
	int r = session_new(shard, fd);

	if (r < 0)
		(void)atomic_fetch_sub_explicit(&shard->placed_count, 1, memory_order_relaxed);
	return r;
}

static void arrived(struct letter *letter, struct shard *shard)
{
	struct arrival *arrival = container_of(letter, struct arrival, letter);
	int fd = arrival->fd, r;

	free(arrival);
	if (shard->state != SERVER_SERVING) {
		(void)atomic_fetch_sub_explicit(&shard->placed_count, 1, memory_order_relaxed);
		loop_close_fd(&shard->loop, fd);
		return;
	}
	r = begin(shard, fd);
	if (r < 0 && log_limit_allows(&shard->complaints))
		log_warning("cannot serve a client: %s", err_text(-r));
}

int placement_place(struct server *server, int fd)
{
	struct shard *shard = placement_choose(server);
	_cleanup_(fd_closep) int owned_fd = fd;
	struct arrival *arrival;

	if (shard->index == 0) {
		(void)atomic_fetch_add_explicit(&shard->placed_count, 1, memory_order_relaxed);
		return begin(shard, TAKE_FD(owned_fd));
	}
	arrival = malloc(sizeof(*arrival));
	if (!arrival)
		return -ENOMEM;
	(void)atomic_fetch_add_explicit(&shard->placed_count, 1, memory_order_relaxed);
	*arrival = (struct arrival){.letter = {.deliver = arrived}, .fd = TAKE_FD(owned_fd)};
	mailbox_post(&shard->mailbox, &arrival->letter);
	return 0;
}
