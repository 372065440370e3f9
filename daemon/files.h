/*
 * The files of a session: handle to file of the daemon's proactor.
 *
 * Handles are counted up and never reused within a session: one that was closed names nothing for
 * ever. Operations in flight hold on to their file, so that a descriptor number is not closed, and
 * perhaps made anew for somebody else, while a submitted operation that names it has yet to look it
 * up. A file that is closed is *leaving*: its handle is gone at once, the descriptor goes when the
 * last operation on it has ended.
 */
#pragma once

#include "base/list.h"
#include "base/map.h"

struct file {
	struct map_node node; /* while it has its handle */
	struct list link;     /* of files.all, as long as it exists */
	int64_t handle;
	int64_t file;       /* of the proactor */
	uint32_t use_count; /* operations in flight on it */
	bool leaving;       /* it has no handle any more */
	bool is_on_disk;    /* for sure: a regular file or block device */
	bool is_tcp;        /* for sure: a TCP socket, */
	bool is_accepted;   /* and one that nobody else ever had */
	void *closer;       /* who waits for use_count to become 0, or NULL */
};

struct files {
	struct map by_handle;
	struct list all;
	int64_t last_handle;
};

void files_init(struct files *files);

/* All files must be gone. */
void files_deinit(struct files *files);

/* Gives @file a handle. NULL when memory is short. */
struct file *files_add(struct files *files, int64_t file);

/* NULL: no such handle (any more). */
struct file *files_find(const struct files *files, int64_t handle);

/* Takes the handle away. */
void files_leave(struct files *files, struct file *file);

/* Frees a file that is leaving and that nobody uses. The descriptor is the caller's business. */
void files_remove(struct file *file);
