/*
 * Actors on streams: what is taken out is what was put in, byte for byte, whatever happened on the
 * way. See load.h.
 */
#include "tests/fault/load.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- from one end to the other, both by operations ---- */

enum { STREAM_TOTAL = 12000, STREAM_SIZE = 3000, STREAM_ROOM = 4096 };
enum { OUT, IN };

struct stream {
	struct actor actor;
	int64_t files[2];
	uint64_t sent, received;
	uint8_t out[STREAM_SIZE];
	uint8_t in[STREAM_SIZE];
};

static bool pipe_begin(struct actor *actor)
{
	struct stream *stream = container_of(actor, struct stream, actor);
	int fds[2];

	actor_require(actor, pipe2(fds, O_CLOEXEC) == 0);
	(void)fcntl(fds[1], F_SETPIPE_SZ, STREAM_ROOM);
	stream->files[IN] = actor_attach(actor, fds[0]);
	stream->files[OUT] = actor_attach(actor, fds[1]);
	return true;
}

static bool socket_begin(struct actor *actor)
{
	struct stream *stream = container_of(actor, struct stream, actor);
	int fds[2], size = STREAM_ROOM;

	actor_require(actor, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	stream->files[IN] = actor_attach(actor, fds[0]);
	stream->files[OUT] = actor_attach(actor, fds[1]);
	return true;
}

static struct proactor_op stream_op(const struct stream *stream, int way, size_t size)
{
	bool is_pipe = stream->actor.role == &role_pipe;
	/* every now and then by a thread */
	uint32_t flags = !is_pipe && stream->received % 3 == 1 ? PROACTOR_MAY_BLOCK : 0;

	if (is_pipe && way == OUT)
		return (struct proactor_op){.opcode = PROACTOR_WRITE,
			.write = {stream->files[OUT], stream->out, size, PROACTOR_CURRENT}};
	if (is_pipe)
		return (struct proactor_op){.opcode = PROACTOR_READ,
			.read = {stream->files[IN], (void *)stream->in, size, PROACTOR_CURRENT}};
	if (way == OUT)
		return (struct proactor_op){.opcode = PROACTOR_SEND,
			.send = {stream->files[OUT], stream->out, size, 0}};
	return (struct proactor_op){.opcode = PROACTOR_RECV,
		.flags = flags,
		.recv = {stream->files[IN], (void *)stream->in, size, 0, NULL}};
}

static void stream_act(struct actor *actor)
{
	struct stream *stream = container_of(actor, struct stream, actor);

	if (stream->sent < STREAM_TOTAL && actor_idle(actor, OUT)) {
		load_fill(stream->out, STREAM_SIZE, stream->sent);
		(void)actor_push(actor, OUT,
			stream_op(stream, OUT,
				MIN(STREAM_TOTAL - stream->sent, STREAM_SIZE + 0ul)));
	}
	if (stream->received < STREAM_TOTAL && actor_idle(actor, IN)) {
		memset(stream->in, 0, STREAM_SIZE);
		(void)actor_push(actor, IN, stream_op(stream, IN, STREAM_SIZE));
	}
}

static void stream_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct stream *stream = container_of(actor, struct stream, actor);

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	actor_require(actor, result > 0 && result <= STREAM_SIZE);
	if (index == OUT) {
		stream->sent += (uint64_t)result;
		return;
	}
	actor_require(actor, load_matches(stream->in, (size_t)result, stream->received));
	stream->received += (uint64_t)result;
	if (stream->received == STREAM_TOTAL)
		actor->rounds_left = 0;
}

