/*
 * A whole server in a thread, and a raw client: a few dialogues, byte by byte. What operations do
 * is tested in tests/conformance, what the daemon does as a process in tests/e2e.
 */
#include "tests/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/server.h"
#include "proto/rpc.h"
#include "proto/scan.h"

enum { PATIENCE_S = 10, ROOM = 65536 };

static pthread_t thread;
static struct server_options settings;
static struct server server;
static pthread_barrier_t ready;

/* ---- the server ---- */

static void *serve(void *unused)
{
	struct proactor_options options = {
		.size = sizeof(options), .driver = PROACTOR_DRIVER_IO_URING};
	struct proactor *proactor;

	(void)unused;
	assert(proactor_new(&proactor, &options) == 0);
	assert(server_init(&server, proactor, &settings) == 0);
	pthread_barrier_wait(&ready);
	assert(server_run(&server) == 0);
	server_deinit(&server);
	proactor_free(proactor);
	return NULL;
}

/* A limit is given as its name and value; LIMIT_COUNT: none. */
static void start_server(enum limit limit, uint64_t value)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	sigset_t set;

	/* the server learns of SIGTERM by a descriptor: no thread may take it */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	log_set_level(LOG_LEVEL_ERROR);
	settings = (struct server_options){
		.listen_fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
		.drain_ns = PATIENCE_S * NSEC_PER_SEC,
	};
	limits_init(&settings.limits);
	if (limit < LIMIT_COUNT)
		settings.limits.value[limit] = value;
	must(bind(settings.listen_fd, (struct sockaddr *)&address, sizeof(address)));
	must(listen(settings.listen_fd, 10));
	ck_assert_int_eq(pthread_barrier_init(&ready, NULL, 2), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
	pthread_barrier_wait(&ready);
}

static void begin_shutdown(void)
{
	must(kill(getpid(), SIGTERM));
}

static void await_end(void)
{
	struct timespec deadline;

	must(clock_gettime(CLOCK_REALTIME, &deadline));
	deadline.tv_sec += PATIENCE_S / 2;
	ck_assert_msg(pthread_timedjoin_np(thread, NULL, &deadline) == 0,
		"the server does not end");
}

static void stop_server(void)
{
	begin_shutdown();
	await_end();
}

/* ---- the client ---- */

static int client(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	struct timeval patience = {.tv_sec = PATIENCE_S / 2};
	int fd = must(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));

	must(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	must(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	return fd;
}

static size_t bytes_of(const char *hex, uint8_t *bytes)
{
	size_t size = 0;
	unsigned byte;
	int length;

	for (; sscanf(hex, " %2x%n", &byte, &length) == 1; hex += length)
		bytes[size++] = (uint8_t)byte;
	ck_assert_msg(strspn(hex, " ") == strlen(hex), "no hex: %s", hex);
	return size;
}

static void say(int fd, const char *hex)
{
	uint8_t bytes[ROOM];
	size_t size = bytes_of(hex, bytes);

	ck_assert_int_eq(must(send(fd, bytes, size, MSG_NOSIGNAL)), (ssize_t)size);
}

/* A request with @params, an array in hex; @passed, or -1, rides on it. */
static void ask(int fd, uint32_t msgid, const char *method, const char *params, int passed)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct buffer buffer = {0};
	struct pack pack = pack_into(&buffer);
	uint8_t bytes[ROOM];
	size_t size = bytes_of(params, bytes);
	struct iovec piece;
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

	pack_array(&pack, 4);
	pack_uint(&pack, RPC_REQUEST);
	pack_uint(&pack, msgid);
	pack_str(&pack, method);
	must(buffer_append(&buffer, bytes, size));
	piece = (struct iovec){buffer.data, buffer_size(&buffer)};
	if (passed >= 0) {
		memcpy(CMSG_DATA(&control.header), &passed, sizeof(passed));
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
	}
	ck_assert_int_eq(must(sendmsg(fd, &message, MSG_NOSIGNAL)), (ssize_t)piece.iov_len);
	buffer_deinit(&buffer);
}

/* What comes next is this. */
static void hear(int fd, const char *hex)
{
	uint8_t wanted[ROOM], bytes[ROOM];
	size_t size = bytes_of(hex, wanted);

	ck_assert_int_eq(must(recv(fd, bytes, size, MSG_WAITALL)), (ssize_t)size);
	ck_assert_mem_eq(bytes, wanted, size);
}

