/* The files of a session. See files.h. */
#include "daemon/files.h"

#include <stdlib.h>

void files_init(struct files *files)
{
	*files = (struct files){0};
	files->all = LIST_INIT(files->all);
}

void files_deinit(struct files *files)
{
	assert(list_empty(&files->all));
	map_deinit(&files->by_handle);
}

struct file *files_add(struct files *files, int64_t file)
{
	struct file *made = calloc(1, sizeof(*made));

	if (!made)
		return NULL;
	made->file = file;
	made->handle = files->last_handle + 1;
	if (map_insert(&files->by_handle, (uint64_t)made->handle, &made->node) < 0) {
		free(made);
		return NULL;
	}
	files->last_handle++;
	list_append(&files->all, &made->link);
	return made;
}

struct file *files_find(const struct files *files, int64_t handle)
{
	struct map_node *node = map_find(&files->by_handle, (uint64_t)handle);

	return node ? container_of(node, struct file, node) : NULL;
}

void files_leave(struct files *files, struct file *file)
{
	assert(!file->leaving);
	map_remove(&files->by_handle, &file->node);
	file->leaving = true;
}

void files_remove(struct file *file)
{
	assert(file->leaving && file->use_count == 0);
	list_remove(&file->link);
	free(file);
}
