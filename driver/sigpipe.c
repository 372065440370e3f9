/* Keeping SIGPIPE away. See sigpipe.h. */
#include "driver/sigpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/def.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x100 /* 6.18 */
#endif

enum answer { UNASKED, HAS_NONE, HAS_ONE };

/*
 * An empty pipe that is not waited for says EAGAIN, unless the flag is unknown, which is looked at
 * first: EOPNOTSUPP.
 */
static enum answer ask(void)
{
	char byte;
	struct iovec piece = {&byte, 1};
	ssize_t r;
	int fds[2], error;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return UNASKED;
	r = preadv2(fds[0], &piece, 1, -1, RWF_NOSIGNAL);
	error = errno;
	(void)close(fds[0]);
	(void)close(fds[1]);
	return r < 0 && error == EAGAIN ? HAS_ONE : HAS_NONE;
}

int sigpipe_rwf(void)
{
	static _Atomic int known;
	int answer = atomic_load_explicit(&known, memory_order_relaxed);

	if (unlikely(answer == UNASKED)) {
		answer = ask();
		atomic_store_explicit(&known, answer, memory_order_relaxed);
	}
	return answer == HAS_ONE ? RWF_NOSIGNAL : 0;
}

static sigset_t sigpipe_alone(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	return set;
}

void sigpipe_hold(sigset_t *ret_previous)
{
	const sigset_t alone = sigpipe_alone();

	(void)pthread_sigmask(SIG_BLOCK, &alone, ret_previous);
}

/* Where the caller had it blocked, one that is pending may be the caller's own: it stays. */
void sigpipe_release(const sigset_t *previous)
{
	const struct timespec no_time = {0};
	const sigset_t alone = sigpipe_alone();

	if (sigismember(previous, SIGPIPE))
		return;
	(void)sigtimedwait(&alone, NULL, &no_time);
	(void)pthread_sigmask(SIG_SETMASK, previous, NULL);
}
