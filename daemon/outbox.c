/* The outbox. See outbox.h. */
#include "daemon/outbox.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "daemon/session.h"

/* Data up to this size is copied together with its neighbours: cheaper than an iovec of its own. */
enum { COPY_SIZE_MAX = 512 };

static void sent(struct task *task, int64_t result);

void outbox_init(struct outbox *outbox)
{
	*outbox = (struct outbox){.sending = {.complete = sent}};
	outbox->chunks = LIST_INIT(outbox->chunks);
}

static struct chunk *first_chunk(const struct outbox *outbox)
{
	return list_entry(outbox->chunks.next, struct chunk, link);
}

static struct chunk *last_chunk(const struct outbox *outbox)
{
	return list_entry(outbox->chunks.previous, struct chunk, link);
}

static void mark_dirty(struct session *session)
{
	if (session->state != SESSION_CLOSING && !list_linked(&session->dirty_link))
		list_append(&session->shard->dirty, &session->dirty_link);
}

bool outbox_append(struct session *session, const void *bytes, size_t size)
{
	struct outbox *outbox = &session->outbox;
	struct chunk *chunk = list_empty(&outbox->chunks) ? NULL : last_chunk(outbox);

	if (!chunk || chunk_room(chunk) < size) {
		/*
		 * an answer has to go out whatever the client owes: what bounds it is that no more
		 * calls are taken
		 */
		chunk = chunk_new(&session->shard->chunks, size);
		if (!chunk) {
			session_close(session);
			return false;
		}
		account_force(&session->account, session->user, RESOURCE_MEMORY, chunk->capacity);
		list_append(&outbox->chunks, &chunk->link);
		outbox->capacity += chunk->capacity;
	}
	memcpy(chunk->bytes + chunk->tail, bytes, size);
	chunk->tail += size;
	outbox->size += size;
	mark_dirty(session);
	return true;
}

void outbox_append_chunk(struct session *session, struct chunk *chunk)
{
	struct outbox *outbox = &session->outbox;

	if (chunk_size(chunk) <= COPY_SIZE_MAX && chunk->fd_count == 0) {
		(void)outbox_append(session, chunk->bytes + chunk->head, chunk_size(chunk));
		session_give_chunk(session, chunk);
		return;
	}
	list_append(&outbox->chunks, &chunk->link);
	outbox->capacity += chunk->capacity;
	outbox->size += chunk_size(chunk);
	mark_dirty(session);
}

/* ---- sending ---- */

static void put_fds(struct outbox *outbox, const struct chunk *chunk)
{
	const size_t size = sizeof(chunk->fds[0]) * chunk->fd_count;
	struct cmsghdr *header;

	outbox->message.msg_control = outbox->control;
	outbox->message.msg_controllen = CMSG_SPACE(size);
	header = CMSG_FIRSTHDR(&outbox->message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(size);
	memcpy(CMSG_DATA(header), chunk->fds, size);
}

static void collect(struct outbox *outbox)
{
	struct chunk *chunk;
	size_t count = 0;

	outbox->message = (struct msghdr){.msg_iov = outbox->pieces};
	list_for_each_entry (chunk, &outbox->chunks, link) {
		if (count == OUTBOX_CHUNKS_PER_SEND || (count > 0 && chunk->fd_count > 0))
			break;
		if (chunk->fd_count > 0)
			put_fds(outbox, chunk);
		outbox->pieces[count++] = (struct iovec){
			.iov_base = chunk->bytes + chunk->head,
			.iov_len = chunk_size(chunk),
		};
	}
	outbox->message.msg_iovlen = count;
}

void outbox_flush(struct session *session)
{
	struct outbox *outbox = &session->outbox;
	struct proactor_op op = {
		.opcode = PROACTOR_SENDMSG,
		.sendmsg = {.file = session->socket, .message = &outbox->message},
	};

	if (outbox->sending.pending || outbox->size == 0 || session->state == SESSION_CLOSING)
		return;
	collect(outbox);
	op.sendmsg.flags = outbox->hurry ? MSG_DONTWAIT : 0;
	loop_push(session_loop(session), &outbox->sending, &op);
}

/* @size bytes have gone. */
static void consume(struct session *session, size_t size)
{
	struct outbox *outbox = &session->outbox;

	assert(size <= outbox->size);
	outbox->size -= size;
	while (size > 0) {
		struct chunk *chunk = first_chunk(outbox);
		size_t part = MIN(size, chunk_size(chunk));

		/* they went with the first byte */
		session_give_fds(session, chunk);
		chunk->head += part;
		size -= part;
		if (chunk_size(chunk) == 0) {
			list_remove(&chunk->link);
			assert(outbox->capacity >= chunk->capacity);
			outbox->capacity -= chunk->capacity;
			session_give_chunk(session, chunk);
		}
	}
}

static void sent(struct task *task, int64_t result)
{
	struct session *session = container_of(task, struct session, outbox.sending);
	struct outbox *outbox = &session->outbox;

	if (result > 0) {
		session->shard->stats.sent_bytes += (uint64_t)result;
		consume(session, (size_t)result);
	} else if (result != -EINTR && !(result == -ECANCELED && outbox->hurry)) {
		session_close(session);
	}
	if (outbox->size > 0)
		mark_dirty(session);
	session_progress(session);
}

void outbox_clear(struct session *session)
{
	struct outbox *outbox = &session->outbox;
	struct list *link;

	assert(!outbox->sending.pending);
	while ((link = list_pop(&outbox->chunks)))
		session_give_chunk(session, list_entry(link, struct chunk, link));
	outbox->size = outbox->capacity = 0;
}
