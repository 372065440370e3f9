/* Making connections: socket, bind, listen, accept, connect. */
#include "tests/conformance/conformance.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>

static const int domains[] = {AF_INET, AF_INET6, AF_UNIX};

/*
 * The address that a file is bound to: there is no operation for that, so the descriptor comes out
 * and goes in again.
 */
static int64_t own_address(struct proactor *proactor, int64_t file,
	struct proactor_address *ret_address)
{
	int fd;

	must(proactor_detach(proactor, file, &fd));
	ret_address->size = sizeof(ret_address->storage);
	must(getsockname(fd, &ret_address->any, &ret_address->size));
	return attach(proactor, fd);
}

/* A listening socket, all by operations. */
static int64_t listen_on(struct proactor *proactor, int domain,
	struct proactor_address *ret_address)
{
	int64_t file = must(run(proactor, op_socket(domain, SOCK_STREAM)));

	*ret_address = local_address(domain);
	assert_result(run(proactor, op_bind(file, ret_address)), 0);
	assert_result(run(proactor, op_listen(file, 5)), 0);
	return own_address(proactor, file, ret_address);
}

static void talk(struct proactor *proactor, int domain)
{
	struct proactor_address address, peer = {0};
	int64_t listening = listen_on(proactor, domain, &address), client, server;
	uint64_t accepting = launch(proactor, op_accept(listening, &peer));
	char bytes[16] = "";

	client = must(run(proactor, op_socket(domain, SOCK_STREAM)));
	assert_result(run(proactor, op_connect(client, &address)), 0);
	server = must(await(proactor, accepting));
	ck_assert_int_eq(peer.any.sa_family, domain);
	assert_result(run(proactor, op_send(client, "question", 8, 0)), 8);
	assert_result(run(proactor, op_recv(server, bytes, sizeof(bytes), 0)), 8);
	ck_assert_str_eq(bytes, "question");
	assert_result(run(proactor, op_send(server, "answer", 6, 0)), 6);
	assert_result(run(proactor, op_recv(client, bytes, 3, 0)), 3);
	assert_result(run(proactor, op_recv(client, bytes + 3, sizeof(bytes), 0)), 3);
	ck_assert_mem_eq(bytes, "answer", 6);
	assert_result(run(proactor, op_shutdown(client, SHUT_WR)), 0);
	assert_result(run(proactor, op_recv(server, bytes, sizeof(bytes), 0)), 0);
	close_file(proactor, server);
	close_file(proactor, client);
	close_file(proactor, listening);
}

START_TEST(client_and_server_talk)
{
	struct proactor *proactor = start();

	for (size_t i = 0; i < ARRAY_SIZE(domains); i++)
		talk(proactor, domains[i]);
	stop(proactor);
}
END_TEST

