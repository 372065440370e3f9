/*
 * Getting a thread out of a system call that may last for ever: the open of a FIFO that nobody
 * else opens, the read of a device that stays silent.
 *
 * The means is a signal whose handler does nothing: the call fails with EINTR. (Cancelling the
 * thread would be the other means; it loses the descriptor of an open that succeeds just then, and
 * the thread.) A signal that comes a moment before the call does not prevent it, and no kernel
 * offers a call `open, unless a signal came`. So it is sent not once but each millisecond, by a
 * timer of the kernel aimed at that one thread, until the thread says that it is out. It costs
 * nothing as long as nothing is cancelled.
 *
 * The signal is one of the real-time signals, the highest for which the program has no handler when
 * the first pool is made. That is the one thing in this library that is the process's: there is no
 * signal of a thread alone. A program that installs a handler of its own for it later has it called
 * in our threads; where all are taken, nothing is interrupted and what runs ends when it ends.
 */
#pragma once

#include <pthread.h>
#include <time.h>

#include "base/def.h"

struct nudge {
	bool is_going;
	timer_t timer;
};

/* The signal, chosen by the first call; 0: there is none. From any thread. */
int nudge_signal(void);

/*
 * Begins to interrupt the thread @tid of this process. Without memory for a timer it does so once
 * only. Where it has begun already, it goes on.
 */
void nudge_begin(struct nudge *nudge, pid_t tid);

/* Ends it. Called by the thread itself, it leaves no signal behind. */
void nudge_end(struct nudge *nudge);
