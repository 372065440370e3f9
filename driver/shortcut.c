/* Shortcuts. See shortcut.h. */
#include "driver/shortcut.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "base/file_type.h"
#include "driver/kept.h"

#define BIT(name) (UINT64_C(1) << PROACTOR_##name)

#define WARY_NS NSEC_PER_SEC
#define NO_TURN UINT64_MAX
/* longer is not believed: another processor's count was behind */
#define TOOK_NS_MAX (10 * NSEC_PER_SEC)
#define FILES_MIN   UINT32_C(64)
enum { HELD_FILE_TIMES = 100, HELD_ALL_TIMES = 9 };

void shortcuts_init(struct shortcuts *shortcuts, uint64_t *plain_ops)
{
	*shortcuts = (struct shortcuts){
		.clear_turn = NO_TURN, .counted_turn = NO_TURN, .plain_ops = plain_ops};
}

void shortcuts_deinit(struct shortcuts *shortcuts)
{
	free(shortcuts->files);
	*shortcuts = (struct shortcuts){0};
}

/* ---- which files ---- */

/* Whether it is a file in memory. */
static bool has_seals(int fd)
{
	return fcntl(fd, F_GET_SEALS) >= 0;
}

/*
 * Whether it is of a file system of this machine: where files can be left out of a backup, statx(2)
 * says so. What stands for others' (FUSE, the network, a mount laid over those) does not.
 */
static bool is_local(int fd)
{
	struct statx found;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &found) == 0 &&
		found.stx_attributes_mask & STATX_ATTR_NODUMP;
}

static uint8_t ways_of_system(int fd)
{
	struct statfs system;

	if (!has_seals(fd) && !is_local(fd))
		return SHORTCUT_ASKS;
	if (fstatfs(fd, &system) < 0)
		return 0;
	switch (system.f_type) {
	case TMPFS_MAGIC: return SHORTCUT_READS | SHORTCUT_WRITES;
	case EXT4_SUPER_MAGIC: return system.f_flags & ST_SYNCHRONOUS ? 0 : SHORTCUT_WRITES;
	default: return 0;
	}
}

/*
 * Writes past a limit on the size of files raise SIGXFSZ, and who has a limit may not expect that:
 * a thread of the kernel takes no signals.
 */
static bool has_size_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY;
}

uint8_t shortcut_ways(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	uint8_t ways;

	if (flags < 0 || flags & O_PATH || file_type(fd) != S_IFREG)
		return 0;
	ways = ways_of_system(fd);
	if (ways & SHORTCUT_ASKS)
		return ways;
	if (flags & O_DIRECT)
		return 0;
	/* what is appended is a stream, and stays in order as far as it was */
	if (flags & (O_DSYNC | O_APPEND) || (flags & O_ACCMODE) == O_RDONLY || has_size_limit())
		ways &= (uint8_t)~SHORTCUT_WRITES;
	return ways;
}

/* What is to be looked at: for which ways, and whether the front otherwise does not. */
static const struct {
	uint64_t ops;
	uint64_t plain_ops;
	uint8_t ways;
} classes[] = {
	{BIT(READ) | BIT(READV), BIT(READ), SHORTCUT_READS | SHORTCUT_UNKNOWN | SHORTCUT_ASKS},
	{BIT(WRITE) | BIT(WRITEV), BIT(WRITE), SHORTCUT_WRITES | SHORTCUT_UNKNOWN | SHORTCUT_ASKS},
	{BIT(POLL), BIT(POLL), SHORTCUT_UNKNOWN | SHORTCUT_ASKS},
};

_Static_assert(ARRAY_SIZE(classes) == ARRAY_SIZE(((struct shortcuts *)0)->class_counts),
	"a count for each");

static void count_file(struct shortcuts *shortcuts, uint8_t before, uint8_t after)
{
	shortcuts->ops = 0;
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
		shortcuts->class_counts[i] +=
			!!(after & classes[i].ways) - !!(before & classes[i].ways);
		if (shortcuts->class_counts[i] > 0)
			shortcuts->ops |= classes[i].ops;
		else
			*shortcuts->plain_ops |= classes[i].plain_ops;
	}
	*shortcuts->plain_ops &= ~shortcuts->ops;
}

