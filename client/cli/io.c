/* A proactor on the daemon. See io.h. */
#include "client/cli/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/dial.h"
#include "client/cli/interrupt.h"

/* What a frame has besides the bytes of a read or write, generously. */
enum { FRAME_HEAD_SIZE = 128 };

int io_init(struct io *io, struct cli *cli)
{
	struct proactor_options options = {.size = sizeof(options),
		.driver = PROACTOR_DRIVER_REMOTE,
		.socket_path = cli->socket};
	int r;

	*io = (struct io){.cli = cli};
	r = proactor_new(&io->proactor, &options);
	if (r < 0)
		return cli_fail_connect(cli, r);
	r = proactor_handle(io->proactor, &io->handle);
	if (r < 0) {
		io_deinit(io);
		return cli_fail(cli, r, "handle");
	}
	interrupt_catch(io->handle);
	return 0;
}

void io_deinit(struct io *io)
{
	if (io->handle)
		interrupt_release();
	io->proactor = proactor_free(io->proactor);
	io->handle = proactor_handle_free(io->handle);
}

int io_ask_limits(const struct cli *cli, struct io_limits *ret_limits)
{
	json_t *hello;
	json_int_t frame_size, transfer_size, operations, memory;
	int status = dial_once(cli, "hello", &hello);

	if (status != 0)
		return status;
	status = json_unpack(hello, "{s:{s:I, s:I, s:I, s:I}}", "limits", "frame_size", &frame_size,
		"transfer_size", &transfer_size, "operations", &operations, "memory", &memory);
	json_decref(hello);
	if (status < 0 || frame_size <= FRAME_HEAD_SIZE || transfer_size <= 0 || operations <= 0 ||
		memory <= 0)
		return cli_fail_answer(cli, "hello");
	/* what is transferred travels in a frame */
	if (transfer_size > frame_size - FRAME_HEAD_SIZE)
		transfer_size = frame_size - FRAME_HEAD_SIZE;
	*ret_limits = (struct io_limits){
		.transfer_size = (uint64_t)transfer_size,
		.operations = (uint64_t)operations,
		.memory = (uint64_t)memory,
	};
	return 0;
}

int64_t io_run(struct io *io, const struct proactor_op *op)
{
	struct proactor_completion completion;
	struct proactor_entry entry;
	uint64_t key;
	int r = proactor_push(io->proactor, op, &key, &completion);

	if (r == PROACTOR_READY)
		return completion.result;
	if (r < 0)
		return r;
	for (;;) {
		if (interrupt_signal())
			(void)proactor_cancel(io->proactor, key);
		r = proactor_poll(io->proactor, NULL, &entry, 1);
		if (r < 0)
			return r;
		if (r == 1)
			break;
	}
	r = proactor_pop(io->proactor, &entry, &completion);
	return r < 0 ? r : completion.result;
}

int io_attach(struct io *io, int fd, int64_t *ret_file)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), r;

	if (copy < 0)
		return -errno;
	r = proactor_attach(io->proactor, copy, ret_file);
	if (r < 0)
		(void)close(copy);
	return r;
}

int io_close(struct io *io, int64_t *file)
{
	struct proactor_op op = {.opcode = PROACTOR_CLOSE, .close = {.file = *file}};

	if (*file < 0)
		return 0;
	*file = -1;
	return (int)io_run(io, &op);
}

int io_open(struct io *io, const char *path, int flags, uint32_t mode, int64_t *ret_file)
{
	struct proactor_op op = {.opcode = PROACTOR_OPEN};
	int64_t result;

	if (strcmp(path, "-") == 0)
		return io_attach(io, STDIN_FILENO, ret_file);
	op.open.dir = PROACTOR_CWD;
	op.open.path = path;
	op.open.flags = flags;
	op.open.mode = mode;
	result = io_run(io, &op);
	if (result < 0)
		return (int)result;
	*ret_file = result;
	return 0;
}

int io_truncate(struct io *io, int64_t file)
{
	struct proactor_op op = {.opcode = PROACTOR_FTRUNCATE, .ftruncate = {.file = file}};

	return (int)io_run(io, &op);
}

int io_stat(struct io *io, int64_t file, struct statx *ret_stat)
{
	struct proactor_op op = {.opcode = PROACTOR_STAT};

	op.stat.dir = file;
	op.stat.path = "";
	op.stat.mask = STATX_BASIC_STATS;
	op.stat.stat = ret_stat;
	return (int)io_run(io, &op);
}

int io_broken_pipe(void)
{
	(void)raise(SIGPIPE);
	return STATUS_SIGNAL + SIGPIPE;
}

int io_fail(struct io *io, int error, const char *what, const char *name)
{
	struct proactor_op nop = {.opcode = PROACTOR_NOP};

	if (interrupt_signal())
		return interrupt_status();
	/*
	 * a file or peer can give this as well: only the daemon itself knows whether it is still
	 * there
	 */
	if (error == -ECONNRESET && io_run(io, &nop) < 0)
		return cli_fail_lost(io->cli, NULL);
	return cli_fail(io->cli, error, "%s%s%s", what, *what && *name ? " " : "", name);
}
