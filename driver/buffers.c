/* Buffers. See buffers.h. */
#include "driver/buffers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "driver/extra.h"
#include "driver/syscall.h"

enum { COUNT_MAX = 32768 }; /* what the kernel takes for a ring */

static uint32_t power_of_two(uint32_t count)
{
	uint32_t power = 1;

	while (power < count)
		power *= 2;
	return power;
}

static size_t memory_size(const struct proactor_buffers *buffers)
{
	return (size_t)buffers->count * buffers->size;
}

static void *buffers_destroy(struct proactor_buffers *buffers)
{
	if (buffers->in_engine)
		buffers->proactor->driver->buffers_free(buffers->proactor, buffers);
	list_remove(&buffers->link);
	if (buffers->is_memory_ours)
		(void)munmap(buffers->memory, memory_size(buffers));
	free(buffers->free);
	free(buffers->lent);
	free(buffers);
	return NULL;
}

/* Pages of their own, so that an engine can put others in their place. */
static bool map(struct proactor_buffers *buffers)
{
	void *memory = mmap(NULL, memory_size(buffers), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	buffers->is_memory_ours = memory != MAP_FAILED;
	if (buffers->is_memory_ours)
		buffers->memory = memory;
	return buffers->is_memory_ours;
}

static bool allocate(struct proactor_buffers *buffers)
{
	buffers->free = calloc(buffers->count, sizeof(*buffers->free));
	buffers->lent = calloc(buffers->count, sizeof(*buffers->lent));
	return buffers->free && buffers->lent && (buffers->memory || map(buffers));
}

/* Makes the buffer at @index free: the engine's, or on the stack. */
static void give(struct proactor_buffers *buffers, uint32_t index)
{
	struct proactor *proactor = buffers->proactor;

	if (buffers->in_engine)
		proactor->driver->buffers_give(proactor, buffers, index);
	else
		buffers->free[buffers->free_count++] = index;
}

void buffers_stack(struct proactor_buffers *buffers)
{
	for (uint32_t i = buffers->count; i-- > 0;)
		if (!buffers->lent[i])
			buffers->free[buffers->free_count++] = i;
}

/* @memory: the caller's, or NULL. */
static int make(struct proactor *proactor, void *memory, uint32_t count, size_t size,
	struct proactor_buffers **ret_buffers)
{
	struct proactor_buffers *buffers;

	if (count == 0 || count > COUNT_MAX || size == 0 || size > UINT32_MAX)
		return -EINVAL;
	buffers = calloc(1, sizeof(*buffers));
	if (!buffers)
		return -ENOMEM;
	buffers->proactor = proactor;
	buffers->memory = memory;
	buffers->count = power_of_two(count);
	buffers->size = size;
	buffers->starved = LIST_INIT(buffers->starved);
	list_append(&proactor->buffers, &buffers->link);
	if (!allocate(buffers)) {
		buffers_destroy(buffers);
		return -ENOMEM;
	}
	buffers->in_engine = proactor->driver->buffers_new &&
		proactor->driver->buffers_new(proactor, buffers) == 0;
	if (!buffers->in_engine)
		buffers_stack(buffers);
	*ret_buffers = buffers;
	return 0;
}

int proactor_buffers_new(struct proactor *proactor, uint32_t count, size_t size,
	struct proactor_buffers **ret_buffers)
{
	return make(proactor, /* memory= */ NULL, count, size, ret_buffers);
}

int proactor_buffers_new_in(struct proactor *proactor, void *memory, uint32_t count, size_t size,
	struct proactor_buffers **ret_buffers)
{
	if (!memory || (count & (count - 1)) != 0)
		return -EINVAL;
	return make(proactor, memory, count, size, ret_buffers);
}

struct proactor_buffers *proactor_buffers_free(struct proactor_buffers *buffers)
{
	if (buffers && buffers->use_count > 0)
		buffers->dying = true;
	else if (buffers)
		buffers_destroy(buffers);
	return NULL;
}

void buffers_free_all(struct proactor *proactor)
{
	struct proactor_buffers *buffers, *following;

	list_for_each_entry_safe (buffers, following, &proactor->buffers, link)
		buffers_destroy(buffers);
}

/* ---- taken, lent, released ---- */

int64_t buffers_take(struct proactor_buffers *buffers, void **ret_data, size_t *ret_size)
{
	uint32_t index;

	assert(!buffers->in_engine);
	if (buffers->free_count == 0)
		return -ENOBUFS;
	index = buffers->free[--buffers->free_count];
	*ret_data = buffers_at(buffers, index);
	*ret_size = buffers->size;
	return index;
}

void buffers_untake(struct proactor_buffers *buffers, uint32_t index)
{
	assert(index < buffers->count && !buffers->lent[index]);
	give(buffers, index);
}

int64_t buffers_receive(const struct proactor_op *op, uint32_t *ret_flags)
{
	struct proactor_buffers *buffers = op->recv.buffers;
	struct proactor_op into = *op;
	int64_t index = buffers_take(buffers, &into.recv.data, &into.recv.size), r;

	if (index < 0)
		return index;
	r = syscall_try(&into, SYSCALL_KIND_UNKNOWN);
	if (r > 0)
		*ret_flags = PROACTOR_BUFFER | (uint32_t)index << 16;
	else
		buffers_untake(buffers, (uint32_t)index);
	return r;
}

void buffers_return(struct proactor_buffers *buffers, uint32_t index)
{
	buffers_untake(buffers, index);
	extra_feed(buffers);
}

void buffers_lend(struct proactor_buffers *buffers, uint32_t index)
{
	assert(index < buffers->count && !buffers->lent[index]);
	buffers->lent[index] = true;
	buffers->lent_count++;
}

void *proactor_buffer_data(const struct proactor_buffers *buffers, uint32_t flags)
{
	uint32_t index = flags >> 16;

	return flags & PROACTOR_BUFFER && index < buffers->count ? buffers_at(buffers, index)
								 : NULL;
}

int proactor_buffer_release(struct proactor_buffers *buffers, void *data)
{
	size_t offset = (size_t)((uint8_t *)data - buffers->memory);
	uint32_t index = (uint32_t)(offset / buffers->size);

	if ((uint8_t *)data < buffers->memory || offset % buffers->size != 0 ||
		offset / buffers->size >= buffers->count || !buffers->lent[index])
		return -EINVAL;
	buffers->lent[index] = false;
	buffers->lent_count--;
	give(buffers, index);
	extra_feed(buffers);
	return 0;
}

/* ---- who may take one ---- */

void buffers_use(struct proactor_buffers *buffers)
{
	buffers->use_count++;
}

void buffers_unuse(struct proactor_buffers *buffers)
{
	assert(buffers->use_count > 0);
	if (--buffers->use_count == 0 && buffers->dying)
		buffers_destroy(buffers);
}
