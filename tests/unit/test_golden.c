/*
 * The wire bytes: what we pack is, byte for byte, what tests/golden/golden.txt says, and what it
 * says we read.
 *
 * tests/golden/check_golden.py holds the same file against an implementation of MessagePack that is
 * not ours. Every example there has a row here, and every row here an example there.
 */
#include "tests/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "daemon/report.h"
#include "driver/driver.h"
#include "proto/codec.h"
#include "proto/method.h"
#include "proto/queue.h"
#include "proto/scan.h"

enum { EXAMPLES_MAX = 128, NAME_SIZE = 64, BYTES_MAX = 16384 };

struct example {
	char name[NAME_SIZE];
	size_t size;
	uint8_t bytes[BYTES_MAX];
};

static struct example examples[EXAMPLES_MAX];
static size_t example_count;

/* ---- the file ---- */

/* The bytes of a line of hex, or false: it is something else. */
static bool read_hex(const char *line, struct example *example)
{
	unsigned byte;
	int length;

	if (strspn(line, "0123456789abcdef \n") != strlen(line))
		return false;
	for (; sscanf(line, " %2x%n", &byte, &length) == 1; line += length)
		example->bytes[example->size++] = (uint8_t)byte;
	return true;
}

static bool load(const char *path)
{
	FILE *file = fopen(path, "re");
	static char line[1 << 16];
	bool in_hex = false;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '#' || line[0] == '\n') {
			in_hex = false;
		} else if (line[0] != ' ') {
			struct example *example = &examples[example_count++];

			assert(example_count <= EXAMPLES_MAX);
			snprintf(example->name, NAME_SIZE, "%.*s", (int)strcspn(line, "\n"), line);
			in_hex = true;
		} else if (in_hex) {
			in_hex = read_hex(line, &examples[example_count - 1]);
		}
	}
	fclose(file);
	return true;
}

static const struct example *find(const char *name)
{
	for (size_t i = 0; i < example_count; i++)
		if (strcmp(examples[i].name, name) == 0)
			return &examples[i];
	ck_abort_msg("golden.txt has no \"%s\"", name);
	return NULL;
}

/* ---- what is packed ---- */

static const struct proactor_address inet = {
	.size = sizeof(struct sockaddr_in),
	.storage = {.ss_family = AF_INET, .__ss_padding = "\x1f\x90\x7f\0\0\1"},
};
static const struct proactor_address unix_path = {
	.size = offsetof(struct sockaddr_un, sun_path) + sizeof("/run/x"),
	.storage = {.ss_family = AF_UNIX, .__ss_padding = "/run/x"},
};
static const struct proactor_address unix_abstract = {
	.size = offsetof(struct sockaddr_un, sun_path) + 5,
	.storage = {.ss_family = AF_UNIX, .__ss_padding = "\0name"},
};
static struct proactor_address inet6,
	accepted = {.size = sizeof(sa_family_t), .any = {.sa_family = AF_UNIX}};
static struct proactor_address netlink = {.size = 4, .any = {.sa_family = AF_NETLINK}};
static struct statx stat_all = {
	.stx_mask = STATX_BASIC_STATS | STATX_BTIME,
	.stx_blksize = 4096,
	.stx_nlink = 1,
	.stx_uid = 1000,
	.stx_gid = 100,
	.stx_mode = S_IFREG | 0644,
	.stx_ino = 4711,
	.stx_size = 5000,
	.stx_blocks = 16,
	.stx_atime = {.tv_sec = 1700000000, .tv_nsec = 123456789},
	.stx_mtime = {.tv_sec = -1, .tv_nsec = 999999999},
	.stx_ctime = {.tv_sec = 1, .tv_nsec = 0},
	.stx_btime = {.tv_sec = 0, .tv_nsec = 0},
	.stx_dev_major = 8,
	.stx_dev_minor = 1,
};

static const struct proactor_address nobody;
static const struct iovec spaces[] = {{NULL, 10}, {NULL, 0}, {NULL, 4096}};
static const struct iovec pieces[] = {
	{(void *)(uintptr_t) "hel", 3}, {(void *)(uintptr_t) "lo", 2}};
