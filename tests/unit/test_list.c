/* The intrusive list. */
#include "tests/harness.h"

#include "base/list.h"

struct item {
	int value;
	struct list link;
};

static struct item items[4];

/* Four items, 0 to 3, in @head. */
static void fill(struct list *head)
{
	*head = LIST_INIT(*head);
	for (int i = 0; i < 4; i++) {
		items[i] = (struct item){.value = i};
		list_append(head, &items[i].link);
	}
}

/* The values as a decimal number, first to last. */
static int values(struct list *head)
{
	struct item *item;
	int sum = 0;

	list_for_each_entry (item, head, link)
		sum = sum * 10 + item->value + 1;
	return sum;
}

START_TEST(items_keep_their_order)
{
	struct list head;

	fill(&head);
	ck_assert_int_eq(values(&head), 1234);
	list_remove(&items[1].link);
	ck_assert_int_eq(values(&head), 134);
	list_append(&head, &items[1].link);
	ck_assert_int_eq(values(&head), 1342);
}
END_TEST

START_TEST(pop_takes_the_first_until_there_is_none)
{
	struct list head, *link;

	fill(&head);
	for (int i = 0; i < 4; i++) {
		link = list_pop(&head);
		ck_assert_ptr_eq(link, &items[i].link);
		ck_assert(!list_linked(link));
	}
	ck_assert(list_empty(&head));
	ck_assert_ptr_null(list_pop(&head));
}
END_TEST

START_TEST(item_in_no_list_can_be_removed)
{
	struct item lone = {0};
	struct list head;

	list_remove(&lone.link);
	fill(&head);
	list_remove(&items[3].link);
	list_remove(&items[3].link);
	ck_assert_int_eq(values(&head), 123);
}
END_TEST

START_TEST(body_of_the_safe_loop_may_remove_its_item)
{
	struct item *item, *following;
	struct list head;

	fill(&head);
	list_for_each_entry_safe (item, following, &head, link)
		if (item->value % 2 == 0)
			list_remove(&item->link);
	ck_assert_int_eq(values(&head), 24);
}
END_TEST

START_TEST(steal_takes_all_and_later_ones_wait)
{
	struct item late = {.value = 8};
	struct list from, to;

	fill(&from);
	list_steal(&to, &from);
	ck_assert(list_empty(&from));
	list_append(&from, &late.link);
	ck_assert_int_eq(values(&to), 1234);
	ck_assert_int_eq(values(&from), 9);
	list_remove(&items[0].link);
	list_remove(&items[3].link);
	ck_assert_int_eq(values(&to), 23);
}
END_TEST

START_TEST(steal_from_an_empty_list_gives_an_empty_list)
{
	struct list from = LIST_INIT(from), to;

	list_steal(&to, &from);
	ck_assert(list_empty(&to));
	ck_assert(list_empty(&from));
	list_append(&to, &items[0].link);
	ck_assert(!list_empty(&to));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("list");

	suite_add(suite, items_keep_their_order);
	suite_add(suite, pop_takes_the_first_until_there_is_none);
	suite_add(suite, item_in_no_list_can_be_removed);
	suite_add(suite, body_of_the_safe_loop_may_remove_its_item);
	suite_add(suite, steal_takes_all_and_later_ones_wait);
	suite_add(suite, steal_from_an_empty_list_gives_an_empty_list);
	return suite_main(suite);
}
