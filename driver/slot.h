/*
 * Slots: where a proactor remembers the operations that it was given.
 *
 *      FREE ──push──▶ IN_FLIGHT ──entry───────────────────────▶ ENDED ──pop──▶ FREE, the next
 *                         └───driver_end()──▶ QUEUED ──entry─────▲             generation
 *
 * A key is generation and index of a slot: `generation << 32 | index`. The generation changes with
 * each pop, so that a stale key names nothing. It has 31 bits: the highest bit of a key is always 0
 * and drivers may use it in what they hand to the kernel. No key is 0.
 *
 * Slots are one cache line, never move, and are reused last in, first out: a steady load touches
 * few lines and allocates nothing.
 */
#pragma once

#include "base/def.h"
#include "driver/proactor.h"

enum slot_state { SLOT_FREE, SLOT_IN_FLIGHT, SLOT_QUEUED, SLOT_ENDED };

/* What else is known of an operation in flight. */
enum slot_mark {
	SLOT_CANCELLED = 1,   /* proactor_cancel() came */
	SLOT_HELD = 2,        /* the driver has not started it yet: its own business */
	SLOT_AT_WORK = 4,     /* it is with the threads (work.h), the driver has no part in it */
	SLOT_AGAIN = 8,       /* a further shot of a multishot operation is being pushed */
	SLOT_WAITS = 16,      /* the front has it, not the driver: see extra.h */
	SLOT_MISSED = 32,     /* the driver asked it to end, perhaps in vain: its own business */
	SLOT_IN_MEMORY = 128, /* its data is in memory that the daemon shares: likewise */
	SLOT_BY_RING = 64,    /* it went to the daemon by a shared ring: the driver's business */
};

struct extra;

struct slot {
	/*
	 * generation and index in one word: it is written by pop and read by the next push, as a
	 * whole
	 */
	uint64_t key;
	uint32_t next; /* in the queue of ended ones; SLOT_NONE at its end */
	uint8_t opcode;
	uint8_t state;       /* enum slot_state */
	uint8_t marks;       /* enum slot_mark */
	uint8_t stash_kind;  /* whose @stash is: the driver's business; 0: there is none */
	struct extra *extra; /* see extra.h; NULL for most */
	union {
		void *context;
		struct slot *next_free; /* while FREE: the next in the list; NULL at its end */
	};
	union {
		int64_t file;   /* in flight: what it acts on, if its first parameter is a file */
		int64_t result; /* once QUEUED or ENDED */
	};
	void *stash; /* what the driver copied, until pop; while SLOT_AT_WORK a struct work */
	union {      /* what the driver has to keep at hand, by opcode */
		int64_t timespec[2];
		struct {
			void *data;
			size_t size;
		} space;
		struct proactor_address *address;
		struct statx *stat;
		struct {
			struct proactor_buffers *buffers;
			int32_t index; /* of the buffer that is taken; -1: none is */
			uint32_t flags;
		} select;
		int64_t lent; /* a file that goes with the operation; -1: none */
	};
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct slot) == 64, "a slot is one cache line");

enum { SLOTS_PER_BLOCK = 1024 };
#define SLOT_NONE UINT32_MAX

/* Below 2^31 - 1, so that drivers have a value of 31 bits that is no generation. */
#define SLOT_GENERATION_MAX (UINT32_C(0x7fffffff) - 1)
#define SLOT_GENERATION_ONE (UINT64_C(1) << 32)

struct slots {
	struct slot **blocks;
	uint32_t block_count;
	struct slot *free; /* a pointer: from pop to push this is all that has to be looked up */
};

void slots_init(struct slots *slots);
void slots_deinit(struct slots *slots);

/* Adds a block of free slots. -ENOMEM. */
int slots_grow(struct slots *slots);

static inline struct slot *slots_at(const struct slots *slots, uint32_t index)
{
	return &slots->blocks[index / SLOTS_PER_BLOCK][index % SLOTS_PER_BLOCK];
}

static inline uint32_t slots_count(const struct slots *slots)
{
	return slots->block_count * SLOTS_PER_BLOCK;
}

/* Whether its end is up to the driver. */
static inline bool slot_is_with_driver(const struct slot *slot)
{
	return slot->state == SLOT_IN_FLIGHT && !(slot->marks & (SLOT_AT_WORK | SLOT_WAITS));
}

static inline uint64_t slot_key(const struct slot *slot)
{
	return slot->key;
}

static inline uint32_t slot_index(const struct slot *slot)
{
	return (uint32_t)slot->key;
}

/* The slot that @key names, or NULL where that operation is gone or never was. */
static inline struct slot *slots_find(const struct slots *slots, uint64_t key)
{
	uint32_t index = (uint32_t)key;
	struct slot *slot;

	if (unlikely(index >= slots_count(slots)))
		return NULL;
	slot = slots_at(slots, index);
	return likely(slot->key == key && slot->state != SLOT_FREE) ? slot : NULL;
}

/* NULL when memory is short. */
static inline struct slot *slots_take(struct slots *slots)
{
	struct slot *slot;

	if (unlikely(!slots->free) && slots_grow(slots) < 0)
		return NULL;
	slot = slots->free;
	slots->free = slot->next_free;
	slot->state = SLOT_IN_FLIGHT;
	slot->marks = 0;
	return slot;
}

static inline void slots_give(struct slots *slots, struct slot *slot)
{
	assert(slot->state != SLOT_FREE);
	slot->state = SLOT_FREE;
	slot->key += SLOT_GENERATION_ONE;
	if (unlikely(slot->key >> 32 > SLOT_GENERATION_MAX))
		slot->key = SLOT_GENERATION_ONE | slot_index(slot);
	slot->next_free = slots->free;
	slots->free = slot;
}
