/*
 * statx(2)'s answer on the wire: a map from name to integer, of what the kernel filled in. Times
 * are nanoseconds since the epoch; dev and rdev are [major, minor] as major << 32 | minor. Names
 * that a reader does not know are passed over.
 */
#pragma once

#include "proto/pack.h"
#include "proto/reader.h"

struct statx;

void codec_stat_pack(struct pack *pack, const struct statx *stat);

/* -EBADMSG: not such a map. */
int codec_stat_read(struct reader *reader, struct statx *ret_stat);
