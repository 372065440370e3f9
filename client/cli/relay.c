/* Both ways at once. See relay.h. */
#include "client/cli/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/cli/interrupt.h"

#define SILENCE_NS (1 * NSEC_PER_SEC)

enum { BUFFER_SIZE = 128 * 1024, WAY_COUNT = 2 };

enum way_state {
	WAY_IN,      /* reads */
	WAY_OUT,     /* writes what was read */
	WAY_CLOSING, /* tells the other side that there will be no more */
	WAY_OVER,    /* nothing is in flight */
};

/* One direction. Unless OVER it has exactly one operation in flight. */
struct way {
	enum way_state state;
	bool waiting; /* for -EAGAIN to pass: a poll is in flight */
	bool sends;   /* towards the socket */
	int64_t from;
	int64_t to;
	uint8_t *data;
	size_t size;
	size_t done;
	uint64_t since_ns; /* when it last came this far */
	uint64_t key;
	int error; /* what ended it, or 0 */
	bool error_out;
};

struct relay {
	struct io *io;
	struct way ways[WAY_COUNT]; /* to the socket, from the socket */
};

/* ---- operations ---- */

static struct proactor_op op_of_in(const struct way *way)
{
	struct proactor_op op = {.opcode = way->sends ? PROACTOR_READ : PROACTOR_RECV};

	if (way->sends) {
		op.read.file = way->from;
		op.read.data = way->data;
		op.read.size = BUFFER_SIZE;
		op.read.offset = PROACTOR_CURRENT;
	} else {
		op.recv.file = way->from;
		op.recv.data = way->data;
		op.recv.size = BUFFER_SIZE;
	}
	return op;
}

static struct proactor_op op_of_out(const struct way *way)
{
	struct proactor_op op = {.opcode = way->sends ? PROACTOR_SEND : PROACTOR_WRITE};

	if (way->sends) {
		op.send.file = way->to;
		op.send.data = way->data + way->done;
		op.send.size = way->size - way->done;
	} else {
		op.write.file = way->to;
		op.write.data = way->data + way->done;
		op.write.size = way->size - way->done;
		op.write.offset = PROACTOR_CURRENT;
	}
	return op;
}

/* What @way does next, by its state. */
static struct proactor_op op_of(const struct way *way)
{
	struct proactor_op op = {.opcode = PROACTOR_SHUTDOWN};

	if (way->waiting) {
		op.opcode = PROACTOR_POLL;
		op.poll.file = way->state == WAY_OUT ? way->to : way->from;
		op.poll.events = way->state == WAY_OUT ? POLLOUT : POLLIN;
	} else if (way->state == WAY_IN)
		op = op_of_in(way);
	else if (way->state == WAY_OUT)
		op = op_of_out(way);
	else {
		op.shutdown.file = way->to;
		op.shutdown.how = SHUT_WR;
	}
	return op;
}

/* ---- what comes of them ---- */

static void end(struct way *way, int error)
{
	way->error = error;
	way->error_out = way->state != WAY_IN;
	way->state = WAY_OVER;
}

static void on_in(struct way *way, int64_t result)
{
	if (result > 0) {
		way->state = WAY_OUT;
		way->size = (size_t)result;
		way->done = 0;
	} else if (way->sends)
		way->state = WAY_CLOSING;
	else
		end(way, 0);
}

static void on_out(struct way *way, int64_t result)
{
	way->done += (size_t)result;
	if (result == 0)
		end(way, -EIO);
	else if (way->done == way->size)
		way->state = WAY_IN;
}

static void on_result(struct way *way, int64_t result)
{
	bool waited = way->waiting;

	way->waiting = result == -EAGAIN;
	way->since_ns = result == -EAGAIN || result == -EINTR ? way->since_ns : clock_now_ns();
	/* the same once more, unless it is to be waited for first */
	if (result == -EAGAIN || result == -EINTR || (waited && result >= 0))
		return;
	if (result < 0 && way->state != WAY_CLOSING)
		end(way, (int)result);
	else if (way->state == WAY_IN)
		on_in(way, result);
	else if (way->state == WAY_OUT)
		on_out(way, result);
	else
		/* a peer that has gone already need not be told */
		end(way, 0);
}

