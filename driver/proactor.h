/*
 * proactor: completion-based I/O.
 *
 * An operation is *pushed* and goes on by itself; *poll* waits until some have ended and says
 * which; *pop* gives back the result and what the caller needs to go on with. Where the I/O is done
 * is chosen when the program runs: by an io_uring of this process, or by proactord, a daemon that
 * lends its ring to local programs. A program written to this header behaves the same on each. The
 * calls mirror those of compio's `compio_driver::Proactor`.
 *
 *      push(op) ──▶ PENDING, key                      cancel(key), any time
 *                     │
 *                     ▼
 *                  in flight ──▶ poll() ──▶ entry ──▶ pop() ──▶ completion, the key is gone
 *      push(op) ──▶ READY, completion (no entry follows)
 *
 * What holds for every driver:
 *
 *  - Every operation for which push said PENDING ends in exactly one entry, whatever happens. Its
 *    result is 0 or more, or a negative errno; -ECANCELED says that it was cancelled.
 *  - A *file* is what an operation acts on: a non-negative number that means something to one
 *    proactor only. It comes from proactor_attach() or from an operation that makes files (open,
 *    accept, socket), and ends by proactor_detach() or the close operation.
 *  - Data buffers belong to the driver from push to pop, so does everything that an operation fills
 *    in (an address, a statx). All else that push is given (paths, addresses to connect to) is
 *    copied and may go at once.
 *  - Sockets never raise SIGPIPE. Every descriptor made is close-on-exec.
 *  - A proactor belongs to the thread that made it. Only proactor_notify() may be called from
 *    elsewhere.
 *  - Functions return a negative errno on failure, and write their outputs on success only. None
 *    touches errno for a purpose.
 */
#ifndef PROACTOR_H
#define PROACTOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msghdr;
struct statx;
struct timespec;

struct proactor;        /* one engine and its operations */
struct proactor_handle; /* wakes a proactor from anywhere */

/* ---- operations ---- */

/*
 * In place of an offset: the file's own position, which the operation moves. The only choice for
 * what cannot seek.
 */
#define PROACTOR_CURRENT (-1)

/* In place of a directory: the working directory of the process (AT_FDCWD). */
#define PROACTOR_CWD (-100)

/*
 * A socket address with its size in bytes. Where an operation fills one in, @size is set to the
 * size of what was found.
 */
struct proactor_address {
	socklen_t size;
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
	};
};

enum proactor_opcode {
	PROACTOR_NOP,
	PROACTOR_TIMEOUT,
	PROACTOR_OPEN,
	PROACTOR_CLOSE,
	PROACTOR_READ,
	PROACTOR_WRITE,
	PROACTOR_FSYNC,
	PROACTOR_STAT,
	PROACTOR_SOCKET,
	PROACTOR_BIND,
	PROACTOR_LISTEN,
	PROACTOR_ACCEPT,
	PROACTOR_CONNECT,
	PROACTOR_SHUTDOWN,
	PROACTOR_RECV,
	PROACTOR_SEND,
	PROACTOR_POLL,
	PROACTOR_RECVMSG,
	PROACTOR_SENDMSG,
	PROACTOR_OPCODE_COUNT /* grows with each release */
};

/*
 * In the flags of an operation: it may block the thread that does it (the close of a socket that
 * lingers, a file system that asks somebody). The driver has it done where it holds nothing else
 * up, which costs a little more. Without it, blocking holds up the proactor.
 */
#define PROACTOR_MAY_BLOCK 1u

/*
 * One operation. Set @opcode, @context and the member of the opcode's name; zero the rest.
 * Values without a unit or constant of this header are those of the system call in brackets.
 */
