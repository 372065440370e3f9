/* Methods that are answered at once. See methods.h. */
#include "daemon/methods.h"

#include <errno.h>
#include <inttypes.h>

#include "daemon/policy.h"
#include "daemon/reply.h"
#include "daemon/report.h"
#include "daemon/survey.h"

static bool hello(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	struct reader params = message->params;
	struct value version;
	struct pack pack;
	int64_t number;

	if (message->param_count > 0 &&
		(reader_next(&params, &version) < 0 ||
			(version.token.type != TOKEN_NIL &&
				!value_int(&version, 1, UINT32_MAX, &number)))) {
		method_error_param(METHOD_HELLO, 0, "a version of the protocol, from 1", error);
		return false;
	}
	pack = reply_begin(session, message->msgid);
	report_hello(&pack, session->shard);
	reply_end(session, &pack);
	return true;
}

static bool describe(struct session *session, const struct rpc_message *message)
{
	struct pack pack = reply_begin(session, message->msgid);

	method_pack_describe(&pack, &session->shard->limits);
	reply_end(session, &pack);
	return true;
}

/* Makes a file of @fd. False: it is still the caller's, and @error says why. */
static bool adopt(struct session *session, int fd, struct file **ret_file, struct rpc_error *error)
{
	struct shortage shortage;
	bool is_on_disk, is_tcp;
	int64_t file;

	if (!policy_allows_fd(session, fd, error))
		return false;
	if (!account_charge(&session->account, session->user, &session->shard->limits,
		    RESOURCE_FILES, 1, &shortage)) {
		rpc_error_set_limit(error, EDQUOT, shortage.limit, shortage.max, shortage.wanted);
		return false;
	}
	is_on_disk = policy_is_on_disk(fd);
	is_tcp = policy_is_tcp(fd);
	if (proactor_attach(session_loop(session)->proactor, fd, &file) == 0) {
		*ret_file = files_add(&session->files, file);
		if (*ret_file) {
			(*ret_file)->is_on_disk = is_on_disk;
			(*ret_file)->is_tcp = is_tcp;
			return true;
		}
	}
	account_release(&session->account, session->user, RESOURCE_FILES, 1);
	rpc_error_set(error, ENOMEM, "attach");
	return false;
}

static bool attach(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	int fd = inbox_take_fd(&session->inbox);
	struct file *made;
	struct pack pack;

	if (fd < 0) {
		rpc_error_set(error, -fd,
			"attach: no descriptor came with the message (SCM_RIGHTS)");
		return false;
	}
	if (!adopt(session, fd, &made, error)) {
		loop_close_fd(session_loop(session), fd);
		return false;
	}
	session->shard->stats.files_opened++;
	pack = reply_begin(session, message->msgid);
	pack_int(&pack, made->handle);
	reply_end(session, &pack);
	return true;
}

static bool detach(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	struct reader params = message->params;
	struct file *file;
	struct pack pack;
	int64_t handle;
	int fd, r;

	if (reader_int(&params, 0, INT64_MAX, &handle) < 0) {
		method_error_param(METHOD_DETACH, 0,
			"a file: an integer from open, accept, socket or attach", error);
		return false;
	}
	file = files_find(&session->files, handle);
	if (!file || file->use_count > 0) {
		rpc_error_set(error, file ? EBUSY : EBADF, "detach: %" PRId64 " %s", handle,
			file ? "has operations in flight" : "is not a file of this session");
		return false;
	}
	r = proactor_detach(session_loop(session)->proactor, file->file, &fd);
	if (r < 0) {
		rpc_error_set(error, -r, "detach: %" PRId64, handle);
		return false;
	}
	files_leave(&session->files, file);
	files_remove(file);
	session->shard->stats.files_closed++;
	/*
	 * it counts as a file of the session until it has gone: reply_end_with_fds() has the charge
	 */
	pack = reply_begin(session, message->msgid);
	pack_nil(&pack);
	reply_end_with_fds(session, &pack, &fd, 1);
	return true;
}