static struct iovec whole = {(void *)(uintptr_t) "hello", 5}, space = {NULL, 1500};
static struct msghdr to_receive = {.msg_iov = &space, .msg_iovlen = 1},
		     to_send = {.msg_iov = &whole,
			     .msg_iovlen = 1,
			     .msg_name = (void *)(uintptr_t)&unix_path.storage,
			     .msg_namelen =
				     offsetof(struct sockaddr_un, sun_path) + sizeof("/run/x")},
		     to_nobody = {.msg_iov = &whole, .msg_iovlen = 1},
		     received = {.msg_name = (void *)(uintptr_t)&unix_path.storage,
			     .msg_namelen =
				     offsetof(struct sockaddr_un, sun_path) + sizeof("/run/x"),
			     /* of what the kernel says, not all is said to the client */
			     .msg_flags = MSG_TRUNC | MSG_CMSG_CLOEXEC},
		     received_from_nobody = {.msg_name = &space, .msg_namelen = 0};

/* One operation's request, or with @is_response its success. */
static const struct row {
	const char *name;
	uint32_t msgid;
	bool is_response;
	int64_t result;
	const char *bytes; /* of the result, where it is bytes */
	struct proactor_op op;
} rows[] = {
	{"nop request", 1, .op = {.opcode = PROACTOR_NOP}},
	{"nop response", 1, true, .op = {.opcode = PROACTOR_NOP}},
	{"timeout request", 2, .op = {.opcode = PROACTOR_TIMEOUT, .timeout = {1500000000}}},
	{"timeout response", 2, true, .op = {.opcode = PROACTOR_TIMEOUT}},
	{"open request", 127,
		.op = {.opcode = PROACTOR_OPEN,
			.open = {PROACTOR_CWD, "/tmp/x", O_RDWR | O_CREAT, 0644}}},
	{"open request, in a directory", 128,
		.op = {.opcode = PROACTOR_OPEN, .open = {7, "x", 0, 0666}}},
	{"open response", 128, true, 1, .op = {.opcode = PROACTOR_OPEN}},
	{"close request", 255, .op = {.opcode = PROACTOR_CLOSE, .close = {1}}},
	{"close response", 255, true, .op = {.opcode = PROACTOR_CLOSE}},
	{"read request", 256, .op = {.opcode = PROACTOR_READ, .read = {1, NULL, 4096, 0}}},
	{"read request, current position", 256,
		.op = {.opcode = PROACTOR_READ, .read = {1, NULL, 65536, PROACTOR_CURRENT}}},
	{"read response", 256, true, 5, "hello", .op = {.opcode = PROACTOR_READ}},
	{"read response, at the end", 256, true, 0, "", .op = {.opcode = PROACTOR_READ}},
	{"write request", 65535,
		.op = {.opcode = PROACTOR_WRITE, .write = {1, "hello", 5, INT64_C(1) << 32}}},
	{"write request, current position", 65535,
		.op = {.opcode = PROACTOR_WRITE, .write = {1, "", 0, PROACTOR_CURRENT}}},
	{"write response", 65535, true, 5, .op = {.opcode = PROACTOR_WRITE}},
	{"fsync request", 65536, .op = {.opcode = PROACTOR_FSYNC, .fsync = {1, 1}}},
	{"fsync response", 65536, true, .op = {.opcode = PROACTOR_FSYNC}},
	{"stat request", UINT32_MAX,
		.op = {.opcode = PROACTOR_STAT,
			.stat = {PROACTOR_CWD, "/x", 0x100, STATX_SIZE, NULL}}},
	{"stat request, of a file", UINT32_MAX,
		.op = {.opcode = PROACTOR_STAT,
			.stat = {1, "", 0, STATX_BASIC_STATS | STATX_BTIME, NULL}}},
	{"stat response", UINT32_MAX, true,
		.op = {.opcode = PROACTOR_STAT, .stat = {.stat = &stat_all}}},
	{"socket request", 3,
		.op = {.opcode = PROACTOR_SOCKET, .socket = {AF_INET6, SOCK_STREAM, IPPROTO_TCP}}},
	{"socket response", 3, true, 2, .op = {.opcode = PROACTOR_SOCKET}},
	{"bind request", 4, .op = {.opcode = PROACTOR_BIND, .bind = {2, &inet}}},
	{"bind response", 4, true, .op = {.opcode = PROACTOR_BIND}},
	{"listen request", 5, .op = {.opcode = PROACTOR_LISTEN, .listen = {2, 16}}},
	{"listen response", 5, true, .op = {.opcode = PROACTOR_LISTEN}},
	{"accept request", 6, .op = {.opcode = PROACTOR_ACCEPT, .accept = {2, NULL}}},
	{"accept response", 6, true, 3,
		.op = {.opcode = PROACTOR_ACCEPT, .accept = {2, (void *)(uintptr_t)&inet}}},
	{"accept response, unnamed", 6, true, 4,
		.op = {.opcode = PROACTOR_ACCEPT, .accept = {2, &accepted}}},
	{"accept response, other family", 6, true, 5,
		.op = {.opcode = PROACTOR_ACCEPT, .accept = {2, &netlink}}},
	{"accept response, no address", 6, true, 6,
		.op = {.opcode = PROACTOR_ACCEPT, .accept = {2, NULL}}},
	{"connect request", 7, .op = {.opcode = PROACTOR_CONNECT, .connect = {2, &inet6}}},
	{"connect request, path", 7,
		.op = {.opcode = PROACTOR_CONNECT, .connect = {2, &unix_path}}},
	{"connect request, abstract", 7,
		.op = {.opcode = PROACTOR_CONNECT, .connect = {2, &unix_abstract}}},
	{"connect response", 7, true, .op = {.opcode = PROACTOR_CONNECT}},
	{"shutdown request", 8, .op = {.opcode = PROACTOR_SHUTDOWN, .shutdown = {2, SHUT_WR}}},
	{"shutdown response", 8, true, .op = {.opcode = PROACTOR_SHUTDOWN}},
	{"recv request", 9, .op = {.opcode = PROACTOR_RECV, .recv = {2, NULL, 100, MSG_PEEK}}},
	{"recv response", 9, true, 2, "\xff\x00", .op = {.opcode = PROACTOR_RECV}},
	{"send request", 10, .op = {.opcode = PROACTOR_SEND, .send = {2, "\0\1", 2, 0}}},
	{"send response", 10, true, 2, .op = {.opcode = PROACTOR_SEND}},
	{"poll request", 11, .op = {.opcode = PROACTOR_POLL, .poll = {2, 4}}},
	{"poll response", 11, true, 4, .op = {.opcode = PROACTOR_POLL}},
	{"accept request, multishot", 26,
		.op = {.opcode = PROACTOR_ACCEPT,
			.flags = PROACTOR_MULTISHOT,
			.accept = {2, NULL}}},
	{"recv request, multishot", 27,
		.op = {.opcode = PROACTOR_RECV,
			.flags = PROACTOR_MULTISHOT,
			.recv = {2, NULL, 100, 0, NULL}}},
	{"poll request, multishot", 28,
		.op = {.opcode = PROACTOR_POLL, .flags = PROACTOR_MULTISHOT, .poll = {2, POLLIN}}},
	{"fallocate request", 12,
		.op = {.opcode = PROACTOR_FALLOCATE, .fallocate = {1, 3, 4096, 8192}}},
	{"fallocate response", 12, true, .op = {.opcode = PROACTOR_FALLOCATE}},
	{"ftruncate request", 13,
		.op = {.opcode = PROACTOR_FTRUNCATE, .ftruncate = {1, INT64_C(1) << 32}}},
	{"ftruncate response", 13, true, .op = {.opcode = PROACTOR_FTRUNCATE}},
	{"unlink request", 14,
		.op = {.opcode = PROACTOR_UNLINK, .unlink = {PROACTOR_CWD, "/tmp/x", 0}}},
	{"unlink request, of a directory", 14,
		.op = {.opcode = PROACTOR_UNLINK, .unlink = {7, "d", AT_REMOVEDIR}}},
	{"unlink response", 14, true, .op = {.opcode = PROACTOR_UNLINK}},
	{"rename request", 15,
		.op = {.opcode = PROACTOR_RENAME,
			.rename = {PROACTOR_CWD, "/tmp/x", 7, "y", RENAME_NOREPLACE}}},
	{"rename response", 15, true, .op = {.opcode = PROACTOR_RENAME}},
	{"mkdir request", 16, .op = {.opcode = PROACTOR_MKDIR, .mkdir = {7, "d", 0700}}},
	{"mkdir response", 16, true, .op = {.opcode = PROACTOR_MKDIR}},
	{"symlink request", 17,
		.op = {.opcode = PROACTOR_SYMLINK, .symlink = {PROACTOR_CWD, "/tmp/s", "../x"}}},
	{"symlink response", 17, true, .op = {.opcode = PROACTOR_SYMLINK}},
	{"link request", 18, .op = {.opcode = PROACTOR_LINK, .link = {7, "x", 8, "y", 0}}},
	{"link response", 18, true, .op = {.opcode = PROACTOR_LINK}},
	{"splice request", 19,
		.op = {.opcode = PROACTOR_SPLICE, .splice = {1, 0, 2, PROACTOR_CURRENT, 65536, 0}}},
	{"splice response", 19, true, 65536, .op = {.opcode = PROACTOR_SPLICE}},
	{"readv request", 20, .op = {.opcode = PROACTOR_READV, .readv = {1, spaces, 3, 0}}},
	{"readv response", 20, true, 5, "hello", .op = {.opcode = PROACTOR_READV}},
	{"writev request", 21,
		.op = {.opcode = PROACTOR_WRITEV, .writev = {1, pieces, 2, PROACTOR_CURRENT}}},
	{"writev response", 21, true, 5, .op = {.opcode = PROACTOR_WRITEV}},
	{"recvfrom request", 22,
		.op = {.opcode = PROACTOR_RECVFROM, .recvfrom = {2, NULL, 1500, 0, NULL}}},
	{"recvfrom response", 22, true, 5, "hello",
		.op = {.opcode = PROACTOR_RECVFROM,
			.recvfrom = {.address = (void *)(uintptr_t)&inet}}},
	{"recvfrom response, from nobody", 22, true, 5, "hello",
		.op = {.opcode = PROACTOR_RECVFROM,
			.recvfrom = {.address = (void *)(uintptr_t)&nobody}}},
	{"sendto request", 23,
		.op = {.opcode = PROACTOR_SENDTO, .sendto = {2, "hello", 5, 0, &inet}}},
	{"sendto response", 23, true, 5, .op = {.opcode = PROACTOR_SENDTO}},
	{"recvmsg request", 24,
		.op = {.opcode = PROACTOR_RECVMSG, .recvmsg = {2, &to_receive, MSG_PEEK}}},
	{"recvmsg response", 24, true, 5, "hello",
		.op = {.opcode = PROACTOR_RECVMSG, .recvmsg = {.message = &received}}},
	{"recvmsg response, from nobody", 24, true, 0, "",
		.op = {.opcode = PROACTOR_RECVMSG, .recvmsg = {.message = &received_from_nobody}}},
	{"sendmsg request", 25, .op = {.opcode = PROACTOR_SENDMSG, .sendmsg = {2, &to_send, 0}}},
	{"sendmsg request, to nobody", 25,
		.op = {.opcode = PROACTOR_SENDMSG, .sendmsg = {2, &to_nobody, 0}}},
	{"sendmsg response", 25, true, 5, .op = {.opcode = PROACTOR_SENDMSG}},
};

