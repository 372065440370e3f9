/* Messages: recvmsg and sendmsg; in-process, what goes along with them. */
#include "tests/conformance/conformance.h"

#include <netinet/in.h>
#include <sys/uio.h>

/* A message of @count pieces, without a name. */
static struct msghdr message_of(struct iovec *pieces, size_t count)
{
	return (struct msghdr){.msg_iov = pieces, .msg_iovlen = count};
}

/* Both ends of a connected pair of sockets of @type. */
static void pair(struct proactor *proactor, int type, int64_t ret_files[2])
{
	int fds[2];

	must(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds));
	ret_files[0] = attach(proactor, fds[0]);
	ret_files[1] = attach(proactor, fds[1]);
}

static void close_pair(struct proactor *proactor, const int64_t files[2])
{
	close_file(proactor, files[0]);
	close_file(proactor, files[1]);
}

START_TEST(message_goes_from_pieces_to_pieces)
{
	struct proactor *proactor = start();
	char first[3] = "", second[8] = "";
	struct iovec out[] = {text_piece("he"), {NULL, 0}, text_piece("llo")},
		     in[] = {{first, 2}, {second, 7}};
	struct msghdr sent = message_of(out, 3), received = message_of(in, 2);
	int64_t files[2];

	pair(proactor, SOCK_SEQPACKET, files);
	assert_result(run(proactor, op_sendmsg(files[0], &sent, 0)), 5);
	assert_result(run(proactor, op_recvmsg(files[1], &received, 0)), 5);
	ck_assert_str_eq(first, "he");
	ck_assert_str_eq(second, "llo");
	ck_assert_int_eq(received.msg_flags & MSG_TRUNC, 0);
	close_pair(proactor, files);
	stop(proactor);
}
END_TEST