static bool cancel(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	struct reader params = message->params;
	uint64_t msgid;

	if (reader_uint(&params, UINT32_MAX, &msgid) < 0) {
		method_error_param(METHOD_CANCEL, 0, "a msgid: an integer from 0 to 4294967295",
			error);
		return false;
	}
	if (!operation_cancel(session, (uint32_t)msgid)) {
		rpc_error_set(error, ENOENT, "cancel: no operation %" PRIu64 " is in flight",
			msgid);
		return false;
	}
	reply_nil(session, message->msgid);
	return true;
}

/* Charges @size bytes of shared memory, and descriptors until they have gone to the client. */
static bool charge_shared(struct session *session, uint64_t size, unsigned fd_count,
	struct rpc_error *error)
{
	const struct limits *limits = &session->shard->limits;
	struct shortage shortage;

	if (account_charge(&session->account, session->user, limits, RESOURCE_SHARED_MEMORY, size,
		    &shortage)) {
		if (account_charge(&session->account, session->user, limits, RESOURCE_FILES,
			    fd_count, &shortage))
			return true;
		account_release(&session->account, session->user, RESOURCE_SHARED_MEMORY, size);
	}
	rpc_error_set_limit(error, EDQUOT, shortage.limit, shortage.max, shortage.wanted);
	return false;
}

static void release_shared(struct session *session, uint64_t size, unsigned fd_count)
{
	account_release(&session->account, session->user, RESOURCE_SHARED_MEMORY, size);
	account_release(&session->account, session->user, RESOURCE_FILES, fd_count);
}

static bool memory(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	struct reader params = message->params;
	uint64_t size;
	int r;

	if (reader_uint(&params, INT64_MAX, &size) < 0 || size == 0) {
		method_error_param(METHOD_MEMORY, 0, "a size in bytes, from 1", error);
		return false;
	}
	size = shared_size(size);
	if (!charge_shared(session, size, 1, error))
		return false;
	r = memories_add(session, size, message->msgid);
	if (r < 0) {
		release_shared(session, size, 1);
		if (r == -EDQUOT)
			rpc_error_set(error, EDQUOT, "memory: a session has at most %d",
				MEMORIES_MAX);
		else
			rpc_error_set(error, -r, "memory");
	}
	return r >= 0;
}

static bool memory_free(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	struct reader params = message->params;
	struct memory *memory;
	uint64_t id;

	if (reader_uint(&params, INT64_MAX, &id) < 0) {
		method_error_param(METHOD_MEMORY_FREE, 0, "a memory: an integer from memory",
			error);
		return false;
	}
	memory = memories_find(&session->memories, id);
	if (!memory) {
		rpc_error_set(error, EBADF, "memory_free: %" PRIu64 " is no memory of this session",
			id);
		return false;
	}
	memory_leave(memory);
	reply_nil(session, message->msgid);
	return true;
}

/* @count integers from 0, the parameters of @method. */
static bool read_numbers(const struct rpc_message *message, enum method method, unsigned count,
	uint64_t *ret_numbers, struct rpc_error *error)
{
	struct reader params = message->params;

	for (unsigned i = 0; i < count; i++)
		if (reader_uint(&params, INT64_MAX, &ret_numbers[i]) < 0) {
			method_error_param(method, i, "an integer from 0", error);
			return false;
		}
	return true;
}

static bool pool(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	enum { MEMORY, OFFSET, SIZE, COUNT, PARAM_COUNT };
	uint64_t given[PARAM_COUNT];
	struct memory *memory;
	struct pool *made;
	struct pack pack;

	if (!read_numbers(message, METHOD_POOL, PARAM_COUNT, given, error))
		return false;
	memory = memories_find(&session->memories, given[MEMORY]);
	if (!memory) {
		rpc_error_set(error, EBADF, "pool: %" PRIu64 " is no memory of this session",
			given[MEMORY]);
		return false;
	}
	if (!pools_add(session, memory, given[OFFSET], given[SIZE], given[COUNT], &made, error))
		return false;
	pack = reply_begin(session, message->msgid);
	pack_uint(&pack, made->id);
	reply_end(session, &pack);
	return true;
}

static struct pool *find_pool(struct session *session, enum method method, uint64_t id,
	struct rpc_error *error)
{
	struct pool *found = pools_find(&session->pools, id);

	if (!found)
		rpc_error_set(error, EBADF, "%s: %" PRIu64 " is no pool of this session",
			method_name(method), id);
	return found;
}

