/*
 * The remote driver: what its files share.
 *
 *   remote.c          the calls of struct driver
 *   remote_local.c    what is done in this process
 *   remote_room.c     where answers go
 *   remote_pool.c     receives that take a buffer with the daemon
 *   remote_select.c   … and here, where there is no pool
 *   remote_shots.c    operations that go on
 *   remote_hello.c    what the daemon takes
 *   remote_send.c     an operation becomes a request, sent now or held back
 *   remote_receive.c  responses end operations
 *   remote_wait.c     waiting, and being waited for
 *   remote_memory.c   registered memory is the daemon's
 *   remote_ring.c     memory shared with the daemon, in place of the socket where that does
 */
#pragma once

#include "base/slab.h"
#include "base/spin.h"
#include "client/connection.h"
#include "client/remote_ring.h"
#include "client/window.h"
#include "driver/driver.h"
#include "proto/codec.h"

/* In the msgid of a call that is no operation. */
#define REMOTE_CONTROL_MSGID (UINT32_C(1) << 31)

/* Memory that the daemon shares. */
struct remote_region {
	const uint8_t *start;
	size_t size;
	uint64_t id; /* the daemon's name for it */
};

/*
 * And so many pieces of one operation are named at most: what the daemon keeps of them is no more
 * than what it takes for any operation (see window_cost()).
 */
enum { REMOTE_REGIONS_MAX = 64, REMOTE_NAMED_MAX = 256 };

/* What a slot's stash is of ours, in its stash_kind. Only the first has memory there. */
enum remote_stash {
	REMOTE_STASH_ROOM = 1,
	REMOTE_STASH_SELECTS,   /* it takes a buffer when data comes */
	REMOTE_STASH_POOL,      /* the daemon takes one for it, once */
	REMOTE_STASH_SHOOTS,    /* it makes an entry for each notification */
	REMOTE_STASH_SHOT_LAST, /* … and has made its last, which nobody has taken yet */
};

struct remote {
	struct proactor base;
	struct connection connection;
	struct remote_ring ring;
	struct spin spin;
	struct window window;
	struct buffer scratch;  /* a request that is to be held, while it is packed */
	size_t transfer_size;   /* the daemon's limit, */
	size_t frame_room;      /* on what an operation has of pieces, with their headers, */
	size_t piece_count_max; /* and on how many these are, */
	size_t named_count_max; /* and where they are named */
	struct buffer shots;    /* that nobody has taken yet, of struct shot */
	struct slab rooms;      /* of struct room */
	/* an operation's pieces and message, cut to that, while it is packed */
	struct iovec pieces[IOV_MAX];
	struct msghdr message;
	/* where they are, of an operation with SLOT_IN_MEMORY */
	struct codec_region named[REMOTE_NAMED_MAX];
	bool has_rings;  /* the daemon says so, */
	bool has_memory; /* and so, */
	bool has_pools;  /* and so */
	unsigned region_count;
	struct remote_region regions[REMOTE_REGIONS_MAX];
	uint32_t control_count;
	uint32_t awaited_msgid;  /* of the call that is waited for; 0: none */
	uint32_t awaited_opcode; /* of an operation with the same result */
	int64_t awaited_result;
	int epoll_fd;      /* for proactor_fd(); -EBADF until asked for */
	bool watches_send; /* the epoll set looks for room in the socket too */
};

/* The connection is lost: everything in flight ends, with -ECONNRESET. */
void remote_lose(struct remote *remote);

/* A msgid for a call that is no operation. */
uint32_t remote_control_msgid(struct remote *remote);

/* ---- remote_local.c ---- */

/* Whether @op is done in this process. */
bool remote_is_local(const struct proactor_op *op);

/*
 * Does it. PROACTOR_READY and the result, or PROACTOR_PENDING: the file it made is on its way.
 * -ENOMEM.
 */
int remote_push_local(struct remote *remote, const struct proactor_op *op, struct slot *slot,
	int64_t *ret_result);

/*
 * Makes the working directory a file of the daemon's, where @op has a path in it, until
 * remote_end_loan(). Waits for the answer; as proactor_attach().
 */
int remote_lend_directory(struct remote *remote, struct proactor_op *op, struct slot *slot);

/* The operation of @slot has ended, or did not start. Nothing where nothing was lent. */
void remote_end_loan(struct remote *remote, struct slot *slot);

/* ---- remote.c ---- */

/*
 * Waits for the answer to the control request that was packed last, whose result is as @opcode's.
 * Operations that end meanwhile wait to be polled.
 */
int64_t remote_await(struct remote *remote, uint32_t msgid, uint32_t opcode);

/* ---- remote_wait.c ---- */

/* As the calls of struct driver. */
int remote_wait(struct proactor *proactor, uint64_t deadline_ns);
int remote_flush(struct proactor *proactor);
int remote_fd(struct proactor *proactor, int *ret_fd);
int remote_watch(struct proactor *proactor, int fd);

/* ---- remote_memory.c ---- */

/*
 * Calls @method with @count numbers, and waits for the answer: a number, or a negative errno.
 * Operations that end meanwhile wait to be polled.
 */
int64_t remote_request(struct remote *remote, const char *method, const uint64_t *numbers,
	unsigned count);

/* As above with one number, and what is answered does not matter. */
void remote_tell(struct remote *remote, const char *method, uint64_t number);

/* Where the @size bytes at @data are in memory that the daemon shares. False: not all are. */
bool remote_find_memory(const struct remote *remote, const uint8_t *data, size_t size,
	struct codec_region *ret_region);

/* As the calls of struct driver. */
void remote_memory_add(struct proactor *proactor, void *memory, size_t size);
void remote_memory_remove(struct proactor *proactor, void *memory);

