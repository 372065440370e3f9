/* Shared memories. See memory.h. */
#include "daemon/memory.h"

#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "daemon/reply.h"
#include "daemon/session.h"

void memories_init(struct memories *memories)
{
	*memories = (struct memories){0};
	memories->all = LIST_INIT(memories->all);
}

static void destroy(struct memory *memory)
{
	struct session *session = memory->session;

	assert(memory->use_count == 0 && !memory->making.pending);
	account_release(&session->account, session->user, RESOURCE_SHARED_MEMORY, memory->size);
	session->memories.count--;
	session->memories.taken &= ~memory_set_of(memory);
	list_remove(&memory->link);
	shared_deinit(&memory->shared, shard_takes_back(session->shard));
	free(memory);
}

/* On a thread, which alone has @context meanwhile. */
static int64_t make(void *context)
{
	struct memory *memory = context;

	return shared_init(&memory->shared, memory->size, &memory->fd);
}

static void answer(struct memory *memory)
{
	struct session *session = memory->session;
	struct pack pack = reply_begin(session, memory->msgid);

	memory->id = ++session->memories.last_id;
	pack_uint(&pack, memory->id);
	reply_end_with_fds(session, &pack, &memory->fd, 1);
}

static void made(struct task *task, int64_t result)
{
	struct memory *memory = container_of(task, struct memory, making);
	struct session *session = memory->session;
	struct rpc_error error = {0};

	session->memories.making_count--;
	if (result == 0 && session->state != SESSION_CLOSING) {
		answer(memory);
	} else {
		/* the client is gone, or there is no room for it */
		fd_close(memory->fd);
		account_release(&session->account, session->user, RESOURCE_FILES, 1);
		rpc_error_set(&error, (int)-MIN(result, INT64_C(-1)), "memory");
		if (session->state != SESSION_CLOSING)
			reply_error(session, memory->msgid, &error);
		destroy(memory);
	}
	session_progress(session);
}

int memories_add(struct session *session, size_t size, uint32_t msgid)
{
	struct memories *memories = &session->memories;
	struct proactor_op op = {.opcode = PROACTOR_CALL, .call = {.function = make}};
	struct memory *memory;

	if (memories->count == MEMORIES_MAX)
		return -EDQUOT;
	if (!memories->places)
		memories->places = calloc(MEMORIES_MAX, sizeof(*memories->places));
	if (!memories->places)
		return -ENOMEM;
	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return -ENOMEM;
	memory->session = session;
	memory->size = size;
	memory->msgid = msgid;
	memory->fd = -EBADF;
	memory->making.complete = made;
	memory->place = (unsigned)__builtin_ctzll(~memories->taken);
	memories->places[memory->place] = memory;
	memories->taken |= memory_set_of(memory);
	memories->count++;
	memories->making_count++;
	list_append(&memories->all, &memory->link);
	op.call.argument = memory;
	loop_push(session_loop(session), &memory->making, &op);
	return 0;
}

struct memory *memories_find(struct memories *memories, uint64_t id)
{
	struct memory *memory;

	if (likely(memories->recent && memories->recent->id == id))
		return memories->recent;
	/* not those that are being made: they are a thread's */
	if (unlikely(id == 0))
		return NULL;
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

void memory_leave(struct memory *memory)
{
	memory->leaving = true;
	if (memory->session->memories.recent == memory)
		memory->session->memories.recent = NULL;
	if (memory->use_count == 0)
		destroy(memory);
}

void memories_release(struct memories *memories, uint64_t set)
{
	for (; set != 0; set &= set - 1) {
		struct memory *memory = memories->places[__builtin_ctzll(set)];

		assert(memory->use_count > 0);
		if (--memory->use_count == 0 && memory->leaving)
			destroy(memory);
	}
}

void memories_deinit(struct session *session)
{
	struct memory *memory, *next;

	list_for_each_entry_safe (memory, next, &session->memories.all, link)
		memory_leave(memory);
	assert(session->memories.count == 0);
	free(session->memories.places);
	session->memories.places = NULL;
}
