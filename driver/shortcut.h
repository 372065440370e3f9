/*
 * Shortcuts: small transfers that the page cache takes at once, made by a plain call at push.
 *
 * Some file systems promise of no transfer that it does not wait: tmpfs neither of reads nor of
 * writes, ext4 not of buffered writes (tests/kernel/nowait_is_refused.c). So an io_uring gives them
 * all to threads of the kernel, and the epoll driver to threads of ours, for several times the
 * price of the copy that nearly all of them are. Here they are called as they are. Where a file
 * system makes that promise (xfs, btrfs, reads of ext4), the drivers have no use for this.
 *
 * What asks somebody (FUSE, the network) is the opposite: that may wait for ever, and yet the
 * kernel does some of it in place. So it is as if the caller had said PROACTOR_MAY_BLOCK. Nor may
 * such a file be asked what it is, by fstatfs(2) say. Nor is any file, before that is known, by
 * what takes its lock (FIEMAP does, on ext4 and btrfs): who else has it may hold that for ever, in
 * a write(2) of memory that is itself a file of FUSE. Local file systems are told by what is said
 * without: memory has seals, and disks have the attribute of files that no backup wants
 * (tests/kernel/attributes_tell_what_is_local.c). Of local ones without (vfat), that costs a
 * thread; the other way round nothing is known to be.
 *
 * Such a call can be held up all the same: by a disk that is to be read first, or that takes no
 * more, or by a lock. Nothing says so before, but afterwards the thread has slept. To ask that each
 * time would cost a third of a call. So a call is looked at only where the clock has ticked during
 * it (clock_beat()), which those that take long cannot hide for long: then the thread's voluntary
 * context switches are counted. Where they grew since the last time, without a wait of ours in
 * between, calls were held up. (One that was preempted was not.) A file where that happens has no
 * shortcuts for a hundred times as long, and no file has any for ten times as long: so all of them
 * together hold up the others for a tenth of the time at most, one for a hundredth.
 *
 *      call ──no tick──▶ done
 *        └────a tick───▶ count switches ──as many──▶ done; wary for a while: counted at each turn
 *                                  └─────more──────▶ done; held
 *
 * A tick is 1 to 4 ms. What is missed is of that size, or rare.
 *
 * All that is for calls that end. A write takes the file's lock, which others can hold for ever (as
 * above): in a service for strangers (PROACTOR_SHARED_FILES) there are none. A read takes none.
 *
 * The front makes the call before it takes a slot: there is nothing to give back, and as long as no
 * file has shortcuts it does not look. Drivers say what becomes of files: those attached are looked
 * at then, those opened when they are first read or written.
 */
#pragma once

#include <sys/syscall.h>

#include "base/clock.h"
#include "base/raw.h"
#include "driver/syscall.h"

enum {
	SHORTCUT_SIZE_MAX = 65536, /* of a transfer: copied in less than 10 µs */
	/*
	 * Of so many one ends in an entry, though it is done: who pushes until something is PENDING
	 * comes to poll, and what others wait for goes on.
	 */
	SHORTCUT_ROW = 64,
};

/* Which transfers of a file may have one. */
enum shortcut_way {
	SHORTCUT_READS = 1,
	SHORTCUT_WRITES = 2,
	SHORTCUT_UNKNOWN = 4, /* nobody has looked yet */
	SHORTCUT_ASKS = 8,    /* none, and nothing is to be done in place */
};

/* What is known of a file. Zero: nothing has a shortcut. */
struct shortcut_file {
	uint64_t held_until_ns; /* by clock_tick_ns(), as all times here */
	uint8_t ways;           /* of enum shortcut_way */
};

struct shortcuts {
	uint64_t ops;                /* bit 1 << opcode: there are files to be looked at */
	uint64_t *plain_ops;         /* the front's: without these */
	bool shares_files;           /* PROACTOR_SHARED_FILES: writes have none */
	struct shortcut_file *files; /* by number; the others have no ways */
	uint32_t file_count;
	uint32_t class_counts[3]; /* of files where reads are to be looked at, writes, polls */
	/* a turn is the proactor's stats.enters: as long as it is the same, no wait of ours was */
	uint64_t clear_turn; /* in this turn nothing is held, and switches are counted if need be */
	uint64_t wary_until_ns;
	uint64_t held_until_ns;      /* all files are */
	uint64_t file_held_until_ns; /* any file is */
	uint64_t counted_turn;       /* when switches were counted */
	uint64_t switches;
	uint32_t count;
};

/* What is to be looked at leaves @plain_ops as long as there are files for it. */
void shortcuts_init(struct shortcuts *shortcuts, uint64_t *plain_ops);
void shortcuts_deinit(struct shortcuts *shortcuts);