/* Makes room for the number @file. */
static int grow(struct shortcuts *shortcuts, int64_t file)
{
	uint32_t count = MAX(shortcuts->file_count, FILES_MIN);
	struct shortcut_file *files;

	while (count <= (uint64_t)file)
		count *= 2;
	files = realloc(shortcuts->files, count * sizeof(*files));
	if (!files)
		return -ENOMEM;
	memset(&files[shortcuts->file_count], 0, (count - shortcuts->file_count) * sizeof(*files));
	shortcuts->files = files;
	shortcuts->file_count = count;
	return 0;
}

int shortcuts_set(struct shortcuts *shortcuts, int64_t file, uint8_t ways)
{
	if (file < 0 || file > INT32_MAX || (file >= shortcuts->file_count && ways == 0))
		return 0;
	if (file >= shortcuts->file_count && grow(shortcuts, file) < 0)
		return -ENOMEM;
	if (shortcuts->shares_files)
		ways &= (uint8_t)~SHORTCUT_WRITES;
	count_file(shortcuts, shortcuts->files[file].ways, ways);
	shortcuts->files[file] = (struct shortcut_file){.ways = ways};
	return 0;
}

int shortcuts_attach(struct shortcuts *shortcuts, int fd)
{
	uint8_t ways = shortcut_ways(fd);
	int r = shortcuts_set(shortcuts, fd, ways);

	/* the others are a gain, and no more than that */
	return ways & SHORTCUT_ASKS ? r : 0;
}

bool shortcut_is_for_pieces(const struct proactor_op *op)
{
	return op->readv.offset >= 0 && kept_size(op) <= SHORTCUT_SIZE_MAX;
}

/* ---- the call ---- */

static void count_switches(struct shortcuts *shortcuts, uint64_t turn)
{
	struct rusage usage = {0};

	(void)getrusage(RUSAGE_THREAD, &usage);
	shortcuts->switches = (uint64_t)usage.ru_nvcsw;
	shortcuts->counted_turn = turn;
}

bool shortcut_may_try(struct shortcuts *shortcuts, const struct shortcut_file *file, uint64_t turn,
	uint64_t now_ns)
{
	if (now_ns < shortcuts->held_until_ns || now_ns < file->held_until_ns)
		return false;
	if (now_ns < shortcuts->wary_until_ns && turn != shortcuts->counted_turn)
		count_switches(shortcuts, turn);
	if (now_ns >= shortcuts->file_held_until_ns)
		shortcuts->clear_turn = turn;
	return true;
}

static void hold(struct shortcuts *shortcuts, struct shortcut_file *file, uint64_t now_ns,
	uint64_t took_ns)
{
	if (took_ns > TOOK_NS_MAX)
		took_ns = CLOCK_BEAT_NS;
	shortcuts->held_until_ns = now_ns + HELD_ALL_TIMES * took_ns;
	file->held_until_ns = now_ns + HELD_FILE_TIMES * took_ns;
	shortcuts->file_held_until_ns = MAX(shortcuts->file_held_until_ns, file->held_until_ns);
	shortcuts->wary_until_ns = shortcuts->file_held_until_ns + WARY_NS;
	shortcuts->clear_turn = NO_TURN;
}

void shortcut_look_at(struct shortcuts *shortcuts, struct shortcut_file *file, uint64_t turn,
	uint64_t now_ns, uint64_t took_ns)
{
	uint64_t before = shortcuts->switches;
	bool is_known = turn == shortcuts->counted_turn;

	count_switches(shortcuts, turn);
	shortcuts->wary_until_ns = MAX(shortcuts->wary_until_ns, now_ns + WARY_NS);
	if (is_known && shortcuts->switches != before)
		hold(shortcuts, file, now_ns, took_ns);
}
