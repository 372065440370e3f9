/*
 * What the io_uring driver does beyond proactor.h: messages with descriptors, order, system calls
 * for operations.
 */
#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/buffers.h"
#include "driver/uring.h"

static struct proactor *start(uint32_t capacity)
{
	struct proactor_options options = {
		.size = sizeof(options),
		.driver = PROACTOR_DRIVER_IO_URING,
		.capacity = capacity,
	};
	struct proactor *proactor;

	must(proactor_new(&proactor, &options));
	return proactor;
}

static int64_t run(struct proactor *proactor, struct proactor_op op)
{
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;

	if (must(proactor_push(proactor, &op, &key, &completion)) == PROACTOR_READY)
		return completion.result;
	assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
	must(proactor_pop(proactor, &entry, &completion));
	return completion.result;
}

/* ---- messages ---- */

struct parcel {
	struct msghdr message;
	struct iovec data;
	char byte;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
};

static struct msghdr *parcel_init(struct parcel *parcel)
{
	*parcel = (struct parcel){.data = {.iov_base = &parcel->byte, .iov_len = 1}};
	parcel->message = (struct msghdr){
		.msg_iov = &parcel->data,
		.msg_iovlen = 1,
		.msg_control = &parcel->control,
		.msg_controllen = sizeof(parcel->control.bytes),
	};
	return &parcel->message;
}

static void parcel_put_fd(struct parcel *parcel, int fd)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(&parcel->message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
}

START_TEST(message_carries_a_descriptor_that_is_close_on_exec)
{
	struct proactor *proactor = start(0);
	struct parcel sent, received;
	int fds[2], fd = -1;
	char byte;

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	parcel_init(&sent);
	parcel_put_fd(&sent, fds[0]);
	assert_result(run(proactor,
			      (struct proactor_op){.opcode = PROACTOR_SENDMSG,
				      .sendmsg = {fds[0], &sent.message, 0}}),
		1);
	parcel_init(&received);
	assert_result(run(proactor,
			      (struct proactor_op){.opcode = PROACTOR_RECVMSG,
				      .recvmsg = {fds[1], &received.message, 0}}),
		1);
	memcpy(&fd, CMSG_DATA(&received.control.header), sizeof(int));
	ck_assert_int_eq(must(fcntl(fd, F_GETFD)), FD_CLOEXEC);
	/* it is the sender's own end */
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(read(fds[1], &byte, 1), 1);
	close(fd);
	close(fds[0]);
	close(fds[1]);
	proactor_free(proactor);
}
END_TEST

START_TEST(message_to_nobody_is_an_error_and_no_signal)
{
	struct proactor *proactor = start(0);
	struct parcel parcel;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	close(fds[1]);
	parcel_init(&parcel);
	parcel.message.msg_controllen = 0;
	assert_result(run(proactor,
			      (struct proactor_op){.opcode = PROACTOR_SENDMSG,
				      .sendmsg = {fds[0], &parcel.message, 0}}),
		-EPIPE);
	assert_result(run(proactor,
			      (struct proactor_op){.opcode = PROACTOR_RECVMSG,
				      .recvmsg = {-1, &parcel.message, 0}}),
		-EBADF);
	close(fds[0]);
	proactor_free(proactor);
}
END_TEST

/* ---- the queue ---- */

START_TEST(what_queues_is_submitted_in_the_order_of_the_pushes)
{
	enum { COUNT = 100 };
	struct proactor *proactor = start(2);
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint8_t in[COUNT], out[COUNT];
	uint64_t key;
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	for (int i = 0; i < COUNT; i++) {
		struct proactor_op op = {.opcode = PROACTOR_SEND, .send = {fds[0], &out[i], 1, 0}};

		out[i] = (uint8_t)i;
		assert_result(proactor_push(proactor, &op, &key, &completion), PROACTOR_PENDING);
	}
	for (int i = 0; i < COUNT; i++) {
		assert_result(proactor_poll(proactor, NULL, &entry, 1), 1);
		must(proactor_pop(proactor, &entry, &completion));
		assert_result(completion.result, 1);
	}
	ck_assert_int_eq(recv(fds[1], in, COUNT, MSG_WAITALL), COUNT);
	ck_assert_mem_eq(in, out, COUNT);
	close(fds[0]);
	close(fds[1]);
	proactor_free(proactor);
}
END_TEST

