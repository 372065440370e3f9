/* Actors on files and names. See load.h. */
#include "tests/fault/load.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a block is written, and read back ---- */

enum { BLOCK_SIZE = 2000 };

struct block {
	struct actor actor;
	int64_t file;
	uint64_t offset; /* of this round */
	size_t written;
	uint8_t *data;
	uint8_t own[BLOCK_SIZE];
};

static int unnamed_file(void)
{
	return open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

static bool block_begin(struct actor *actor)
{
	struct block *block = container_of(actor, struct block, actor);

	block->file = actor_attach(actor, unnamed_file());
	return true;
}

static void block_act(struct actor *actor)
{
	struct block *block = container_of(actor, struct block, actor);
	struct proactor_op op = {.opcode = PROACTOR_WRITE};

	if (actor->rounds_left == 0 || !actor_idle(actor, 0))
		return;
	/* the same, or not, in memory that the engine knows */
	block->data = actor->rounds_left % 2 && actor->load->memory ? actor->load->memory + 100
								    : block->own;
	if (actor->step == 0) {
		load_fill(block->data, BLOCK_SIZE, block->offset);
		op.write.file = block->file;
		op.write.data = block->data;
		op.write.size = BLOCK_SIZE;
		op.write.offset = (int64_t)block->offset;
	} else {
		memset(block->data, 0, BLOCK_SIZE);
		op.opcode = PROACTOR_READ;
		op.read.file = block->file;
		op.read.data = block->data;
		op.read.size = block->written;
		op.read.offset = (int64_t)block->offset;
	}
	(void)actor_push(actor, 0, op);
}

static void block_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct block *block = container_of(actor, struct block, actor);

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	if (actor->step == 0) {
		actor_require(actor, result > 0 && result <= BLOCK_SIZE);
		block->written = (size_t)result;
		actor->step = 1;
		return;
	}
	actor_require(actor, result > 0 && result <= (int64_t)block->written);
	actor_require(actor, load_matches(block->data, (size_t)result, block->offset));
	block->offset += block->written;
	actor->step = 0;
	actor->rounds_left--;
}

static void nothing_to_check(struct actor *actor)
{
	(void)actor;
}

const struct role role_block = {.name = "block",
	.size = sizeof(struct block),
	.rounds = 4,
	.begin = block_begin,
	.act = block_act,
	.ended = block_ended,
	.end = nothing_to_check};

/* ---- pieces, at the file's own position ---- */

enum { PIECES_MAX = 300, PIECE_SIZE = 3 };

struct pieces {
	struct actor actor;
	int64_t file;
	uint64_t offset;
	size_t written;
	uint8_t data[PIECES_MAX][PIECE_SIZE];
};

static bool pieces_begin(struct actor *actor)
{
	struct pieces *pieces = container_of(actor, struct pieces, actor);

	pieces->file = actor_attach(actor, unnamed_file());
	return true;
}

/* The array is gone when this returns. */
static void pieces_act(struct actor *actor)
{
	struct pieces *pieces = container_of(actor, struct pieces, actor);
	struct proactor_op op = {.opcode = actor->step == 0 ? PROACTOR_WRITEV : PROACTOR_READV};
	struct iovec array[PIECES_MAX];
	size_t count = actor->rounds_left % 2 ? PIECES_MAX : 10;

	if (actor->rounds_left == 0 || !actor_idle(actor, 0))
		return;
	for (size_t i = 0; i < count; i++)
		array[i] = (struct iovec){pieces->data[i], PIECE_SIZE};
	op.readv.file = pieces->file;
	op.readv.pieces = array;
	op.readv.count = count;
	op.readv.offset = actor->step == 0 ? PROACTOR_CURRENT : (int64_t)pieces->offset;
	if (actor->step == 0)
		load_fill(pieces->data, count * PIECE_SIZE, pieces->offset);
	else
		memset(pieces->data, 0, sizeof(pieces->data));
	(void)actor_push(actor, 0, op);
	memset(array, 0xee, sizeof(array));
}

static void pieces_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct pieces *pieces = container_of(actor, struct pieces, actor);

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	actor_require(actor, result > 0 && result <= (int64_t)sizeof(pieces->data));
	if (actor->step == 0) {
		pieces->written = (size_t)result;
		actor->step = 1;
		return;
	}
	actor_require(actor, result <= (int64_t)pieces->written);
	actor_require(actor, load_matches(pieces->data, (size_t)result, pieces->offset));
	pieces->offset += pieces->written;
	actor->step = 0;
	actor->rounds_left--;
}

