/*
 * proactor: completion-based I/O.
 *
 * An operation is *pushed* and goes on by itself; *poll* waits until some have ended and says
 * which; *pop* gives back the result and what the caller needs to go on with. Where the I/O is done
 * is chosen when the program runs: by an io_uring of this process, by proactord, a daemon that
 * lends its ring to local programs, or by epoll and threads. A program written to this header
 * behaves the same on each. The calls mirror those of compio's `compio_driver::Proactor`.
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
 *  - No operation raises SIGPIPE, on sockets as on pipes: that nobody reads says -EPIPE. (Before
 *    Linux 6.18 there is one exception: a write or writev that had to wait, in an io_uring without
 *    deferred task work.)
 *  - Every descriptor made is close-on-exec.
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
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msghdr;
struct statx;
struct timespec;

struct proactor;         /* one engine and its operations */
struct proactor_handle;  /* wakes a proactor from anywhere */
struct proactor_threads; /* a pool of threads, of one proactor or of several */
struct proactor_buffers; /* memory for receives that choose theirs when data comes */

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
	PROACTOR_READV,
	PROACTOR_WRITEV,
	PROACTOR_FALLOCATE,
	PROACTOR_FTRUNCATE,
	PROACTOR_UNLINK,
	PROACTOR_RENAME,
	PROACTOR_MKDIR,
	PROACTOR_SYMLINK,
	PROACTOR_LINK,
	PROACTOR_SPLICE,
	PROACTOR_RECVFROM,
	PROACTOR_SENDTO,
	PROACTOR_CALL,
	PROACTOR_OPCODE_COUNT /* grows with each release */
};

/* In the flags of an operation. */
enum {
	/*
	 * It may block the thread that does it (the close of a socket that lingers, a file system
	 * that asks somebody, or may be frozen). The driver has it done where it holds nothing else
	 * up, which costs a little more. Without it, blocking holds up the proactor; but reads,
	 * writes and polls of a file that was attached, whose file system asks somebody (FUSE, the
	 * network), are done so anyway.
	 */
	PROACTOR_MAY_BLOCK = 1,
	/*
	 * The operation pushed next starts when this one has succeeded; it ends with -ECANCELED
	 * where this one fails, or transfers less than it was to (a receive, which takes what there
	 * is, succeeds with any size). So a chain runs in order, as long as its operations have
	 * this flag; poll closes a chain that is open.
	 */
	PROACTOR_CHAIN = 2,
	/*
	 * accept, recv, poll: makes an entry each time, flagged PROACTOR_MORE, until it is
	 * cancelled, fails, or a receive meets the end. An accept cannot have an address, a receive
	 * must select buffers. A poll reports what is ready at first, then what becomes ready.
	 */
	PROACTOR_MULTISHOT = 4,
	/*
	 * recv: takes one of recv.buffers when data comes; an idle connection holds no memory.
	 * Where all are in use, it waits for one to be released. Not with MSG_WAITALL, which would
	 * hold one while nothing comes.
	 */
	PROACTOR_BUFFER_SELECT = 8,
};

/*
 * One operation. Set @opcode, @context and the member of the opcode's name; zero the rest.
 * Values without a unit or constant of this header are those of the system call in brackets.
 */
