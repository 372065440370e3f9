/*
 * Shortcuts: small transfers that the page cache takes at once, made by a plain call at push.
 *
 * Some file systems promise of no transfer that it does not wait: tmpfs neither of reads nor of
 * writes, ext4 not of buffered writes (tests/kernel/nowait_is_refused.c). So an io_uring gives them
 * all to threads of the kernel, and the epoll driver to threads of ours, for several times the
 * price of the copy that nearly all of them are. Here they are called as they are. Where a file
 * system makes that promise (xfs, btrfs, reads of ext4), the drivers have no use for this; what may
 * wait for somebody (the network, FUSE) is left alone.
 *
 * Such a call can be held up all the same: by a disk that is to be read first, or that takes no
 * more, or by a lock. Nothing says so before, but afterwards the thread has slept. To ask that each
 * time would cost a third of a call. So a call is looked at only where the clock has ticked during
 * it, which those that take long cannot hide for long: then the thread's voluntary context switches
 * are counted. Where they grew since the last time, without a wait of ours in between, calls were
 * held up. (One that was preempted was not.) A file where that happens has no shortcuts for a
 * hundred times as long, and no file has any for ten times as long: so all of them together hold
 * up the others for a tenth of the time at most, one for a hundredth.
 *
 *      call ──no tick──▶ done
 *        └────a tick───▶ count switches ──as many──▶ done; wary for a while: counted at each turn
 *                                  └─────more──────▶ done; held
 *
 * The ticks are 1 to 10 ms. What is missed is of that size, or rare.
 */
#pragma once

#include <sys/syscall.h>

#include "base/clock.h"
#include "base/raw.h"
#include "driver/driver.h"
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
	SHORTCUT_UNKNOWN = 4, /* nobody has looked yet: the driver's own */
};

/* What is known of a file. Zero: nothing has a shortcut. */
struct shortcut_file {
	uint64_t held_until_ns; /* by clock_tick_ns(), as all times here */
	uint8_t ways;           /* of enum shortcut_way */
};

struct shortcuts {
	uint64_t wary_until_ns; /* after all times until which something is held */
	uint64_t held_until_ns;
	uint64_t turn; /* stats.enters when switches were counted: since then no wait of ours */
	uint64_t switches;
	uint32_t count;
};

void shortcuts_init(struct shortcuts *shortcuts);

/* Which transfers of @fd may have one. */
uint8_t shortcut_ways(int fd);

/* As shortcut_is_for(), what is left to ask of a readv or writev. */
bool shortcut_is_for_pieces(const struct proactor_op *op);

/*
 * Whether read, write, readv or writev may, on a file of such @ways. The file's own position is
 * left to those in flight that use it.
 */
static inline bool shortcut_is_for(const struct proactor_op *op, uint8_t ways)
{
	bool is_read = op->opcode == PROACTOR_READ || op->opcode == PROACTOR_READV;

	if (!(ways & (is_read ? SHORTCUT_READS : SHORTCUT_WRITES)) ||
		op->flags & PROACTOR_MAY_BLOCK)
		return false;
	if (op->opcode == PROACTOR_READV || op->opcode == PROACTOR_WRITEV)
		return shortcut_is_for_pieces(op);
	return op->read.offset >= 0 && op->read.size <= SHORTCUT_SIZE_MAX;
}

/* While wary: nothing is held. Switches are counted before the first call of a turn. */
bool shortcut_may_try(struct shortcuts *shortcuts, const struct shortcut_file *file, uint64_t turn,
	uint64_t now_ns);

/* The clock has ticked in a call. */
void shortcut_look_at(struct shortcuts *shortcuts, struct shortcut_file *file, uint64_t turn,
	uint64_t begin_ns, uint64_t end_ns);

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
 * Makes the call for @op, which it is for. Its result, or SYSCALL_BLOCKS: not now. @turn is the
 * proactor's stats.enters. Inlined, for the sake of the returns above the call (base/raw.h).
 */
static inline __attribute__((always_inline)) int64_t shortcut_try(struct shortcuts *shortcuts,
	struct shortcut_file *file, const struct proactor_op *op, uint64_t turn)
{
	uint64_t begin_ns = clock_tick_ns(), end_ns;
	int64_t r;

	if (unlikely(begin_ns < shortcuts->wary_until_ns) &&
		!shortcut_may_try(shortcuts, file, turn, begin_ns))
		return SYSCALL_BLOCKS;
	r = shortcut_transfer(op);
	end_ns = clock_tick_ns();
	if (unlikely(end_ns != begin_ns))
		shortcut_look_at(shortcuts, file, turn, begin_ns, end_ns);
	return r;
}

/* What its push ends with. */
int shortcut_end(struct shortcuts *shortcuts, struct proactor *proactor, struct slot *slot,
	int64_t result, uint64_t *ret_key, struct proactor_completion *ret_ready);
