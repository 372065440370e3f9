/* A file that takes as long as the test wants. See slow_file.h; the protocol is fuse(4). */
#include "tests/conformance/slow_file.h"

#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tests/conformance/conformance.h"

/* The server ends by itself, or a test that is held up for ever could not be killed. */
enum { HELD_MAX = 512, REQUEST_SIZE = 1 << 18, ANSWER_MAX = 1 << 17, SERVER_SECONDS = 120 };

/* ---- the server: a process without libcheck, which leaves when something is wrong ---- */

struct held {
	uint64_t unique;
	uint32_t opcode;
	uint32_t size;
	uint64_t offset;
};

struct server {
	int fuse;
	int control;
	enum slow_file_kind kind;
	bool has_answered; /* what the file is, once */
	bool is_held;
	struct held held[HELD_MAX];
	uint32_t held_count;
};

static void answer(const struct server *server, uint64_t unique, int error, const void *data,
	size_t size)
{
	struct fuse_out_header header = {
		.len = (uint32_t)(sizeof(header) + size), .error = error, .unique = unique};
	struct iovec pieces[] = {{&header, sizeof(header)}, {(void *)(uintptr_t)data, size}};

	/* one that was interrupted is nobody's any more: ENOENT */
	if (writev(server->fuse, pieces, 2) < 0 && errno != ENOENT)
		_exit(EXIT_FAILURE);
}

static void answer_held(const struct server *server, const struct held *held)
{
	static uint8_t bytes[ANSWER_MAX];
	uint64_t left = held->offset < SLOW_FILE_SIZE ? SLOW_FILE_SIZE - held->offset : 0;
	uint32_t size = (uint32_t)MIN((uint64_t)held->size, left);

	if (size > sizeof(bytes))
		_exit(EXIT_FAILURE);
	if (held->opcode == FUSE_READ) {
		for (uint32_t i = 0; i < size; i++)
			bytes[i] = pattern(held->offset + i);
		answer(server, held->unique, 0, bytes, size);
	} else if (held->opcode == FUSE_WRITE) {
		struct fuse_write_out written = {.size = held->size};

		answer(server, held->unique, 0, &written, sizeof(written));
	} else if (held->opcode == FUSE_POLL) {
		struct fuse_poll_out ready = {.revents = POLLIN | POLLOUT};

		answer(server, held->unique, 0, &ready, sizeof(ready));
	} else {
		answer(server, held->unique, 0, NULL, 0);
	}
}

/* It is kept waiting, or answered. */
static void hold(struct server *server, const struct held *held)
{
	if (!server->is_held || server->held_count == HELD_MAX)
		answer_held(server, held);
	else
		server->held[server->held_count++] = *held;
}

static void answer_init(const struct server *server, uint64_t unique,
	const struct fuse_init_in *request)
{
	struct fuse_init_out reply = {
		.major = FUSE_KERNEL_VERSION,
		.minor = MIN(request->minor, (uint32_t)FUSE_KERNEL_MINOR_VERSION),
		.max_readahead = 0,
		.flags = FUSE_ASYNC_READ | FUSE_BIG_WRITES |
			(server->kind == SLOW_FILE_DIRECT_OLD ? 0 : FUSE_ASYNC_DIO),
		.max_background = HELD_MAX,
		.congestion_threshold = HELD_MAX,
		.max_write = 4096,
	};

	answer(server, unique, 0, &reply, sizeof(reply));
}

static void answer_attributes(const struct server *server, uint64_t unique)
{
	struct fuse_attr_out reply = {
		.attr_valid = server->kind == SLOW_FILE_MUTE ? 0 : 3600,
		.attr = {.ino = 1,
			.size = SLOW_FILE_SIZE,
			.mode = S_IFREG | 0600,
			.nlink = 1,
			.blksize = 4096},
	};

	answer(server, unique, 0, &reply, sizeof(reply));
}

static void serve_request(struct server *server, const struct fuse_in_header *header)
{
	const struct fuse_read_in *read = (const void *)(header + 1);
	struct fuse_open_out opened = {
		.open_flags = server->kind == SLOW_FILE_CACHED ? 0 : FOPEN_DIRECT_IO};
	struct held held = {.unique = header->unique, .opcode = header->opcode};

	switch (header->opcode) {
	case FUSE_INIT: answer_init(server, header->unique, (const void *)(header + 1)); break;
	case FUSE_GETATTR:
	case FUSE_SETATTR:
		if (server->kind != SLOW_FILE_MUTE || !server->has_answered)
			answer_attributes(server, header->unique);
		server->has_answered = true;
		break;
	case FUSE_OPEN: answer(server, header->unique, 0, &opened, sizeof(opened)); break;
	case FUSE_READ:
	case FUSE_WRITE:
		/* their arguments begin alike */
		held.size = read->size;
		held.offset = read->offset;
		hold(server, &held);
		break;
	case FUSE_POLL:
	case FUSE_FSYNC: hold(server, &held); break;
	case FUSE_FLUSH:
	case FUSE_RELEASE: answer(server, header->unique, 0, NULL, 0); break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT: break;
	default:
		if (server->kind != SLOW_FILE_MUTE)
			answer(server, header->unique, -ENOSYS, NULL, 0);
	}
}