static void hear_end(int fd)
{
	uint8_t byte;

	ck_assert_int_eq(must(recv(fd, &byte, 1, 0)), 0);
}

/* The next message is an error response to @msgid with @code, whose text has @text in it. */
static struct rpc_error hear_error(int fd, uint32_t msgid, int code, const char *text)
{
	uint8_t bytes[ROOM];
	struct rpc_message message;
	struct rpc_error error;
	struct limits limits;
	struct scan scan;
	const char *reason;
	size_t size = 0;

	limits_init(&limits);
	scan_reset(&scan);
	while (scan_frame(&scan, bytes, size, &limits) == SCAN_MORE)
		size += (size_t)must(recv(fd, bytes + size, 1, MSG_WAITALL)) == 1
			? 1
			: (ck_abort_msg("it ended"), 0);
	must(rpc_parse(bytes, size, &message, &reason));
	ck_assert_uint_eq(message.msgid, msgid);
	must(rpc_error_parse(message.error, &error));
	ck_assert_msg(error.code == code && strstr(error.message, text), "%d %s", error.code,
		error.message);
	return error;
}

/* ---- dialogues ---- */

START_TEST(calls_are_answered_in_the_order_in_which_they_end)
{
	int fd;

	start_server(LIMIT_COUNT, 0);
	fd = client();
	/* a timeout of 50 ms, and a ping */
	ask(fd, 1, "timeout", "91 ce 02 fa f0 80", -1);
	ask(fd, 2, "ping", "90", -1);
	hear(fd, "94 01 02 c0 c0");
	hear(fd, "94 01 01 c0 c0");
	close(fd);
	stop_server();
}
END_TEST

START_TEST(donated_descriptor_is_written_to_and_given_back)
{
	char text[16];
	int fd, ends[2];

	start_server(LIMIT_COUNT, 0);
	fd = client();
	must(pipe2(ends, O_CLOEXEC));
	ask(fd, 1, "attach", "90", ends[1]);
	close(ends[1]);
	hear(fd, "94 01 01 c0 01");
	ask(fd, 2, "write", "92 01 c4 02 68 69", -1);
	hear(fd, "94 01 02 c0 02");
	ck_assert_int_eq(must(read(ends[0], text, sizeof(text))), 2);
	ck_assert_mem_eq(text, "hi", 2);
	ask(fd, 3, "close", "91 01", -1);
	hear(fd, "94 01 03 c0 c0");
	ck_assert_int_eq(must(read(ends[0], text, sizeof(text))), 0);
	ask(fd, 4, "write", "92 01 c4 00", -1);
	hear_error(fd, 4, EBADF, "write: 1 is not a file of this session");
	close(ends[0]);
	close(fd);
	stop_server();
}
END_TEST

START_TEST(message_that_comes_in_pieces_is_one_message)
{
	int fd;

	start_server(LIMIT_COUNT, 0);
	fd = client();
	/* a write to no file, cut in the bytes that it ends with */
	say(fd, "94 00 01 a5 77 72 69 74 65 92 01 c4 04 61 62");
	usleep(20000);
	say(fd, "63 64");
	hear_error(fd, 1, EBADF, "write");
	close(fd);
	stop_server();
}
END_TEST

START_TEST(second_call_of_a_msgid_is_refused_and_the_first_goes_on)
{
	int fd;

	start_server(LIMIT_COUNT, 0);
	fd = client();
	ask(fd, 7, "timeout", "91 cf 00 00 00 10 00 00 00 00", -1);
	ask(fd, 7, "ping", "90", -1);
	hear_error(fd, 7, RPC_INVALID_REQUEST, "msgid 7 is in flight");
	ask(fd, 8, "cancel", "91 07", -1);
	hear(fd, "94 01 08 c0 c0");
	hear_error(fd, 7, ECANCELED, "timeout");
	ask(fd, 9, "cancel", "91 07", -1);
	hear_error(fd, 9, ENOENT, "cancel");
	close(fd);
	stop_server();
}
END_TEST

