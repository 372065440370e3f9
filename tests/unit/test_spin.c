/* Spinning: for how long, and how much of the time. The time here is made up. */
#include "tests/harness.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/spin.h"

enum { WINDOW_NS = 50000, LOOK_NS = 1000 };

/* As if made at @now_ns. */
static struct spin spin_at(uint64_t window_ns, uint64_t now_ns)
{
	struct spin spin;

	spin_init(&spin, window_ns);
	spin.earned_ns = now_ns;
	return spin;
}

/* Spins from @now_ns on until it says to sleep; gives the time then. */
static uint64_t spin_in_vain(struct spin *spin, uint64_t now_ns)
{
	uint64_t begin_ns = now_ns;

	spin_begin(spin, now_ns);
	do {
		now_ns += LOOK_NS;
		/* each assertion of libcheck's is a system call */
		if (now_ns - begin_ns > WINDOW_NS + LOOK_NS)
			ck_abort_msg("it does not end");
	} while (spin_continues(spin, now_ns));
	return now_ns;
}

START_TEST(spinning_ends_with_its_window)
{
	struct spin spin = spin_at(WINDOW_NS, 1000);

	ck_assert_uint_eq(spin_in_vain(&spin, 1000), 1000 + WINDOW_NS);
}
END_TEST

START_TEST(what_is_found_begins_the_window_anew)
{
	struct spin spin = spin_at(WINDOW_NS, 0);

	for (uint64_t now_ns = 0; now_ns < 100 * NSEC_PER_MSEC; now_ns += WINDOW_NS / 2) {
		ck_assert(spin_continues(&spin, now_ns));
		spin_found(&spin, now_ns);
	}
}
END_TEST

START_TEST(with_no_window_nobody_spins)
{
	struct spin spin = spin_at(0, 0);

	for (uint64_t now_ns = 0; now_ns < NSEC_PER_SEC; now_ns += NSEC_PER_MSEC) {
		spin_found(&spin, now_ns);
		ck_assert(!spin_continues(&spin, now_ns));
	}
}
END_TEST

START_TEST(clock_that_stands_or_goes_back_does_no_harm)
{
	struct spin spin = spin_at(WINDOW_NS, 1000000);

	spin_found(&spin, 1000000);
	ck_assert(spin_continues(&spin, 1000000));
	ck_assert(spin_continues(&spin, 999000));
	ck_assert(!spin_continues(&spin, 1000000 + WINDOW_NS));
}
END_TEST

/* Of each pause a part is spun, and no more than one in SPIN_DUTY over a long time. */
START_TEST(in_vain_no_more_than_its_share_is_spun)
{
	static const uint64_t pauses_ns[] = {0, 1000, 20000, 100000, 1000000, 50000000};

	for (size_t i = 0; i < ARRAY_SIZE(pauses_ns); i++) {
		struct spin spin = spin_at(WINDOW_NS, 0);
		uint64_t now_ns = 0, spun_ns = 0;

		while (now_ns < 2 * NSEC_PER_SEC) {
			uint64_t end_ns = spin_in_vain(&spin, now_ns);

			spun_ns += end_ns - now_ns;
			now_ns = end_ns + pauses_ns[i];
		}
		/* a look costs as much as it takes, and is not asked for before it */
		if (pauses_ns[i] >= 1000)
			ck_assert_msg(spun_ns <= SPIN_SAVED_NS_MAX + now_ns / SPIN_DUTY +
						now_ns / (pauses_ns[i] + LOOK_NS) * LOOK_NS,
				"pauses of %" PRIu64 ": %" PRIu64 " of %" PRIu64, pauses_ns[i],
				spun_ns, now_ns);
	}
}
END_TEST

