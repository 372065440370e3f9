/*
 * What the remote driver does in this process: whatever names something by a path, or makes a
 * socket, is done with the caller's own rights, so that a path means what it means to the caller.
 * The file that comes of it is donated.
 *
 * A path in a directory that is the daemon's file only the daemon can look up, which it does for
 * its own user. Where an operation has one of those and one relative to the working directory of
 * this process, that directory is lent to the daemon for as long as the operation takes.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "client/remote.h"
#include "driver/syscall.h"

static bool is_dir(const struct op_param *param)
{
	return param->kind == OP_KIND_DIR;
}

static int64_t *dir_of(struct proactor_op *op, const struct op_param *param)
{
	return (int64_t *)((uint8_t *)op + param->offset);
}

bool remote_is_local(const struct proactor_op *op)
{
	bool has_dir = false;

	if (op->opcode == PROACTOR_SOCKET)
		return true;
	for (const struct op_param *param = op_table[op->opcode].params; param->name; param++) {
		if (!is_dir(param))
			continue;
		if (*(const int64_t *)((const uint8_t *)op + param->offset) != PROACTOR_CWD)
			return false;
		has_dir = true;
	}
	return has_dir;
}

int remote_push_local(struct remote *remote, const struct proactor_op *op, struct slot *slot,
	int64_t *ret_result)
{
	int64_t result = syscall_run(op);
	int r;

	if (result < 0 || !op_makes_file(op->opcode)) {
		*ret_result = result;
		return PROACTOR_READY;
	}
	r = remote_send(remote, NULL, slot, (int)result);
	return r < 0 ? r : PROACTOR_PENDING;
}

/* ---- the working directory ---- */

/* Whether @dir is followed by a path that begins in the working directory. */
static bool begins_here(struct proactor_op *op, const struct op_param *dir)
{
	const char *path;

	if (!is_dir(dir) || *dir_of(op, dir) != PROACTOR_CWD)
		return false;
	path = *(const char *const *)((const uint8_t *)op + dir[1].offset);
	return *path != '/';
}

int remote_lend_directory(struct remote *remote, struct proactor_op *op, struct slot *slot)
{
	const struct op_param *dir = op_table[op->opcode].params;
	int fd, r;

	while (dir->name && !begins_here(op, dir))
		dir++;
	if (!dir->name)
		return 0;
	fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = remote->base.driver->attach(&remote->base, fd, &slot->lent);
	if (r < 0) {
		slot->lent = -1;
		fd_close(fd);
		return r;
	}
	*dir_of(op, dir) = slot->lent;
	return 0;
}

void remote_end_loan(struct remote *remote, struct slot *slot)
{
	struct pack pack = pack_into(&remote->connection.out);

	if ((slot->opcode != PROACTOR_RENAME && slot->opcode != PROACTOR_LINK) || slot->lent < 0 ||
		remote->connection.error < 0)
		return;
	rpc_pack_request(&pack, remote_control_msgid(remote), "close", 1);
	pack_int(&pack, slot->lent);
	slot->lent = -1;
	(void)remote_finish_request(remote, &pack);
}
