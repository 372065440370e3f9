/*
 * Whether the figures are worth anything: the share of the processors' time that went to others
 * while this ran.
 *
 * All that was spent (proc_stat(5)), less what this process and its children have spent. A child
 * counts when it has been waited for, so this is asked at the end. What the kernel does in
 * interrupts is nobody's, and counts as others'; it is little.
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/bench.h"

/* In seconds, of all processors together. */
struct spent {
	double all, busy, own;
};

static double seconds_of(const struct rusage *usage)
{
	return (double)usage->ru_utime.tv_sec + (double)usage->ru_stime.tv_sec +
		(double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static struct spent look(void)
{
	enum { FIELDS = 8, IDLE = 3, WAITING = 4 };
	double ticks = (double)sysconf(_SC_CLK_TCK);
	struct rusage self = {0}, children = {0};
	uint64_t fields[FIELDS] = {0};
	struct spent spent = {0};
	FILE *file = fopen("/proc/stat", "re");

	/* user nice system idle iowait irq softirq steal */
	if (file && fscanf(file, "cpu") == 0)
		for (unsigned i = 0; i < FIELDS && fscanf(file, "%" SCNu64, &fields[i]) == 1; i++) {
			spent.all += (double)fields[i] / ticks;
			spent.busy += i == IDLE || i == WAITING ? 0 : (double)fields[i] / ticks;
		}
	if (file)
		(void)fclose(file);
	(void)getrusage(RUSAGE_SELF, &self);
	(void)getrusage(RUSAGE_CHILDREN, &children);
	spent.own = seconds_of(&self) + seconds_of(&children);
	return spent;
}

double bench_others(bool begins)
{
	static struct spent before;
	struct spent spent = look();
	double share = 0;

	if (begins)
		before = spent;
	else if (spent.all > before.all)
		share = (spent.busy - before.busy - (spent.own - before.own)) /
			(spent.all - before.all);
	return MIN(MAX(share, 0.0), 1.0);
}
