/* Actors on connections and messages. See load.h. */
#include "tests/fault/load.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct proactor_address loopback(void)
{
	struct proactor_address address = {.size = sizeof(struct sockaddr_in)};
	struct sockaddr_in *inet = (void *)&address.storage;

	inet->sin_family = AF_INET;
	inet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static void learn_address(struct actor *actor, int64_t file, struct proactor_address *ret_address)
{
	ret_address->size = sizeof(ret_address->storage);
	actor_require(actor, getsockname((int)file, &ret_address->any, &ret_address->size) == 0);
}

/* ---- connections are taken as they come ---- */

enum { CLIENTS = 6 };

struct accepting {
	struct actor actor;
	int64_t file;
	struct proactor_address address;
	unsigned connected, accepted;
};

static bool accept_begin(struct actor *actor)
{
	struct accepting *accepting = container_of(actor, struct accepting, actor);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	actor_require(actor, listen(fd, CLIENTS) == 0);
	accepting->file = actor_attach(actor, fd);
	learn_address(actor, accepting->file, &accepting->address);
	return true;
}

static void accept_act(struct actor *actor)
{
	struct accepting *accepting = container_of(actor, struct accepting, actor);
	struct proactor_op op = {.opcode = PROACTOR_ACCEPT, .flags = PROACTOR_MULTISHOT};
	int client;

	op.accept.file = accepting->file;
	if (actor->rounds_left > 0 && actor_idle(actor, 0))
		(void)actor_push(actor, 0, op);
	if (accepting->accepted == CLIENTS) {
		actor->rounds_left = 0;
		actor_cancel(actor, 0);
	}
	if (accepting->connected == CLIENTS || accepting->connected > accepting->accepted + 1)
		return;
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	actor_require(actor,
		connect(client, &accepting->address.any, accepting->address.size) == 0);
	accepting->connected++;
	close(client);
}

static void accept_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct accepting *accepting = container_of(actor, struct accepting, actor);

	actor_require(actor, !(flags & PROACTOR_BUFFER));
	actor_require(actor, result >= 0 || !(flags & PROACTOR_MORE));
	if (!actor_succeeded(actor, index, result))
		return;
	accepting->accepted++;
	actor_require(actor, accepting->accepted <= accepting->connected);
	actor_close(actor, result);
}

static void nothing_to_check(struct actor *actor)
{
	(void)actor;
}

const struct role role_accept = {.name = "accept",
	.size = sizeof(struct accepting),
	.rounds = 1,
	.begin = accept_begin,
	.act = accept_act,
	.ended = accept_ended,
	.end = nothing_to_check};

/* ---- a conversation, both sides of it ---- */

enum connect_step {
	CONNECT_SERVER,
	CONNECT_BIND,
	CONNECT_LISTEN,
	CONNECT_CLIENT,
	CONNECT_CONNECT,
	CONNECT_SEND,
	CONNECT_SHUTDOWN,
	CONNECT_RECV,
	CONNECT_CLOSE,
	CONNECT_STEPS
};
enum { MAIN, SIDE };

struct talk {
	struct actor actor;
	int64_t server, client, accepted;
	bool has_accepted;
	struct proactor_address address, peer;
	uint64_t sent, received;
	uint8_t out[50];
	uint8_t in[50];
};

static bool talk_begin(struct actor *actor)
{
	struct talk *talk = container_of(actor, struct talk, actor);

	talk->address = loopback();
	return true;
}

static struct proactor_op talk_op(struct talk *talk, enum connect_step step)
{
	const struct proactor_op ops[CONNECT_STEPS] = {
		[CONNECT_SERVER] = {.opcode = PROACTOR_SOCKET, .socket = {AF_INET, SOCK_STREAM, 0}},
		[CONNECT_BIND] = {.opcode = PROACTOR_BIND, .bind = {talk->server, &talk->address}},
		[CONNECT_LISTEN] = {.opcode = PROACTOR_LISTEN, .listen = {talk->server, 4}},
		[CONNECT_CLIENT] = {.opcode = PROACTOR_SOCKET, .socket = {AF_INET, SOCK_STREAM, 0}},
		[CONNECT_CONNECT] = {.opcode = PROACTOR_CONNECT,
			.connect = {talk->client, &talk->address}},
		[CONNECT_SEND] = {.opcode = PROACTOR_SEND,
			.send = {talk->client, talk->out, sizeof(talk->out), 0}},
		[CONNECT_SHUTDOWN] = {.opcode = PROACTOR_SHUTDOWN,
			.shutdown = {talk->client, SHUT_WR}},
		[CONNECT_RECV] = {.opcode = PROACTOR_RECV,
			.recv = {talk->accepted, talk->in, sizeof(talk->in), 0, NULL}},
		[CONNECT_CLOSE] = {.opcode = PROACTOR_CLOSE, .close = {talk->client}},
	};

