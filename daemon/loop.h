/*
 * The loop: one proactor, and what is to happen when an operation has ended.
 *
 * A task is the daemon's side of one operation in flight: its memory is the operation's context,
 * its callback is called exactly once for each loop_push() (of a multishot operation, once for each
 * entry), never from within loop_push() itself.
 * So whoever pushes need not be prepared to be called back in the middle of what it does, and has
 * one place where an operation's end is handled, failures to start among them.
 */
#pragma once

#include "base/list.h"
#include "driver/proactor.h"

struct task {
	void (*complete)(struct task *task, int64_t result);
	bool pending;   /* true exactly from loop_push() to the callback, the last where @more */
	bool more;      /* in the callback: the operation goes on, and calls back again */
	int32_t buffer; /* in the callback: the index of the buffer that it took; -1: none */
	uint64_t key;   /* while pending, and not on the ready list */
	struct list ready_link;
	int64_t ready_result;
};

struct loop {
	struct proactor *proactor;
	struct list ready; /* tasks that ended when they were pushed */
	uint64_t now_ns;   /* of this turn, or of one shortly before */
	uint64_t turn_count;
	uint64_t closing_count; /* closes by loop_close() in flight */
	unsigned closed_now;    /* by loop_close_now(), in this turn */
};

/* @proactor is the caller's and must live longer. */
void loop_init(struct loop *loop, struct proactor *proactor);

/*
 * Starts @op for @task, which is not pending. @op may go at once; what it points to as
 * proactor_push() says.
 */
void loop_push(struct loop *loop, struct task *task, struct proactor_op *op);

/* Calls back @task, which is not pending, with @result: as for an operation that ended at once. */
void loop_post(struct loop *loop, struct task *task, int64_t result);

/* Asks for a pending task to end; its callback comes. Nothing for one that is not pending. */
void loop_cancel(struct loop *loop, struct task *task);

/*
 * Closes a file without anybody waiting for it. Closing can block for as long as a client likes, so
 * a thread does it: our own, since the kernel's workers do what may block after they have said that
 * they are idle, and then all that is for them waits. No socket lingers for a time (SO_LINGER):
 * there is nobody for whom the daemon would wait.
 */
void loop_close(struct loop *loop, int64_t file);

/* As that, for @task, which is not pending, and is called back with the result of close(2). */
void loop_close_for(struct loop *loop, struct task *task, int64_t file);

/*
 * Closes a socket here and now, for which nothing but the socket itself can block, unless too many
 * were closed in this turn. False: it was not closed.
 */
bool loop_close_now(struct loop *loop, int64_t file);

/* As loop_close(), a descriptor that came from a client and is no file. Nothing for a negative. */
void loop_close_fd(struct loop *loop, int fd);

/*
 * One turn: submits, waits until something has ended where it @may_block, calls back. Negative: the
 * proactor is broken.
 */
int loop_turn(struct loop *loop, bool may_block);
