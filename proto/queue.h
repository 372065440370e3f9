/*
 * Shared rings: one direction of a session that two processes have in memory they share, as a
 * single-producer, single-consumer queue of slots of one cache line. What is in a slot is a frame,
 * as on the socket.
 *
 *      control  | consumed, sleeps: of the consumer | is_full: of the producer |
 *      slots    | turn size frame… | turn size frame… | …
 *
 * A slot is full when its *turn* is that of the lap, 1 and 2 in alternation, written last: so one
 * line goes from one processor to the other for a frame, and the consumer looks at nothing else.
 * How far the consumer is, the producer reads only where it would run into it.
 *
 * The other side is not trusted. A slot is copied out before any of it is looked at, and looked at
 * nowhere else; where we are is our own number, never one from shared memory. What the other side
 * can do with its pen is to show frames of its choice, which it may send on the socket as well, or
 * none, and to be told that there is no room.
 *
 * The layout is normative, see PROTOCOL.md §6.
 */
#pragma once

#include <stdatomic.h>
#include <string.h>

#include "base/def.h"

enum {
	QUEUE_SLOT_SIZE = 64,
	QUEUE_FRAME_SIZE_MAX = QUEUE_SLOT_SIZE - 2,
	QUEUE_ENTRIES_MIN = 8,
	QUEUE_ENTRIES_MAX = 4096,
	QUEUE_ENTRIES_DEFAULT = 64,
	/* in the shared memory of a pair of queues; slots of requests, then of responses */
	QUEUE_REQUESTS_AT = 0,
	QUEUE_RESPONSES_AT = 128,
	QUEUE_SLOTS_AT = 4096,
};

struct queue_slot {
	uint8_t turn;
	uint8_t size;
	uint8_t frame[QUEUE_FRAME_SIZE_MAX];
} __attribute__((aligned(QUEUE_SLOT_SIZE)));

_Static_assert(sizeof(struct queue_slot) == QUEUE_SLOT_SIZE, "a slot is one cache line");

struct queue_control {
	_Atomic uint32_t consumed; /* slots that may be written again, counted without end */
	_Atomic uint32_t sleeps;   /* not 0: who writes has to wake the consumer */
	/* not 0: the producer has more than there was room for, and is to be woken when there is */
	_Atomic uint32_t is_full;
};

/* One side of a queue. */
struct queue {
	struct queue_control *control;
	struct queue_slot *slots;
	uint32_t entries;  /* a power of two */
	uint32_t position; /* slots that this side has written, or taken, so far */
	uint32_t consumed; /* of the producer: how far the consumer was when it last looked */
};

/* What a pair of queues with @entries slots each takes. */
static inline size_t queue_memory_size(uint32_t entries)
{
	return QUEUE_SLOTS_AT + (size_t)2 * entries * QUEUE_SLOT_SIZE;
}

/* One side of the queue of requests, or of responses, in @memory. */
static inline struct queue queue_of(void *memory, uint32_t entries, bool is_responses)
{
	uint8_t *bytes = memory;

	return (struct queue){
		.control = (struct queue_control *)(bytes +
			(is_responses ? QUEUE_RESPONSES_AT : QUEUE_REQUESTS_AT)),
		.slots = (struct queue_slot *)(bytes + QUEUE_SLOTS_AT) +
			(is_responses ? entries : 0),
		.entries = entries,
	};
}

static inline uint8_t queue_turn(const struct queue *queue)
{
	return queue->position & queue->entries ? 2 : 1;
}

static inline struct queue_slot *queue_slot_at(const struct queue *queue, uint32_t position)
{
	return &queue->slots[position & (queue->entries - 1)];
}

static inline struct queue_slot *queue_slot(const struct queue *queue)
{
	return queue_slot_at(queue, queue->position);
}

/*
 * How many slots ahead a line is asked for: it is on its way from the other processor while those
 * before it are done.
 */
enum { QUEUE_PREFETCH = 3 };

/* ---- the consumer ---- */