static void pack_row(struct pack *pack, const struct row *row)
{
	if (!row->is_response) {
		codec_pack_request(pack, row->msgid, &row->op);
		return;
	}
	rpc_pack_success(pack, row->msgid);
	codec_pack_result(pack, &row->op, row->result);
	if (!row->bytes)
		return;
	must(buffer_append(pack->buffer, row->bytes, (size_t)row->result));
	codec_pack_trailer(pack, &row->op);
}

enum { CALL_PARAMS_MAX = 4, RING_ENTRIES = 128 };

/* Requests of methods whose parameters are numbers. */
static const struct call {
	const char *name;
	const char *method;
	unsigned count;
	uint64_t params[CALL_PARAMS_MAX];
} calls[] = {
	{"describe request", "describe", 0, {0}},
	{"ping request", "ping", 0, {0}},
	{"attach request", "attach", 0, {0}},
	{"detach request", "detach", 1, {1}},
	{"cancel request", "cancel", 1, {UINT32_MAX}},
	{"memory request", "memory", 1, {1048576}},
	{"memory_free request", "memory_free", 1, {1}},
	{"pool request", "pool", 4, {1, 0, 4096, 16}},
	{"pool_free request", "pool_free", 1, {1}},
	{"pool_release request", "pool_release", 2, {1, 7}},
	{"ring request", "ring", 1, {RING_ENTRIES}},
	{"stats request", "stats", 0, {0}},
	{"sessions request", "sessions", 0, {0}},
};

