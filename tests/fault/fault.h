/*
 * Faults: calls of the driver that fail because a test says so.
 *
 *      driver ──▶ malloc(), io_uring_enter2(), … ──▶ __wrap_…() ──plan──▶ an error, or half of it
 *                          (--wrap, see tests.mk)        └──────────────▶ __real_…()
 *
 * The plan is a few lines of the kind "the third to the fifth enter say EAGAIN", or chance. It is
 * for the driver alone: on the thread of the test for what is called IN_DRIVER(), on the threads of
 * the pool for all. Each call is counted, whether it fails or not, so that a test can have each one
 * fail in turn: those of a kind have the numbers 1 to fault_calls().
 *
 * A fault is something that the kernel may do, at that place. What it does not do (say EAGAIN of a
 * pipe that has data) no driver has to endure.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/def.h"

enum fault_call {
	FAULT_ALLOCATE, /* malloc() and its like */
	FAULT_MMAP,
	FAULT_EVENTFD,
	FAULT_TIMERFD,
	FAULT_THREAD, /* pthread_create() */
	FAULT_TIMER,  /* timer_create() */

	FAULT_SETUP,
	FAULT_MAP_QUEUES,
	FAULT_PROBE,
	FAULT_REGISTER_RING,
	FAULT_REGISTER_EVENTFD,
	FAULT_REGISTER_TABLE, /* of files, of buffers, a ring of buffers */
	FAULT_UPDATE_TABLE,   /* a place in one of them is filled */
	FAULT_EMPTY_TABLE,    /* … or emptied, or the table of files is given up */
	FAULT_ENTER,
	FAULT_TAKE_CANCEL,   /* a cancellation is submitted: the kernel finds no operation */
	FAULT_TAKE_TRANSFER, /* a read, write, receive or send is submitted */

	FAULT_EPOLL_CREATE,
	FAULT_EPOLL_CTL,
	FAULT_EPOLL_WAIT,
	FAULT_TRANSFER, /* preadv2(), recv() and their like */
	FAULT_ACCEPT,
	FAULT_POLL,
	FAULT_CALL_COUNT
};

/* In place of an errno: half of it is done, or all of it after a sleep of FAULT_SLOW_NS. */
enum { FAULT_SHORT = 10000, FAULT_SLOW };
#define FAULT_SLOW_NS UINT64_C(100000000)

struct fault {
	enum fault_call call;
	unsigned first; /* from this call on, counted from 1 */
	unsigned count; /* so many; UINT_MAX: for ever */
	int error;      /* an errno, FAULT_SHORT or FAULT_SLOW */
};

enum { FAULT_ERRORS_MAX = 6, FAULT_PLAN_MAX = 4 };

/* What a call may say. Ended by 0. */
extern const int fault_errors[FAULT_CALL_COUNT][FAULT_ERRORS_MAX];

/* From now on, with all calls counted anew: these; */
void fault_plan(const struct fault *faults, size_t count);

/* one of @calls in @one_in, a bit 1 << call each, says something that it may say; */
void fault_plan_random(uint32_t seed, uint32_t calls, unsigned one_in);

/* none. What was counted stays. */
void fault_stop(void);

/* How many calls of the kind there were, and how many of all were made to fail. */
unsigned fault_calls(enum fault_call call);
unsigned fault_hits(void);

/* The plan in words. */
const char *fault_text(void);

/* What --wrap leads to asks this: 0, or an errno, FAULT_SHORT or FAULT_SLOW. */
int fault_of(enum fault_call call);

/* ---- whose calls they are ---- */

/* The calling thread is a test's: only what it calls IN_DRIVER() fails. */
void fault_thread_is_test(void);
void fault_driver_begin(void);
void fault_driver_end(void);

#define IN_DRIVER(call)                                                                            \
	({                                                                                         \
		fault_driver_begin();                                                              \
		__typeof__(call) in_driver_result = (call);                                        \
		fault_driver_end();                                                                \
		in_driver_result;                                                                  \
	})

/* ---- an older kernel ---- */

/* What the kernel is to lack, until the next call. NULL: nothing. */
struct fault_kernel {
	unsigned setup_flags; /* are EINVAL */
	unsigned features;    /* are not among those of a ring */
	unsigned op_last;     /* operations after this one are not there; 0: all are */
	bool lacks_buffer_rings;
	bool lacks_nosignal; /* as long as no proactor was made in this process: it is asked once */
};

void fault_kernel(const struct fault_kernel *kernel);

/* The flags of the last io_uring_enter(2) that could wait for a completion. */
unsigned fault_wait_flags(void);