/* Where the bytes of @op are, if all are in memory that the daemon shares. */
bool remote_region_of(const struct remote *remote, const struct proactor_op *op,
	struct codec_region *ret_region);

/*
 * Whether the first @count of the driver's pieces all are there, and can be named together: then
 * @named says where.
 */
bool remote_name_pieces(struct remote *remote, size_t count);

/* ---- remote_room.c ---- */

void remote_rooms_init(struct remote *remote);

/*
 * Keeps what the response is to be written to, and cuts the transfer to what the daemon takes.
 * -ENOMEM.
 */
int remote_keep(struct remote *remote, struct proactor_op *op, struct slot *slot);

/* Frees what was kept beside the slot. Idempotent. */
void remote_forget(struct proactor *proactor, struct slot *slot);

/* Where the result is to go. */
void remote_room_of(const struct remote *remote, const struct slot *slot,
	struct codec_result *ret_result);

/* What a message that was received brought besides its bytes; nothing for other operations. */
void remote_fill_message(const struct slot *slot, const struct codec_result *result,
	const struct proactor_address *address);

/* ---- remote_pool.c ---- */

/* As the calls of struct driver. */
int remote_buffers_new(struct proactor *proactor, struct proactor_buffers *buffers);
void remote_buffers_free(struct proactor *proactor, struct proactor_buffers *buffers);
void remote_buffers_give(struct proactor *proactor, struct proactor_buffers *buffers,
	uint32_t index);

/* Starts a receive whose buffer the daemon takes. -ENOMEM. */
int remote_pool_push(struct remote *remote, const struct proactor_op *op, struct slot *slot);

/* Whether @slot's operation is one. */
bool remote_pools(const struct slot *slot);

/* The pool that it takes from, as its request names it. */
struct codec_region remote_pool_region(const struct slot *slot);

/*
 * @size bytes came in the buffer at @index (-1: in none). @ret_flags are those of the entry.
 * -EBADMSG: it was not the daemon's to take, or does not hold so much.
 */
int remote_pool_take(struct slot *slot, int64_t size, int32_t index, uint32_t *ret_flags);

/* ---- remote_select.c ---- */

/* Starts a receive that takes its buffer when data comes. -ENOMEM. */
int remote_select(struct remote *remote, const struct proactor_op *op, struct slot *slot);

/* Whether @slot's operation is one. */
bool remote_selects(const struct slot *slot);

/* What the request under way is, how much it transfers, and where to. */
uint32_t remote_select_opcode(const struct slot *slot);
size_t remote_select_size(const struct remote *remote, const struct slot *slot);
void remote_select_room(const struct remote *remote, const struct slot *slot,
	struct codec_result *ret_result);

/* The request under way came to @result: ends the operation, or goes on. */
void remote_select_answered(struct remote *remote, struct slot *slot, int64_t result);

/* Gives back the buffer that @slot's operation has taken; nothing for other operations. */
void remote_select_leave(struct slot *slot);

/* ---- remote_shots.c ---- */

/* Whether @slot's operation is a multishot one that the daemon does as such. */
bool remote_shoots(const struct slot *slot);

/* Takes the notification of a shot. -EBADMSG. */
int remote_take_shot(struct remote *remote, const struct rpc_message *message);

/*
 * An entry for @slot is to be made, after those that wait: without PROACTOR_MORE in @flags the
 * last. -EBADMSG: it has had that.
 */
int remote_shoot(struct remote *remote, struct slot *slot, int64_t result, uint32_t flags);

/* So many wait to be taken that no more should come. */
bool remote_has_many_shots(const struct remote *remote);

/* Takes those that wait, as struct driver's reap. */
unsigned remote_reap_shots(struct proactor *proactor, struct proactor_entry *entries,
	unsigned count);

/* ---- remote_hello.c ---- */

/* Finds @key in the map that @reader is at; the reader then is at its value. */
bool remote_find_key(struct reader *reader, const char *key);

/* Asks for the limits. -EPROTO: it is no proactord; otherwise as call_run(), or its error. */
int remote_hello(struct remote *remote);

/* ---- remote_send.c ---- */

/* A request was packed into the connection's buffer. -ENOMEM: it was not, and all is lost. */
int remote_finish_request(struct remote *remote, const struct pack *pack);

/* The request that makes a file of @fd, which is the connection's from then on, also on failure. */
int remote_send_attach(struct remote *remote, uint32_t msgid, int fd);

/*
 * Sends the request for @slot, now or when there is room: @op, or what makes a file of @fd where
 * that is not -1. -ENOMEM.
 */
int remote_send(struct remote *remote, const struct proactor_op *op, struct slot *slot, int fd);

/*
 * As a driver's push, for what has a brief form (proto/brief.h) and nothing in its way. False: it
 * was not done, and the general way is to be taken.
 */
bool remote_push_brief(struct remote *remote, const struct proactor_op *op, struct slot *slot);

/* Sends what was held and has room now. */
void remote_send_held(struct remote *remote);

/* The bytes that @slot's operation transfers at most. */
size_t remote_data_size(const struct remote *remote, const struct slot *slot);

/* ---- remote_receive.c ---- */

/* The operation in flight that the daemon is to answer with @msgid; NULL: none. */
struct slot *remote_find_slot(struct remote *remote, uint32_t msgid);

/* Takes all messages that have come by the socket. */
void remote_receive(struct remote *remote);

/* As struct driver's reap: takes the responses that have come by the ring. */
unsigned remote_reap(struct proactor *proactor, struct proactor_entry *entries, unsigned count);

/* The one place where a wire error becomes an errno. */
int64_t remote_result_of_error(const struct rpc_error *error);