static void pack_call(struct pack *pack, const struct call *call)
{
	rpc_pack_request(pack, 12, call->method, call->count);
	for (unsigned i = 0; i < call->count; i++)
		pack_uint(pack, call->params[i]);
}

/* A server that has done nothing, on a proactor that is only a name. */
static struct proactor proactor = {.name = "io_uring"};
static struct server server = {.shard_count = 1};
static struct shard shard = {.server = &server};
static struct session session;

static void hello_request(struct pack *pack)
{
	rpc_pack_request(pack, 12, "hello", 2);
	pack_uint(pack, PROTOCOL_VERSION);
	pack_array(pack, 1);
	pack_str(pack, "fds");
}

static void hello_response(struct pack *pack)
{
	rpc_pack_success(pack, 12);
	report_hello(pack, &shard);
}

static void describe_response(struct pack *pack)
{
	rpc_pack_success(pack, 12);
	method_pack_describe(pack, &shard.limits);
}

static void nil_response(struct pack *pack)
{
	rpc_pack_success(pack, 12);
	pack_nil(pack);
}

static void attach_response(struct pack *pack)
{
	rpc_pack_success(pack, 12);
	pack_int(pack, INT64_C(1) << 32);
}

static void memory_response(struct pack *pack)
{
	rpc_pack_success(pack, 12);
	pack_uint(pack, 1);
}

