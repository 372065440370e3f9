/* Shortcuts. See shortcut.h. */
#include "driver/shortcut.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "driver/kept.h"

#define WARY_NS NSEC_PER_SEC
#define NO_TURN UINT64_MAX
/* another processor's count may be behind: no such time is believed */
#define TOOK_NS_MAX (10 * NSEC_PER_SEC)
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

static uint8_t ways_of_system(int fd)
{
	struct statfs system;

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
	uint8_t ways = ways_of_system(fd);
	struct stat stat;
	int flags;

	/* most have none, and need not be asked for more */
	if (ways == 0 || fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode))
		return 0;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || flags & (O_DIRECT | O_PATH))
		return 0;
	/* what is appended is a stream, and stays in order as far as it was */
	if (flags & (O_DSYNC | O_APPEND) || (flags & O_ACCMODE) == O_RDONLY || has_size_limit())
		ways &= (uint8_t)~SHORTCUT_WRITES;
	return ways;
}

#define PLAIN (UINT64_C(1) << PROACTOR_READ | UINT64_C(1) << PROACTOR_WRITE)

static void count_file(struct shortcuts *shortcuts, uint8_t before, uint8_t after)
{
	static const uint8_t counted[] = {
		SHORTCUT_READS | SHORTCUT_UNKNOWN, SHORTCUT_WRITES | SHORTCUT_UNKNOWN};
	static const uint64_t ops[] = {UINT64_C(1) << PROACTOR_READ | UINT64_C(1) << PROACTOR_READV,
		UINT64_C(1) << PROACTOR_WRITE | UINT64_C(1) << PROACTOR_WRITEV};

	*shortcuts->plain_ops |= shortcuts->ops & PLAIN;
	shortcuts->ops = 0;
	for (int i = 0; i < 2; i++) {
		shortcuts->file_counts[i] += !!(after & counted[i]) - !!(before & counted[i]);
		if (shortcuts->file_counts[i] > 0)
			shortcuts->ops |= ops[i];
	}
	*shortcuts->plain_ops &= ~shortcuts->ops;
}

void shortcuts_set(struct shortcuts *shortcuts, int64_t file, uint8_t ways)
{
	if ((uint64_t)file >= SHORTCUT_FILES_MAX || (!shortcuts->files && ways == 0))
		return;
	if (!shortcuts->files)
		shortcuts->files = calloc(SHORTCUT_FILES_MAX, sizeof(*shortcuts->files));
	/* they are a gain, and no more than that */
	if (!shortcuts->files)
		return;
	count_file(shortcuts, shortcuts->files[file].ways, ways);
	shortcuts->files[file] = (struct shortcut_file){.ways = ways};
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
	took_ns = MIN(took_ns, TOOK_NS_MAX);
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