/* What was not received is there still. */
static void stream_end(struct actor *actor)
{
	struct stream *stream = container_of(actor, struct stream, actor);
	int fd = (int)stream->files[IN];
	ssize_t size;

	if (!actor->load->proactor)
		return;
	actor_require(actor, fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	while ((size = read(fd, stream->in, STREAM_SIZE)) > 0) {
		actor_require(actor, load_matches(stream->in, (size_t)size, stream->received));
		stream->received += (uint64_t)size;
	}
	actor_require(actor, stream->received == stream->sent);
}

const struct role role_pipe = {.name = "pipe",
	.size = sizeof(struct stream),
	.rounds = 1,
	.begin = pipe_begin,
	.act = stream_act,
	.ended = stream_ended,
	.end = stream_end};

const struct role role_socket = {.name = "socket",
	.size = sizeof(struct stream),
	.rounds = 1,
	.begin = socket_begin,
	.act = stream_act,
	.ended = stream_ended,
	.end = stream_end};

/* ---- into buffers that are chosen when data comes, of which there are too few ---- */

enum { SOURCE_TOTAL = 1500, SOURCE_CHUNK = 110, HELD_MAX = 16, HOLD_TURNS = 3, SOURCES_MAX = 4 };

/* A stream that is fed past the proactor, and the flight that receives from it. */
struct source {
	int64_t file;
	int peer;
	uint64_t sent, received;
	bool is_over;
};

struct choosing {
	struct actor actor;
	struct source sources[SOURCES_MAX];
	unsigned count;
	void *held[HELD_MAX];
	unsigned held_count;
};

static bool choosing_begin(struct actor *actor)
{
	struct choosing *choosing = container_of(actor, struct choosing, actor);

	choosing->count = actor->role == &role_shots ? 1 : SOURCES_MAX;
	/* no buffers, no part in it */
	if (!actor->load->buffers)
		actor->rounds_left = 0;
	for (unsigned i = 0; i < choosing->count; i++) {
		int fds[2];

		actor_require(actor, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
		choosing->sources[i].file = actor_attach(actor, fds[0]);
		choosing->sources[i].peer = fds[1];
	}
	return true;
}

static void feed(struct actor *actor, struct source *source)
{
	uint8_t chunk[SOURCE_CHUNK];
	size_t size = MIN(SOURCE_TOTAL - source->sent, sizeof(chunk));
	ssize_t sent;

	if (source->peer < 0)
		return;
	load_fill(chunk, size, source->sent);
	sent = send(source->peer, chunk, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	actor_require(actor, sent > 0 || errno == EAGAIN);
	source->sent += sent > 0 ? (uint64_t)sent : 0;
	if (source->sent < SOURCE_TOTAL)
		return;
	close(source->peer);
	source->peer = -1;
}

static void release_held(struct choosing *choosing)
{
	while (choosing->held_count > 0)
		actor_require(&choosing->actor,
			IN_DRIVER(proactor_buffer_release(choosing->actor.load->buffers,
				choosing->held[--choosing->held_count])) == 0);
}

static void choosing_act(struct actor *actor)
{
	struct choosing *choosing = container_of(actor, struct choosing, actor);
	struct proactor_op op = {.opcode = PROACTOR_RECV, .flags = PROACTOR_BUFFER_SELECT};

	if (actor->load->turn % HOLD_TURNS == 0)
		release_held(choosing);
	actor->load->is_hurried |= choosing->held_count > 0;
	if (actor->rounds_left == 0)
		return;
	if (actor->role == &role_shots)
		op.flags |= PROACTOR_MULTISHOT;
	op.recv.buffers = actor->load->buffers;
	for (unsigned i = 0; i < choosing->count; i++) {
		struct source *source = &choosing->sources[i];

		op.recv.file = source->file;
		if (!source->is_over && actor_idle(actor, i))
			(void)actor_push(actor, i, op);
		feed(actor, source);
	}
}

static void choosing_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct choosing *choosing = container_of(actor, struct choosing, actor);
	struct source *source = &choosing->sources[index];
	const struct proactor_buffers *buffers = actor->load->buffers;
	void *data = proactor_buffer_data(buffers, flags);

	actor_require(actor, (result > 0) == (data != NULL));
	actor_require(actor, result > 0 || !(flags & PROACTOR_MORE));
	actor_require(actor, !(flags & PROACTOR_MORE) || actor->role == &role_shots);
	if (!actor_succeeded(actor, index, result))
		return;
	if (result == 0) {
		actor_require(actor, source->received == SOURCE_TOTAL);
		source->is_over = true;
		for (unsigned i = 0; i < choosing->count; i++)
			if (!choosing->sources[i].is_over)
				return;
		actor->rounds_left = 0;
		return;
	}
	actor_require(actor, load_matches(data, (size_t)result, source->received));
	source->received += (uint64_t)result;
	actor_require(actor, choosing->held_count < HELD_MAX);
	choosing->held[choosing->held_count++] = data;
}

static void choosing_end(struct actor *actor)
{
	struct choosing *choosing = container_of(actor, struct choosing, actor);

	if (actor->load->proactor)
		release_held(choosing);
	for (unsigned i = 0; i < choosing->count; i++)
		if (choosing->sources[i].peer >= 0)
			close(choosing->sources[i].peer);
}

const struct role role_shots = {.name = "shots",
	.size = sizeof(struct choosing),
	.rounds = 1,
	.begin = choosing_begin,
	.act = choosing_act,
	.ended = choosing_ended,
	.end = choosing_end};

const struct role role_selects = {.name = "selects",
	.size = sizeof(struct choosing),
	.rounds = 1,
	.begin = choosing_begin,
	.act = choosing_act,
	.ended = choosing_ended,
	.end = choosing_end};

/* ---- from a file into a pipe ---- */

enum { SPLICE_SIZE = 700 };

struct splicing {
	struct actor actor;
	int64_t in, out;
	int reader;
	uint64_t offset;
};

static bool splice_begin(struct actor *actor)
{
	struct splicing *splicing = container_of(actor, struct splicing, actor);
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), fds[2];
	uint8_t content[4 * SPLICE_SIZE];

	load_fill(content, sizeof(content), 0);
	actor_require(actor, write(fd, content, sizeof(content)) == sizeof(content));
	actor_require(actor, pipe2(fds, O_CLOEXEC) == 0);
	splicing->in = actor_attach(actor, fd);
	splicing->out = actor_attach(actor, fds[1]);
	splicing->reader = fds[0];
	return true;
}

static void splice_act(struct actor *actor)
{
	struct splicing *splicing = container_of(actor, struct splicing, actor);
	struct proactor_op op = {.opcode = PROACTOR_SPLICE};

	if (actor->rounds_left == 0 || !actor_idle(actor, 0))
		return;
	op.splice.in = splicing->in;
	op.splice.in_offset = (int64_t)splicing->offset;
	op.splice.out = splicing->out;
	op.splice.out_offset = PROACTOR_CURRENT;
	op.splice.size = SPLICE_SIZE;
	(void)actor_push(actor, 0, op);
}

static void splice_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct splicing *splicing = container_of(actor, struct splicing, actor);
	uint8_t bytes[SPLICE_SIZE];

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	actor_require(actor, result > 0 && result <= SPLICE_SIZE);
	actor_require(actor, read(splicing->reader, bytes, sizeof(bytes)) == result);
	actor_require(actor, load_matches(bytes, (size_t)result, splicing->offset));
	splicing->offset += (uint64_t)result;
	actor->rounds_left--;
}

static void splice_end(struct actor *actor)
{
	close(container_of(actor, struct splicing, actor)->reader);
}

const struct role role_splice = {.name = "splice",
	.size = sizeof(struct splicing),
	.rounds = 3,
	.begin = splice_begin,
	.act = splice_act,
	.ended = splice_ended,
	.end = splice_end};
