/* Actors that wait: for time, for a file that stays silent, for a thread. See load.h. */
#include "tests/fault/load.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

/* short, so that many runs take little time */
#define UNIT_NS (300 * NSEC_PER_USEC)

/* ---- time passes, and no less of it than was asked for ---- */

enum { TIMEOUTS = 4 };

struct timeouts {
	struct actor actor;
	uint64_t until_ns[TIMEOUTS];
};

static bool begin_at_once(struct actor *actor)
{
	(void)actor;
	return true;
}

static void timeout_act(struct actor *actor)
{
	struct timeouts *timeouts = container_of(actor, struct timeouts, actor);

	for (unsigned i = 0; i < TIMEOUTS && actor->rounds_left > 0; i++) {
		if (!actor_idle(actor, i))
			continue;
		timeouts->until_ns[i] = clock_now_ns() + i * UNIT_NS;
		(void)actor_push(actor, i,
			(struct proactor_op){
				.opcode = PROACTOR_TIMEOUT, .timeout.duration_ns = i * UNIT_NS});
	}
}

static void timeout_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct timeouts *timeouts = container_of(actor, struct timeouts, actor);

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	actor_require(actor, result == 0 && clock_now_ns() >= timeouts->until_ns[index]);
	actor->rounds_left -= actor->rounds_left > 0;
}

static void nothing_to_check(struct actor *actor)
{
	(void)actor;
}

const struct role role_timeout = {.name = "timeout",
	.size = sizeof(struct timeouts),
	.rounds = 4,
	.begin = begin_at_once,
	.act = timeout_act,
	.ended = timeout_ended,
	.end = nothing_to_check};

/* ---- what waits for something that does not come ---- */

enum { PIPE, SOCKET, TIME, EVENT, FIFO, KINDS };

struct silence {
	struct actor actor;
	int64_t pipe, socket, event;
	int peers[2];
	char fifo[32]; /* whose other end nobody opens */
	char bytes[KINDS][8];
};

static bool silence_begin(struct actor *actor)
{
	static unsigned number;
	struct silence *silence = container_of(actor, struct silence, actor);
	int fds[2];

	snprintf(silence->fifo, sizeof(silence->fifo), "fifo-%u", number++);
	actor_require(actor, mkfifo(silence->fifo, 0600) == 0);

	actor_require(actor, pipe2(fds, O_CLOEXEC) == 0);
	silence->pipe = actor_attach(actor, fds[0]);
	silence->peers[0] = fds[1];
	actor_require(actor, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	silence->socket = actor_attach(actor, fds[0]);
	silence->peers[1] = fds[1];
	silence->event = actor_attach(actor, eventfd(0, EFD_CLOEXEC));
	return true;
}

static struct proactor_op silent_op(struct silence *silence, unsigned kind)
{
	switch (kind) {
	case PIPE:
		return (struct proactor_op){.opcode = PROACTOR_READ,
			.read = {silence->pipe, silence->bytes[kind], 8, PROACTOR_CURRENT}};
	case SOCKET:
		return (struct proactor_op){.opcode = PROACTOR_RECV,
			.flags = PROACTOR_MAY_BLOCK,
			.recv = {silence->socket, silence->bytes[kind], 8, 0, NULL}};
	case TIME:
		return (struct proactor_op){
			.opcode = PROACTOR_TIMEOUT, .timeout.duration_ns = 1000 * NSEC_PER_SEC};
	case EVENT:
		return (struct proactor_op){.opcode = PROACTOR_POLL,
			.flags = PROACTOR_MULTISHOT,
			.poll = {silence->event, POLLIN}};
	default:
		return (struct proactor_op){.opcode = PROACTOR_OPEN,
			.flags = PROACTOR_MAY_BLOCK,
			.open = {PROACTOR_CWD, silence->fifo, O_RDONLY, 0}};
	}
}

static void silence_end(struct actor *actor)
{
	struct silence *silence = container_of(actor, struct silence, actor);

	close(silence->peers[0]);
	close(silence->peers[1]);
	unlink(silence->fifo);
}

static void deadline_act(struct actor *actor)
{
	struct silence *silence = container_of(actor, struct silence, actor);

	for (unsigned kind = 0; kind < KINDS && actor->rounds_left > 0; kind++) {
		struct proactor_op op = silent_op(silence, kind);

		op.timeout_ns = (kind + 1) * UNIT_NS;
		if (actor_idle(actor, kind))
			(void)actor_push(actor, kind, op);
	}
}

static void deadline_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	actor_require(actor, flags == 0);
	if (result != -ETIME) {
		(void)actor_succeeded(actor, index, result);
		actor_require(actor, result < 0);
		return;
	}
	actor->rounds_left -= actor->rounds_left > 0;
}