static bool pool_free(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	struct pool *found;
	uint64_t id;

	if (!read_numbers(message, METHOD_POOL_FREE, 1, &id, error))
		return false;
	found = find_pool(session, METHOD_POOL_FREE, id, error);
	if (!found)
		return false;
	pool_leave(found);
	reply_nil(session, message->msgid);
	return true;
}

static bool take_back(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	struct pool *found;
	uint64_t given[2];

	if (!read_numbers(message, METHOD_POOL_RELEASE, 2, given, error))
		return false;
	found = find_pool(session, METHOD_POOL_RELEASE, given[0], error);
	if (!found)
		return false;
	if (!pool_release(found, given[1])) {
		rpc_error_set(error, EINVAL,
			"pool_release: buffer %" PRIu64 " of %" PRIu64 " was not taken", given[1],
			given[0]);
		return false;
	}
	return true;
}

static bool release(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	if (!take_back(session, message, error))
		return false;
	reply_nil(session, message->msgid);
	return true;
}

static bool read_entries(const struct rpc_message *message, uint32_t *ret_entries,
	struct rpc_error *error)
{
	struct reader params = message->params;
	int64_t entries = QUEUE_ENTRIES_DEFAULT;
	struct value value;

	if (message->param_count > 0 &&
		(reader_next(&params, &value) < 0 ||
			(value.token.type != TOKEN_NIL &&
				(!value_int(&value, QUEUE_ENTRIES_MIN, QUEUE_ENTRIES_MAX,
					 &entries) ||
					(entries & (entries - 1)) != 0)))) {
		method_error_param(METHOD_RING, 0, "a power of two from 8 to 4096", error);
		return false;
	}
	*ret_entries = (uint32_t)entries;
	return true;
}

static bool ring(struct session *session, const struct rpc_message *message,
	struct rpc_error *error)
{
	int fds[RING_FD_COUNT], r;
	uint32_t entries;
	struct pack pack;

	if (!read_entries(message, &entries, error))
		return false;
	if (session->ring) {
		rpc_error_set(error, EEXIST, "ring: the session has one");
		return false;
	}
	if (!charge_shared(session, queue_memory_size(entries), RING_FD_COUNT, error))
		return false;
	r = ring_new(session, entries, fds);
	if (r < 0) {
		release_shared(session, queue_memory_size(entries), RING_FD_COUNT);
		rpc_error_set(error, -r, "ring");
		return false;
	}
	pack = reply_begin(session, message->msgid);
	pack_map(&pack, 2);
	pack_pair_uint(&pack, "entries", entries);
	pack_pair_uint(&pack, "size", queue_memory_size(entries));
	reply_end_with_fds(session, &pack, fds, RING_FD_COUNT);
	return true;
}

bool methods_call(struct session *session, enum method method, const struct rpc_message *message,
	struct rpc_error *error)
{
	switch (method) {
	case METHOD_HELLO: return hello(session, message, error);
	case METHOD_DESCRIBE: return describe(session, message);
	case METHOD_PING: reply_nil(session, message->msgid); return true;
	case METHOD_ATTACH: return attach(session, message, error);
	case METHOD_DETACH: return detach(session, message, error);
	case METHOD_CANCEL: return cancel(session, message, error);
	case METHOD_MEMORY: return memory(session, message, error);
	case METHOD_MEMORY_FREE: return memory_free(session, message, error);
	case METHOD_POOL: return pool(session, message, error);
	case METHOD_POOL_FREE: return pool_free(session, message, error);
	case METHOD_POOL_RELEASE: return release(session, message, error);
	case METHOD_RING: return ring(session, message, error);
	case METHOD_STATS:
	case METHOD_SESSIONS: return survey_start(session, method, message->msgid, error);
	case METHOD_COUNT: break;
	}
	assert(!"method_find() knows no other");
}

bool methods_notify(struct session *session, const struct rpc_message *message)
{
	struct rpc_error error;

	return method_find(message->method, message->method_size) == METHOD_POOL_RELEASE &&
		method_check_count(METHOD_POOL_RELEASE, message->param_count, &error) &&
		take_back(session, message, &error);
}
