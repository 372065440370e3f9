/* Mailboxes. See mailbox.h. */
#include "daemon/mailbox.h"

int mailbox_init(struct mailbox *mailbox, struct proactor *proactor)
{
	*mailbox = (struct mailbox){0};
	mailbox->letters = LIST_INIT(mailbox->letters);
	(void)pthread_mutex_init(&mailbox->lock, NULL);
	return proactor_handle(proactor, &mailbox->handle);
}

void mailbox_deinit(struct mailbox *mailbox)
{
	mailbox->handle = proactor_handle_free(mailbox->handle);
	(void)pthread_mutex_destroy(&mailbox->lock);
}

void mailbox_ring(struct mailbox *mailbox, unsigned news)
{
	(void)atomic_fetch_or_explicit(&mailbox->news, news, memory_order_release);
	proactor_notify(mailbox->handle);
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
	(void)pthread_mutex_lock(&mailbox->lock);
	list_append(&mailbox->letters, &letter->link);
	(void)pthread_mutex_unlock(&mailbox->lock);
	mailbox_ring(mailbox, NEWS_MAIL);
}

void mailbox_empty(struct mailbox *mailbox, struct shard *shard)
{
	struct list letters, *link;

	(void)pthread_mutex_lock(&mailbox->lock);
	list_steal(&letters, &mailbox->letters);
	(void)pthread_mutex_unlock(&mailbox->lock);
	while ((link = list_pop(&letters))) {
		struct letter *letter = list_entry(link, struct letter, link);

		letter->deliver(letter, shard);
	}
}