struct proactor_op {
	uint32_t opcode; /* enum proactor_opcode */
	uint32_t flags;  /* PROACTOR_MAY_BLOCK and its like; push refuses others with -EINVAL */
	void *context;   /* the caller's own; comes back with the entry */
	/* not 0: it ends with -ETIME where it has not ended this long after push */
	uint64_t timeout_ns;
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
		 * ended. With PROACTOR_BUFFER_SELECT @data is NULL, @size 0, and where the bytes
		 * are says proactor_buffer_data().
		 */
		struct {
			int64_t file;
			void *data;
			size_t size;
			uint32_t flags;
			struct proactor_buffers *buffers; /* NULL without PROACTOR_BUFFER_SELECT */
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
		 * Receives a message (recvmsg(2)); the result is how many bytes. @message and all
		 * it names belong to the driver until pop. Ancillary data in-process only.
		 */
		struct {
			int64_t file;
			struct msghdr *message;
			uint32_t flags;
		} recvmsg;
		/* Sends a message (sendmsg(2)). As recvmsg. MSG_NOSIGNAL is added. */
		struct {
			int64_t file;
			struct msghdr *message;
			uint32_t flags;
		} sendmsg;
		/*
		 * Reads into @count pieces of memory, one after another (preadv(2)). The array is
		 * copied, the memory it names is the driver's until pop; so in writev.
		 */
		struct {
			int64_t file;
			const struct iovec *pieces;
			size_t count;   /* up to IOV_MAX */
			int64_t offset; /* or PROACTOR_CURRENT */
		} readv;
		/* Writes @count pieces of memory, one after another (pwritev(2)). */
		struct {
			int64_t file;
			const struct iovec *pieces;
			size_t count;
			int64_t offset; /* or PROACTOR_CURRENT */
		} writev;
		/* Finds or frees room in a file (fallocate(2)). */
		struct {
			int64_t file;
			int32_t mode;
			int64_t offset;
			int64_t size;
		} fallocate;
		/* Makes a file longer or shorter (ftruncate(2)). */
		struct {
			int64_t file;
			int64_t size;
		} ftruncate;
		/* Removes a name (unlinkat(2)). */
		struct {
			int64_t dir; /* a directory's file, or PROACTOR_CWD */
			const char *path;
			uint32_t flags; /* AT_REMOVEDIR */
		} unlink;
		/* Moves a name (renameat2(2)). */
		struct {
			int64_t old_dir;
			const char *old_path;
			int64_t new_dir;
			const char *new_path;
			uint32_t flags; /* RENAME_NOREPLACE and its like */
		} rename;
		/* Makes a directory (mkdirat(2)). */
		struct {
			int64_t dir;
			const char *path;
			uint32_t mode;
		} mkdir;
		/* Makes a name that stands for @target (symlinkat(2)). */
		struct {
			int64_t dir;
			const char *path;
			const char *target;
		} symlink;
		/* Gives a file another name (linkat(2)). */
		struct {
			int64_t old_dir;
			const char *old_path;
			int64_t new_dir;
			const char *new_path;
			uint32_t flags; /* AT_SYMLINK_FOLLOW */
		} link;
		/*
		 * Moves up to @size bytes from one file to another, one of them a pipe (splice(2));
		 * the result is how many, 0 at the end.
		 */
		struct {
			int64_t in;
			int64_t in_offset; /* or PROACTOR_CURRENT, as for a pipe */
			int64_t out;
			int64_t out_offset;
			int64_t size;
			uint32_t flags;
		} splice;
		/* Receives up to @size bytes and learns from whom (recvfrom(2)). */
		struct {
			int64_t file;
			void *data;
			size_t size;
			uint32_t flags;
			struct proactor_address *address; /* filled in; size 0: nobody's */
		} recvfrom;
		/* Sends up to @size bytes to an address (sendto(2)). MSG_NOSIGNAL is added. */
		struct {
			int64_t file;
			const void *data;
			size_t size;
			uint32_t flags;
			const struct proactor_address *address;
		} sendto;
		/*
		 * Calls a function on a thread of the pool (seed: `Asyncify`); what it returns is
		 * the result. In-process with every driver. It may block for long, but once it
		 * runs, nothing but itself can end it.
		 */
		struct {
			int64_t (*function)(void *argument);
			void *argument;
		} call;
	};
};

/* ---- making one ---- */

enum proactor_driver {
	PROACTOR_DRIVER_AUTO,     /* io_uring, then the daemon, then epoll */
	PROACTOR_DRIVER_IO_URING, /* a ring of this process */
	PROACTOR_DRIVER_REMOTE,   /* proactord; needs libproactor-client */
	PROACTOR_DRIVER_EPOLL,    /* epoll and threads */
};

/* When an io_uring runs what completes operations. Each falls back to the next the kernel knows. */
enum proactor_taskrun {
	PROACTOR_TASKRUN_AUTO,        /* the best for the other options */
	PROACTOR_TASKRUN_DEFERRED,    /* when this thread polls (IORING_SETUP_DEFER_TASKRUN) */
	PROACTOR_TASKRUN_COOPERATIVE, /* when it enters the kernel anyway (…_COOP_TASKRUN) */
	PROACTOR_TASKRUN_IMMEDIATE,   /* by interrupting it */
};

/* In the flags of the options. But for the last, other drivers than io_uring take no notice. */
enum {
	/* a thread of the kernel takes submissions, after @sqpoll_idle_ms without any it sleeps */
	PROACTOR_SQPOLL = 1,
	PROACTOR_SQPOLL_CPU = 2, /* … and runs on processor @sqpoll_cpu */
	/* @eventfd is written at each completion (IORING_REGISTER_EVENTFD) */
	PROACTOR_EVENTFD = 4,
	/*
	 * files are others' as well, who may hold their locks for as long as they like: what takes
	 * one (a write, what uses a position that is shared) is not done by the caller's thread,
	 * even where that is most often faster
	 */
	PROACTOR_SHARED_FILES = 8,
};