START_TEST(many_pushes_share_one_system_call)
{
	struct proactor *proactor = start(64);
	struct proactor_completion completion;
	struct proactor_entry entries[64];
	struct proactor_stats stats;
	uint64_t key;

	for (int i = 0; i < 64; i++)
		must(proactor_push(proactor, &(struct proactor_op){.opcode = PROACTOR_NOP}, &key,
			&completion));
	assert_result(proactor_poll(proactor, NULL, entries, 64), 64);
	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.enters, 1);
	proactor_free(proactor);
}
END_TEST

/* ---- where the kernel's io_uring lacks an operation ---- */

START_TEST(call_in_place_of_an_operation_does_the_same)
{
	struct proactor_address address = {
		.size = sizeof(struct sockaddr_in), .any.sa_family = AF_INET};
	struct proactor *proactor = start(0);
	int64_t file;

	for (int opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++)
		uring_of(proactor)->op_special[opcode] |= URING_LACKS;
	file = must(run(proactor,
		(struct proactor_op){
			.opcode = PROACTOR_SOCKET, .socket = {AF_INET, SOCK_STREAM, 0}}));
	ck_assert_int_eq(must(fcntl((int)file, F_GETFD)), FD_CLOEXEC);
	assert_result(run(proactor,
			      (struct proactor_op){
				      .opcode = PROACTOR_BIND, .bind = {file, &address}}),
		0);
	assert_result(run(proactor,
			      (struct proactor_op){
				      .opcode = PROACTOR_BIND, .bind = {file, &address}}),
		-EINVAL);
	assert_result(run(proactor,
			      (struct proactor_op){.opcode = PROACTOR_LISTEN, .listen = {file, 1}}),
		0);
	assert_result(run(proactor,
			      (struct proactor_op){
				      .opcode = PROACTOR_SHUTDOWN, .shutdown = {file, SHUT_RDWR}}),
		0);
	assert_result(run(proactor,
			      (struct proactor_op){
				      .opcode = PROACTOR_SHUTDOWN, .shutdown = {-1, 0}}),
		-EBADF);
	assert_result(run(proactor,
			      (struct proactor_op){
				      .opcode = PROACTOR_SOCKET, .socket = {-1, 0, 0}}),
		-EAFNOSUPPORT);
	close((int)file);
	proactor_free(proactor);
}
END_TEST

/* A daemon makes and frees them for as long as it runs; a number that one has no other gets. */
START_TEST(numbers_of_buffers_come_round)
{
	struct proactor *proactor = start(4);
	struct proactor_buffers *kept, *made;

	must(proactor_buffers_new(proactor, 1, 1, &kept));
	/* before Linux 5.19 they have none */
	if (!kept->in_engine) {
		fprintf(stderr,
			"numbers_of_buffers_come_round: NOT RUN, no rings of buffers here\n");
		proactor_free(proactor);
		return;
	}
	for (unsigned i = 0; i < 2 * (UINT16_MAX + 1U); i++) {
		must(proactor_buffers_new(proactor, 1, 1, &made));
		ck_assert(made->in_engine && made->group != kept->group);
		proactor_buffers_free(made);
	}
	proactor_buffers_free(kept);
	proactor_free(proactor);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("uring");

	suite_add(suite, message_carries_a_descriptor_that_is_close_on_exec);
	suite_add(suite, message_to_nobody_is_an_error_and_no_signal);
	suite_add(suite, what_queues_is_submitted_in_the_order_of_the_pushes);
	suite_add(suite, many_pushes_share_one_system_call);
	suite_add(suite, call_in_place_of_an_operation_does_the_same);
	suite_add(suite, numbers_of_buffers_come_round);
	return suite_main(suite);
}
