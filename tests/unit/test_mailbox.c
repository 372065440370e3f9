/* Letters and news between threads, rounds, and where a session is placed. */
#include "tests/harness.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "daemon/placement.h"
#include "daemon/round.h"
#include "daemon/shard.h"

enum { POSTERS = 3, LETTERS = 2000, SHARD_COUNT = 3 };

static struct proactor *proactor;
static struct mailbox mailbox;

static void set_up(void)
{
	struct proactor_options options = {
		.size = sizeof(options), .driver = PROACTOR_DRIVER_EPOLL};

	must(proactor_new(&proactor, &options));
	must(mailbox_init(&mailbox, proactor));
}

static void tear_down(void)
{
	mailbox_deinit(&mailbox);
	proactor_free(proactor);
}

/* ---- letters ---- */

struct numbered {
	struct letter letter;
	unsigned poster, number;
};

static unsigned next_number[POSTERS], delivered_count;

/* Each poster's come in the order in which they were posted. */
static void deliver(struct letter *letter, struct shard *shard)
{
	struct numbered *own = container_of(letter, struct numbered, letter);

	ck_assert_ptr_null(shard);
	ck_assert_uint_eq(own->number, next_number[own->poster]++);
	delivered_count++;
	free(own);
}

static void *post_many(void *argument)
{
	unsigned poster = *(const unsigned *)argument;

	for (unsigned i = 0; i < LETTERS; i++) {
		struct numbered *own = calloc(1, sizeof(*own));

		*own = (struct numbered){
			.letter = {.deliver = deliver}, .poster = poster, .number = i};
		mailbox_post(&mailbox, &own->letter);
		if (i % 64 == 0)
			sched_yield();
	}
	return NULL;
}

START_TEST(letters_of_several_threads_wake_the_owner_and_none_is_lost)
{
	static const unsigned names[POSTERS] = {0, 1, 2};
	pthread_t threads[POSTERS];
	struct proactor_entry entry;

	set_up();
	for (size_t i = 0; i < POSTERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, post_many, (void *)&names[i]),
			0);
	while (delivered_count < POSTERS * LETTERS) {
		/* sleeps until it is rung: a wake-up that is lost would hang here */
		ck_assert_int_eq(proactor_poll(proactor, NULL, &entry, 1), 0);
		if (mailbox_hear(&mailbox) & NEWS_MAIL)
			mailbox_empty(&mailbox, NULL);
	}
	for (size_t i = 0; i < POSTERS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert(list_empty(&mailbox.letters));
	tear_down();
}
END_TEST

START_TEST(news_are_heard_once_and_all_of_them)
{
	struct proactor_entry entry;

	set_up();
	ck_assert_uint_eq(mailbox_hear(&mailbox), 0);
	mailbox_ring(&mailbox, NEWS_STATE);
	mailbox_ring(&mailbox, NEWS_ROOM);
	mailbox_ring(&mailbox, NEWS_STATE);
	ck_assert_int_eq(proactor_poll(proactor, NULL, &entry, 1), 0);
	ck_assert_uint_eq(mailbox_hear(&mailbox), NEWS_STATE | NEWS_ROOM);
	ck_assert_uint_eq(mailbox_hear(&mailbox), 0);
	tear_down();
}
END_TEST

/* ---- rounds ---- */

static struct server server;
static struct shard *shards;
static unsigned visits[SHARD_COUNT];
static bool done_called;

/* Shards without threads: this one empties their mailboxes, one after another. */
static void make_shards(void)
{
	set_up();
	shards = aligned_alloc(_Alignof(struct shard), SHARD_COUNT * sizeof(*shards));
	server = (struct server){.shards = shards, .shard_count = SHARD_COUNT};
	for (unsigned i = 0; i < SHARD_COUNT; i++)
		must(shard_init(&shards[i], &server, i, proactor));
}

static void free_shards(void)
{
	for (unsigned i = 0; i < SHARD_COUNT; i++)
		shard_deinit(&shards[i]);
	free(shards);
	tear_down();
}

static void visit(struct round *round, struct shard *shard)
{
	(void)round;
	visits[shard->index]++;
}

static void done(struct round *round)
{
	ck_assert(!round_is_pending(round));
	done_called = true;
}

static void turn(unsigned index)
{
	if (mailbox_hear(&shards[index].mailbox) & NEWS_MAIL)
		mailbox_empty(&shards[index].mailbox, &shards[index]);
}

START_TEST(round_visits_every_shard_once_and_ends_where_it_began)
{
	static struct round round = {.visit = visit, .done = done};

	make_shards();
	round_start(&round, &shards[1]);
	ck_assert(visits[0] == 0 && visits[1] == 1 && visits[2] == 0);
	turn(2);
	turn(1);
	ck_assert(round_is_pending(&round) && !done_called);
	turn(0);
	ck_assert(round_is_pending(&round) && !done_called);
	turn(1);
	ck_assert(done_called);
	ck_assert(visits[0] == 1 && visits[1] == 1 && visits[2] == 1);
	free_shards();
}
END_TEST

/* ---- placement ---- */

static void set_load(unsigned index, uint64_t sessions, uint64_t operations)
{
	shards[index].placed_count = sessions;
	shards[index].operation_count = operations;
}

START_TEST(session_goes_where_the_fewest_are_then_where_least_is_in_flight)
{
	make_shards();
	ck_assert_ptr_eq(placement_choose(&server), &shards[0]);
	set_load(0, 1, 0);
	ck_assert_ptr_eq(placement_choose(&server), &shards[1]);
	set_load(1, 1, 0);
	ck_assert_ptr_eq(placement_choose(&server), &shards[2]);
	set_load(2, 1, 0);
	set_load(0, 1, 5);
	set_load(1, 1, 3);
	set_load(2, 1, 4);
	ck_assert_ptr_eq(placement_choose(&server), &shards[1]);
	set_load(1, 2, 0);
	ck_assert_ptr_eq(placement_choose(&server), &shards[2]);
	free_shards();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mailbox");

	suite_add(suite, letters_of_several_threads_wake_the_owner_and_none_is_lost);
	suite_add(suite, news_are_heard_once_and_all_of_them);
	suite_add(suite, round_visits_every_shard_once_and_ends_where_it_began);
	suite_add(suite, session_goes_where_the_fewest_are_then_where_least_is_in_flight);
	return suite_main(suite);
}
