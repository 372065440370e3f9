/*
 * A program on libproactor-client that says whether the library keeps its promises when the daemon
 * does not.
 *
 *      remote_client death PATH        many in flight; says "ready", expects the daemon's death
 *      remote_client hostile PATH      some of each; expects all to end, whatever is answered
 *      remote_client files PATH        attach and detach; both return
 *      remote_client lent PATH         rename, from a directory of the daemon's; ends with an error
 *      remote_client crowded PATH N    N operations that wait, then cancelled; expects N ends
 *      remote_client drained PATH      short ones; says "ready", expects all to end well
 *      remote_client named PATH N      writev and readv of N pieces, all in the daemon's memory
 *
 * Status 0: all held. 3: there was no proactor to be had. Buffers have their exact size on the
 * heap, for AddressSanitizer to watch; an alarm ends what hangs.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "client/proactor-client.h"
#include "driver/proactor.h"

enum {
	BUFFER_SIZE = 64,
	OPERATIONS_MAX = 10000,
	EXIT_NO_PROACTOR = 3,
	HANG_SECONDS = 30,
	KINDS = 10,
	ROUNDS = 3,
	DRAIN_NS = 1000000000,
	NAMED_SIZE = 131072,
	NAMED_ROUNDS = 100
};

#define CHECK(condition, ...)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "remote_client:%d: " #condition ": ", __LINE__);           \
			fprintf(stderr, __VA_ARGS__);                                              \
			fputc('\n', stderr);                                                       \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

struct operation {
	uint64_t key;
	int64_t result;
	bool pending;
	unsigned ends;
	void *data;
	struct proactor_address *address;
	struct statx *stat;
};

static struct operation operations[OPERATIONS_MAX];
static size_t operation_count, pending_count;

/* ---- operations ---- */

static void note_end(struct operation *operation, int64_t result)
{
	CHECK(operation->ends == 0, "operation %td ended twice", operation - operations);
	operation->ends++;
	operation->result = result;
	free(operation->data);
	free(operation->address);
	free(operation->stat);
}

static struct operation *push(struct proactor *proactor, struct proactor_op op)
{
	struct operation *operation = &operations[operation_count++];
	struct proactor_completion ready;
	int r;

	CHECK(operation_count < OPERATIONS_MAX, "%zu", operation_count);
	op.context = operation;
	switch (op.opcode) {
	case PROACTOR_READ:
	case PROACTOR_RECV:
	case PROACTOR_WRITE:
		/* the three have their memory at the same place */
		op.read.data = operation->data = calloc(1, BUFFER_SIZE);
		op.read.size = BUFFER_SIZE;
		break;
	case PROACTOR_ACCEPT:
		op.accept.address = operation->address = calloc(1, sizeof(*operation->address));
		break;
	case PROACTOR_STAT:
		op.stat.stat = operation->stat = calloc(1, sizeof(*operation->stat));
		break;
	default: break;
	}
	r = proactor_push(proactor, &op, &operation->key, &ready);
	CHECK(r >= 0, "push of opcode %u: %d", op.opcode, r);
	operation->pending = r == PROACTOR_PENDING;
	if (operation->pending)
		pending_count++;
	else
		note_end(operation, ready.result);
	return operation;
}

/* One of each kind that could be in flight on @file. */
static struct proactor_op op_of_kind(unsigned kind, int64_t file)
{
	switch (kind) {
	case 0: return (struct proactor_op){.opcode = PROACTOR_NOP};
	case 1:
		return (struct proactor_op){
			.opcode = PROACTOR_TIMEOUT, .timeout = {.duration_ns = UINT64_C(1) << 62}};
	case 2:
		return (struct proactor_op){.opcode = PROACTOR_READ,
			.read = {.file = file, .offset = PROACTOR_CURRENT}};
	case 3: return (struct proactor_op){.opcode = PROACTOR_RECV, .recv = {.file = file}};
	case 4:
		return (struct proactor_op){.opcode = PROACTOR_WRITE,
			.write = {.file = file, .offset = PROACTOR_CURRENT}};
	case 5: return (struct proactor_op){.opcode = PROACTOR_ACCEPT, .accept = {.file = file}};
	case 6:
		return (struct proactor_op){.opcode = PROACTOR_STAT,
			.stat = {.dir = file, .path = "", .mask = STATX_SIZE}};
	case 7:
		return (struct proactor_op){
			.opcode = PROACTOR_POLL, .poll = {.file = file, .events = POLLIN}};
	case 8:
		return (struct proactor_op){
			.opcode = PROACTOR_OPEN, .open = {.dir = file, .path = "x"}};
	default: return (struct proactor_op){.opcode = PROACTOR_FSYNC, .fsync = {.file = file}};
	}
}

static void take_entries(struct proactor *proactor, const struct timespec *timeout)
{
	struct proactor_completion completion;
	struct proactor_entry entries[16];
	int count = proactor_poll(proactor, timeout, entries, 16);

	CHECK(count >= 0 || count == -ETIME, "poll: %d", count);
	for (int i = 0; i < count; i++) {
		int r = proactor_pop(proactor, &entries[i], &completion);

		CHECK(r == 0, "pop: %d", r);
		note_end(completion.context, completion.result);
		pending_count--;
	}
}