static void pool_release_notification(struct pack *pack)
{
	pack_array(pack, 3);
	pack_uint(pack, RPC_NOTIFICATION);
	pack_str(pack, "pool_release");
	pack_array(pack, 2);
	pack_uint(pack, 1);
	pack_uint(pack, 7);
}

static void recv_request_from_pool(struct pack *pack)
{
	struct proactor_op op = {
		.opcode = PROACTOR_RECV, .flags = PROACTOR_MULTISHOT, .recv = {.file = 2}};

	codec_pack_request_in(pack, 29, &op, &(struct codec_region){.memory = 1, .is_pool = true});
}

static void recv_response_from_pool(struct pack *pack)
{
	rpc_pack_success(pack, 29);
	codec_pack_result_in_pool(pack, 5, 7);
}

static void recv_response_without_buffer(struct pack *pack)
{
	rpc_pack_success(pack, 29);
	codec_pack_result_in_pool(pack, 0, -1);
}

static void recv_notification_from_pool(struct pack *pack)
{
	rpc_pack_completion(pack, 29);
	codec_pack_result_in_pool(pack, 5, 7);
}

/* As methods.c packs it: tests/e2e/ring_client.py sees it come over a socket. */
static void ring_response(struct pack *pack)
{
	rpc_pack_success(pack, 12);
	pack_map(pack, 2);
	pack_pair_uint(pack, "entries", RING_ENTRIES);
	pack_pair_uint(pack, "size", queue_memory_size(RING_ENTRIES));
}

static void read_request_in_memory(struct pack *pack)
{
	struct proactor_op op = {.opcode = PROACTOR_READ, .read = {.file = 1, .size = 4096}};

	codec_pack_request_in(pack, 256, &op, &(struct codec_region){.memory = 1, .offset = 8192});
}

static void read_response_in_memory(struct pack *pack)
{
	rpc_pack_success(pack, 256);
	pack_int(pack, 4096);
}

static void readv_request_in_memory(struct pack *pack)
{
	struct iovec named[] = {{NULL, 512}, {NULL, 4096}};
	struct codec_region regions[] = {{.memory = 1}, {.memory = 2, .offset = 8192}};
	struct proactor_op op = {.opcode = PROACTOR_READV, .readv = {1, named, 2, 0}};

	codec_pack_request_in(pack, 20, &op, regions);
}

