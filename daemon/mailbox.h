/*
 * A mailbox: how one shard reaches another.
 *
 * Letters are handed over under a lock that is held for a few instructions; whoever posts one
 * rings, and the owner, who looks at one word each turn, is woken where it sleeps. For what happens
 * at beginning and end of a session, and when somebody asks for a report: nothing that an operation
 * does goes through it.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "driver/proactor.h"

struct shard;

/* Why it rang. */
enum {
	NEWS_MAIL = 1,
	NEWS_STATE = 2, /* the server's has changed */
	NEWS_ASKED = 4, /* another shard starves, see user.h */
	NEWS_ROOM = 8,  /* something was released for this shard, which starves */
};

struct letter {
	struct list link;
	/* On the thread of @shard, whose letter it is from then on. */
	void (*deliver)(struct letter *letter, struct shard *shard);
};

struct mailbox {
	struct proactor_handle *handle;
	_Atomic unsigned news;
	pthread_mutex_t lock;
	struct list letters; /* in the order in which they were posted */
};

/* For the thread of @proactor. -ENOMEM, -EMFILE. */
int mailbox_init(struct mailbox *mailbox, struct proactor *proactor);

/* Nobody may post any more. */
void mailbox_deinit(struct mailbox *mailbox);

/* From any thread. @letter is the mailbox's until it is delivered. */
void mailbox_post(struct mailbox *mailbox, struct letter *letter);

/* Tells the owner, from any thread: what the caller did before is seen by who hears of it. */
void mailbox_ring(struct mailbox *mailbox, unsigned news);

/* What has rung since the last time. */
static inline unsigned mailbox_hear(struct mailbox *mailbox)
{
	if (likely(atomic_load_explicit(&mailbox->news, memory_order_relaxed) == 0))
		return 0;
	return atomic_exchange_explicit(&mailbox->news, 0, memory_order_acquire);
}

/* Delivers all letters that are there. */
void mailbox_empty(struct mailbox *mailbox, struct shard *shard);