static void wait_for_all(struct proactor *proactor)
{
	while (pending_count > 0)
		take_entries(proactor, NULL);
	for (size_t i = 0; i < operation_count; i++)
		CHECK(operations[i].ends == 1, "operation %zu ended %u times", i,
			operations[i].ends);
}

/* ---- files ---- */

static int count_fds(void)
{
	DIR *directory = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

static int64_t attach(struct proactor *proactor, int fd)
{
	int64_t file = -1;
	int r = proactor_attach(proactor, fd, &file);

	CHECK(r == 0, "attach: %s", strerror(-r));
	return file;
}

static int listen_anywhere(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(listen(fd, 5) == 0, "%s", strerror(errno));
	return fd;
}

/* ---- the daemon is killed ---- */

static void expect_lost(struct proactor *proactor, int64_t file)
{
	int fd = listen_anywhere(), ret_fd = -1;
	int64_t new_file;
	int r;

	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct operation *operation =
			push(proactor, op_of_kind(kind, kind == 8 ? PROACTOR_CWD : file));

		CHECK(!operation->pending && operation->result == -ECONNRESET, "kind %u: %ld", kind,
			(long)operation->result);
	}
	r = proactor_attach(proactor, fd, &new_file);
	CHECK(r == -ECONNRESET, "attach: %d", r);
	r = proactor_detach(proactor, file, &ret_fd);
	CHECK(r == -ECONNRESET && ret_fd == -1, "detach: %d", r);
	CHECK(proactor_cancel(proactor, operations[0].key) == -ENOENT, "a key that is gone");
	CHECK(close(fd) == 0, "what could not be attached stays the caller's");
}

static void death(struct proactor *proactor)
{
	struct pollfd readable = {.events = POLLIN};
	struct timespec at_once = {0};
	int64_t pipe_file, listener;
	int pipe_fds[2], count;

	CHECK(pipe(pipe_fds) == 0, "%s", strerror(errno));
	pipe_file = attach(proactor, pipe_fds[0]);
	listener = attach(proactor, listen_anywhere());
	CHECK(proactor_fd(proactor, &readable.fd) == 0, "proactor_fd");
	for (count = 0; count < 400; count++) {
		push(proactor, op_of_kind((unsigned[]){2, 1, 7}[count % 3], pipe_file));
		if (count % 4 == 0)
			push(proactor, op_of_kind(5, listener));
	}
	take_entries(proactor, &at_once);
	CHECK(pending_count == operation_count, "%zu of %zu pending", pending_count,
		operation_count);
	CHECK(puts("ready") > 0 && fflush(stdout) == 0, "stdout");
	count = poll(&readable, 1, -1);
	CHECK(count == 1, "proactor_fd() says nothing");
	wait_for_all(proactor);
	for (size_t i = 0; i < operation_count; i++)
		CHECK(operations[i].result == -ECONNRESET, "operation %zu: %ld", i,
			(long)operations[i].result);
	expect_lost(proactor, pipe_file);
	close(pipe_fds[1]);
}

/* ---- the daemon answers what it likes ---- */

static void hostile(struct proactor *proactor)
{
	int64_t file = attach(proactor, listen_anywhere());

	for (unsigned i = 0; i < ROUNDS * KINDS; i++)
		push(proactor, op_of_kind(i % KINDS, file));
	wait_for_all(proactor);
	for (size_t i = 0; i < operation_count; i++)
		CHECK(operations[i].result >= -4095, "operation %zu: %ld", i,
			(long)operations[i].result);
}

static void files(struct proactor *proactor)
{
	int fd = listen_anywhere(), new_fd = -1, r;
	int64_t file = -1;

	r = proactor_attach(proactor, fd, &file);
	CHECK(r == 0 ? file >= 0 : r < 0 && file == -1, "attach: %d", r);
	if (r < 0)
		close(fd);
	r = proactor_detach(proactor, 1, &new_fd);
	CHECK(r == 0 ? new_fd >= 0 : r < 0 && new_fd == -1, "detach: %d", r);
	if (r == 0)
		close(new_fd);
}

/* With one directory of the daemon's and one of ours, for which the daemon is asked first. */
static void lent(struct proactor *proactor)
{
	const struct proactor_op op = {.opcode = PROACTOR_RENAME,
		.rename = {
			.old_dir = 5, .old_path = "a", .new_dir = PROACTOR_CWD, .new_path = "b"}};
	struct timespec hang = {.tv_sec = HANG_SECONDS};
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;
	int r = proactor_push(proactor, &op, &key, &completion);

	if (r == PROACTOR_PENDING) {
		CHECK(proactor_poll(proactor, &hang, &entry, 1) == 1, "no end");
		r = proactor_pop(proactor, &entry, &completion);
	}
	CHECK(r < 0 || completion.result < 0, "%ld", (long)completion.result);
}

/* ---- more than the daemon takes at a time ---- */

