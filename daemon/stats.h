/*
 * What a shard has done. Counters only grow; what is in use now is derived or read where it is
 * kept, so that the sums always hold: submitted = completed + cancelled + in flight. All are
 * numbers of 64 bits, so that those of several shards can be added as an array.
 */
#pragma once

#include "driver/proactor.h"
#include "proto/method.h"

struct stats {
	uint64_t sessions_accepted;
	uint64_t sessions_refused; /* over a limit */
	uint64_t sessions_ended;
	uint64_t sessions_failed; /* of those ended: for a malformed frame */
	uint64_t accept_errors;   /* the weather: EMFILE and its like */
	uint64_t operations_submitted;
	uint64_t operations_completed; /* ended by themselves, well or ill */
	uint64_t operations_failed;    /* of those: ill */
	uint64_t operations_cancelled;
	uint64_t files_opened;
	uint64_t files_closed;
	uint64_t fds_unasked; /* came with no attach, and were closed */
	uint64_t requests;
	uint64_t requests_refused; /* answered with an error before anything was done */
	uint64_t notifications_ignored;
	uint64_t shots_paused; /* times that an operation which goes on had to wait for room */
	uint64_t doorbells;    /* rung by clients that share a ring */
	uint64_t wakes;        /* of such clients */
	uint64_t stalls;       /* times that a client was not read from, for a limit */
	uint64_t received_bytes;
	uint64_t sent_bytes;
	uint64_t by_op[PROACTOR_OPCODE_COUNT];
	uint64_t by_method[METHOD_COUNT];
};
