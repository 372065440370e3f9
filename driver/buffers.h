/*
 * Buffers: memory that receives choose from when data comes (PROACTOR_BUFFER_SELECT).
 *
 *      free ──taken by the engine──▶ lent to the caller ──proactor_buffer_release()──▶ free
 *
 * An engine with rings of its own for them (io_uring) is handed each free one; for the others they
 * stand on a stack here. An operation that found none waits in @starved, and is pushed again when
 * one comes back; so running out of buffers slows a stream down and never ends it.
 */
#pragma once

#include "driver/driver.h"

struct proactor_buffers {
	struct proactor *proactor;
	struct list link;    /* of proactor->buffers */
	struct list starved; /* of struct extra */
	uint8_t *memory;
	size_t size;
	uint32_t count;
	uint32_t lent_count;
	uint32_t use_count;  /* operations that may take one */
	bool dying;          /* free when the last of these has ended */
	bool is_memory_ours; /* else the caller's */
	bool in_engine;      /* the engine has the free ones; else they are on the stack */
	void *engine;        /* the driver's own */
	uint32_t group;      /* likewise */
	uint32_t free_count;
	uint32_t *free; /* stack of indices */
	bool *lent;     /* by index */
};

/* Takes a free one: its index, where it is and how large. -ENOBUFS. For engines without a ring. */
int64_t buffers_take(struct proactor_buffers *buffers, void **ret_data, size_t *ret_size);

/*
 * Receives what there is, without waiting, into whichever is free: taken now that data would have
 * come. -ENOBUFS, or as syscall_try().
 */
int64_t buffers_receive(const struct proactor_op *op, uint32_t *ret_flags);

/* Takes that back: nothing came. */
void buffers_untake(struct proactor_buffers *buffers, uint32_t index);

/* As above, where others may have looked for one meanwhile: they go on. */
void buffers_return(struct proactor_buffers *buffers, uint32_t index);

/* Puts all that are not lent on the stack: the engine does not have them, or not any more. */
void buffers_stack(struct proactor_buffers *buffers);

/* The one at @index is the caller's now. */
void buffers_lend(struct proactor_buffers *buffers, uint32_t index);

/* An operation may take one from now on; not any more. */
void buffers_use(struct proactor_buffers *buffers);
void buffers_unuse(struct proactor_buffers *buffers);

/*
 * Whether one is free. As far as is known: an engine that has them may have taken one for data that
 * nobody was told of yet.
 */
static inline bool buffers_has_free(const struct proactor_buffers *buffers)
{
	return buffers->in_engine ? buffers->lent_count < buffers->count : buffers->free_count > 0;
}

/* All of them, at the end of @proactor. */
void buffers_free_all(struct proactor *proactor);

static inline uint8_t *buffers_at(const struct proactor_buffers *buffers, uint32_t index)
{
	assert(index < buffers->count);
	return buffers->memory + (size_t)index * buffers->size;
}