/* 'r': answer everything from now on. Else: how many are waiting? */
static void serve_control(struct server *server)
{
	char command;

	if (read(server->control, &command, 1) != 1)
		_exit(EXIT_SUCCESS);
	if (command == 'r') {
		server->is_held = false;
		for (uint32_t i = 0; i < server->held_count; i++)
			answer_held(server, &server->held[i]);
		server->held_count = 0;
	}
	if (write(server->control, &server->held_count, sizeof(server->held_count)) < 0)
		_exit(EXIT_FAILURE);
}

static _Noreturn void serve(struct server *server)
{
	static uint8_t request[REQUEST_SIZE] __attribute__((aligned(8)));
	struct pollfd pollfds[] = {
		{.fd = server->fuse, .events = POLLIN},
		{.fd = server->control, .events = POLLIN},
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(SERVER_SECONDS);
	for (;;) {
		ssize_t size;

		if (poll(pollfds, 2, -1) < 0)
			_exit(EXIT_FAILURE);
		if (pollfds[1].revents != 0)
			serve_control(server);
		if (pollfds[0].revents == 0)
			continue;
		size = read(server->fuse, request, sizeof(request));
		if (size >= (ssize_t)sizeof(struct fuse_in_header))
			serve_request(server, (const struct fuse_in_header *)request);
		else if (errno != EINTR && errno != EAGAIN && errno != ENOENT)
			_exit(errno == ENODEV ? EXIT_SUCCESS : EXIT_FAILURE);
	}
}

/* ---- the test's side ---- */

/* The root of this file system is no directory, but the file. */
static bool mount_it(int fuse)
{
	char options[128];

	snprintf(options, sizeof(options), "fd=%d,rootmode=100000,user_id=%u,group_id=%u", fuse,
		geteuid(), getegid());
	return (unshare(CLONE_NEWNS) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
		mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount("slow", "slow", "fuse", MS_NOSUID | MS_NODEV, options) == 0;
}

bool slow_file_begin(struct slow_file *ret_file, enum slow_file_kind kind)
{
	struct server server = {.kind = kind, .is_held = true};
	struct stat stat;
	int controls[2];

	close(must(open("slow", O_RDWR | O_CREAT | O_CLOEXEC, 0600)));
	server.fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (server.fuse < 0 || !mount_it(server.fuse)) {
		fprintf(stderr, "a slow file: SKIPPED, no FUSE here: %s\n", strerror(errno));
		if (server.fuse >= 0)
			close(server.fuse);
		return false;
	}
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, controls));
	server.control = controls[1];
	ret_file->server = must(fork());
	if (ret_file->server == 0) {
		close(controls[0]);
		serve(&server);
	}
	close(server.fuse);
	close(controls[1]);
	ret_file->control = controls[0];
	ret_file->writer = 0;
	ret_file->fd = must(open("slow", O_RDWR | O_CLOEXEC));
	/* the kernel is to know its size: it gave it none when it mounted it */
	must(fstat(ret_file->fd, &stat));
	return true;
}

static uint32_t ask(const struct slow_file *file, char command)
{
	uint32_t count;

	ck_assert_int_eq(write(file->control, &command, 1), 1);
	ck_assert_int_eq(read(file->control, &count, sizeof(count)), sizeof(count));
	return count;
}

void slow_file_await(struct slow_file *file, unsigned count)
{
	while (ask(file, '?') < count)
		usleep(500);
}

void slow_file_release(struct slow_file *file)
{
	(void)ask(file, 'r');
}

void slow_file_end(struct slow_file *file)
{
	close(file->control);
	kill(file->server, SIGKILL);
	waitpid(file->server, NULL, 0);
	if (file->writer > 0)
		waitpid(file->writer, NULL, 0);
	must(umount2("slow", MNT_DETACH));
}

void slow_file_lock(struct slow_file *file, int fd)
{
	/* what may be read valgrind reads, looking for a program */
	void *memory = mmap(NULL, SLOW_FILE_SIZE, PROT_NONE, MAP_SHARED, file->fd, /* offset= */ 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	file->writer = must(fork());
	if (file->writer == 0) {
		must(mprotect(memory, SLOW_FILE_SIZE, PROT_READ));
		(void)!write(fd, memory, 1);
		_exit(EXIT_SUCCESS);
	}
	must(munmap(memory, SLOW_FILE_SIZE));
	slow_file_await(file, 1);
}