	return ops[step];
}

static void talk_act(struct actor *actor)
{
	struct talk *talk = container_of(actor, struct talk, actor);
	struct proactor_op op = {.opcode = PROACTOR_ACCEPT, .accept = {talk->server, &talk->peer}};

	if (actor->rounds_left == 0)
		return;
	if (actor->step > CONNECT_LISTEN && !talk->has_accepted && actor_idle(actor, SIDE))
		(void)actor_push(actor, SIDE, op);
	if (!actor_idle(actor, MAIN) || (actor->step == CONNECT_RECV && !talk->has_accepted))
		return;
	load_fill(talk->out, sizeof(talk->out), 0);
	(void)actor_push(actor, MAIN, talk_op(talk, actor->step));
}

static void talk_accepted(struct actor *actor, int64_t result)
{
	struct talk *talk = container_of(actor, struct talk, actor);

	actor_require(actor, talk->peer.size == sizeof(struct sockaddr_in));
	talk->accepted = result;
	talk->has_accepted = true;
	/* before the client, which is closed first */
	actor_adopt(actor, result);
	if (actor->step > CONNECT_CLIENT) {
		actor->files[actor->file_count - 1] = talk->client;
		actor->files[actor->file_count - 2] = result;
	}
}

static void talk_received(struct actor *actor, int64_t result)
{
	struct talk *talk = container_of(actor, struct talk, actor);

	if (result > 0) {
		actor_require(actor,
			memcmp(talk->in, talk->out + talk->received, (size_t)result) == 0);
		talk->received += (uint64_t)result;
		return;
	}
	actor_require(actor, talk->received == talk->sent);
	actor->step++;
}

/* A step that failed is tried again; a connect with a new socket would be the same here. */
static void talk_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct talk *talk = container_of(actor, struct talk, actor);

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	if (index == SIDE) {
		talk_accepted(actor, result);
		return;
	}
	switch ((enum connect_step)actor->step) {
	case CONNECT_SERVER: actor_adopt(actor, talk->server = result); break;
	case CONNECT_CLIENT: actor_adopt(actor, talk->client = result); break;
	case CONNECT_LISTEN: learn_address(actor, talk->server, &talk->address); break;
	case CONNECT_SEND: talk->sent = (uint64_t)result; break;
	case CONNECT_RECV: talk_received(actor, result); return;
	case CONNECT_CLOSE:
		actor_drop(actor, talk->client);
		actor->rounds_left--;
		break;
	default: actor_require(actor, result == 0);
	}
	actor->step++;
}

const struct role role_connect = {.name = "connect",
	.size = sizeof(struct talk),
	.rounds = 1,
	.begin = talk_begin,
	.act = talk_act,
	.ended = talk_ended,
	.end = nothing_to_check};

/* ---- datagrams, and from whom they are ---- */

enum { DATAGRAM_SIZE = 60 };
enum { TO, FROM };

struct datagrams {
	struct actor actor;
	int64_t files[2];
	struct proactor_address addresses[2], found;
	uint64_t sent, received;
	uint8_t out[DATAGRAM_SIZE];
	uint8_t in[DATAGRAM_SIZE];
};

static bool datagram_begin(struct actor *actor)
{
	struct datagrams *datagrams = container_of(actor, struct datagrams, actor);

	for (int i = 0; i < 2; i++) {
		struct proactor_address address = loopback();
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		actor_require(actor, bind(fd, &address.any, address.size) == 0);
		datagrams->files[i] = actor_attach(actor, fd);
		learn_address(actor, datagrams->files[i], &datagrams->addresses[i]);
	}
	return true;
}