static void crowded(struct proactor *proactor, size_t count)
{
	struct timespec at_once = {0};
	int pipe_fds[2];
	int64_t file;

	CHECK(pipe(pipe_fds) == 0, "%s", strerror(errno));
	file = attach(proactor, pipe_fds[0]);
	for (size_t i = 0; i < count; i++)
		push(proactor, op_of_kind(i % 2 ? 1 : 2, file));
	take_entries(proactor, &at_once);
	for (size_t i = 0; i < count; i++)
		CHECK(proactor_cancel(proactor, operations[i].key) >= 0, "cancel of %zu", i);
	wait_for_all(proactor);
	for (size_t i = 0; i < count; i++)
		CHECK(operations[i].result == -ECANCELED, "operation %zu: %ld", i,
			(long)operations[i].result);
	close(pipe_fds[1]);
}

/* ---- the daemon ends in good order ---- */

static void drained(struct proactor *proactor)
{
	struct proactor_op op = {.opcode = PROACTOR_TIMEOUT, .timeout = {.duration_ns = DRAIN_NS}};
	struct timespec at_once = {0};

	for (int i = 0; i < 20; i++)
		push(proactor, op);
	take_entries(proactor, &at_once);
	CHECK(puts("ready") > 0 && fflush(stdout) == 0, "stdout");
	wait_for_all(proactor);
	for (size_t i = 0; i < operation_count; i++)
		CHECK(operations[i].result == 0, "operation %zu: %ld", i,
			(long)operations[i].result);
}

/* ---- what is in the daemon's memory is named ---- */

static void run_vector(struct proactor *proactor, uint32_t opcode, int64_t file,
	const struct iovec *pieces, size_t count)
{
	struct operation *operation = push(proactor,
		(struct proactor_op){.opcode = opcode,
			.readv = {.file = file, .pieces = pieces, .count = count, .offset = 0}});

	while (operation->pending && operation->ends == 0)
		take_entries(proactor, NULL);
	CHECK(operation->result == NAMED_SIZE, "%ld", (long)operation->result);
}

static void named(struct proactor *proactor, size_t count)
{
	struct iovec pieces[1024];
	void *memories[2];
	int64_t file = attach(proactor, memfd_create("named", MFD_CLOEXEC));

	CHECK(count > 0 && count <= 1024, "%zu pieces", count);
	for (int i = 0; i < 2; i++) {
		int r = proactor_memory_new(proactor, NAMED_SIZE, &memories[i]);

		CHECK(r == 0, "memory: %s", strerror(-r));
	}
	for (size_t i = 0, place = 0; i < count; i++) {
		size_t size = i + 1 < count ? NAMED_SIZE / count : NAMED_SIZE - place;

		pieces[i] = (struct iovec){(char *)memories[i % 2] + place, size};
		place += size;
	}
	for (int round = 0; round < NAMED_ROUNDS; round++) {
		for (size_t i = 0; i < count; i++)
			memset(pieces[i].iov_base, (int)(i + (size_t)round), pieces[i].iov_len);
		run_vector(proactor, PROACTOR_WRITEV, file, pieces, count);
		for (size_t i = 0; i < count; i++)
			memset(pieces[i].iov_base, 0xee, pieces[i].iov_len);
		run_vector(proactor, PROACTOR_READV, file, pieces, count);
		for (size_t i = 0; i < count; i++)
			CHECK(*(unsigned char *)pieces[i].iov_base ==
					(unsigned char)(i + (size_t)round),
				"round %d, piece %zu", round, i);
	}
	for (int i = 0; i < 2; i++)
		proactor_memory_free(proactor, memories[i]);
}

int main(int argc, char **argv)
{
	struct proactor_options options = {
		.size = sizeof(options), .driver = PROACTOR_DRIVER_REMOTE};
	struct proactor *proactor;
	int fds = count_fds(), r;

	CHECK(argc >= 3, "usage");
	options.socket_path = argv[2];
	if (strcmp(argv[1], "drained") == 0 && argc > 3)
		options.capacity = (uint32_t)strtoul(argv[3], NULL, 10);
	alarm(HANG_SECONDS);
	r = proactor_new(&proactor, &options);
	if (r < 0) {
		fprintf(stderr, "no proactor: %s\n", strerror(-r));
		return count_fds() == fds ? EXIT_NO_PROACTOR : 1;
	}
	if (strcmp(argv[1], "death") == 0)
		death(proactor);
	else if (strcmp(argv[1], "hostile") == 0)
		hostile(proactor);
	else if (strcmp(argv[1], "files") == 0)
		files(proactor);
	else if (strcmp(argv[1], "lent") == 0)
		lent(proactor);
	else if (strcmp(argv[1], "drained") == 0)
		drained(proactor);
	else if (strcmp(argv[1], "named") == 0)
		named(proactor, strtoul(argv[3], NULL, 10));
	else
		crowded(proactor, strtoul(argv[3], NULL, 10));
	proactor_free(proactor);
	CHECK(count_fds() == fds, "%d descriptors, %d before", count_fds(), fds);
	return 0;
}
