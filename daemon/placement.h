/* Placement: on which shard a session is to live. */
#pragma once

#include "daemon/server.h"

/*
 * The shard with the least load: the fewest sessions, and of those with as many the fewest
 * operations in flight, as far as it is known.
 */
struct shard *placement_choose(struct server *server);

/*
 * Has a session made of the connected socket @fd where the load is least. @fd is taken over, on
 * failure, too. On the first shard's thread. -ENOMEM, and what session_new() says where that is the
 * first shard.
 */
int placement_place(struct server *server, int fd);
