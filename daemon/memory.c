/* Shared memories. See memory.h. */
#include "daemon/memory.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/session.h"

void memories_init(struct memories *memories)
{
	*memories = (struct memories){0};
	memories->all = LIST_INIT(memories->all);
}

int memories_add(struct session *session, size_t size, struct memory **ret_memory, int *ret_fd)
{
	struct memories *memories = &session->memories;
	struct memory *memory;
	int r;

	if (memories->count == MEMORIES_MAX)
		return -EDQUOT;
	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	r = shared_init(&memory->shared, size, ret_fd);
	if (r < 0) {
		free(memory);
		return r;
	}
	memory->id = ++memories->last_id;
	memories->count++;
	list_append(&memories->all, &memory->link);
	*ret_memory = memory;
	return 0;
}

struct memory *memories_find(struct memories *memories, uint64_t id)
{
	struct memory *memory;

	if (likely(memories->recent && memories->recent->id == id))
		return memories->recent;
	list_for_each_entry (memory, &memories->all, link)
		if (memory->id == id && !memory->leaving)
			return memories->recent = memory;
	return NULL;
}

void *memory_piece(const struct memory *memory, uint64_t offset, uint64_t size)
{
	if (offset > memory->shared.size || size > memory->shared.size - offset)
		return NULL;
	return memory->shared.bytes + offset;
}

static void destroy(struct session *session, struct memory *memory)
{
	assert(memory->use_count == 0);
	account_release(&session->account, session->user, RESOURCE_SHARED_MEMORY,
		memory->shared.size);
	session->memories.count--;
	list_remove(&memory->link);
	shared_deinit(&memory->shared, server_takes_back(session->server));
	free(memory);
}

void memory_leave(struct session *session, struct memory *memory)
{
	memory->leaving = true;
	if (session->memories.recent == memory)
		session->memories.recent = NULL;
	if (memory->use_count == 0)
		destroy(session, memory);
}

void memory_release(struct session *session, struct memory *memory)
{
	assert(memory->use_count > 0);
	if (--memory->use_count == 0 && memory->leaving)
		destroy(session, memory);
}

void memories_deinit(struct session *session)
{
	struct memory *memory, *next;

	list_for_each_entry_safe (memory, next, &session->memories.all, link)
		memory_leave(session, memory);
	assert(session->memories.count == 0);
}
