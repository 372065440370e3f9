/* Interrupting system calls of threads. See nudge.h. */
#include "driver/nudge.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"

/* the C libraries name the field differently, the kernel's is one */
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int chosen;

static void do_nothing(int number)
{
	(void)number;
}

static void choose(void)
{
	/* no SA_RESTART: interrupting is what it is for */
	struct sigaction nothing = {.sa_handler = do_nothing}, present;

	for (int number = SIGRTMAX; number >= SIGRTMIN; number--)
		if (sigaction(number, NULL, &present) == 0 && present.sa_handler == SIG_DFL &&
			sigaction(number, &nothing, NULL) == 0) {
			chosen = number;
			return;
		}
}

int nudge_signal(void)
{
	(void)pthread_once(&once, choose);
	return chosen;
}

static bool start_timer(struct nudge *nudge, pid_t tid)
{
	const struct timespec interval = clock_timespec(NSEC_PER_MSEC);
	const struct itimerspec now_and_then = {
		.it_value = {.tv_nsec = 1},
		.it_interval = interval,
	};
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = nudge_signal(),
		.sigev_notify_thread_id = tid,
	};

	if (timer_create(CLOCK_MONOTONIC, &event, &nudge->timer) < 0)
		return false;
	if (timer_settime(nudge->timer, 0, &now_and_then, NULL) == 0)
		return true;
	(void)timer_delete(nudge->timer);
	return false;
}

void nudge_begin(struct nudge *nudge, pid_t tid)
{
	if (nudge_signal() == 0)
		return;
	if (!nudge->is_going)
		nudge->is_going = start_timer(nudge, tid);
	if (!nudge->is_going)
		(void)syscall(SYS_tgkill, getpid(), tid, nudge_signal());
}

/*
 * What the timer has sent before is delivered at the latest when timer_delete() returns, since the
 * signal is not blocked here: the next task of this thread meets none of it.
 */
void nudge_end(struct nudge *nudge)
{
	if (nudge->is_going)
		(void)timer_delete(nudge->timer);
	nudge->is_going = false;
}
