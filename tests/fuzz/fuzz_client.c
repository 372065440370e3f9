/*
 * A hostile daemon, and the remote driver.
 *
 * Input: a byte of flags, how many bytes come with the answer to hello (the rest comes when the
 * client has asked for something); then what the daemon sends. In the end it hangs up. Whatever it
 * sent, each operation that was pushed ends once, and no descriptor is left.
 *
 * With FLAG_RING there is a ring, and the bytes of the first part are found in its slots of
 * responses, those of the second part written over them later; nothing more comes by the socket.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/def.h"
#include "driver/proactor.h"
#include "proto/queue.h"

enum {
	FLAG_DESCRIPTORS = 1, /* come with the answer to hello */
	FLAG_ATTACH = 2,
	FLAG_DETACH = 4,
	FLAG_CANCEL = 8,
	FLAG_HANDLE = 16, /* the proactor has a handle, and waits in another way */
	FLAG_RING = 32,   /* operations and answers go by a ring */
	FLAG_POOL = 64,   /* the receive takes from a pool */
};

enum { OPERATIONS = 15, PIECES = 10, ROOM = 64, PATIENCE_S = 5, POOL_SIZE = 4096 };

/*
 * [1, 1, nil, {"limits": {"transfer_size": 4096}, "features": ["ring", "memory", "pool"]}]: the
 * features are blotted out where there are none. And [1, 2, nil, {"entries": 8}].
 */
static const uint8_t hello[] = "\x94\x01\x01\xc0\x82\xa6limits\x81\xadtransfer_size\xcd\x10\x00\xa8"
			       "features\x93\xa4ring\xa6memory\xa4pool";
static const uint8_t ring_answer[] = "\x94\x01\x02\xc0\x81\xa7"
				     "entries\x08";

/* [1, 2147483649, nil, 1] and [1, 2147483650, nil, 1], to the first calls that are waited for */
static const uint8_t memory_answer[] = "\x94\x01\xce\x80\x00\x00\x01\xc0\x01";
static const uint8_t pool_answer[] = "\x94\x01\xce\x80\x00\x00\x02\xc0\x01";

enum { RING_FDS = 3, RESPONSES_AT = QUEUE_SLOTS_AT + QUEUE_ENTRIES_MIN * QUEUE_SLOT_SIZE };

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static char directory[] = "/tmp/proactor-fuzz-XXXXXX";
static int listen_fd;
static int fds_before;

/* ---- the daemon ---- */

struct script {
	uint8_t flags;
	const uint8_t *first;
	size_t first_size;
	const uint8_t *second;
	size_t second_size;
};

static void send_all(int fd, const uint8_t *bytes, size_t size, const int *fds, size_t fd_count)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int) * RING_FDS)];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int) * fd_count),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct iovec piece = {(void *)(uintptr_t)bytes, size};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

	if (fd_count > 0) {
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * fd_count);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
	}
	(void)!sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void wait_for_request(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
	uint8_t room[4096];

	if (poll(&poll_fd, 1, 100) > 0)
		(void)!recv(fd, room, sizeof(room), MSG_DONTWAIT);
}

static void show(uint8_t *memory, const uint8_t *bytes, size_t size)
{
	size_t room = queue_memory_size(QUEUE_ENTRIES_MIN) - RESPONSES_AT;

	if (size > 0)
		memcpy(memory + RESPONSES_AT, bytes, MIN(size, room));
}