const struct role role_pieces = {.name = "pieces",
	.size = sizeof(struct pieces),
	.rounds = 4,
	.begin = pieces_begin,
	.act = pieces_act,
	.ended = pieces_ended,
	.end = nothing_to_check};

/* ---- a chain: what was written is there when it is read ---- */

struct chain {
	struct actor actor;
	int64_t file;
	uint64_t offset;
	bool is_broken;
	uint8_t in[100];
	uint8_t out[100];
};

static bool chain_begin(struct actor *actor)
{
	struct chain *chain = container_of(actor, struct chain, actor);

	chain->file = actor_attach(actor, unnamed_file());
	return true;
}

static bool is_pending(const struct actor *actor)
{
	return !actor_idle(actor, 0) || !actor_idle(actor, 1) || !actor_idle(actor, 2);
}

static void chain_act(struct actor *actor)
{
	struct chain *chain = container_of(actor, struct chain, actor);
	struct proactor_op ops[3] = {
		{.opcode = PROACTOR_WRITE, .flags = PROACTOR_CHAIN},
		{.opcode = PROACTOR_FSYNC, .flags = PROACTOR_CHAIN},
		{.opcode = PROACTOR_READ},
	};

	if (actor->rounds_left == 0 || is_pending(actor))
		return;
	chain->offset += sizeof(chain->out);
	chain->is_broken = false;
	load_fill(chain->out, sizeof(chain->out), chain->offset);
	memset(chain->in, 0, sizeof(chain->in));
	ops[0].write.file = ops[1].fsync.file = ops[2].read.file = chain->file;
	ops[0].write.data = chain->out;
	ops[2].read.data = chain->in;
	ops[0].write.size = ops[2].read.size = sizeof(chain->out);
	ops[0].write.offset = ops[2].read.offset = (int64_t)chain->offset;
	for (unsigned i = 0; i < 3; i++)
		if (!actor_push(actor, i, ops[i])) {
			if (i > 0)
				actor_end_chain(actor);
			return;
		}
}

static void chain_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct chain *chain = container_of(actor, struct chain, actor);

	actor_require(actor, flags == 0);
	/* nothing ends before what it is chained to, unless it is told to */
	for (unsigned i = 0; i < index; i++)
		actor_require(actor, actor_idle(actor, i) || actor->flights[index].is_to_end);
	if (chain->is_broken || actor->flights[index].is_to_end)
		actor_require(actor, result == -ECANCELED || actor->flights[index].is_to_end);
	else if (!actor_succeeded(actor, index, result) ||
		(index == 0 && result < (int64_t)sizeof(chain->out)))
		chain->is_broken = true;
	if (index < 2)
		return;
	actor->rounds_left -= actor->rounds_left > 0;
	actor_require(actor, result < 0 || load_matches(chain->in, (size_t)result, chain->offset));
}

const struct role role_chain = {.name = "chain",
	.size = sizeof(struct chain),
	.rounds = 3,
	.begin = chain_begin,
	.act = chain_act,
	.ended = chain_ended,
	.end = nothing_to_check};

/* ---- names, one step after another ---- */

enum { NAME_SIZE = 600 };

struct names {
	struct actor actor;
	unsigned number;
	int64_t file;
	struct statx stat;
};

enum name_step {
	NAMES_MKDIR,
	NAMES_OPEN,
	NAMES_FALLOCATE,
	NAMES_FTRUNCATE,
	NAMES_STAT,
	NAMES_FSYNC,
	NAMES_CLOSE,
	NAMES_RENAME,
	NAMES_LINK,
	NAMES_SYMLINK,
	NAMES_UNLINK_OTHER,
	NAMES_UNLINK_THIRD,
	NAMES_UNLINK_FOURTH,
	NAMES_RMDIR,
	NAMES_STEPS
};

static bool names_begin(struct actor *actor)
{
	static unsigned number;
	struct names *names = container_of(actor, struct names, actor);

	names->number = number++;
	return true;
}