START_TEST(message_says_from_whom_and_goes_to_whom)
{
	struct proactor *proactor = start();
	struct proactor_address address = local_address(AF_INET), from = {0};
	char bytes[8] = "";
	struct iovec out = text_piece("self"), in = {bytes, 7};
	struct msghdr sent = message_of(&out, 1), received = message_of(&in, 1);
	int fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	int64_t file;

	must(bind(fd, &address.any, address.size));
	must(getsockname(fd, &address.any, &address.size));
	file = attach(proactor, fd);
	sent.msg_name = &address.storage;
	sent.msg_namelen = address.size;
	received.msg_name = &from.storage;
	received.msg_namelen = sizeof(from.storage);
	assert_result(run(proactor, op_sendmsg(file, &sent, 0)), 4);
	assert_result(run(proactor, op_recvmsg(file, &received, 0)), 4);
	ck_assert_str_eq(bytes, "self");
	ck_assert_uint_eq(received.msg_namelen, address.size);
	ck_assert_mem_eq(&from.storage, &address.storage, address.size);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(message_that_is_too_long_is_cut_and_says_so)
{
	struct proactor *proactor = start();
	char bytes[4] = "";
	struct iovec out = text_piece("0123456789"), in = {bytes, 3};
	struct msghdr sent = message_of(&out, 1), received = message_of(&in, 1);
	int64_t files[2];

	pair(proactor, SOCK_SEQPACKET, files);
	assert_result(run(proactor, op_sendmsg(files[0], &sent, 0)), 10);
	assert_result(run(proactor, op_recvmsg(files[1], &received, 0)), 3);
	ck_assert_str_eq(bytes, "012");
	ck_assert_int_eq(received.msg_flags & MSG_TRUNC, MSG_TRUNC);
	assert_result(run(proactor, op_sendmsg(files[0], &sent, 0)), 10);
	received.msg_iovlen = 0;
	assert_result(run(proactor, op_recvmsg(files[1], &received, 0)), 0);
	close_pair(proactor, files);
	stop(proactor);
}
END_TEST

START_TEST(recvmsg_waits_ends_and_can_be_cancelled)
{
	struct proactor *proactor = start();
	char bytes[8] = "";
	struct iovec in = {bytes, 7};
	struct msghdr received = message_of(&in, 1);
	int peer;
	int64_t file = stream(proactor, &peer);
	uint64_t key = launch(proactor, op_recvmsg(file, &received, 0));

	expect_quiet(proactor);
	ck_assert_int_eq(send(peer, "late", 4, 0), 4);
	assert_result(await(proactor, key), 4);
	ck_assert_str_eq(bytes, "late");
	key = launch(proactor, op_recvmsg(file, &received, 0));
	expect_quiet(proactor);
	assert_result(proactor_cancel(proactor, key), PROACTOR_CANCEL_REQUESTED);
	assert_result(await(proactor, key), -ECANCELED);
	assert_result(run(proactor, op_recvmsg(file, &received, MSG_DONTWAIT)), -EAGAIN);
	close(peer);
	assert_result(run(proactor, op_recvmsg(file, &received, 0)), 0);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(messages_say_why_they_cannot_and_raise_no_signal)
{
	struct proactor *proactor = start();
	struct iovec piece = text_piece("x");
	struct msghdr message = message_of(&piece, 1);
	int64_t file = pattern_file(proactor, "file", 1);
	int peer;

	assert_result(run(proactor, op_sendmsg(file, &message, 0)), -ENOTSOCK);
	assert_result(run(proactor, op_recvmsg(file, &message, 0)), -ENOTSOCK);
	close_file(proactor, file);
	refuse(proactor, op_sendmsg(0, NULL, 0), -EINVAL);
	refuse(proactor, op_recvmsg(0, NULL, 0), -EINVAL);
	file = stream(proactor, &peer);
	close(peer);
	assert_result(run(proactor, op_sendmsg(file, &message, 0)), -EPIPE);
	close_file(proactor, file);
	file = must(run(proactor, op_socket(AF_UNIX, SOCK_DGRAM)));
	assert_result(run(proactor, op_sendmsg(file, &message, 0)), -ENOTCONN);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

START_TEST(message_is_as_long_as_its_pieces_are_many)
{
	enum { COUNT = 40 };
	struct proactor *proactor = start();
	char bytes[COUNT + 1] = "", other[COUNT + 1] = "";
	struct iovec out[COUNT], in[COUNT];
	struct msghdr sent = message_of(out, COUNT), received = message_of(in, COUNT);
	int64_t files[2];

	for (int i = 0; i < COUNT; i++) {
		bytes[i] = (char)('0' + i);
		out[i] = (struct iovec){&bytes[i], 1};
		in[i] = (struct iovec){&other[COUNT - 1 - i], 1};
	}
	pair(proactor, SOCK_SEQPACKET, files);
	assert_result(run(proactor, op_sendmsg(files[0], &sent, 0)), COUNT);
	assert_result(run(proactor, op_recvmsg(files[1], &received, 0)), COUNT);
	for (int i = 0; i < COUNT; i++)
		ck_assert_int_eq(other[COUNT - 1 - i], bytes[i]);
	close_pair(proactor, files);
	stop(proactor);
}
END_TEST

START_TEST(name_is_cut_to_its_room_and_in_its_whole_size)
{
	struct proactor *proactor = start();
	struct proactor_address address = local_address(AF_INET);
	/* as large as its whole size, since that is what a sanitizer takes for written */
	char byte, name[sizeof(struct sockaddr_in)] = {0, 0, 0, 0x55, 0x55};
	struct iovec out = text_piece("x"), in = {&byte, 1};
	struct msghdr sent = message_of(&out, 1), received = message_of(&in, 1);
	int fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	int64_t file;

	must(bind(fd, &address.any, address.size));
	must(getsockname(fd, &address.any, &address.size));
	file = attach(proactor, fd);
	sent.msg_name = &address.storage;
	sent.msg_namelen = address.size;
	received.msg_name = name;
	received.msg_namelen = 3;
	assert_result(run(proactor, op_sendmsg(file, &sent, 0)), 1);
	assert_result(run(proactor, op_recvmsg(file, &received, 0)), 1);
	ck_assert_uint_eq(received.msg_namelen, address.size);
	ck_assert_mem_eq(name, &address.storage, 3);
	ck_assert_int_eq(name[3], 0x55);
	ck_assert_int_eq(name[4], 0x55);
	close_file(proactor, file);
	stop(proactor);
}
END_TEST

/* ---- with the daemon: what goes along with a message does not go on the wire ---- */

START_TEST(ancillary_data_is_not_taken_to_the_daemon)
{
	struct proactor *proactor = start();
	char control[64], byte = 0;
	struct iovec piece = {&byte, 1};
	struct msghdr message = message_of(&piece, 1);
	int64_t files[2];

	message.msg_control = control;
	message.msg_controllen = sizeof(control);
	pair(proactor, SOCK_STREAM, files);
	refuse(proactor, op_sendmsg(files[0], &message, 0), -EOPNOTSUPP);
	refuse(proactor, op_recvmsg(files[0], &message, 0), -EOPNOTSUPP);
	message.msg_controllen = 0;
	assert_result(run(proactor, op_sendmsg(files[0], &message, 0)), 1);
	message.msg_iovlen = 1025;
	assert_result(run(proactor, op_sendmsg(files[0], &message, 0)), -EMSGSIZE);
	close_pair(proactor, files);
	stop(proactor);
}
END_TEST

/* ---- in-process: ancillary data means something in one process only ---- */

/* Room for one descriptor. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static int send_fd(struct proactor *proactor, int64_t file, int fd)
{
	union control control = {0};
	struct iovec piece = text_piece("x");
	struct msghdr message = message_of(&piece, 1);

	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	control.header = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	};
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return (int)run(proactor, op_sendmsg(file, &message, 0));
}

START_TEST(descriptor_goes_along_and_is_close_on_exec)
{
	struct proactor *proactor = start();
	union control control = {0};
	char byte;
	struct iovec piece = {&byte, 1};
	struct msghdr message = message_of(&piece, 1);
	int fd = must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), twin;
	struct stat expected, now;
	int64_t files[2];
	uint64_t key;

	message.msg_control = &control;
	message.msg_controllen = sizeof(control);
	pair(proactor, SOCK_STREAM, files);
	key = launch(proactor, op_recvmsg(files[1], &message, 0));
	assert_result(send_fd(proactor, files[0], fd), 1);
	assert_result(await(proactor, key), 1);
	ck_assert_uint_eq(message.msg_controllen, CMSG_SPACE(sizeof(int)));
	ck_assert_int_eq(control.header.cmsg_type, SCM_RIGHTS);
	memcpy(&twin, CMSG_DATA(&control.header), sizeof(twin));
	ck_assert_int_ne(twin, fd);
	ck_assert_int_eq(must(fcntl(twin, F_GETFD)), FD_CLOEXEC);
	must(fstat(fd, &expected));
	must(fstat(twin, &now));
	ck_assert_uint_eq(now.st_ino, expected.st_ino);
	close(twin);
	close(fd);
	close_pair(proactor, files);
	stop(proactor);
}
END_TEST

START_TEST(descriptor_for_which_there_is_no_room_is_closed)
{
	struct proactor *proactor = start();
	int fd = must(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)), before;
	char byte;
	struct iovec piece = {&byte, 1};
	struct msghdr message = message_of(&piece, 1);
	int64_t files[2];

	pair(proactor, SOCK_STREAM, files);
	before = fd_count();
	assert_result(send_fd(proactor, files[0], fd), 1);
	assert_result(run(proactor, op_recvmsg(files[1], &message, 0)), 1);
	ck_assert_int_eq(message.msg_flags & MSG_CTRUNC, MSG_CTRUNC);
	ck_assert_uint_eq(message.msg_controllen, 0);
	ck_assert_int_eq(fd_count(), before);
	assert_result(send_fd(proactor, files[0], 123456), -EBADF);
	close(fd);
	close_pair(proactor, files);
	stop(proactor);
}
END_TEST

START_TEST(message_at_a_bad_address_is_refused_by_the_kernel)
{
	struct proactor *proactor = start();
	static struct iovec too_many[5000];
	struct iovec piece = {(void *)(uintptr_t)4096, 5};
	struct msghdr message = message_of(&piece, 1);
	int64_t files[2];

	pair(proactor, SOCK_STREAM, files);
	assert_result(run(proactor, op_sendmsg(files[0], &message, 0)), -EFAULT);
	assert_result(run(proactor, op_sendmsg(files[0], (struct msghdr *)(uintptr_t)4096, 0)),
		-EFAULT);
	assert_result(run(proactor, op_send(files[0], (void *)(uintptr_t)4096, 5, 0)), -EFAULT);
	message.msg_iov = too_many;
	message.msg_iovlen = ARRAY_SIZE(too_many);
	assert_result(run(proactor, op_sendmsg(files[0], &message, 0)), -EMSGSIZE);
	close_pair(proactor, files);
	stop(proactor);
}
END_TEST

void add_messages(Suite *suite)
{
	suite_add(suite, message_goes_from_pieces_to_pieces);
	suite_add(suite, message_says_from_whom_and_goes_to_whom);
	suite_add(suite, message_that_is_too_long_is_cut_and_says_so);
	suite_add(suite, message_is_as_long_as_its_pieces_are_many);
	suite_add(suite, name_is_cut_to_its_room_and_in_its_whole_size);
	suite_add(suite, recvmsg_waits_ends_and_can_be_cancelled);
	suite_add(suite, messages_say_why_they_cannot_and_raise_no_signal);
	if (!engine->in_process) {
		suite_add(suite, ancillary_data_is_not_taken_to_the_daemon);
		return;
	}
	suite_add(suite, descriptor_goes_along_and_is_close_on_exec);
	suite_add(suite, descriptor_for_which_there_is_no_room_is_closed);
	suite_add(suite, message_at_a_bad_address_is_refused_by_the_kernel);
}
