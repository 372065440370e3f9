/*
 * Shots of multishot operations, which the daemon sends as they come: notifications, and in the end
 * the response, all by the way that the request went. From the ring they go to the caller's entries
 * (remote_receive.c); from the socket, or where some wait already, they wait here for the next
 * poll, since an operation's slot has room for one.
 */
#include <errno.h>
#include <string.h>

#include "client/remote.h"

/*
 * With so many waiting nothing more is received, so that it is the daemon that holds back. While an
 * answer is awaited there is no choice; what is far more than an honest daemon keeps for us is the
 * end.
 */
enum { SHOTS_KEPT_MAX = 4096, SHOTS_MAX = 1 << 20 };

struct shot {
	uint64_t key; /* of the operation */
	int64_t result;
	uint32_t flags; /* of the entry */
};

bool remote_shoots(const struct slot *slot)
{
	return slot->stash_kind == REMOTE_STASH_SHOOTS ||
		slot->stash_kind == REMOTE_STASH_SHOT_LAST;
}

bool remote_has_many_shots(const struct remote *remote)
{
	return buffer_size(&remote->shots) >= SHOTS_KEPT_MAX * sizeof(struct shot);
}

int remote_shoot(struct remote *remote, struct slot *slot, int64_t result, uint32_t flags)
{
	struct shot shot = {.key = slot_key(slot), .result = result, .flags = flags};

	if (slot->stash_kind != REMOTE_STASH_SHOOTS ||
		buffer_size(&remote->shots) >= SHOTS_MAX * sizeof(shot) ||
		buffer_append(&remote->shots, &shot, sizeof(shot)) < 0)
		return -EBADMSG;
	if (!(flags & PROACTOR_MORE))
		slot->stash_kind = REMOTE_STASH_SHOT_LAST;
	return 0;
}

int remote_take_shot(struct remote *remote, const struct rpc_message *message)
{
	struct codec_result result = {.buffer = -1};
	struct reader params = message->params;
	struct slot *slot;
	uint32_t flags;
	uint64_t msgid;

	if (message->param_count != 2 || reader_uint(&params, UINT32_MAX, &msgid) < 0)
		return -EBADMSG;
	slot = remote_find_slot(remote, (uint32_t)msgid);
	if (!slot || !remote_shoots(slot))
		return -EBADMSG;
	result.is_in_pool = remote_pools(slot);
	if (codec_read_result(slot->opcode, params, &result) < 0 ||
		remote_pool_take(slot, result.result, result.buffer, &flags) < 0)
		return -EBADMSG;
	return remote_shoot(remote, slot, result.result, flags | PROACTOR_MORE);
}

unsigned remote_reap_shots(struct proactor *proactor, struct proactor_entry *entries,
	unsigned count)
{
	struct remote *remote = container_of(proactor, struct remote, base);
	unsigned taken = 0;

	while (taken < count && buffer_size(&remote->shots) > 0) {
		struct shot shot;
		struct slot *slot;

		memcpy(&shot, buffer_bytes(&remote->shots), sizeof(shot));
		buffer_consume(&remote->shots, sizeof(shot));
		slot = slots_find(&proactor->slots, shot.key);
		assert(slot && slot->state == SLOT_IN_FLIGHT);
		taken += driver_entry(proactor, slot, shot.result, shot.flags, &entries[taken]);
	}
	return taken;
}
