/* The server of targets that need one. See server.h. */
#include "tests/fuzz/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/shard.h"

enum { PATIENCE_MS = 5000 };

static struct server server;
static char directory[] = "/tmp/proactor-fuzz-XXXXXX";
static char input_path[sizeof(directory) + sizeof(".input")];
static int input_fd = -EBADF;
static int listen_fd = -EBADF;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_size;
static uint64_t session_count;
static int fds_before;

/* ---- the server ---- */

static bool confine(void)
{
	return unshare(CLONE_FS | CLONE_NEWNET) == 0 && chdir(directory) == 0 && chroot(".") == 0;
}

static void *serve(void *ready)
{
	struct proactor_options options = {
		.size = sizeof(options), .driver = PROACTOR_DRIVER_IO_URING};
	struct server_options settings = {.listen_fd = listen_fd, .shard_count = 1};
	struct proactor *proactor;
	bool confined = confine();
	int r;

	limits_init(&settings.limits);
	/* so that limits are met */
	settings.limits.value[LIMIT_FRAME_SIZE] = 65536;
	settings.limits.value[LIMIT_TRANSFER_SIZE] = 32768;
	settings.limits.value[LIMIT_MEMORY] = 131072;
	settings.limits.value[LIMIT_OPERATIONS] = 8;
	settings.limits.value[LIMIT_FILES] = 8;
	r = proactor_new(&proactor, &options);
	if (r >= 0)
		r = server_init(&server, proactor, &settings);
	if (r < 0) {
		fprintf(stderr, "no server here: %s\n", strerror(-r));
		_exit(77);
	}
	if (!confined)
		server.uid = (uid_t)-2;
	pthread_barrier_wait(ready);
	r = server_run(&server);
	fprintf(stderr, "the server has ended: %d\n", r);
	abort();
}

static int count_fds(bool print)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	int count = 0;

	assert(dir);
	while ((entry = readdir(dir))) {
		char target[300] = "";

		count++;
		if (print && readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) >= 0)
			fprintf(stderr, "open: %s %s\n", entry->d_name, target);
	}
	closedir(dir);
	return count;
}

static void clean_up(void)
{
	(void)unlink(input_path);
	(void)rmdir(directory);
}

void fuzz_server_start(void)
{
	static pthread_barrier_t ready;
	pthread_t thread;
	sigset_t all, before;

	log_set_level((enum log_level)0);
	(void)signal(SIGPIPE, SIG_IGN);
	assert(mkdtemp(directory));
	snprintf(input_path, sizeof(input_path), "%s.input", directory);
	input_fd = open(input_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert(input_fd >= 0);
	atexit(clean_up);
	listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* at an abstract name that the kernel chooses: no file is left when this is killed */
	address_size = sizeof(sa_family_t);
	assert(bind(listen_fd, (struct sockaddr *)&address, address_size) == 0);
	address_size = sizeof(address);
	assert(getsockname(listen_fd, (struct sockaddr *)&address, &address_size) == 0);
	assert(listen(listen_fd, 16) == 0);
	assert(pthread_barrier_init(&ready, NULL, 2) == 0);
	/* signals are for libFuzzer, in its own thread */
	sigfillset(&all);
	assert(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	assert(pthread_create(&thread, NULL, serve, &ready) == 0);
	assert(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	pthread_barrier_wait(&ready);
}

static int sweep_one(const char *path, const struct stat *found, int type, struct FTW *place)
{
	(void)found;
	(void)type;
	return place->level > 0 ? remove(path) : 0;
}

/* What the session made in its directory. */
void fuzz_server_sweep(void)
{
	(void)nftw(directory, sweep_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* ---- sessions ---- */

int fuzz_server_connect(const uint8_t *data, size_t size)
{
	int fd;

	/*
	 * anew each time: between inputs libFuzzer may have started a symbolizer, and keeps pipes
	 * to it
	 */
	fds_before = count_fds(/* print= */ false);
	assert(pwrite(input_fd, data, size, 0) == (ssize_t)size &&
		ftruncate(input_fd, (off_t)size) == 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(fd >= 0 && connect(fd, (struct sockaddr *)&address, address_size) == 0);
	session_count++;
	return fd;
}

/* A file, a pipe and a socket with something in them. */
static void make_descriptors(int *fds)
{
	int pipes[2], sockets[2];

	fds[0] = memfd_create("fuzz", MFD_CLOEXEC);
	assert(ftruncate(fds[0], 5000) == 0);
	assert(pipe2(pipes, O_CLOEXEC) == 0 && write(pipes[1], "data", 4) == 4);
	fds[1] = pipes[0];
	fds[2] = pipes[1];
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
	assert(write(sockets[1], "message", 7) == 7);
	fds[3] = sockets[0];
	close(sockets[1]);
}

ssize_t fuzz_server_send_descriptors(int fd, const uint8_t *bytes, size_t size)
{
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int) * FUZZ_DESCRIPTORS)];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int) * FUZZ_DESCRIPTORS),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct iovec piece = {(void *)(uintptr_t)bytes, size};
	struct msghdr message = {.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	int fds[FUZZ_DESCRIPTORS];
	ssize_t sent;

	make_descriptors(fds);
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	for (int i = 0; i < FUZZ_DESCRIPTORS; i++)
		close(fds[i]);
	return sent;
}

/* ---- what must be true when a session is over ---- */

/*
 * What is to be looked at belongs to the server's thread, and is ordered by nothing but the counter
 * of sessions, the last that is written for one (shard_forget_session()), and plainly: the server
 * pays no atomic for a test. So ThreadSanitizer does not hear of these reads.
 */
#ifdef __SANITIZE_THREAD__
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
#else
#define AnnotateIgnoreReadsBegin(file, line)
#define AnnotateIgnoreReadsEnd(file, line)
#endif

static bool is_over(const struct shard *shard)
{
	return __atomic_load_n(&shard->stats.sessions_ended, __ATOMIC_ACQUIRE) == session_count &&
		__atomic_load_n(&shard->loop.closing_count, __ATOMIC_ACQUIRE) == 0;
}

static void check_server(void)
{
	uint64_t deadline_ns = clock_now_ns() + PATIENCE_MS * NSEC_PER_MSEC;
	struct shard *shard = &server.shards[0];
	struct stats *stats = &shard->stats;

	while (!is_over(shard)) {
		assert(clock_now_ns() < deadline_ns && "the session does not end");
		usleep(20);
	}
	assert(shard->session_count == 0 && list_empty(&shard->sessions) &&
		list_empty(&shard->users.all));
	assert(shard->operations.used_count == 0 && shard->chunks.used_bytes == 0);
	assert(list_empty(&shard->dirty) && list_empty(&shard->stalled) &&
		list_empty(&shard->paused) && list_empty(&shard->heavy));
	assert(list_empty(&shard->awake_rings) && list_empty(&shard->dirty_rings));
	assert(stats->operations_submitted ==
		stats->operations_completed + stats->operations_cancelled);
	assert(stats->files_opened == stats->files_closed);
}

void fuzz_server_check_nothing_is_left(void)
{
	AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
	check_server();
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
	/* the last close may be on its way out of the kernel's worker */
	for (int i = 0; i < 1000 && count_fds(/* print= */ false) != fds_before; i++)
		usleep(1000);
	assert(count_fds(/* print= */ false) == fds_before ||
		(count_fds(/* print= */ true), !"descriptors are left open"));
}