static void readv_response_in_memory(struct pack *pack)
{
	struct proactor_op op = {.opcode = PROACTOR_READV};

	rpc_pack_success(pack, 20);
	codec_pack_result_in_memory(pack, &op, 4608);
}

static void writev_request_in_memory(struct pack *pack)
{
	struct iovec some_named[] = {{(void *)(uintptr_t) "hel", 3}, {NULL, 4096}};
	struct codec_region regions[] = {{0}, {.memory = 1, .offset = 8192}};
	struct proactor_op op = {
		.opcode = PROACTOR_WRITEV, .writev = {1, some_named, 2, PROACTOR_CURRENT}};

	codec_pack_request_in(pack, 21, &op, regions);
}

static void recvmsg_request_in_memory(struct pack *pack)
{
	struct proactor_op op = {.opcode = PROACTOR_RECVMSG, .recvmsg = {2, &to_receive, 0}};

	codec_pack_request_in(pack, 24, &op, &(struct codec_region){.memory = 1, .offset = 64});
}

static void recvmsg_response_in_memory(struct pack *pack)
{
	struct proactor_op op = {.opcode = PROACTOR_RECVMSG, .recvmsg = {.message = &received}};

	rpc_pack_success(pack, 24);
	codec_pack_result_in_memory(pack, &op, 1400);
}

static void sendmsg_request_in_memory(struct pack *pack)
{
	struct iovec some_named[] = {{(void *)(uintptr_t) "hel", 3}, {NULL, 1400}};
	struct codec_region regions[] = {{0}, {.memory = 1, .offset = 64}};
	struct msghdr message = {.msg_iov = some_named, .msg_iovlen = 2};
	struct proactor_op op = {.opcode = PROACTOR_SENDMSG, .sendmsg = {2, &message, 0}};

	codec_pack_request_in(pack, 25, &op, regions);
}

static void stats_response(struct pack *pack)
{
	struct tally tally;

	rpc_pack_success(pack, 12);
	report_take_tally(&shard, &tally);
	report_pack_stats(pack, &shard, &tally);
}

static void sessions_response(struct pack *pack)
{
	struct witness witness = report_witness(&session);

	rpc_pack_success(pack, 12);
	pack_array(pack, 1);
	ck_assert_uint_eq(report_pack_sessions(pack, &shard, &witness), 1);
}

static void error_response(struct pack *pack)
{
	struct rpc_error error;

	rpc_error_set(&error, ENOENT, "open \"%s\"", "x");
	rpc_pack_error(pack, 12, &error);
}

static void error_response_protocol(struct pack *pack)
{
	struct rpc_error error;

	method_error_param(METHOD_CANCEL, 0, "a msgid: an integer from 0 to 4294967295", &error);
	rpc_pack_error(pack, 12, &error);
}

static void error_response_limit(struct pack *pack)
{
	struct rpc_error error;

	rpc_error_set_limit(&error, EDQUOT, LIMIT_FILES, 1024, 1025);
	rpc_pack_error(pack, 12, &error);
}

static void completion_notification(struct pack *pack)
{
	struct proactor_op op = {
		.opcode = PROACTOR_ACCEPT, .accept = {2, (void *)(uintptr_t)&inet}};

	rpc_pack_completion(pack, 26);
	codec_pack_result(pack, &op, 3);
}

/* As session_fail() packs it: tests/unit/test_server.c sees it come over a socket. */
static void closed_notification(struct pack *pack)
{
	pack_array(pack, 3);
	pack_uint(pack, RPC_NOTIFICATION);
	pack_str(pack, "closed");
	pack_array(pack, 1);
	pack_array(pack, 2);
	pack_int(pack, RPC_PARSE_ERROR);
	pack_str(pack, "PARSE_ERROR: a message is an array, not nil");
}