START_TEST(accept_says_who_it_is)
{
	struct proactor *proactor = start();
	struct proactor_address address, peer, expected = {.size = sizeof(expected.storage)};
	int64_t listening = listener(proactor, AF_INET, &address);
	int client = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	must(connect(client, &address.any, address.size));
	must(getsockname(client, &expected.any, &expected.size));
	memset(&peer, 0xee, sizeof(peer));
	close_file(proactor, must(run(proactor, op_accept(listening, &peer))));
	ck_assert_uint_eq(peer.size, expected.size);
	ck_assert_mem_eq(&peer.storage, &expected.storage, expected.size);
	close(client);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(accept_of_a_nameless_peer_gives_its_family_alone)
{
	struct proactor *proactor = start();
	struct proactor_address address, peer;
	int64_t listening = listener(proactor, AF_UNIX, &address);
	int client = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	must(connect(client, &address.any, address.size));
	memset(&peer, 0xee, sizeof(peer));
	close_file(proactor, must(run(proactor, op_accept(listening, &peer))));
	ck_assert_uint_eq(peer.size, sizeof(sa_family_t));
	ck_assert_int_eq(peer.any.sa_family, AF_UNIX);
	close(client);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(each_waiting_accept_takes_one_connection)
{
	enum { COUNT = 10 };
	struct proactor *proactor = start();
	struct proactor_address address, peers[COUNT];
	int64_t listening = listener(proactor, AF_INET, &address), servers[COUNT];
	uint64_t keys[COUNT];
	int clients[COUNT];

	for (int i = 0; i < COUNT; i++)
		keys[i] = launch(proactor, op_accept(listening, &peers[i]));
	expect_quiet(proactor);
	for (int i = 0; i < COUNT; i++) {
		clients[i] = must(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
		must(connect(clients[i], &address.any, address.size));
	}
	for (int i = 0; i < COUNT; i++)
		servers[i] = must(await(proactor, keys[i]));
	for (int i = 0; i < COUNT; i++) {
		ck_assert_uint_eq(peers[i].size, sizeof(struct sockaddr_in));
		for (int j = 0; j < i; j++) {
			ck_assert_int_ne(servers[i], servers[j]);
			ck_assert_mem_ne(&peers[i].storage, &peers[j].storage,
				sizeof(struct sockaddr_in));
		}
		close_file(proactor, servers[i]);
		close(clients[i]);
	}
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(connect_says_why_it_cannot)
{
	struct proactor *proactor = start();
	struct proactor_address address, unix_address = local_address(AF_UNIX);
	int64_t listening = listener(proactor, AF_INET, &address), client;

	close_file(proactor, listening);
	client = must(run(proactor, op_socket(AF_INET, SOCK_STREAM)));
	assert_result(run(proactor, op_connect(client, &address)), -ECONNREFUSED);
	assert_result(run(proactor, op_connect(client, &unix_address)), -EAFNOSUPPORT);
	close_file(proactor, client);
	client = must(run(proactor, op_socket(AF_UNIX, SOCK_STREAM)));
	assert_result(run(proactor, op_connect(client, &unix_address)), -ENOENT);
	/* the socket's file is there, but nobody listens any more */
	close_file(proactor, listener(proactor, AF_UNIX, &unix_address));
	assert_result(run(proactor, op_connect(client, &unix_address)), -ECONNREFUSED);
	close_file(proactor, client);
	stop(proactor);
}
END_TEST

START_TEST(bind_says_why_it_cannot)
{
	struct proactor *proactor = start();
	struct proactor_address address, nameless = {.size = sizeof(sa_family_t)};
	int64_t listening = listener(proactor, AF_INET, &address);
	int64_t second = must(run(proactor, op_socket(AF_INET, SOCK_STREAM)));

	assert_result(run(proactor, op_bind(second, &address)), -EADDRINUSE);
	assert_result(run(proactor, op_bind(listening, &address)), -EINVAL);
	nameless.any.sa_family = AF_INET;
	assert_result(run(proactor, op_bind(second, &nameless)), -EINVAL);
	close_file(proactor, second);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(socket_says_why_it_cannot)
{
	struct proactor *proactor = start();

	assert_result(run(proactor, op_socket(12345, SOCK_STREAM)), -EAFNOSUPPORT);
	assert_result(run(proactor, op_socket(AF_UNIX, 77)), -EINVAL);
	assert_result(run(proactor, op_socket(-1, SOCK_STREAM)), -EAFNOSUPPORT);
	stop(proactor);
}
END_TEST

START_TEST(file_that_is_no_socket_is_refused_as_such)
{
	struct proactor *proactor = start();
	int64_t file = pattern_file(proactor, "file", 10);
	struct proactor_address address = local_address(AF_INET);
	char byte;
	const struct proactor_op ops[] = {
		op_bind(file, &address),
		op_listen(file, 1),
		op_accept(file, NULL),
		op_connect(file, &address),
		op_shutdown(file, 0),
		op_recv(file, &byte, 1, 0),
		op_send(file, "x", 1, 0),
	};

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		ck_assert_msg(run(proactor, ops[i]) == -ENOTSOCK, "opcode %u", ops[i].opcode);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(socket_that_does_not_listen_accepts_nobody)
{
	struct proactor *proactor = start();
	int64_t file = must(run(proactor, op_socket(AF_INET, SOCK_STREAM)));

	assert_result(run(proactor, op_accept(file, NULL)), -EINVAL);
	assert_result(run(proactor, op_shutdown(file, SHUT_RDWR)), -ENOTCONN);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(address_may_go_as_soon_as_it_was_pushed)
{
	struct proactor *proactor = start();
	struct proactor_address address, copy;
	int64_t listening = listener(proactor, AF_INET, &address);
	int64_t client = must(run(proactor, op_socket(AF_INET, SOCK_STREAM)));
	struct proactor_op op = op_connect(client, &copy);
	struct proactor_completion ready;
	uint64_t key;

	copy = address;
	if (must(proactor_push(proactor, &op, &key, &ready)) == PROACTOR_PENDING) {
		memset(&copy, 0xee, sizeof(copy));
		assert_result(await(proactor, key), 0);
	}
	close_file(proactor, must(run(proactor, op_accept(listening, NULL))));
	close_file(proactor, client);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

START_TEST(datagram_keeps_its_borders)
{
	struct proactor *proactor = start();
	struct proactor_address address = local_address(AF_INET);
	int64_t receiver = must(run(proactor, op_socket(AF_INET, SOCK_DGRAM))), sender;
	char bytes[16] = "";

	assert_result(run(proactor, op_bind(receiver, &address)), 0);
	receiver = own_address(proactor, receiver, &address);
	sender = must(run(proactor, op_socket(AF_INET, SOCK_DGRAM)));
	assert_result(run(proactor, op_connect(sender, &address)), 0);
	assert_result(run(proactor, op_send(sender, "first", 5, 0)), 5);
	assert_result(run(proactor, op_send(sender, "", 0, 0)), 0);
	assert_result(run(proactor, op_send(sender, "third", 5, 0)), 5);
	assert_result(run(proactor, op_recv(receiver, bytes, 2, 0)), 2);
	assert_result(run(proactor, op_recv(receiver, bytes, sizeof(bytes), 0)), 0);
	assert_result(run(proactor, op_recv(receiver, bytes, sizeof(bytes), 0)), 5);
	ck_assert_str_eq(bytes, "third");
	close_file(proactor, sender);
	close_file(proactor, receiver);
	stop(proactor);
}
END_TEST

/* ---- in-process: the daemon looks socket paths up for itself ---- */

START_TEST(socket_path_begins_at_the_working_directory)
{
	struct proactor *proactor = start();
	struct sockaddr_un relative = {.sun_family = AF_UNIX, .sun_path = "here"};
	struct proactor_address address = {.size = sizeof(relative)};
	int64_t listening = must(run(proactor, op_socket(AF_UNIX, SOCK_STREAM))), client;

	memcpy(&address.storage, &relative, sizeof(relative));
	assert_result(run(proactor, op_bind(listening, &address)), 0);
	assert_result(run(proactor, op_listen(listening, 1)), 0);
	must(access("here", F_OK));
	client = must(run(proactor, op_socket(AF_UNIX, SOCK_STREAM)));
	assert_result(run(proactor, op_connect(client, &address)), 0);
	close_file(proactor, client);
	close_file(proactor, listening);
	stop(proactor);
}
END_TEST

void add_sockets(Suite *suite)
{
	suite_add(suite, client_and_server_talk);
	suite_add(suite, accept_says_who_it_is);
	suite_add(suite, accept_of_a_nameless_peer_gives_its_family_alone);
	suite_add(suite, each_waiting_accept_takes_one_connection);
	suite_add(suite, connect_says_why_it_cannot);
	suite_add(suite, bind_says_why_it_cannot);
	suite_add(suite, socket_says_why_it_cannot);
	suite_add(suite, file_that_is_no_socket_is_refused_as_such);
	suite_add(suite, socket_that_does_not_listen_accepts_nobody);
	suite_add(suite, address_may_go_as_soon_as_it_was_pushed);
	suite_add(suite, datagram_keeps_its_borders);
	if (engine->in_process)
		suite_add(suite, socket_path_begins_at_the_working_directory);
}
