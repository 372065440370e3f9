/*
 * Parameters: what those of an operation mean in the daemon.
 *
 * As they come from the wire, files are handles and data is in the frame, whose memory is needed
 * again. Here they become files of the proactor, which the operation holds, and memory of a chunk,
 * which it owns and which was charged, or shared memory, which it holds from its start on.
 *
 * Regions are looked at once, here: what the kernel is told stands in memory of ours from then on,
 * and no client reaches it.
 */
#pragma once

#include "daemon/operation.h"

/*
 * Handles become files; without a directory, a path has to be absolute. False: @error says which
 * does not do.
 */
bool params_translate(struct operation *operation, struct rpc_error *error);

/*
 * Finds memory for the data that comes with the call, which is copied, or with the answer; and for
 * paths, which an error is to name. OPERATION_STALLED: there is no room now.
 */
enum operation_start params_take_memory(struct operation *operation, struct rpc_error *error);

/* The path at @index that it names, or NULL. */
const char *params_path(const struct operation *operation, unsigned index);
