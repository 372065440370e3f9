/* Spinning. See spin.h. */
#include "base/spin.h"

#include <sched.h>

bool spin_pays(pid_t peer)
{
	cpu_set_t own, others;

	if (sched_getaffinity(0, sizeof(own), &own) < 0)
		return false;
	/* it may be out of sight, in another pid namespace */
	if (sched_getaffinity(peer, sizeof(others), &others) == 0)
		CPU_OR(&own, &own, &others);
	return CPU_COUNT(&own) > 1;
}

void spin_init(struct spin *spin, uint64_t window_ns)
{
	*spin = (struct spin){
		.window_ns = window_ns,
		.saved_ns = SPIN_SAVED_NS_MAX,
		.earned_ns = clock_now_ns(),
	};
}

bool spin_continues(struct spin *spin, uint64_t now_ns)
{
	uint64_t spun_ns = now_ns - MIN(now_ns, spin->found_ns), earned_ns;

	if (spun_ns < spin->window_ns && spun_ns <= spin->saved_ns)
		return true;
	if (spin->window_ns == 0)
		return false;
	/* in vain: that is paid for, with a part of the time that has passed */
	earned_ns = (now_ns - spin->earned_ns) / SPIN_DUTY;
	spin->earned_ns = now_ns;
	spin->saved_ns -= MIN(spin->saved_ns, spun_ns);
	spin->saved_ns = MIN(spin->saved_ns + earned_ns, SPIN_SAVED_NS_MAX);
	return false;
}

void spin_give_way(const struct spin *spin, uint64_t now_ns)
{
	if (now_ns > spin->found_ns + SPIN_ALONE_NS)
		(void)sched_yield();
}