static void datagram_act(struct actor *actor)
{
	struct datagrams *datagrams = container_of(actor, struct datagrams, actor);
	struct proactor_address to = datagrams->addresses[FROM];
	struct proactor_op send = {.opcode = PROACTOR_SENDTO}, recv = {.opcode = PROACTOR_RECVFROM};

	if (actor->rounds_left == 0)
		return;
	recv.recvfrom.file = datagrams->files[FROM];
	recv.recvfrom.data = datagrams->in;
	recv.recvfrom.size = DATAGRAM_SIZE;
	recv.recvfrom.address = &datagrams->found;
	send.sendto.file = datagrams->files[TO];
	send.sendto.data = datagrams->out;
	send.sendto.size = DATAGRAM_SIZE;
	send.sendto.address = &to;
	if (actor_idle(actor, FROM))
		(void)actor_push(actor, FROM, recv);
	if (datagrams->sent == datagrams->received && actor_idle(actor, TO) &&
		actor->rounds_left > 0) {
		load_fill(datagrams->out, DATAGRAM_SIZE, datagrams->sent);
		(void)actor_push(actor, TO, send);
	}
	memset(&to, 0xee, sizeof(to));
}

static void datagram_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct datagrams *datagrams = container_of(actor, struct datagrams, actor);

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	actor_require(actor, result == DATAGRAM_SIZE);
	if (index == TO) {
		datagrams->sent += DATAGRAM_SIZE;
		return;
	}
	actor_require(actor, load_matches(datagrams->in, DATAGRAM_SIZE, datagrams->received));
	datagrams->received += DATAGRAM_SIZE;
	actor_require(actor, datagrams->found.size == datagrams->addresses[TO].size);
	actor_require(actor,
		memcmp(&datagrams->found.storage, &datagrams->addresses[TO].storage,
			datagrams->found.size) == 0);
	actor->rounds_left--;
}

const struct role role_datagram = {.name = "datagram",
	.size = sizeof(struct datagrams),
	.rounds = 3,
	.begin = datagram_begin,
	.act = datagram_act,
	.ended = datagram_ended,
	.end = nothing_to_check};

/* ---- messages ---- */

struct messages {
	struct actor actor;
	int64_t files[2];
	struct msghdr headers[2];
	struct iovec pieces[2][2];
	uint64_t sent, received;
	uint8_t out[DATAGRAM_SIZE];
	uint8_t in[DATAGRAM_SIZE];
};

static bool message_begin(struct actor *actor)
{
	struct messages *messages = container_of(actor, struct messages, actor);
	int fds[2];

	actor_require(actor, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
	for (int i = 0; i < 2; i++)
		messages->files[i] = actor_attach(actor, fds[i]);
	return true;
}

static struct msghdr *message_of(struct messages *messages, int way, uint8_t *data)
{
	messages->pieces[way][0] = (struct iovec){data, 20};
	messages->pieces[way][1] = (struct iovec){data + 20, DATAGRAM_SIZE - 20};
	messages->headers[way] = (struct msghdr){.msg_iov = messages->pieces[way], .msg_iovlen = 2};
	return &messages->headers[way];
}

static void message_act(struct actor *actor)
{
	struct messages *messages = container_of(actor, struct messages, actor);

	if (actor->rounds_left == 0)
		return;
	if (actor_idle(actor, FROM))
		(void)actor_push(actor, FROM,
			(struct proactor_op){.opcode = PROACTOR_RECVMSG,
				.recvmsg = {messages->files[FROM],
					message_of(messages, FROM, messages->in), 0}});
	if (messages->sent == messages->received && actor_idle(actor, TO) &&
		actor->rounds_left > 0) {
		load_fill(messages->out, DATAGRAM_SIZE, messages->sent);
		(void)actor_push(actor, TO,
			(struct proactor_op){.opcode = PROACTOR_SENDMSG,
				.sendmsg = {messages->files[TO],
					message_of(messages, TO, messages->out), 0}});
	}
}

static void message_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct messages *messages = container_of(actor, struct messages, actor);

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	actor_require(actor, result == DATAGRAM_SIZE);
	if (index == TO) {
		messages->sent += DATAGRAM_SIZE;
		return;
	}
	actor_require(actor, load_matches(messages->in, DATAGRAM_SIZE, messages->received));
	messages->received += DATAGRAM_SIZE;
	actor->rounds_left--;
}

const struct role role_message = {.name = "message",
	.size = sizeof(struct messages),
	.rounds = 3,
	.begin = message_begin,
	.act = message_act,
	.ended = message_ended,
	.end = nothing_to_check};