START_TEST(what_was_found_pays_for_as_much_in_vain)
{
	struct spin spin = spin_at(WINDOW_NS, 0);
	uint64_t begin_ns = NSEC_PER_SEC;

	spin.saved_ns = 0;
	spin_begin(&spin, begin_ns);
	spin_found(&spin, begin_ns + 10 * LOOK_NS);
	ck_assert_uint_eq(spin.saved_ns, 10 * LOOK_NS);
	/* nobody spun for that */
	spin_found(&spin, begin_ns + 10 * LOOK_NS + WINDOW_NS);
	ck_assert_uint_eq(spin.saved_ns, 10 * LOOK_NS);
	spin_begin(&spin, begin_ns + 2 * WINDOW_NS + 5 * LOOK_NS);
	ck_assert_uint_eq(spin.saved_ns, 10 * LOOK_NS);
	spin.saved_ns = SPIN_SAVED_NS_MAX;
	spin_found(&spin, spin.found_ns + LOOK_NS);
	ck_assert_uint_eq(spin.saved_ns, SPIN_SAVED_NS_MAX);
}
END_TEST

START_TEST(what_was_saved_is_no_more_than_so_much)
{
	struct spin spin = spin_at(WINDOW_NS, 0);
	uint64_t now_ns = spin_in_vain(&spin, 0);

	now_ns = spin_in_vain(&spin, now_ns + 3600 * NSEC_PER_SEC);
	ck_assert_uint_le(spin.saved_ns, SPIN_SAVED_NS_MAX);
	ck_assert_uint_gt(now_ns, 0);
}
END_TEST

START_TEST(on_one_processor_it_does_not_pay)
{
	cpu_set_t all, one;
	pid_t other;
	int cpu = 0;

	must(sched_getaffinity(0, sizeof(all), &all));
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	other = must(fork());
	if (other == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_eq(spin_pays(getpid()), CPU_COUNT(&all) > 1);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	must(sched_setaffinity(0, sizeof(one), &one));
	ck_assert_msg(!spin_pays(getpid()), "both on one");
	/* the other one may be elsewhere; who is not to be seen is taken to be here */
	ck_assert_int_eq(spin_pays(other), CPU_COUNT(&all) > 1);
	ck_assert(!spin_pays(0x7fffffff));
	must(sched_setaffinity(other, sizeof(one), &one));
	ck_assert(!spin_pays(other));
	must(kill(other, SIGKILL));
	must(waitpid(other, NULL, 0));
}
END_TEST

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec time;

	must(clock_gettime(clock, &time));
	return (uint64_t)time.tv_sec * NSEC_PER_SEC + (uint64_t)time.tv_nsec;
}

START_TEST(who_is_ready_to_run_does_not_wait_for_who_spins)
{
	struct spin spin;
	cpu_set_t one;
	clockid_t clock;
	uint64_t own_ns;
	pid_t other;

	CPU_ZERO(&one);
	CPU_SET(must(sched_getcpu()), &one);
	must(sched_setaffinity(0, sizeof(one), &one));
	other = must(fork());
	if (other == 0)
		for (;;)
			spin_pause();
	ck_assert_int_eq(clock_getcpuclockid(other, &clock), 0);
	spin_init(&spin, NSEC_PER_SEC);
	spin_begin(&spin, clock_now_ns());
	own_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
	while (cpu_ns(clock) < 100 * NSEC_PER_MSEC)
		spin_give_way(&spin, clock_now_ns());
	own_ns = cpu_ns(CLOCK_THREAD_CPUTIME_ID) - own_ns;
	/* of equals each would have had as much */
	ck_assert_msg(own_ns < 25 * NSEC_PER_MSEC, "%" PRIu64 " ns beside 100 ms", own_ns);
	must(kill(other, SIGKILL));
	must(waitpid(other, NULL, 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spin");

	suite_add(suite, spinning_ends_with_its_window);
	suite_add(suite, what_is_found_begins_the_window_anew);
	suite_add(suite, with_no_window_nobody_spins);
	suite_add(suite, clock_that_stands_or_goes_back_does_no_harm);
	suite_add(suite, in_vain_no_more_than_its_share_is_spun);
	suite_add(suite, what_was_found_pays_for_as_much_in_vain);
	suite_add(suite, what_was_saved_is_no_more_than_so_much);
	suite_add(suite, on_one_processor_it_does_not_pay);
	suite_add(suite, who_is_ready_to_run_does_not_wait_for_who_spins);
	return suite_main(suite);
}