struct proactor_op {
	uint32_t opcode; /* enum proactor_opcode */
	uint32_t flags;  /* PROACTOR_MAY_BLOCK or 0; push refuses others with -EINVAL */
	void *context;   /* the caller's own; comes back with the entry */
	union {
		/* Ends by itself after @duration_ns, with 0. */
		struct {
			uint64_t duration_ns;
		} timeout;
		/* Opens a file (openat(2)); the result is a file. O_CLOEXEC is added. */
		struct {
			int64_t dir; /* a directory's file, or PROACTOR_CWD */
			const char *path;
			int32_t flags;
			uint32_t mode; /* where @flags creates one */
		} open;
		/*
		 * Closes a file (close(2)). The file is gone even on failure. Cancel what is in
		 * flight on it first.
		 */
		struct {
			int64_t file;
		} close;
		/*
		 * Reads up to @size bytes into @data (pread(2)); the result is how many, 0 at the
		 * end.
		 */
		struct {
			int64_t file;
			void *data;
			size_t size;
			int64_t offset; /* or PROACTOR_CURRENT */
		} read;
		/* Writes up to @size bytes from @data (pwrite(2)); the result is how many. */
		struct {
			int64_t file;
			const void *data;
			size_t size;
			int64_t offset; /* or PROACTOR_CURRENT */
		} write;
		/* Brings what was written to stable storage (fsync(2)). */
		struct {
			int64_t file;
			/* not 0: only what reading the data back needs (fdatasync(2)) */
			uint32_t data_only;
		} fsync;
		/*
		 * Asks about a file (statx(2)): the one at @path, or @dir itself where @path is "".
		 */
		struct {
			int64_t dir; /* a file, or PROACTOR_CWD */
			const char *path;
			/* AT_SYMLINK_NOFOLLOW and its like; AT_EMPTY_PATH is added for "" */
			uint32_t flags;
			uint32_t mask; /* STATX_BASIC_STATS and its like */
			struct statx *stat;
		} stat;
		/* Makes a socket (socket(2)); the result is a file. SOCK_CLOEXEC is added. */
		struct {
			int32_t domain;
			int32_t type;
			int32_t protocol;
		} socket;
		/* Gives a socket its own address (bind(2)). */
		struct {
			int64_t file;
			const struct proactor_address *address;
		} bind;
		/* Lets a socket take connections (listen(2)). */
		struct {
			int64_t file;
			int32_t backlog;
		} listen;
		/*
		 * Takes the next connection (accept4(2)); the result is a file. SOCK_CLOEXEC is
		 * added.
		 */
		struct {
			int64_t file;
			struct proactor_address *address; /* who it is, filled in; may be NULL */
		} accept;
		/* Connects a socket (connect(2)). */
		struct {
			int64_t file;
			const struct proactor_address *address;
		} connect;
		/* Ends one direction of a connection, or both (shutdown(2)). */
		struct {
			int64_t file;
			int32_t how;
		} shutdown;
		/*
		 * Receives up to @size bytes (recv(2)); the result is how many, 0 when the peer has
		 * ended.
		 */
		struct {
			int64_t file;
			void *data;
			size_t size;
			uint32_t flags;
		} recv;
		/*
		 * Sends up to @size bytes (send(2)); the result is how many. MSG_NOSIGNAL is added.
		 */
		struct {
			int64_t file;
			const void *data;
			size_t size;
			uint32_t flags;
		} send;
		/* Waits for readiness (poll(2)); the result is the events that came. */
		struct {
			int64_t file;
			uint32_t events; /* POLLIN and its like */
		} poll;
		/*
		 * Receives a message (recvmsg(2)). @message and all it names belong to the driver
		 * until pop. In-process.
		 */
		struct {
			int64_t file;
			struct msghdr *message;
			uint32_t flags;
		} recvmsg;
		/* Sends a message (sendmsg(2)). As recvmsg. */
		struct {
			int64_t file;
			struct msghdr *message;
			uint32_t flags;
		} sendmsg;
	};
};

/* ---- making one ---- */

enum proactor_driver {
	PROACTOR_DRIVER_AUTO,     /* io_uring, then the daemon */
	PROACTOR_DRIVER_IO_URING, /* a ring of this process */
	PROACTOR_DRIVER_REMOTE,   /* proactord; needs libproactor-client */
};