/* "names-7/./././file", as long as is wanted. */
static const char *name_of(const struct names *names, char *buffer, const char *last, int detour)
{
	int size = snprintf(buffer, NAME_SIZE, "names-%u/", names->number);

	for (int i = 0; i < detour; i++)
		size += snprintf(buffer + size, NAME_SIZE - (size_t)size, "./");
	snprintf(buffer + size, NAME_SIZE - (size_t)size, "%s", last);
	return buffer;
}

static struct proactor_op unlink_op(const char *path, uint32_t flags)
{
	return (struct proactor_op){
		.opcode = PROACTOR_UNLINK, .unlink = {PROACTOR_CWD, path, flags}};
}

static struct proactor_op names_op(struct names *names, char *one, char *two)
{
	const struct proactor_op ops[NAMES_STEPS] = {
		[NAMES_MKDIR] = {.opcode = PROACTOR_MKDIR,
			.mkdir = {PROACTOR_CWD, name_of(names, one, "", 0), 0700}},
		[NAMES_FALLOCATE] = {.opcode = PROACTOR_FALLOCATE,
			.fallocate = {names->file, 0, 0, 100}},
		[NAMES_FTRUNCATE] = {.opcode = PROACTOR_FTRUNCATE, .ftruncate = {names->file, 50}},
		[NAMES_STAT] = {.opcode = PROACTOR_STAT,
			.stat = {names->file, "", 0, STATX_SIZE, &names->stat}},
		[NAMES_FSYNC] = {.opcode = PROACTOR_FSYNC, .fsync = {names->file, 1}},
		[NAMES_CLOSE] = {.opcode = PROACTOR_CLOSE, .close = {names->file}},
	};

	switch ((enum name_step)names->actor.step) {
	case NAMES_OPEN:
		return (struct proactor_op){.opcode = PROACTOR_OPEN,
			.open = {PROACTOR_CWD, name_of(names, one, "file", 200), O_RDWR | O_CREAT,
				0600}};
	case NAMES_RENAME:
		return (struct proactor_op){.opcode = PROACTOR_RENAME,
			.rename = {PROACTOR_CWD, name_of(names, one, "file", 0), PROACTOR_CWD,
				name_of(names, two, "other", 100), 0}};
	case NAMES_LINK:
		return (struct proactor_op){.opcode = PROACTOR_LINK,
			.link = {PROACTOR_CWD, name_of(names, one, "other", 0), PROACTOR_CWD,
				name_of(names, two, "third", 0), 0}};
	case NAMES_SYMLINK:
		return (struct proactor_op){.opcode = PROACTOR_SYMLINK,
			.symlink = {PROACTOR_CWD, name_of(names, one, "fourth", 0), "nowhere"}};
	case NAMES_UNLINK_OTHER: return unlink_op(name_of(names, one, "other", 0), 0);
	case NAMES_UNLINK_THIRD: return unlink_op(name_of(names, one, "third", 0), 0);
	case NAMES_UNLINK_FOURTH: return unlink_op(name_of(names, one, "fourth", 0), 0);
	case NAMES_RMDIR: return unlink_op(name_of(names, one, "", 0), AT_REMOVEDIR);
	default: return ops[names->actor.step];
	}
}

/* The paths are gone when this returns. */
static void names_act(struct actor *actor)
{
	struct names *names = container_of(actor, struct names, actor);
	char one[NAME_SIZE], two[NAME_SIZE];

	if (actor->rounds_left == 0 || !actor_idle(actor, 0))
		return;
	(void)actor_push(actor, 0, names_op(names, one, two));
	memset(one, 'x', sizeof(one));
	memset(two, 'x', sizeof(two));
}

static void names_ended(struct actor *actor, unsigned index, int64_t result, uint32_t flags)
{
	struct names *names = container_of(actor, struct names, actor);

	actor_require(actor, flags == 0);
	if (!actor_succeeded(actor, index, result))
		return;
	if (actor->step == NAMES_OPEN) {
		names->file = result;
		actor_adopt(actor, result);
	} else {
		actor_require(actor, result == 0);
	}
	if (actor->step == NAMES_STAT)
		actor_require(actor, names->stat.stx_size == 50);
	if (actor->step == NAMES_CLOSE)
		actor_drop(actor, names->file);
	if (++actor->step < NAMES_STEPS)
		return;
	actor->step = 0;
	actor->rounds_left--;
}

const struct role role_names = {.name = "names",
	.size = sizeof(struct names),
	.rounds = 1,
	.begin = names_begin,
	.act = names_act,
	.ended = names_ended,
	.end = nothing_to_check};
