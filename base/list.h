/*
 * Intrusive circular doubly linked list.
 *
 *      head ⇄ a ⇄ b ⇄ c ⇄ (head)
 *
 * The head and the links have one type. A link in no list is zeroed or points at itself; both are
 * "unlinked", so a zeroed object may be removed from a list it never entered.
 */
#pragma once

#include "base/def.h"

struct list {
	struct list *next;
	struct list *previous;
};

#define LIST_INIT(head)                                                                            \
	(struct list)                                                                              \
	{                                                                                          \
		.next = &(head), .previous = &(head)                                               \
	}

static inline bool list_linked(const struct list *link)
{
	return link->next && link->next != link;
}

/* As list_linked(), read from the head's side. */
static inline bool list_empty(const struct list *head)
{
	return !list_linked(head);
}

static inline void list_append(struct list *head, struct list *link)
{
	assert(!list_linked(link));
	link->next = head;
	link->previous = head->previous;
	head->previous->next = link;
	head->previous = link;
}

static inline void list_remove(struct list *link)
{
	if (!list_linked(link))
		return;
	link->previous->next = link->next;
	link->next->previous = link->previous;
	*link = (struct list){0};
}

static inline struct list *list_pop(struct list *head)
{
	struct list *first = head->next;

	if (list_empty(head))
		return NULL;
	list_remove(first);
	return first;
}

/*
 * Moves all of @from to @to, an empty list: what is added to @from meanwhile waits for the next
 * turn.
 */
static inline void list_steal(struct list *to, struct list *from)
{
	*to = LIST_INIT(*to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->previous = to;
	to->previous->next = to;
	*from = LIST_INIT(*from);
}

#define list_entry(link, type, member) container_of(link, type, member)

#define list_for_each_entry(item, head, member)                                                    \
	for (item = list_entry((head)->next, __typeof__(*item), member); &item->member != (head);  \
		item = list_entry(item->member.next, __typeof__(*item), member))

/* As above, where the body may remove @item from the list. */
#define list_for_each_entry_safe(item, following, head, member)                                    \
	for (item = list_entry((head)->next, __typeof__(*item), member),                           \
	    following = list_entry(item->member.next, __typeof__(*item), member);                  \
		&item->member != (head); item = following,                                         \
	    following = list_entry(item->member.next, __typeof__(*item), member))