/*
 * The peer has ended: whether the other way is to end too, rather than to wait for what may never
 * come.
 */
static bool is_idle(const struct relay *relay)
{
	const struct way *out = &relay->ways[0], *in = &relay->ways[1];

	if (in->state != WAY_OVER || in->error < 0)
		return in->error < 0;
	if (out->state != WAY_IN)
		return false;
	/* somebody at a terminal has seen the end, and is not to have to press a key for it */
	return isatty(STDIN_FILENO) ||
		clock_now_ns() - MAX(in->since_ns, out->since_ns) >= SILENCE_NS;
}

/* ---- the loop ---- */

/* Goes on with @way until something is in flight or it is over. */
static void advance(struct relay *relay, struct way *way)
{
	struct proactor_completion ready;
	struct proactor_op op;
	int r;

	while (way->state != WAY_OVER) {
		if (way->sends && is_idle(relay)) {
			end(way, 0);
			return;
		}
		op = op_of(way);
		op.context = way;
		r = proactor_push(relay->io->proactor, &op, &way->key, &ready);
		if (r == PROACTOR_PENDING)
			return;
		on_result(way, r < 0 ? r : ready.result);
	}
}

static int take(struct relay *relay, const struct proactor_entry *entry)
{
	struct proactor_completion completion;
	int r = proactor_pop(relay->io->proactor, entry, &completion);

	if (r < 0)
		return r;
	on_result(completion.context, completion.result);
	advance(relay, completion.context);
	return 0;
}

static int loop(struct relay *relay)
{
	struct way *out = &relay->ways[0], *in = &relay->ways[1];
	struct timespec tick = clock_timespec(SILENCE_NS / 4);
	struct proactor_entry entries[WAY_COUNT];
	int r = 0;

	advance(relay, out);
	advance(relay, in);
	while (r >= 0 && (in->state != WAY_OVER || out->state != WAY_OVER)) {
		if (interrupt_signal())
			return -ECANCELED;
		/* it ends as cancelled, or with what came after all */
		if (out->state != WAY_OVER && is_idle(relay))
			(void)proactor_cancel(relay->io->proactor, out->key);
		r = proactor_poll(relay->io->proactor, in->state == WAY_OVER ? &tick : NULL,
			entries, WAY_COUNT);
		r = r == -ETIME ? 0 : r;
		for (int i = 0; i < r; i++) {
			int taken = take(relay, &entries[i]);

			if (taken < 0)
				return taken;
		}
	}
	return r < 0 ? r : 0;
}

static int report(struct relay *relay)
{
	const struct way *out = &relay->ways[0], *in = &relay->ways[1];

	if (in->error == -EPIPE && in->error_out)
		return io_broken_pipe();
	if (in->error < 0)
		return io_fail(relay->io, in->error,
			in->error_out ? "writing to standard output" : "receiving", "");
	if (out->error < 0 && out->error != -ECANCELED)
		return io_fail(relay->io, out->error,
			out->error_out ? "sending" : "reading standard input", "");
	return STATUS_DONE;
}

static int run(struct relay *relay, int64_t socket, uint8_t *memory)
{
	int64_t input, output;
	int r = io_attach(relay->io, STDIN_FILENO, &input);

	if (r == 0)
		r = io_attach(relay->io, STDOUT_FILENO, &output);
	if (r < 0)
		return io_fail(relay->io, r, "standard streams", "");
	relay->ways[0] = (struct way){.sends = true, .from = input, .to = socket, .data = memory};
	relay->ways[1] = (struct way){.from = socket, .to = output, .data = memory + BUFFER_SIZE};
	r = loop(relay);
	return r < 0 ? io_fail(relay->io, r, "", "the daemon") : report(relay);
}

int relay_run(struct io *io, int64_t socket)
{
	struct relay relay = {.io = io};
	uint8_t *memory = malloc((size_t)WAY_COUNT * BUFFER_SIZE);
	int status;

	if (!memory)
		return cli_fail(io->cli, -ENOMEM, "buffers");
	status = run(&relay, socket, memory);
	/* ends what is in flight, before the memory */
	io_deinit(io);
	free(memory);
	return status;
}
