/* With whom: recvfrom and sendto. */
#include "tests/conformance/conformance.h"

#include <netinet/in.h>
#include <sys/un.h>

/* A bound UDP socket, and its address. */
static int64_t receiver_new(struct proactor *proactor, struct proactor_address *ret_address)
{
	int fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));

	*ret_address = local_address(AF_INET);
	must(bind(fd, &ret_address->any, ret_address->size));
	must(getsockname(fd, &ret_address->any, &ret_address->size));
	return attach(proactor, fd);
}

static void assert_same_address(const struct proactor_address *a, const struct proactor_address *b)
{
	ck_assert_uint_eq(a->size, b->size);
	ck_assert_mem_eq(&a->storage, &b->storage, a->size);
}

START_TEST(datagram_goes_to_an_address_and_says_from_whom)
{
	struct proactor *proactor = start();
	struct proactor_address here, there, from;
	int64_t a = receiver_new(proactor, &here), b = receiver_new(proactor, &there);
	char bytes[16] = "";

	memset(&from, 0xee, sizeof(from));
	assert_result(run(proactor, op_sendto(a, "question", 8, &there)), 8);
	assert_result(run(proactor, op_recvfrom(b, bytes, sizeof(bytes), 0, &from)), 8);
	ck_assert_str_eq(bytes, "question");
	assert_same_address(&from, &here);
	assert_result(run(proactor, op_sendto(b, "answer", 6, &from)), 6);
	assert_result(run(proactor, op_recvfrom(a, bytes, sizeof(bytes), 0, NULL)), 6);
	ck_assert_mem_eq(bytes, "answer", 6);
	close_file(proactor, a);
	close_file(proactor, b);
	stop(proactor);
}
END_TEST

START_TEST(recvfrom_waits_until_something_comes)
{
	struct proactor *proactor = start();
	struct proactor_address here, there, from[2];
	int64_t a = receiver_new(proactor, &here), b = receiver_new(proactor, &there);
	char bytes[2][16] = {"", ""};
	uint64_t keys[2];

	for (int i = 0; i < 2; i++)
		keys[i] = launch(proactor, op_recvfrom(b, bytes[i], 15, 0, &from[i]));
	expect_quiet(proactor);
	assert_result(run(proactor, op_sendto(a, "one", 3, &there)), 3);
	assert_result(run(proactor, op_sendto(b, "two", 3, &there)), 3);
	for (int i = 0; i < 2; i++) {
		assert_result(await(proactor, keys[i]), 3);
		assert_same_address(&from[i], strcmp(bytes[i], "one") == 0 ? &here : &there);
	}
	ck_assert_str_ne(bytes[0], bytes[1]);
	close_file(proactor, a);
	close_file(proactor, b);
	stop(proactor);
}
END_TEST

/* A daemon has no bytes for what it counts beyond the memory, and refuses to: then it is cut. */
static void expect_counted(struct proactor *proactor, int64_t file)
{
	struct proactor_address from;
	char bytes[2];

	assert_result(run(proactor, op_recvfrom(file, bytes, 2, MSG_TRUNC, &from)),
		engine->in_process ? 10 : -EINVAL);
	if (!engine->in_process)
		assert_result(run(proactor, op_recvfrom(file, bytes, 2, 0, &from)), 2);
}

