/* Pieces of memory, as readv(2) and writev(2) take them. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* How many bytes they are together. */
static inline uint64_t pieces_size(const struct iovec *pieces, size_t count)
{
	uint64_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += pieces[i].iov_len;
	return size;
}

/*
 * The first @size bytes are done: @ret_pieces and @ret_count are the rest, where the array is the
 * caller's to write to.
 */
static inline void pieces_advance(const struct iovec **ret_pieces, size_t *ret_count, uint64_t size)
{
	struct iovec *piece = (struct iovec *)*ret_pieces;

	for (; *ret_count > 0 && piece->iov_len <= size; piece++, --*ret_count)
		size -= piece->iov_len;
	if (*ret_count > 0) {
		piece->iov_base = (uint8_t *)piece->iov_base + size;
		piece->iov_len -= size;
	}
	*ret_pieces = piece;
}