static int make_memory(size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert(ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
	return fd;
}

static void say_hello(int fd, const struct script *script, size_t fd_count)
{
	uint8_t bytes[sizeof(hello) - 1];

	memcpy(bytes, hello, sizeof(bytes));
	if (!(script->flags & FLAG_RING))
		((uint8_t *)memmem(bytes, sizeof(bytes), "ring", 4))[0] = '-';
	if (!(script->flags & FLAG_POOL))
		((uint8_t *)memmem(bytes, sizeof(bytes), "pool", 4))[0] = '-';
	send_all(fd, bytes, sizeof(bytes), &listen_fd, fd_count);
}

static void give_pool(int fd, const struct script *script)
{
	int memory = script->flags & FLAG_POOL ? make_memory(POOL_SIZE) : -1;

	if (memory < 0)
		return;
	wait_for_request(fd);
	send_all(fd, memory_answer, sizeof(memory_answer) - 1, &memory, 1);
	wait_for_request(fd);
	send_all(fd, pool_answer, sizeof(pool_answer) - 1, NULL, 0);
	close(memory);
}

static void play_by_ring(int fd, const struct script *script)
{
	size_t size = queue_memory_size(QUEUE_ENTRIES_MIN);
	int fds[RING_FDS] = {
		make_memory(size), eventfd(0, EFD_CLOEXEC), eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
	uint8_t *memory;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	assert(memory != MAP_FAILED);
	show(memory, script->first, script->first_size);
	say_hello(fd, script, 0);
	wait_for_request(fd);
	send_all(fd, ring_answer, sizeof(ring_answer) - 1, fds, RING_FDS);
	give_pool(fd, script);
	/* until it sleeps: then what it looked at before is changed */
	(void)poll(&(struct pollfd){.fd = fds[1], .events = POLLIN}, 1, 1);
	show(memory, script->second, script->second_size);
	(void)!eventfd_write(fds[2], 1);
	usleep(100);
	(void)munmap(memory, size);
	for (int i = 0; i < RING_FDS; i++)
		close(fds[i]);
}

static void play_by_socket(int fd, const struct script *script)
{
	size_t fd_count = script->flags & FLAG_DESCRIPTORS ? 1 : 0;

	say_hello(fd, script, fd_count);
	give_pool(fd, script);
	send_all(fd, script->first, script->first_size, NULL, 0);
	wait_for_request(fd);
	send_all(fd, script->second, script->second_size, &listen_fd, fd_count);
}

static void *play(void *context)
{
	const struct script *script = context;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

	assert(fd >= 0);
	wait_for_request(fd);
	if (script->flags & FLAG_RING)
		play_by_ring(fd, script);
	else
		play_by_socket(fd, script);
	close(fd);
	return NULL;
}

/* ---- the client ---- */

/* Guarded by exact allocations: what is written beyond them a sanitizer sees. */
struct memory {
	uint8_t *room;
	struct proactor_address *address;
	struct statx *stat;
	struct iovec *pieces; /* PIECES of them, of a byte each, in @room */
	struct msghdr message;
	struct sockaddr *name;
	struct proactor_buffers *buffers; /* go with the proactor */
};

static void memory_init(struct memory *memory)
{
	memory->room = malloc(ROOM);
	memory->address = malloc(sizeof(*memory->address));
	memory->stat = malloc(sizeof(*memory->stat));
	memory->pieces = malloc(PIECES * sizeof(*memory->pieces));
	memory->name = malloc(sizeof(*memory->name));
	for (int i = 0; i < PIECES; i++)
		memory->pieces[i] = (struct iovec){memory->room + ROOM - PIECES + i, 1};
	memory->message = (struct msghdr){
		.msg_iov = memory->pieces,
		.msg_iovlen = PIECES,
		.msg_name = memory->name,
		.msg_namelen = sizeof(*memory->name),
	};
}

static void memory_deinit(struct memory *memory)
{
	free(memory->room);
	free(memory->address);
	free(memory->stat);
	free(memory->pieces);
	free(memory->name);
}

static unsigned push_all(struct proactor *proactor, struct memory *memory, uint64_t *keys)
{
	struct proactor_op ops[OPERATIONS] = {
		{.opcode = PROACTOR_READ, .read = {1, memory->room, ROOM, 0}},
		{.opcode = PROACTOR_ACCEPT, .accept = {1, memory->address}},
		{.opcode = PROACTOR_STAT, .stat = {1, "", 0, STATX_BASIC_STATS, memory->stat}},
		{.opcode = PROACTOR_WRITE, .write = {1, "data", 4, PROACTOR_CURRENT}},
		{.opcode = PROACTOR_NOP},
		{.opcode = PROACTOR_POLL, .poll = {1, POLLIN}},
		{.opcode = PROACTOR_SOCKET, .socket = {AF_UNIX, SOCK_STREAM, 0}},
		{.opcode = PROACTOR_RECV, .recv = {1, memory->room, ROOM, 0, NULL}},
		{.opcode = PROACTOR_READV, .readv = {1, memory->pieces, PIECES, 0}},
		{.opcode = PROACTOR_RECVFROM,
			.recvfrom = {1, memory->room, ROOM, 0, memory->address}},
		{.opcode = PROACTOR_RECVMSG, .recvmsg = {1, &memory->message, 0}},
		{.opcode = PROACTOR_RENAME, .rename = {1, "old", PROACTOR_CWD, "new", 0}},
		{.opcode = PROACTOR_ACCEPT, .flags = PROACTOR_MULTISHOT, .accept = {1, NULL}},
		{.opcode = PROACTOR_POLL, .flags = PROACTOR_MULTISHOT, .poll = {1, POLLIN}},
		{.opcode = PROACTOR_RECV,
			.flags = PROACTOR_MULTISHOT | PROACTOR_BUFFER_SELECT,
			.recv = {1, NULL, 0, 0, memory->buffers}},
	};
	struct proactor_completion ready;
	unsigned pending = 0;

	for (int i = 0; i < OPERATIONS; i++) {
		int r = proactor_push(proactor, &ops[i], &keys[pending], &ready);

		assert(r == PROACTOR_PENDING || r == PROACTOR_READY);
		pending += r == PROACTOR_PENDING;
	}
	return pending;
}

static void take_buffer(const struct memory *memory, const struct proactor_completion *completion)
{
	uint8_t *data = proactor_buffer_data(memory->buffers, completion->flags);

	if (!data)
		return;
	assert(completion->result > 0 && completion->result <= PIECES);
	memset(data, 0, (size_t)completion->result);
	assert(proactor_buffer_release(memory->buffers, data) == 0);
}

static void pop_all(struct proactor *proactor, const struct memory *memory, unsigned pending)
{
	struct timespec patience = {.tv_sec = PATIENCE_S};
	struct proactor_entry entries[OPERATIONS];
	struct proactor_completion completion;

	while (pending > 0) {
		int count = proactor_poll(proactor, &patience, entries, OPERATIONS);

		assert(count > 0 && "an operation does not end");
		for (int i = 0; i < count; i++) {
			assert(proactor_pop(proactor, &entries[i], &completion) == 0);
			assert(completion.result >= -4095 && "not an errno");
			take_buffer(memory, &completion);
			pending -= !(completion.flags & PROACTOR_MORE);
		}
	}
}

static void use(struct proactor *proactor, uint8_t flags, struct memory *memory)
{
	struct proactor_handle *handle = NULL;
	uint64_t keys[OPERATIONS];
	unsigned pending;
	int64_t file;
	int fd;

	if (flags & FLAG_HANDLE)
		assert(proactor_handle(proactor, &handle) == 0);
	pending = push_all(proactor, memory, keys);
	if (flags & FLAG_ATTACH) {
		fd = dup(listen_fd);
		if (proactor_attach(proactor, fd, &file) < 0)
			close(fd);
		else
			assert(file >= 0);
	}
	if (flags & FLAG_DETACH && proactor_detach(proactor, 1, &fd) == 0) {
		assert(fd >= 0);
		close(fd);
	}
	if (flags & FLAG_CANCEL && pending > 0)
		(void)proactor_cancel(proactor, keys[0]);
	pop_all(proactor, memory, pending);
	proactor_handle_free(handle);
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void clean_up(void)
{
	(void)unlink(address.sun_path);
	(void)rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	(void)signal(SIGPIPE, SIG_IGN);
	assert(mkdtemp(directory));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(bind(listen_fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	assert(listen(listen_fd, 4) == 0);
	atexit(clean_up);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proactor_options options = {
		.size = sizeof(options),
		.driver = PROACTOR_DRIVER_REMOTE,
		.socket_path = address.sun_path,
	};
	struct memory memory;
	struct proactor *proactor;
	struct script script;
	pthread_t thread;
	size_t first_size;

	if (size < 2)
		return 0;
	/*
	 * anew each time: between inputs libFuzzer may have started a symbolizer, and keeps pipes
	 * to it
	 */
	fds_before = count_fds();
	first_size = MIN((size_t)data[1], size - 2);
	script = (struct script){
		data[0], data + 2, first_size, data + 2 + first_size, size - 2 - first_size};
	memory_init(&memory);
	assert(pthread_create(&thread, NULL, play, &script) == 0);
	assert(proactor_new(&proactor, &options) == 0);
	assert(proactor_buffers_new(proactor, 2, PIECES, &memory.buffers) == 0);
	use(proactor, data[0], &memory);
	proactor_free(proactor);
	assert(pthread_join(thread, NULL) == 0);
	memory_deinit(&memory);
	assert(count_fds() == fds_before && "a descriptor is left open");
	return 0;
}