const struct role role_deadline = {.name = "deadline",
	.size = sizeof(struct silence),
	.rounds = KINDS,
	.begin = silence_begin,
	.act = deadline_act,
	.ended = deadline_ended,
	.end = silence_end};

/* Before it is submitted, or while it waits. */
static void cancel_act(struct actor *actor)
{
	struct silence *silence = container_of(actor, struct silence, actor);

	for (unsigned kind = 0; kind < KINDS; kind++) {
		if (!actor_idle(actor, kind))
			actor_cancel(actor, kind);
		else if (actor->rounds_left > 0 &&
			actor_push(actor, kind, silent_op(silence, kind)) &&
			actor->rounds_left % 2 == 0)
			actor_cancel(actor, kind);
	}
}

static void cancel_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	actor_require(actor, flags == 0 && result < 0);
	if (!actor_succeeded(actor, index, result) && result == -ECANCELED)
		actor->rounds_left -= actor->rounds_left > 0;
}

const struct role role_cancel = {.name = "cancel",
	.size = sizeof(struct silence),
	.rounds = 10,
	.begin = silence_begin,
	.act = cancel_act,
	.ended = cancel_ended,
	.end = silence_end};

/* ---- a poll that reports again and again ---- */

struct ringing {
	struct actor actor;
	int64_t file;
	bool has_rung; /* and was not reported */
};

static bool poll_begin(struct actor *actor)
{
	container_of(actor, struct ringing, actor)->file =
		actor_attach(actor, eventfd(0, EFD_CLOEXEC));
	return true;
}

static void poll_act(struct actor *actor)
{
	struct ringing *ringing = container_of(actor, struct ringing, actor);
	struct proactor_op op = {.opcode = PROACTOR_POLL, .flags = PROACTOR_MULTISHOT};
	uint64_t one = 1;

	op.poll.file = ringing->file;
	op.poll.events = POLLIN;
	if (actor->rounds_left == 0) {
		actor_cancel(actor, 0);
		return;
	}
	if (actor_idle(actor, 0))
		(void)actor_push(actor, 0, op);
	if (!ringing->has_rung)
		actor_require(actor, write((int)ringing->file, &one, sizeof(one)) == sizeof(one));
	ringing->has_rung = true;
}

static void poll_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	actor_require(actor, result >= 0 || flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	actor_require(actor, result == POLLIN);
	container_of(actor, struct ringing, actor)->has_rung = false;
	actor->rounds_left -= actor->rounds_left > 0;
}

const struct role role_poll = {.name = "poll",
	.size = sizeof(struct ringing),
	.rounds = 5,
	.begin = poll_begin,
	.act = poll_act,
	.ended = poll_ended,
	.end = nothing_to_check};

/* ---- a function on a thread ---- */

struct calling {
	struct actor actor;
	int64_t numbers[2];
};

static int64_t square(void *argument)
{
	int64_t number = *(const int64_t *)argument;

	return number * number;
}

static void call_act(struct actor *actor)
{
	struct calling *calling = container_of(actor, struct calling, actor);

	for (unsigned i = 0; i < 2 && actor->rounds_left > 0; i++) {
		if (!actor_idle(actor, i))
			continue;
		calling->numbers[i] = 10 + actor->rounds_left;
		(void)actor_push(actor, i,
			(struct proactor_op){
				.opcode = PROACTOR_CALL, .call = {square, &calling->numbers[i]}});
	}
}

static void call_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	const struct calling *calling = container_of(actor, struct calling, actor);

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	actor_require(actor, result == calling->numbers[index] * calling->numbers[index]);
	actor->rounds_left -= actor->rounds_left > 0;
}

const struct role role_call = {.name = "call",
	.size = sizeof(struct calling),
	.rounds = 4,
	.begin = begin_at_once,
	.act = call_act,
	.ended = call_ended,
	.end = nothing_to_check};