START_TEST(malformed_call_is_answered_and_the_session_goes_on)
{
	int fd;

	start_server(LIMIT_COUNT, 0);
	fd = client();
	ask(fd, 1, "nonsense", "90", -1);
	hear_error(fd, 1, RPC_METHOD_NOT_FOUND, "nonsense");
	ask(fd, 2, "read", "92 01 c3", -1);
	hear_error(fd, 2, RPC_INVALID_PARAMS, "\"size\"");
	ask(fd, 3, "ping", "05", -1);
	hear_error(fd, 3, RPC_INVALID_REQUEST, "params");
	/* a notification is ignored */
	say(fd, "93 02 a1 78 90");
	ask(fd, 4, "ping", "90", -1);
	hear(fd, "94 01 04 c0 c0");
	close(fd);
	stop_server();
}
END_TEST

static bool is_utf8(const char *text)
{
	mbstate_t state = {0};

	return mbsrtowcs(NULL, &text, 0, &state) != (size_t)-1;
}

/* Clients take a str for UTF-8, and some drop a message in which it is not. */
START_TEST(reason_is_utf8_whatever_the_client_said)
{
	static const char *const names[] = {"\xff\xfe", "\xc3",
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa9"};
	struct rpc_error error;
	int fd;

	ck_assert_ptr_nonnull(setlocale(LC_CTYPE, "C.UTF-8"));
	start_server(LIMIT_COUNT, 0);
	fd = client();
	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++) {
		ask(fd, i, names[i], "90", -1);
		error = hear_error(fd, i, RPC_METHOD_NOT_FOUND, "describe");
		ck_assert_msg(is_utf8(error.message), "\"%s\" is not UTF-8", error.message);
	}
	/* open of bin "/\xff" */
	ask(fd, 9, "open", "92 c0 c4 02 2f ff", -1);
	error = hear_error(fd, 9, ENOENT, "open");
	ck_assert_msg(is_utf8(error.message), "\"%s\" is not UTF-8", error.message);
	close(fd);
	stop_server();
}
END_TEST

START_TEST(malformed_message_ends_the_session_with_a_reason)
{
	int fd;

	start_server(LIMIT_COUNT, 0);
	fd = client();
	ask(fd, 1, "ping", "90", -1);
	say(fd, "c0");
	hear(fd, "94 01 01 c0 c0");
	/* [2, "closed", [[-32700, "PARSE_ERROR: a message is an array, not nil"]]] */
	hear(fd,
		"93 02 a6 63 6c 6f 73 65 64 91 92 d1 80 44 d9 2b 50 41 52 53 45 5f 45 52 52 4f 52 3a");
	hear(fd,
		"20 61 20 6d 65 73 73 61 67 65 20 69 73 20 61 6e 20 61 72 72 61 79 2c 20 6e 6f 74 20 6e 69 6c");
	hear_end(fd);
	close(fd);
	stop_server();
}
END_TEST

START_TEST(optional_parameter_of_a_method_may_be_nil)
{
	uint8_t byte;
	int fd;

	start_server(LIMIT_COUNT, 0);
	fd = client();
	ask(fd, 1, "hello", "92 c0 c0", -1);
	hear(fd, "94 01 01 c0");
	ck_assert_int_eq(must(recv(fd, &byte, 1, 0)), 1);
	close(fd);
	stop_server();
}
END_TEST

START_TEST(shutdown_answers_what_is_in_flight_and_refuses_the_rest)
{
	int fd;

	start_server(LIMIT_COUNT, 0);
	fd = client();
	ask(fd, 1, "timeout", "91 ce 0b eb c2 00", -1); /* 200 ms */
	ask(fd, 2, "ping", "90", -1);
	hear(fd, "94 01 02 c0 c0");
	begin_shutdown();
	usleep(50000);
	ask(fd, 3, "ping", "90", -1);
	hear_error(fd, 3, ESHUTDOWN, "shutting down");
	hear(fd, "94 01 01 c0 c0");
	hear_end(fd);
	close(fd);
	await_end();
}
END_TEST

START_TEST(malformed_message_ends_the_session_while_the_server_shuts_down_too)
{
	int fd;

	start_server(LIMIT_COUNT, 0);
	fd = client();
	ask(fd, 1, "timeout", "91 cf 00 00 00 10 00 00 00 00", -1);
	ask(fd, 2, "ping", "90", -1);
	hear(fd, "94 01 02 c0 c0");
	begin_shutdown();
	usleep(50000);
	/* a bin of 4 GiB */
	say(fd, "91 c6 ff ff ff ff");
	hear(fd, "93 02 a6 63 6c 6f 73 65 64");
	close(fd);
	await_end();
}
END_TEST

