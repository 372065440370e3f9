/*
 * SIGPIPE on kernels before 6.18, where a write cannot be told to raise none: the conformance suite
 * has what is to be observed, this has the other way to it.
 */
#include "tests/fault/suite.h"

#include <fcntl.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/sigpipe.h"

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
	(void)number;
	signals++;
}

/* In a process that has made no proactor yet. */
static struct proactor *start_on_old_kernel(void)
{
	struct proactor_options options = {.size = sizeof(options), .driver = driver};
	struct proactor *proactor;

	signal(SIGPIPE, count_signal);
	fault_kernel(&(struct fault_kernel){.lacks_nosignal = true});
	fault_plan(NULL, 0);
	must(IN_DRIVER(proactor_new(&proactor, &options)));
	ck_assert_int_eq(sigpipe_rwf(), 0);
	return proactor;
}

static int64_t run(struct proactor *proactor, struct proactor_op op)
{
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;

	if (must(IN_DRIVER(proactor_push(proactor, &op, &key, &completion))) == PROACTOR_READY)
		return completion.result;
	assert_result(IN_DRIVER(proactor_poll(proactor, NULL, &entry, 1)), 1);
	must(proactor_pop(proactor, &entry, &completion));
	return completion.result;
}

static struct proactor_op op_write(int fd)
{
	return (struct proactor_op){
		.opcode = PROACTOR_WRITE, .write = {fd, "x", 1, PROACTOR_CURRENT}};
}

/* A pipe, a FIFO that is O_NONBLOCK, a stream: the end to be written to. */
static int broken(int kind)
{
	int fds[2];

	if (kind == 0) {
		must(pipe2(fds, O_CLOEXEC));
	} else if (kind == 1) {
		must(mkfifo("fifo", 0600));
		fds[0] = must(open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
		fds[1] = must(open("fifo", O_WRONLY | O_NONBLOCK | O_CLOEXEC));
	} else {
		must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	}
	close(fds[0]);
	return fds[1];
}

START_TEST(old_kernel_raises_no_signal_either)
{
	struct proactor *proactor = start_on_old_kernel();
	char byte = 'x';
	struct iovec piece = {&byte, 1};
	struct proactor_op op_writev = {
		.opcode = PROACTOR_WRITEV, .writev = {-1, &piece, 1, PROACTOR_CURRENT}};

	for (int kind = 0; kind < 3; kind++) {
		int fd = broken(kind);

		op_writev.writev.file = fd;
		assert_result(run(proactor, op_write(fd)), -EPIPE);
		assert_result(run(proactor, op_writev), -EPIPE);
		close(fd);
	}
	ck_assert_int_eq(signals, 0);
	/* … and takes none away */
	must(raise(SIGPIPE));
	ck_assert_int_eq(signals, 1);
	proactor_free(proactor);
}
END_TEST

START_TEST(old_kernel_raises_no_signal_for_who_waits)
{
	struct proactor *proactor = start_on_old_kernel();
	static const uint8_t page[4096];
	struct proactor_op op = {.opcode = PROACTOR_WRITE, .write = {-1, page, 4096, -1}};
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;
	int fds[2];

	must(pipe2(fds, O_CLOEXEC));
	must(fcntl(fds[1], F_SETPIPE_SZ, 4096));
	ck_assert_int_eq(write(fds[1], page, 4096), 4096);
	op.write.file = fds[1];
	must(IN_DRIVER(proactor_push(proactor, &op, &key, &completion)));
	assert_result(IN_DRIVER(proactor_poll(proactor, &(struct timespec){0}, &entry, 1)), -ETIME);
	close(fds[0]);
	assert_result(IN_DRIVER(proactor_poll(proactor, NULL, &entry, 1)), 1);
	assert_result(entry.result, -EPIPE);
	ck_assert_int_eq(signals, 0);
	close(fds[1]);
	proactor_free(proactor);
}
END_TEST

START_TEST(old_kernel_does_the_load)
{
	struct load_options options = options_for(0);

	proactor_free(start_on_old_kernel());
	ck_assert_int_eq(load_run(&options), LOAD_DONE);
	ck_assert_int_eq(signals, 0);
}
END_TEST

/*
 * What an old kernel does for who waits is promised on an epoll, and on an io_uring with deferred
 * task work (proactor.h). Without it the write is done, and the signal raised, when the test closes
 * the other end, where no driver can hold it back. So it is before Linux 6.1, and in valgrind's
 * build, which refuses such rings (tests/waits.c).
 */
static bool has_promise_for_who_waits(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
	int fd;

	if (driver != PROACTOR_DRIVER_IO_URING)
		return true;
	fd = io_uring_setup(1, &params);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void add_sigpipe(Suite *suite)
{
	suite_add(suite, old_kernel_raises_no_signal_either);
	if (has_promise_for_who_waits())
		suite_add(suite, old_kernel_raises_no_signal_for_who_waits);
	else
		fprintf(stderr,
			"old_kernel_raises_no_signal_for_who_waits: NOT RUN, "
			"no deferred task work here\n");
	suite_add(suite, old_kernel_does_the_load);
}