static const struct {
	const char *name;
	void (*pack)(struct pack *pack);
} messages[] = {
	{"hello request", hello_request},
	{"hello response", hello_response},
	{"describe response", describe_response},
	{"ping response", nil_response},
	{"attach response", attach_response},
	{"detach response", nil_response},
	{"cancel response", nil_response},
	{"memory response", memory_response},
	{"memory_free response", nil_response},
	{"pool response", memory_response},
	{"pool_free response", nil_response},
	{"pool_release response", nil_response},
	{"pool_release notification", pool_release_notification},
	{"recv request, from a pool", recv_request_from_pool},
	{"recv response, from a pool", recv_response_from_pool},
	{"recv response, without a buffer", recv_response_without_buffer},
	{"recv notification, from a pool", recv_notification_from_pool},
	{"ring response", ring_response},
	{"read request, in memory", read_request_in_memory},
	{"read response, in memory", read_response_in_memory},
	{"readv request, in memory", readv_request_in_memory},
	{"readv response, in memory", readv_response_in_memory},
	{"writev request, in memory and not", writev_request_in_memory},
	{"recvmsg request, in memory", recvmsg_request_in_memory},
	{"recvmsg response, in memory", recvmsg_response_in_memory},
	{"sendmsg request, in memory and not", sendmsg_request_in_memory},
	{"stats response", stats_response},
	{"sessions response", sessions_response},
	{"error response", error_response},
	{"error response, of the protocol", error_response_protocol},
	{"error response, with a limit", error_response_limit},
	{"completion notification", completion_notification},
	{"closed notification", closed_notification},
};

static void set_up(void)
{
	struct sockaddr_in6 *address = (struct sockaddr_in6 *)&inet6.storage;

	inet6.size = sizeof(*address);
	*address = (struct sockaddr_in6){
		.sin6_family = AF_INET6, .sin6_port = htons(443), .sin6_scope_id = 2};
	ck_assert_int_eq(inet_pton(AF_INET6, "fe80::1", &address->sin6_addr), 1);
	shard.loop.proactor = &proactor;
	limits_init(&shard.limits);
	shard.sessions = LIST_INIT(shard.sessions);
	users_init(&shard.users, &server.quotas);
	session.shard = &shard;
	session.id = 1;
	session.pid = 4711;
	session.uid = 1000;
	session.gid = 100;
	session.submitted = 3;
	session.completed = 2;
	session.account = (struct account){{1, 2, 4160}};
	list_append(&shard.sessions, &session.link);
	chunk_pool_init(&shard.chunks);
}

/* ---- the tests ---- */

static void check_bytes(const char *name, struct buffer *buffer)
{
	const struct example *example = find(name);

	for (size_t i = 0; i < MIN(example->size, buffer_size(buffer)); i++)
		ck_assert_msg(example->bytes[i] == buffer_bytes(buffer)[i],
			"%s: byte %zu is %02x, not %02x", name, i, buffer_bytes(buffer)[i],
			example->bytes[i]);
	ck_assert_msg(example->size == buffer_size(buffer), "%s: %zu bytes, not %zu", name,
		buffer_size(buffer), example->size);
	buffer_clear(buffer);
}

START_TEST(what_is_packed_is_what_the_file_says)
{
	struct buffer buffer = {0};
	struct pack pack = pack_into(&buffer);

	set_up();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		pack_row(&pack, &rows[i]);
		check_bytes(rows[i].name, &buffer);
	}
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		pack_call(&pack, &calls[i]);
		check_bytes(calls[i].name, &buffer);
	}
	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		messages[i].pack(&pack);
		check_bytes(messages[i].name, &buffer);
	}
	ck_assert(!pack.failed);
	ck_assert_uint_eq(example_count,
		ARRAY_SIZE(rows) + ARRAY_SIZE(calls) + ARRAY_SIZE(messages));
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(every_method_has_a_request_and_a_response_in_the_file)
{
	char name[NAME_SIZE];

	for (int i = 0; i < PROACTOR_OPCODE_COUNT + METHOD_COUNT; i++) {
		bool is_operation = i < PROACTOR_OPCODE_COUNT;
		const char *method = is_operation
			? op_table[i].name
			: method_name((enum method)(i - PROACTOR_OPCODE_COUNT));

		if (is_operation && op_table[i].where != OP_WHERE_WIRE)
			continue;
		snprintf(name, sizeof(name), "%s request", method);
		(void)find(name);
		snprintf(name, sizeof(name), "%s response", method);
		(void)find(name);
	}
}
END_TEST