/*
 * What to make (seed: `ProactorBuilder`); all zero but @size is the default. The environment
 * variable PROACTOR_DRIVER (`io_uring`, `epoll`, or `unix:PATH` for a daemon's socket) overrides
 * @driver and @socket_path where @driver is PROACTOR_DRIVER_AUTO; it is not looked at in a
 * set-user-ID program.
 */
struct proactor_options {
	size_t size;     /* sizeof(struct proactor_options): lets it grow */
	uint32_t driver; /* enum proactor_driver */
	/*
	 * submissions held before a system call, rounded up to a power of two; 0: 256, and in a
	 * daemon's ring 64. What is more costs more, and is never refused.
	 */
	uint32_t capacity;
	/* completions held without extra cost, rounded likewise; 0: 4 × capacity */
	uint32_t completion_capacity;
	uint32_t flags; /* PROACTOR_SQPOLL and its like */
	/* bit 1 << opcode: without these in the kernel the driver is not taken */
	uint64_t required_ops;
	/* the daemon's; NULL: $PROACTORD_SOCKET, the user's, then the system's */
	const char *socket_path;
	/* the pool to use, which is kept until the proactor is freed; NULL: one of its own, */
	struct proactor_threads *threads;
	/* with so many threads at most, and the kernel's for files where that has fewer; 0: 256 */
	uint32_t thread_count_max;
	uint32_t thread_idle_ms; /* that end after so long without work; 0: 60 000 */
	uint32_t taskrun;        /* enum proactor_taskrun */
	uint32_t sqpoll_idle_ms; /* 0: the kernel's default, 1 s */
	uint32_t sqpoll_cpu;
	int32_t eventfd;
	/* how long a wait looks at what it shares with the daemon before it sleeps, where there are
	 * two processors; 0: 50; PROACTOR_SPIN_NEVER */
	uint32_t spin_us;
};

#define PROACTOR_SPIN_NEVER UINT32_MAX

/*
 * Makes a proactor (seed: `ProactorBuilder::build`). @options may be NULL for the defaults.
 *
 * -EINVAL: an unknown driver, something set that this version does not know or that contradicts the
 * rest. Otherwise what the driver met, with AUTO the last one tried: -EPERM (io_uring forbidden by
 * seccomp, by kernel.io_uring_disabled), -ENOSYS (no io_uring, or one too old), -EOPNOTSUPP (a
 * required operation is missing, or no client library is linked), -ENOMEM, -ENOENT, -ECONNREFUSED
 * and -EACCES (from the daemon's socket).
 */
int proactor_new(struct proactor **ret_proactor, const struct proactor_options *options);

/*
 * Cancels all that is in flight, waits until it has ended (a `call` that runs, too), and frees
 * everything, memory and buffers included (seed: drop). Files
 * in results that were not popped are closed; files that the caller knows of are the caller's to
 * close before. With the daemon they end with the session. Handles stay valid. Accepts NULL. Always
 * returns NULL.
 */
struct proactor *proactor_free(struct proactor *proactor);

/*
 * A pool of threads for several proactors (seed: `AsyncifyPool`). Work beyond @thread_count_max
 * waits its turn. 0: the defaults of struct proactor_options. -ENOMEM.
 */
int proactor_threads_new(struct proactor_threads **ret_threads, uint32_t thread_count_max,
	uint32_t thread_idle_ms);

/*
 * The threads end with the last proactor that uses the pool. Accepts NULL. Always returns NULL.
 * From any thread.
 */
struct proactor_threads *proactor_threads_free(struct proactor_threads *threads);

/*
 * Which driver this is ("io_uring", "epoll", "unix:/run/proactord/socket", with " (ring)" after it
 * where the daemon shares one). Valid as long as the proactor.
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
 * -EBADF: not an open descriptor. -ENOMEM. -EMFILE, -EDQUOT, -ECONNRESET: with the daemon. On
 * failure @fd stays the caller's.
 */
int proactor_attach(struct proactor *proactor, int fd, int64_t *ret_file);

/*
 * Gives a real descriptor back and ends the file. In flight on it there must be nothing.
 * -EBADF: not a file of this proactor. -EMFILE, -ECONNRESET: with the daemon.
 */
int proactor_detach(struct proactor *proactor, int64_t file, int *ret_fd);

/* ---- memory ---- */