/* Whether there is a frame. */
static inline bool queue_has(const struct queue *queue)
{
	const _Atomic uint8_t *turn = (const _Atomic uint8_t *)&queue_slot(queue)->turn;

	return atomic_load_explicit(turn, memory_order_acquire) == queue_turn(queue);
}

/*
 * Copies the frame that is there. False: it has a size that no frame in a slot has. It stays until
 * queue_advance().
 */
static inline bool queue_copy(const struct queue *queue, struct queue_slot *ret_slot)
{
	*ret_slot = *queue_slot(queue);
	/* from here on the compiler, too, knows of the copy alone */
	__asm__ volatile("" : "+m"(*ret_slot));
	return ret_slot->size > 0 && ret_slot->size <= QUEUE_FRAME_SIZE_MAX;
}

static inline void queue_advance(struct queue *queue)
{
	queue->position++;
	__builtin_prefetch(queue_slot_at(queue, queue->position + QUEUE_PREFETCH));
}

/* The producer may write again what was taken so far. Once for many. */
static inline void queue_release(const struct queue *queue)
{
	atomic_store_explicit(&queue->control->consumed, queue->position, memory_order_release);
}

/*
 * Has the producer wake this side. False: a frame has come meanwhile, do not sleep. Each sleep
 * ends with queue_end_sleep().
 */
static inline bool queue_begin_sleep(const struct queue *queue)
{
	atomic_store_explicit(&queue->control->sleeps, 1, memory_order_relaxed);
	/* the other side writes first and looks then */
	atomic_thread_fence(memory_order_seq_cst);
	return !queue_has(queue);
}

static inline void queue_end_sleep(const struct queue *queue)
{
	atomic_store_explicit(&queue->control->sleeps, 0, memory_order_relaxed);
}

/*
 * Whether the producer waits for the room that was released, and has to be woken. Surely so when
 * asked after queue_begin_sleep(), else perhaps the next time.
 */
static inline bool queue_was_full(const struct queue *queue)
{
	return unlikely(atomic_load_explicit(&queue->control->is_full, memory_order_relaxed) !=
		       0) &&
		atomic_exchange_explicit(&queue->control->is_full, 0, memory_order_relaxed) != 0;
}

/* ---- the producer ---- */

/* Whether a frame may be put. Not for ever false where the consumer takes what is there. */
static inline bool queue_has_room(struct queue *queue)
{
	if (likely(queue->position - queue->consumed < queue->entries))
		return true;
	queue->consumed = atomic_load_explicit(&queue->control->consumed, memory_order_acquire);
	/* a number that no consumer can have written is more than that away, too */
	return queue->position - queue->consumed < queue->entries;
}

/* Puts a frame, for which there must be room: the consumer sees it at once. */
static inline void queue_put(struct queue *queue, const struct queue_slot *frame)
{
	struct queue_slot *slot = queue_slot(queue);

	assert(frame->size > 0 && frame->size <= QUEUE_FRAME_SIZE_MAX);
	slot->size = frame->size;
	/* all of it: a copy of one known size is cheaper than a shorter one */
	memcpy(slot->frame, frame->frame, sizeof(slot->frame));
	atomic_store_explicit((_Atomic uint8_t *)&slot->turn, queue_turn(queue),
		memory_order_release);
	queue->position++;
	__builtin_prefetch(queue_slot_at(queue, queue->position + QUEUE_PREFETCH), /* rw= */ 1);
}

/* Whether the consumer sleeps and has to be woken, by the caller: asked after what was put. */
static inline bool queue_must_wake(const struct queue *queue)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&queue->control->sleeps, memory_order_relaxed) != 0 &&
		atomic_exchange_explicit(&queue->control->sleeps, 0, memory_order_relaxed) != 0;
}

/* Has the consumer wake this side when there is room. To be followed by a look whether there is. */
static inline void queue_await_room(const struct queue *queue)
{
	atomic_store_explicit(&queue->control->is_full, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}