static struct rpc_message parse(const struct example *example)
{
	struct rpc_message message;
	struct limits limits;
	struct scan scan;
	const char *reason = "";

	limits_init(&limits);
	scan_reset(&scan);
	ck_assert_msg(scan_frame(&scan, example->bytes, example->size, &limits) == SCAN_FRAME,
		"%s: %s", example->name, scan.reason);
	ck_assert_uint_eq(scan.size, example->size);
	ck_assert_msg(rpc_parse(example->bytes, example->size, &message, &reason) == 0, "%s: %s",
		example->name, reason);
	return message;
}

START_TEST(every_example_is_one_message)
{
	for (size_t i = 0; i < example_count; i++) {
		struct rpc_message message = parse(&examples[i]);
		bool is_request = strstr(examples[i].name, " request") != NULL;
		bool is_response = strstr(examples[i].name, " response") != NULL;

		ck_assert_msg(message.type ==
				(is_request                   ? RPC_REQUEST
						: is_response ? RPC_RESPONSE
							      : RPC_NOTIFICATION),
			"%s", examples[i].name);
	}
}
END_TEST

/* Reading is right when packing what was read gives the same bytes again. */
START_TEST(request_of_the_file_is_read_and_packed_again_the_same)
{
	static struct codec_scratch scratch;
	struct buffer buffer = {0};
	struct pack pack = pack_into(&buffer);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct proactor_op op = {.opcode = rows[i].op.opcode};
		struct rpc_error error = {0};
		struct rpc_message message;

		if (rows[i].is_response)
			continue;
		message = parse(find(rows[i].name));
		ck_assert_ptr_eq(op_find(message.method, message.method_size),
			&op_table[op.opcode]);
		ck_assert_msg(codec_read_params(&op_table[op.opcode], message.params,
				      message.param_count, &op, &scratch, &error),
			"%s: %s", rows[i].name, error.message);
		codec_pack_request(&pack, message.msgid, &op);
		check_bytes(rows[i].name, &buffer);
	}
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(response_of_the_file_is_read)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t room[16];
		struct statx stat = {0};
		struct proactor_address address;
		struct codec_result result = {
			.data = room, .size = sizeof(room), .address = &address, .stat = &stat};
		struct rpc_message message;

		if (rows[i].op.opcode == PROACTOR_SPLICE)
			result.size = SIZE_MAX / 2;
		if (!rows[i].is_response)
			continue;
		message = parse(find(rows[i].name));
		assert_result(codec_read_result(rows[i].op.opcode, message.result, &result), 0);
		ck_assert_msg(result.result == rows[i].result, "%s", rows[i].name);
		if (rows[i].bytes)
			ck_assert_mem_eq(room, rows[i].bytes, (size_t)rows[i].result);
		if (rows[i].op.opcode == PROACTOR_STAT)
			ck_assert_mem_eq(&stat, &stat_all, sizeof(stat));
	}
}
END_TEST

START_TEST(error_of_the_file_is_read)
{
	struct rpc_error error;

	must(rpc_error_parse(parse(find("error response")).error, &error));
	ck_assert_int_eq(error.code, ENOENT);
	must(rpc_error_parse(parse(find("error response, of the protocol")).error, &error));
	ck_assert_int_eq(error.code, RPC_INVALID_PARAMS);
	must(rpc_error_parse(parse(find("error response, with a limit")).error, &error));
	ck_assert_int_eq(error.code, EDQUOT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("golden");

	if (!load("tests/golden/golden.txt")) {
		perror("tests/golden/golden.txt (to be run at the top of the tree)");
		return EXIT_FAILURE;
	}
	suite_add(suite, what_is_packed_is_what_the_file_says);
	suite_add(suite, every_method_has_a_request_and_a_response_in_the_file);
	suite_add(suite, every_example_is_one_message);
	suite_add(suite, request_of_the_file_is_read_and_packed_again_the_same);
	suite_add(suite, response_of_the_file_is_read);
	suite_add(suite, error_of_the_file_is_read);
	return suite_main(suite);
}
