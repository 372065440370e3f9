/* The table of files, and what epoll is told about them. See epoll.h. */
#include "driver/epoll.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* All that can be waited for; EPOLLERR and EPOLLHUP come unasked. */
static const uint32_t everything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

/* In the place of a number: the event ends the wait, and has no other purpose. */
#define DATA_WATCH UINT64_MAX

/* ---- the table ---- */

static int grow(struct epoll *epoll, uint32_t block_count)
{
	struct epoll_file **blocks =
		realloc(epoll->blocks, block_count * sizeof(struct epoll_file *));

	if (!blocks)
		return -ENOMEM;
	for (uint32_t i = epoll->block_count; i < block_count; i++)
		blocks[i] = NULL;
	epoll->blocks = blocks;
	epoll->block_count = block_count;
	return 0;
}

static struct epoll_file *block_new(void)
{
	struct epoll_file *block = calloc(EPOLL_FILES_PER_BLOCK, sizeof(*block));

	for (int i = 0; block && i < EPOLL_FILES_PER_BLOCK; i++)
		for (int queue = 0; queue < EPOLL_QUEUE_COUNT; queue++)
			block[i].queues[queue] = LIST_INIT(block[i].queues[queue]);
	return block;
}

int epoll_file_need(struct epoll *epoll, int fd, struct epoll_file **ret_file)
{
	uint32_t block = (uint32_t)fd / EPOLL_FILES_PER_BLOCK;
	int r;

	assert(fd >= 0);
	if (block >= epoll->block_count) {
		r = grow(epoll, block + 1);
		if (r < 0)
			return r;
	}
	if (!epoll->blocks[block])
		epoll->blocks[block] = block_new();
	if (!epoll->blocks[block])
		return -ENOMEM;
	*ret_file = epoll_file_find(epoll, fd);
	return 0;
}

void epoll_files_deinit(struct epoll *epoll)
{
	for (uint32_t i = 0; i < epoll->block_count; i++)
		free(epoll->blocks[i]);
	free(epoll->blocks);
	epoll->blocks = NULL;
	epoll->block_count = 0;
}

int epoll_file_kind(struct epoll *epoll, int fd)
{
	struct epoll_file *file = epoll_file_find(epoll, fd);
	int kind, r;

	if (likely(file && file->kind != SYSCALL_KIND_UNKNOWN))
		return file->kind;
	kind = syscall_kind(fd);
	if (kind < 0)
		return kind;
	r = epoll_file_need(epoll, fd, &file);
	if (r < 0)
		return r;
	file->kind = (uint8_t)kind;
	if (kind == SYSCALL_KIND_DISK)
		(void)shortcuts_attach(&epoll->base.shortcuts, fd);
	return kind;
}

/* ---- registrations ---- */

int epoll_file_register(struct epoll *epoll, struct epoll_file *file, int fd)
{
	struct epoll_event event = {.events = everything, .data.u64 = epoll_file_data(file, fd)};

	if (likely(file->state != EPOLL_FILE_NEW))
		return file->state == EPOLL_FILE_REGISTERED ? 0 : -EPERM;
	/* it may be there from before the number was attached once more */
	if (epoll_ctl(epoll->fd, EPOLL_CTL_ADD, fd, &event) == 0 ||
		(errno == EEXIST && epoll_ctl(epoll->fd, EPOLL_CTL_MOD, fd, &event) == 0)) {
		file->state = EPOLL_FILE_REGISTERED;
		return 0;
	}
	if (errno == EPERM)
		file->state = EPOLL_FILE_REFUSED;
	return -errno;
}

/* Where there is none, it does nothing. */
static void deregister(struct epoll *epoll, int fd)
{
	(void)epoll_ctl(epoll->fd, EPOLL_CTL_DEL, fd, &(struct epoll_event){0});
}

void epoll_file_end(struct epoll *epoll, int fd)
{
	struct epoll_file *file = epoll_file_find(epoll, fd);

	(void)shortcuts_set(&epoll->base.shortcuts, fd, 0);
	if (!file)
		return;
	if (file->state == EPOLL_FILE_REGISTERED)
		deregister(epoll, fd);
	file->state = EPOLL_FILE_NEW;
	file->kind = SYSCALL_KIND_UNKNOWN;
	file->generation++;
	file->position_user_count = 0;
	for (int queue = 0; queue < EPOLL_QUEUE_COUNT; queue++) {
		file->is_at_work[queue] = false;
		epoll_retire(epoll, file, queue);
	}
}

int epoll_watch(struct proactor *proactor, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = DATA_WATCH};

	/* nobody reads it: each write to an eventfd, each setting of a timerfd makes an edge */
	return epoll_ctl(epoll_of(proactor)->fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* ---- events ---- */

/*
 * An event of a registration whose number was closed past us. Where the number is registered for
 * its successor, that is what it would take away.
 */
static void forget_stale(struct epoll *epoll, int fd)
{
	const struct epoll_file *file = epoll_file_find(epoll, fd);

	if (file && file->state != EPOLL_FILE_REGISTERED)
		deregister(epoll, fd);
}

/* Whatever the event, a call says more: an error or a hang-up ends all who wait. */
void epoll_file_dispatch(struct epoll *epoll, uint64_t data, uint32_t events)
{
	struct epoll_file *file;

	if (data == DATA_WATCH)
		return;
	file = epoll_file_named(epoll, data);
	if (unlikely(!file || file->state != EPOLL_FILE_REGISTERED)) {
		forget_stale(epoll, (int)(uint32_t)data);
		return;
	}
	/* those who look before those who take */
	epoll_serve(epoll, file, EPOLL_QUEUE_POLL);
	if (events & ~(uint32_t)EPOLLOUT) {
		epoll_serve(epoll, file, EPOLL_QUEUE_PRI);
		epoll_serve(epoll, file, EPOLL_QUEUE_IN);
	}
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		epoll_serve(epoll, file, EPOLL_QUEUE_OUT);
}
