/* The loop. See loop.h. */
#include "daemon/loop.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { ENTRIES_PER_TURN = 256, TURNS_PER_CLOCK = 16 };

/* 2 us each, but 250 us where the client has stuffed it both ways with what nobody reads. */
enum { CLOSES_PER_TURN = 16 };

void loop_init(struct loop *loop, struct proactor *proactor)
{
	*loop = (struct loop){.proactor = proactor, .now_ns = clock_now_ns()};
	loop->ready = LIST_INIT(loop->ready);
}

/* 0: @task is pending, or was called back. Else it is neither, and why. */
static int push(struct loop *loop, struct task *task, struct proactor_op *op)
{
	struct proactor_completion ready;
	int r;

	assert(!task->pending);
	op->context = task;
	task->pending = true;
	r = proactor_push(loop->proactor, op, &task->key, &ready);
	if (r == PROACTOR_PENDING)
		return 0;
	task->pending = false;
	if (r < 0)
		return r;
	loop_post(loop, task, ready.result);
	return 0;
}

void loop_push(struct loop *loop, struct task *task, struct proactor_op *op)
{
	int r = push(loop, task, op);

	if (unlikely(r < 0))
		loop_post(loop, task, r);
}

void loop_post(struct loop *loop, struct task *task, int64_t result)
{
	assert(!task->pending);
	task->pending = true;
	task->ready_result = result;
	list_append(&loop->ready, &task->ready_link);
}

void loop_cancel(struct loop *loop, struct task *task)
{
	/* a failure means that memory is short: the operation goes on and ends when it ends */
	if (task->pending && !list_linked(&task->ready_link))
		(void)proactor_cancel(loop->proactor, task->key);
}

/* ---- closing ---- */

/*
 * Closes without waiting for what is still to be sent, which is sent all the same. With a time of 0
 * what there is to send is dropped, and nobody waits for anything.
 */
static int64_t close_fd(int fd)
{
	struct linger linger = {0};
	socklen_t size = sizeof(linger);

	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size) == 0 && linger.l_onoff != 0 &&
		linger.l_linger > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){0}, sizeof(linger));
	return close(fd) < 0 ? -errno : 0;
}

static int64_t close_argument(void *argument)
{
	return close_fd((int)(intptr_t)argument);
}

/* By a thread. */
static struct proactor_op closing_of(int fd)
{
	return (struct proactor_op){.opcode = PROACTOR_CALL,
		.call = {.function = close_argument, .argument = (void *)(intptr_t)fd}};
}

void loop_close(struct loop *loop, int64_t file)
{
	int fd;

	if (proactor_detach(loop->proactor, file, &fd) == 0)
		loop_close_fd(loop, fd);
}

void loop_close_for(struct loop *loop, struct task *task, int64_t file)
{
	struct proactor_op op;
	int fd, r = proactor_detach(loop->proactor, file, &fd);

	if (r < 0) {
		loop_post(loop, task, r);
		return;
	}
	op = closing_of(fd);
	if (push(loop, task, &op) < 0)
		loop_post(loop, task, close_fd(fd));
}

bool loop_close_now(struct loop *loop, int64_t file)
{
	int fd;

	if (loop->closed_now == CLOSES_PER_TURN || proactor_detach(loop->proactor, file, &fd) < 0)
		return false;
	loop->closed_now++;
	(void)close_fd(fd);
	return true;
}

void loop_close_fd(struct loop *loop, int fd)
{
	struct proactor_op op = closing_of(fd);
	struct proactor_completion ready;
	uint64_t key;

	if (fd < 0)
		return;
	/* no memory for an operation: better to block than to leak */
	if (proactor_push(loop->proactor, &op, &key, &ready) == PROACTOR_PENDING)
		loop->closing_count++;
	else
		(void)close_fd(fd);
}

/* @flags: of the completion. */
static void complete(struct task *task, int64_t result, uint32_t flags)
{
	assert(task->pending);
	task->pending = task->more = flags & PROACTOR_MORE;
	task->buffer = flags & PROACTOR_BUFFER ? (int32_t)(flags >> 16) : -1;
	task->complete(task, result);
}

static void complete_ready(struct loop *loop)
{
	struct list now, *link;

	/* what is pushed meanwhile waits for the next turn, or this one might not end */
	list_steal(&now, &loop->ready);
	while ((link = list_pop(&now))) {
		struct task *task = list_entry(link, struct task, ready_link);

		complete(task, task->ready_result, /* flags= */ 0);
	}
}

int loop_turn(struct loop *loop, bool may_block)
{
	struct proactor_entry entries[ENTRIES_PER_TURN];
	struct proactor_completion completion;
	struct timespec at_once = {0};
	int count;

	count = proactor_poll(loop->proactor,
		may_block && list_empty(&loop->ready) ? NULL : &at_once, entries, ENTRIES_PER_TURN);
	if (count < 0 && count != -ETIME)
		return count;
	/* a turn that did not sleep takes no time that matters */
	if (may_block || loop->turn_count % TURNS_PER_CLOCK == 0)
		loop->now_ns = clock_now_ns();
	loop->turn_count++;
	loop->closed_now = 0;
	for (int i = 0; i < count; i++) {
		int r = proactor_pop(loop->proactor, &entries[i], &completion);

		assert(r == 0);
		if (completion.context)
			complete(completion.context, completion.result, completion.flags);
		else
			loop->closing_count--;
	}
	complete_ready(loop);
	return 0;
}