START_TEST(datagram_that_is_too_long_is_cut)
{
	struct proactor *proactor = start();
	struct proactor_address here, from;
	int64_t file = receiver_new(proactor, &here);
	char bytes[16] = "";

	assert_result(run(proactor, op_sendto(file, "0123456789", 10, &here)), 10);
	assert_result(run(proactor, op_recvfrom(file, bytes, 4, 0, &from)), 4);
	ck_assert_str_eq(bytes, "0123");
	/* all of it is counted where the flags ask for that */
	assert_result(run(proactor, op_sendto(file, "0123456789", 10, &here)), 10);
	expect_counted(proactor, file);
	assert_result(run(proactor, op_sendto(file, "", 0, &here)), 0);
	memset(&from, 0xee, sizeof(from));
	assert_result(run(proactor, op_recvfrom(file, bytes, sizeof(bytes), 0, &from)), 0);
	assert_same_address(&from, &here);
	assert_result(run(proactor, op_sendto(file, "x", 1, &here)), 1);
	assert_result(run(proactor, op_recvfrom(file, NULL, 0, 0, &from)), 0);
	assert_result(run(proactor, op_recvfrom(file, bytes, 4, MSG_DONTWAIT, &from)), -EAGAIN);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(nobodys_address_has_no_size)
{
	struct proactor *proactor = start();
	struct proactor_address from;
	int peer;
	int64_t file = stream(proactor, &peer);
	char bytes[4];

	memset(&from, 0xee, sizeof(from));
	ck_assert_int_eq(send(peer, "abc", 3, 0), 3);
	assert_result(run(proactor, op_recvfrom(file, bytes, 4, 0, &from)), 3);
	ck_assert_uint_eq(from.size, 0);
	close(peer);
	memset(&from, 0xee, sizeof(from));
	assert_result(run(proactor, op_recvfrom(file, bytes, 4, 0, &from)), 0);
	ck_assert_uint_eq(from.size, 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(datagrams_of_unix_sockets_have_names)
{
	struct proactor *proactor = start();
	struct proactor_address address = local_address(AF_UNIX), from;
	int64_t file = must(run(proactor, op_socket(AF_UNIX, SOCK_DGRAM)));
	int nameless = must(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	char bytes[8] = "";

	assert_result(run(proactor, op_bind(file, &address)), 0);
	assert_result(run(proactor, op_sendto(file, "self", 4, &address)), 4);
	assert_result(run(proactor, op_recvfrom(file, bytes, 8, 0, &from)), 4);
	ck_assert_str_eq(bytes, "self");
	ck_assert_int_eq(from.any.sa_family, AF_UNIX);
	ck_assert_str_eq(((struct sockaddr_un *)(void *)&from.storage)->sun_path,
		((struct sockaddr_un *)(void *)&address.storage)->sun_path);
	/* who has no name cannot be answered */
	must(connect(nameless, &address.any, address.size));
	ck_assert_int_eq(send(nameless, "who", 3, 0), 3);
	assert_result(run(proactor, op_recvfrom(file, bytes, 8, 0, &from)), 3);
	ck_assert_uint_le(from.size, sizeof(sa_family_t));
	close(nameless);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(destination_may_go_as_soon_as_it_was_pushed)
{
	struct proactor *proactor = start();
	struct proactor_address here, address;
	int64_t file = receiver_new(proactor, &here);
	struct proactor_op op = op_sendto(file, "x", 1, &address);
	struct proactor_completion ready;
	uint64_t key;
	char byte;

	for (int i = 0; i < 10; i++) {
		address = here;
		if (must(proactor_push(proactor, &op, &key, &ready)) == PROACTOR_PENDING) {
			memset(&address, 0xee, sizeof(address));
			assert_result(await(proactor, key), 1);
		}
		assert_result(run(proactor, op_recvfrom(file, &byte, 1, 0, &address)), 1);
		assert_same_address(&address, &here);
	}
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(recvfrom_ends_when_it_is_cancelled)
{
	struct proactor *proactor = start();
	struct proactor_address here, from;
	int64_t file = receiver_new(proactor, &here);
	char bytes[8];
	uint64_t key;

	memset(bytes, 0xee, sizeof(bytes));
	for (int i = 0; i < 2; i++) {
		key = launch(proactor, op_recvfrom(file, bytes, 8, 0, &from));
		if (i == 1)
			expect_quiet(proactor);
		assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
		assert_result(await(proactor, key), -ECANCELED);
	}
	assert_result(run(proactor, op_sendto(file, "written!", 8, &here)), 8);
	expect_quiet(proactor);
	ck_assert_uint_eq((uint8_t)bytes[0], 0xee);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(sendto_says_why_it_cannot)
{
	struct proactor *proactor = start();
	struct proactor_address here, unix_address = local_address(AF_UNIX), bad;
	int64_t file = receiver_new(proactor, &here), unix_file, plain;
	static char huge[70000];
	int peer;

	unix_file = must(run(proactor, op_socket(AF_UNIX, SOCK_DGRAM)));
	plain = pattern_file(proactor, "file", 1);
	assert_result(run(proactor, op_sendto(file, "x", 1, &unix_address)), -EAFNOSUPPORT);
	assert_result(run(proactor, op_sendto(file, huge, sizeof(huge), &here)), -EMSGSIZE);
	assert_result(run(proactor, op_sendto(unix_file, "x", 1, &unix_address)), -ENOENT);
	assert_result(run(proactor, op_sendto(plain, "x", 1, &here)), -ENOTSOCK);
	assert_result(run(proactor, op_recvfrom(plain, huge, 1, 0, NULL)), -ENOTSOCK);
	refuse(proactor, op_sendto(file, "x", 1, NULL), -EINVAL);
	bad = here;
	bad.size = sizeof(bad.storage) + 1;
	refuse(proactor, op_sendto(file, "x", 1, &bad), -EINVAL);
	bad.size = 0;
	refuse(proactor, op_sendto(file, "x", 1, &bad), -EINVAL);
	close_file(proactor, plain);
	close_file(proactor, unix_file);
	close_file(proactor, file);
	/* a connection has its address */
	file = stream(proactor, &peer);
	assert_result(run(proactor, op_sendto(file, "x", 1, &unix_address)), -EISCONN);
	close(peer);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

void add_datagrams(Suite *suite)
{
	suite_add(suite, datagram_goes_to_an_address_and_says_from_whom);
	suite_add(suite, recvfrom_waits_until_something_comes);
	suite_add(suite, datagram_that_is_too_long_is_cut);
	suite_add(suite, nobodys_address_has_no_size);
	suite_add(suite, datagrams_of_unix_sockets_have_names);
	suite_add(suite, destination_may_go_as_soon_as_it_was_pushed);
	suite_add(suite, recvfrom_ends_when_it_is_cancelled);
	suite_add(suite, sendto_says_why_it_cannot);
}
