/* Registered memory. See memory.h. */
#include "driver/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

struct memory {
	struct list link; /* of proactor->memories */
	void *start;
	size_t size;
};

int proactor_memory_new(struct proactor *proactor, size_t size, void **ret_memory)
{
	struct memory *memory;

	if (size == 0)
		return -EINVAL;
	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	memory->size = size;
	memory->start =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory->start == MAP_FAILED) {
		free(memory);
		return -ENOMEM;
	}
	list_append(&proactor->memories, &memory->link);
	if (proactor->driver->memory_add)
		proactor->driver->memory_add(proactor, memory->start, size);
	*ret_memory = memory->start;
	return 0;
}

static void destroy(struct proactor *proactor, struct memory *memory)
{
	if (proactor->driver->memory_remove)
		proactor->driver->memory_remove(proactor, memory->start);
	list_remove(&memory->link);
	(void)munmap(memory->start, memory->size);
	free(memory);
}

void *proactor_memory_free(struct proactor *proactor, void *start)
{
	struct memory *memory, *following;

	list_for_each_entry_safe (memory, following, &proactor->memories, link)
		if (memory->start == start)
			destroy(proactor, memory);
	return NULL;
}

void memory_free_all(struct proactor *proactor)
{
	struct memory *memory, *following;

	list_for_each_entry_safe (memory, following, &proactor->memories, link)
		destroy(proactor, memory);
}