/* @file is another from now on, with such @ways. -ENOMEM: it has none. */
int shortcuts_set(struct shortcuts *shortcuts, int64_t file, uint8_t ways);

/* As that, with the ways that the open descriptor @fd has. -ENOMEM, where it may not be without. */
int shortcuts_attach(struct shortcuts *shortcuts, int fd);

/* Which transfers of @fd may have one. */
uint8_t shortcut_ways(int fd);

/* Whether @op, which is of shortcuts->ops, asks somebody; after shortcut_try(). */
static inline bool shortcut_asks(const struct shortcuts *shortcuts, const struct proactor_op *op)
{
	uint64_t fd = (uint64_t)op->read.file;

	return fd < shortcuts->file_count && shortcuts->files[fd].ways & SHORTCUT_ASKS;
}

/* As shortcut_is_for(), what is left to ask of a readv or writev. */
bool shortcut_is_for_pieces(const struct proactor_op *op);

/*
 * Whether one of shortcuts->ops may, on a file of such @ways. The file's own position is
 * left to those in flight that use it.
 */
static inline bool shortcut_is_for(const struct proactor_op *op, uint8_t ways)
{
	bool is_read = op->opcode == PROACTOR_READ || op->opcode == PROACTOR_READV;

	if (!(ways & (is_read ? SHORTCUT_READS : SHORTCUT_WRITES)) || op->opcode == PROACTOR_POLL ||
		op->flags & PROACTOR_MAY_BLOCK)
		return false;
	if (op->opcode == PROACTOR_READV || op->opcode == PROACTOR_WRITEV)
		return shortcut_is_for_pieces(op);
	return op->read.offset >= 0 && op->read.size <= SHORTCUT_SIZE_MAX;
}

/*
 * What is known of @op's file, which is of shortcuts->ops, where it may have a shortcut. NULL: it
 * may not.
 */
static inline struct shortcut_file *shortcut_file(struct shortcuts *shortcuts,
	const struct proactor_op *op)
{
	uint64_t fd = (uint64_t)op->read.file;

	if (fd >= shortcuts->file_count)
		return NULL;
	if (unlikely(shortcuts->files[fd].ways & SHORTCUT_UNKNOWN))
		(void)shortcuts_set(shortcuts, op->read.file, shortcut_ways((int)fd));
	return shortcut_is_for(op, shortcuts->files[fd].ways) ? &shortcuts->files[fd] : NULL;
}

/* Whether nothing is held. While wary, switches are counted before the first call of a turn. */
bool shortcut_may_try(struct shortcuts *shortcuts, const struct shortcut_file *file, uint64_t turn,
	uint64_t now_ns);

/* A call, which ended @now_ns, has taken at least a beat, and roughly @took_ns. */
void shortcut_look_at(struct shortcuts *shortcuts, struct shortcut_file *file, uint64_t turn,
	uint64_t now_ns, uint64_t took_ns);

static inline int64_t shortcut_transfer(const struct proactor_op *op)
{
#if defined(RAW_CALLS) && !defined(__SANITIZE_ADDRESS__)
	if (likely(op->opcode == PROACTOR_READ || op->opcode == PROACTOR_WRITE))
		return raw_call4(op->opcode == PROACTOR_READ ? SYS_pread64 : SYS_pwrite64,
			(unsigned long)op->read.file, (unsigned long)op->read.data, op->read.size,
			(unsigned long)op->read.offset);
#endif
	return syscall_transfer(op, 0);
}

/*
 * Makes the call for @op, which is of shortcuts->ops. Its result, or SYSCALL_BLOCKS: not this one,
 * or not now. Inlined, for the sake of the returns above the call (base/raw.h).
 */
static inline __attribute__((always_inline)) int64_t shortcut_try(struct shortcuts *shortcuts,
	const struct proactor_op *op, uint64_t turn)
{
	struct shortcut_file *file = shortcut_file(shortcuts, op);
	uint64_t begin, beats;
	int64_t r;

	if (unlikely(!file))
		return SYSCALL_BLOCKS;
	if (unlikely(turn != shortcuts->clear_turn) &&
		!shortcut_may_try(shortcuts, file, turn, clock_tick_ns()))
		return SYSCALL_BLOCKS;
	begin = clock_beat();
	r = shortcut_transfer(op);
	beats = clock_beat() - begin;
	if (unlikely(beats != 0))
		shortcut_look_at(shortcuts, file, turn, clock_tick_ns(), beats * CLOCK_BEAT_NS);
	return r;
}