/* Many reads wait on a pipe: there is memory left, but not enough for a chunk. */
START_TEST(detach_near_the_limit_on_memory_is_answered)
{
	const uint64_t memory = limit_table[LIMIT_MEMORY].minimum;
	const uint32_t reads = (uint32_t)(memory / chunk_footprint(1));
	int fd, ends[2];

	start_server(LIMIT_MEMORY, memory);
	fd = client();
	must(pipe2(ends, O_CLOEXEC));
	ask(fd, 1, "attach", "90", ends[0]);
	hear(fd, "94 01 01 c0 01");
	ask(fd, 2, "attach", "90", ends[0]);
	hear(fd, "94 01 02 c0 02");
	for (uint32_t i = 0; i < reads; i++)
		ask(fd, 100 + i, "read", "92 01 01", -1);
	ask(fd, 3, "detach", "91 02", -1);
	/* the daemon may also wait for room, and then there is some */
	usleep(50000);
	ck_assert_int_eq(must(write(ends[1], "x", 1)), 1);
	for (int answers = 0; answers < 2; answers++) {
		uint8_t head[3];

		ck_assert_msg(must(recv(fd, head, sizeof(head), MSG_WAITALL)) == sizeof(head),
			"the session was closed");
		/* nil, or a bin of one byte */
		hear(fd, head[2] == 3 ? "c0 c0" : "c0 c4 01 78");
	}
	close(ends[0]);
	close(ends[1]);
	close(fd);
	stop_server();
}
END_TEST

START_TEST(client_that_goes_in_the_middle_leaves_nothing_behind)
{
	int fd, ends[2];

	start_server(LIMIT_COUNT, 0);
	must(pipe2(ends, O_CLOEXEC));
	for (int i = 0; i < 20; i++) {
		fd = client();

		/* taken, unasked for, and a read that never ends */
		ask(fd, 1, "attach", "90", ends[0]);
		ask(fd, 2, "ping", "90", ends[0]);
		ask(fd, 3, "read", "92 01 01", -1);
		say(fd, "94 00");
		close(fd);
	}
	/* connections are taken in order: with this one, all were */
	fd = client();
	ask(fd, 1, "ping", "90", -1);
	hear(fd, "94 01 01 c0 c0");
	close(fd);
	close(ends[0]);
	close(ends[1]);
	stop_server();
	ck_assert_uint_eq(server.stats.sessions_ended, 21);
	ck_assert_uint_eq(server.stats.operations_submitted,
		server.stats.operations_completed + server.stats.operations_cancelled);
	ck_assert_uint_eq(server.stats.files_opened, server.stats.files_closed);
}
END_TEST

/*
 * The daemon's send waits for room in the socket; with the client it ends, and the receive ends in
 * the same turn.
 */
START_TEST(client_that_goes_with_answers_unread_does_no_harm)
{
	start_server(LIMIT_COUNT, 0);
	for (int i = 0; i < (is_slow() ? 20 : 50); i++) {
		int fd = client();

		for (uint32_t msgid = 0; msgid < 60; msgid++)
			ask(fd, msgid, "describe", "90", -1);
		usleep(2000);
		close(fd);
	}
	stop_server();
	ck_assert_uint_eq(server.stats.sessions_ended, server.stats.sessions_accepted);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("server");

	suite_add(suite, calls_are_answered_in_the_order_in_which_they_end);
	suite_add(suite, donated_descriptor_is_written_to_and_given_back);
	suite_add(suite, message_that_comes_in_pieces_is_one_message);
	suite_add(suite, second_call_of_a_msgid_is_refused_and_the_first_goes_on);
	suite_add(suite, malformed_call_is_answered_and_the_session_goes_on);
	suite_add(suite, reason_is_utf8_whatever_the_client_said);
	suite_add(suite, malformed_message_ends_the_session_with_a_reason);
	suite_add(suite, optional_parameter_of_a_method_may_be_nil);
	suite_add(suite, shutdown_answers_what_is_in_flight_and_refuses_the_rest);
	suite_add(suite, malformed_message_ends_the_session_while_the_server_shuts_down_too);
	suite_add(suite, detach_near_the_limit_on_memory_is_answered);
	suite_add(suite, client_that_goes_in_the_middle_leaves_nothing_behind);
	suite_add(suite, client_that_goes_with_answers_unread_does_no_harm);
	return suite_main(suite);
}
