/*
 * Memory that the daemon and one client both see: made here, so that the daemon knows its size.
 *
 * A memfd, sealed against shrinking and growing before anybody else has it: no access to it can
 * miss its end. Its pages are there from the beginning, so that none can fail to be found later.
 * A hole that the client punches comes back as zeros, which are frames to nobody and data to the
 * client alone.
 */
#pragma once

#include "base/def.h"

struct shared {
	uint8_t *bytes; /* NULL: there is none */
	size_t size;
};

/* What is made where @size bytes are asked for, from 1 to INT64_MAX: whole pages. */
uint64_t shared_size(uint64_t size);

/*
 * Makes @size bytes of zeros. @ret_fd is the caller's, to be sent to the client. -ENOMEM, -EMFILE.
 */
int shared_init(struct shared *shared, size_t size, int *ret_fd);

/*
 * Unmaps. With @discards the pages go, too, although the client may still have them mapped: else it
 * could have as much of our memory as it likes, one session after the other. It sees zeros then, in
 * pages of its own. Idempotent, also on a zeroed one.
 */
void shared_deinit(struct shared *shared, bool discards);