/*
 * Makes memory, zeroed, that the engine reaches faster than other memory where that is possible
 * (registered buffers of an io_uring, as far as RLIMIT_MEMLOCK allows; with the daemon, memory that
 * it shares, as far as its limits allow). Any operation may use any part of it; the program does
 * not see the difference. Freed with proactor_memory_free(), or with the proactor.
 * -EINVAL: @size is 0. -ENOMEM.
 */
int proactor_memory_new(struct proactor *proactor, size_t size, void **ret_memory);

/* In flight on it there must be nothing. Accepts NULL. Always returns NULL. */
void *proactor_memory_free(struct proactor *proactor, void *memory);

/*
 * Makes @count buffers of @size bytes each for PROACTOR_BUFFER_SELECT (seed: `buffer_pool`). @count
 * is rounded up to a power of two, at most 32768. -EINVAL: one is 0 or too large. -ENOMEM.
 */
int proactor_buffers_new(struct proactor *proactor, uint32_t count, size_t size,
	struct proactor_buffers **ret_buffers);

/*
 * As above, in @memory of the caller's: @count times @size bytes, that stay as long as the buffers
 * do, and longer while an operation may select one. With the daemon that is of use for what
 * proactor_memory_new() has made: bytes elsewhere are copied. -EINVAL also: @memory is NULL, or
 * @count no power of two.
 */
int proactor_buffers_new_in(struct proactor *proactor, void *memory, uint32_t count, size_t size,
	struct proactor_buffers **ret_buffers);

/*
 * Their memory goes when the last operation that may select one has ended. Before the proactor is
 * freed. Accepts NULL. Always returns NULL.
 */
struct proactor_buffers *proactor_buffers_free(struct proactor_buffers *buffers);

/*
 * Where the bytes are that an operation received: @flags are those of its entry or completion. NULL
 * where it took no buffer. The buffer is the caller's until proactor_buffer_release().
 */
void *proactor_buffer_data(const struct proactor_buffers *buffers, uint32_t flags);

/* Gives a buffer back, by where it begins. -EINVAL: that is none of them, or it was given back. */
int proactor_buffer_release(struct proactor_buffers *buffers, void *data);

/* ---- operations in flight ---- */

/* In the flags of entries and completions. Beside PROACTOR_BUFFER the upper 16 bits say which. */
enum {
	PROACTOR_BUFFER = 1, /* one of recv.buffers was taken: proactor_buffer_data() */
	PROACTOR_MORE = 2,   /* further entries follow: the operation goes on */
};

/* How an operation ended. Of what it filled in the caller holds the memory. */
struct proactor_completion {
	int64_t result;  /* 0 or more, or a negative errno */
	void *context;   /* of the operation */
	uint32_t opcode; /* of the operation */
	uint32_t flags;  /* PROACTOR_MORE and its like */
};

/*
 * That an operation has ended: goes to proactor_pop(). @result and @context are there to be looked
 * at early.
 */
struct proactor_entry {
	uint64_t key;
	int64_t result;
	void *context;
	uint32_t flags; /* PROACTOR_MORE and its like */
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
 * A refused operation was not started and makes no entry: -EINVAL (unknown opcode, flags that are
 * unknown or do not fit it, a path, an address or an array that is missing or too long), -ENOMEM,
 * -EOPNOTSUPP (not in this driver).
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
 * As proactor_cancel(), everything in flight on @file, or everything. Returns how many operations
 * were asked to end. -ENOMEM: not all were.
 */
int proactor_cancel_file(struct proactor *proactor, int64_t file);
int proactor_cancel_all(struct proactor *proactor);

/*
 * Waits until operations have ended, and says which (seed: `Proactor::poll`).
 *
 * @timeout: NULL waits for ever, zero never blocks. @entries: room for @count (at least 1) entries,
 * written from the first on. Returns how many were written. 0: somebody called proactor_notify().
 * -ETIME: the time is over and nothing ended. A signal handler does not end the wait. Entries that
 * are ready never let it block and cost no system call, but for one in many polls of an engine that
 * has to look whether others are held up.
 *
 * -EINVAL: @count is 0, or the time is negative or malformed. -EBADR: the kernel ran out of memory
 * and lost completions; free the proactor.
 */
int proactor_poll(struct proactor *proactor, const struct timespec *timeout,
	struct proactor_entry *entries, unsigned count);

/*
 * Takes the operation behind an entry back (seed: `Proactor::pop`): the buffers are the caller's
 * again, the key ends; not so with PROACTOR_MORE, where only the result is handed over, which is
 * the caller's (a file to close, a buffer to release) from the entry on. -ENOENT: popped before, or
 * not an entry of this proactor.
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