/*
 * What to make; all zero but @size is the default. The environment variable PROACTOR_DRIVER
 * (`io_uring`, or `unix:PATH` for a daemon's socket) overrides @driver and @socket_path where
 * @driver is PROACTOR_DRIVER_AUTO; it is not looked at in a set-user-ID program.
 */
struct proactor_options {
	size_t size;     /* sizeof(struct proactor_options): lets it grow */
	uint32_t driver; /* enum proactor_driver */
	/* submissions held before a system call, rounded to a power of two; 0: 256 */
	uint32_t capacity;
	/* completions held without extra cost, rounded likewise; 0: 4 × capacity */
	uint32_t completion_capacity;
	uint32_t reserved; /* 0 */
	/* bit 1 << opcode: without these in the kernel the driver is not taken */
	uint64_t required_ops;
	/* the daemon's; NULL: $PROACTORD_SOCKET, the user's, then the system's */
	const char *socket_path;
};

/*
 * Makes a proactor (seed: `ProactorBuilder::build`). @options may be NULL for the defaults.
 *
 * -EINVAL: an unknown driver, or something set that this version does not know. Otherwise what the
 * driver met, with AUTO the last one tried: -EPERM (io_uring forbidden by seccomp, by
 * kernel.io_uring_disabled), -ENOSYS (no io_uring, or one too old), -EOPNOTSUPP (a required
 * operation is missing, or no client library is linked), -ENOMEM, -ENOENT, -ECONNREFUSED and
 * -EACCES (from the daemon's socket).
 */
int proactor_new(struct proactor **ret_proactor, const struct proactor_options *options);

/*
 * Cancels all that is in flight, waits until it has ended, and frees everything (seed: drop). Files
 * in results that were not popped are closed; files that the caller knows of are the caller's to
 * close before. With the daemon they end with the session. Handles stay valid. Accepts NULL. Always
 * returns NULL.
 */
struct proactor *proactor_free(struct proactor *proactor);

/*
 * Which driver this is ("io_uring", "unix:/run/proactord/socket"). Valid as long as the proactor.
 */
const char *proactor_driver_name(const struct proactor *proactor);

/*
 * Why a better driver was not taken, as one line of text; "" where the best was. Valid as long as
 * the proactor.
 */
const char *proactor_driver_reason(const struct proactor *proactor);

/* ---- files ---- */

/*
 * Makes a file of an open descriptor (seed: `Proactor::attach`). The descriptor now belongs to the
 * proactor: it goes with the close operation or comes back, under this or another number, from
 * proactor_detach(). The flags of the open file description are not changed, and with it offset and
 * flags stay shared with whoever else has it.
 *
 * -EBADF: not an open descriptor. -EMFILE, -EDQUOT, -ECONNRESET: with the daemon. On failure @fd
 * stays the caller's.
 */
int proactor_attach(struct proactor *proactor, int fd, int64_t *ret_file);

/*
 * Gives a real descriptor back and ends the file. In flight on it there must be nothing.
 * -EBADF: not a file of this proactor. -EMFILE, -ECONNRESET: with the daemon.
 */
int proactor_detach(struct proactor *proactor, int64_t file, int *ret_fd);

/* ---- operations in flight ---- */

/* How an operation ended. Of what it filled in the caller holds the memory. */
struct proactor_completion {
	int64_t result;  /* 0 or more, or a negative errno */
	void *context;   /* of the operation */
	uint32_t opcode; /* of the operation */
	uint32_t flags;  /* none yet */
};

/*
 * That an operation has ended: goes to proactor_pop(). @result and @context are there to be looked
 * at early.
 */
struct proactor_entry {
	uint64_t key;
	int64_t result;
	void *context;
	uint32_t flags; /* none yet */
};

enum {
	PROACTOR_PENDING = 0,
	PROACTOR_READY = 1,
};

