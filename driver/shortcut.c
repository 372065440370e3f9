/* Shortcuts. See shortcut.h. */
#include "driver/shortcut.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "driver/kept.h"

#define WARY_NS NSEC_PER_SEC
enum { HELD_FILE_TIMES = 100, HELD_ALL_TIMES = 9 };

void shortcuts_init(struct shortcuts *shortcuts)
{
	*shortcuts = (struct shortcuts){.turn = UINT64_MAX};
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
	shortcuts->turn = turn;
}

bool shortcut_may_try(struct shortcuts *shortcuts, const struct shortcut_file *file, uint64_t turn,
	uint64_t now_ns)
{
	if (now_ns < shortcuts->held_until_ns || now_ns < file->held_until_ns)
		return false;
	if (shortcuts->turn != turn)
		count_switches(shortcuts, turn);
	return true;
}

void shortcut_look_at(struct shortcuts *shortcuts, struct shortcut_file *file, uint64_t turn,
	uint64_t begin_ns, uint64_t end_ns)
{
	uint64_t before = shortcuts->switches, took_ns = end_ns - begin_ns;
	bool is_known = shortcuts->turn == turn;

	count_switches(shortcuts, turn);
	shortcuts->wary_until_ns = MAX(shortcuts->wary_until_ns, end_ns + WARY_NS);
	if (!is_known || shortcuts->switches == before)
		return;
	shortcuts->held_until_ns = end_ns + HELD_ALL_TIMES * took_ns;
	file->held_until_ns = end_ns + HELD_FILE_TIMES * took_ns;
	shortcuts->wary_until_ns = MAX(shortcuts->wary_until_ns, file->held_until_ns + WARY_NS);
}

int shortcut_end(struct shortcuts *shortcuts, struct proactor *proactor, struct slot *slot,
	int64_t result, uint64_t *ret_key, struct proactor_completion *ret_ready)
{
	if (likely(++shortcuts->count % SHORTCUT_ROW != 0))
		return driver_ready(proactor, slot, result, ret_key, ret_ready);
	driver_end(proactor, slot, result);
	return driver_pending(slot, ret_key);
}