/*
 * Starts an operation (seed: `Proactor::push`). It need not reach the kernel before the next poll.
 *
 * PROACTOR_PENDING: in flight; @ret_key names it. PROACTOR_READY: already done, @ret_ready is
 * written, there is no key and no entry follows. Never fails for want of room in a ring.
 *
 * A refused operation was not started and makes no entry: -EINVAL (unknown opcode or flags, a path
 * or an address that is missing or too long), -ENOMEM, -EOPNOTSUPP (not in this driver).
 */
int proactor_push(struct proactor *proactor, const struct proactor_op *op, uint64_t *ret_key,
	struct proactor_completion *ret_ready);

enum {
	PROACTOR_CANCEL_REQUESTED = 0,
	PROACTOR_CANCEL_DONE = 1,
};

/*
 * Asks for an operation to end (seed: `Proactor::cancel`). It still ends in its one entry: with
 * -ECANCELED, unless it won the race. May be repeated, and may come before the first poll.
 *
 * PROACTOR_CANCEL_REQUESTED: on its way. PROACTOR_CANCEL_DONE: it has ended and waits for pop.
 * -ENOENT: no such operation (any more); a stale key never hits another operation.
 */
int proactor_cancel(struct proactor *proactor, uint64_t key);

/*
 * Waits until operations have ended, and says which (seed: `Proactor::poll`).
 *
 * @timeout: NULL waits for ever, zero never blocks. @entries: room for @count (at least 1) entries,
 * written from the first on. Returns how many were written. 0: somebody called proactor_notify().
 * -ETIME: the time is over and nothing ended. A signal handler does not end the wait. Entries that
 * are ready cost no system call and never let it block.
 *
 * -EINVAL: @count is 0, or the time is negative or malformed. -EBADR: the kernel ran out of memory
 * and lost completions; free the proactor.
 */
int proactor_poll(struct proactor *proactor, const struct timespec *timeout,
	struct proactor_entry *entries, unsigned count);

/*
 * Takes the operation behind an entry back (seed: `Proactor::pop`): the buffers are the caller's
 * again, the key ends. -ENOENT: popped before, or not an entry of this proactor.
 */
int proactor_pop(struct proactor *proactor, const struct proactor_entry *entry,
	struct proactor_completion *ret_completion);

/* ---- waking and waiting from outside ---- */

/*
 * A handle that wakes this proactor (seed: `Proactor::handle`). Freed with proactor_handle_free();
 * may outlive the proactor. -ENOMEM, -EMFILE.
 */
int proactor_handle(struct proactor *proactor, struct proactor_handle **ret_handle);

/*
 * Makes the proactor's poll return, the one under way or else the next (seed:
 * `NotifyHandle::notify`). Any number of calls before that count once. From any thread and from
 * signal handlers; no system call unless the proactor sleeps. Does nothing after the proactor has
 * been freed.
 */
void proactor_notify(struct proactor_handle *handle);

/* Accepts NULL. Always returns NULL. Not while another thread may still notify with it. */
struct proactor_handle *proactor_handle_free(struct proactor_handle *handle);

/*
 * A descriptor that polls readable when proactor_poll() would return at once, for programs with an
 * event loop of their own. Owned by the proactor, the same on each call. Call it first before the
 * first push: an io_uring has to be made anew for it, in a mode in which completions are posted
 * while nobody waits in it. Before each wait on the descriptor, call proactor_poll() with a zero
 * time-out until it says -ETIME: that also submits what was pushed. -EBUSY: the first call came
 * with operations in flight. -ENOMEM, -EMFILE.
 */
int proactor_fd(struct proactor *proactor, int *ret_fd);

/* ---- counters ---- */

/* What a proactor has done; always pushed = completed + cancelled + in_flight. */
struct proactor_stats {
	uint64_t pushed;
	uint64_t completed; /* ended by themselves, well or ill; READY ones count */
	uint64_t cancelled; /* ended with -ECANCELED */
	uint64_t in_flight; /* not yet in an entry */
	uint64_t enters;    /* system calls made to submit or to wait */
	uint64_t overflows; /* pushes that found the submission ring full */
};

void proactor_stats(const struct proactor *proactor, struct proactor_stats *ret_stats);

#ifdef __cplusplus
}
#endif

#endif
