/* struct proactor_op, one line each. */
#pragma once

#include <string.h>

#include "driver/proactor.h"

/* @text as a piece of memory to be written. */
static inline struct iovec text_piece(const char *text)
{
	return (struct iovec){(void *)(uintptr_t)text, strlen(text)};
}

/* @op with @flags, PROACTOR_CHAIN and its like. */
static inline struct proactor_op flagged(struct proactor_op op, uint32_t flags)
{
	op.flags |= flags;
	return op;
}

static inline struct proactor_op chained(struct proactor_op op)
{
	return flagged(op, PROACTOR_CHAIN);
}

/* @op, which is to end within @timeout_ns. */
static inline struct proactor_op within(struct proactor_op op, uint64_t timeout_ns)
{
	op.timeout_ns = timeout_ns;
	return op;
}

static inline struct proactor_op op_nop(void)
{
	return (struct proactor_op){.opcode = PROACTOR_NOP};
}

static inline struct proactor_op op_timeout(uint64_t duration_ns)
{
	return (struct proactor_op){.opcode = PROACTOR_TIMEOUT, .timeout = {duration_ns}};
}

static inline struct proactor_op op_open_at(int64_t dir, const char *path, int flags, uint32_t mode)
{
	return (struct proactor_op){.opcode = PROACTOR_OPEN, .open = {dir, path, flags, mode}};
}

static inline struct proactor_op op_open(const char *path, int flags)
{
	return op_open_at(PROACTOR_CWD, path, flags, 0666);
}

static inline struct proactor_op op_close(int64_t file)
{
	return (struct proactor_op){.opcode = PROACTOR_CLOSE, .close = {file}};
}

static inline struct proactor_op op_read(int64_t file, void *data, size_t size, int64_t offset)
{
	return (struct proactor_op){.opcode = PROACTOR_READ, .read = {file, data, size, offset}};
}

static inline struct proactor_op op_write(int64_t file, const void *data, size_t size,
	int64_t offset)
{
	return (struct proactor_op){.opcode = PROACTOR_WRITE, .write = {file, data, size, offset}};
}

static inline struct proactor_op op_fsync(int64_t file, uint32_t data_only)
{
	return (struct proactor_op){.opcode = PROACTOR_FSYNC, .fsync = {file, data_only}};
}

static inline struct proactor_op op_stat(int64_t dir, const char *path, uint32_t flags,
	struct statx *stat)
{
	return (struct proactor_op){
		.opcode = PROACTOR_STAT,
		.stat = {dir, path, flags, /* STATX_BASIC_STATS */ 0x7ff, stat},
	};
}

static inline struct proactor_op op_socket(int domain, int type)
{
	return (struct proactor_op){.opcode = PROACTOR_SOCKET, .socket = {domain, type, 0}};
}

static inline struct proactor_op op_bind(int64_t file, const struct proactor_address *address)
{
	return (struct proactor_op){.opcode = PROACTOR_BIND, .bind = {file, address}};
}

static inline struct proactor_op op_listen(int64_t file, int backlog)
{
	return (struct proactor_op){.opcode = PROACTOR_LISTEN, .listen = {file, backlog}};
}

static inline struct proactor_op op_accept(int64_t file, struct proactor_address *address)
{
	return (struct proactor_op){.opcode = PROACTOR_ACCEPT, .accept = {file, address}};
}

static inline struct proactor_op op_connect(int64_t file, const struct proactor_address *address)
{
	return (struct proactor_op){.opcode = PROACTOR_CONNECT, .connect = {file, address}};
}

static inline struct proactor_op op_shutdown(int64_t file, int how)
{
	return (struct proactor_op){.opcode = PROACTOR_SHUTDOWN, .shutdown = {file, how}};
}

static inline struct proactor_op op_recv(int64_t file, void *data, size_t size, uint32_t flags)
{
	return (struct proactor_op){.opcode = PROACTOR_RECV, .recv = {file, data, size, flags}};
}

static inline struct proactor_op op_send(int64_t file, const void *data, size_t size,
	uint32_t flags)
{
	return (struct proactor_op){.opcode = PROACTOR_SEND, .send = {file, data, size, flags}};
}

static inline struct proactor_op op_poll(int64_t file, uint32_t events)
{
	return (struct proactor_op){.opcode = PROACTOR_POLL, .poll = {file, events}};
}

/* A receive that takes one of @buffers. */
static inline struct proactor_op op_recv_select(int64_t file, struct proactor_buffers *buffers)
{
	return (struct proactor_op){
		.opcode = PROACTOR_RECV,
		.flags = PROACTOR_BUFFER_SELECT,
		.recv = {.file = file, .buffers = buffers},
	};
}

static inline struct proactor_op op_recvmsg(int64_t file, struct msghdr *message, uint32_t flags)
{
	return (struct proactor_op){.opcode = PROACTOR_RECVMSG, .recvmsg = {file, message, flags}};
}

static inline struct proactor_op op_sendmsg(int64_t file, struct msghdr *message, uint32_t flags)
{
	return (struct proactor_op){.opcode = PROACTOR_SENDMSG, .sendmsg = {file, message, flags}};
}

static inline struct proactor_op op_readv(int64_t file, const struct iovec *pieces, size_t count,
	int64_t offset)
{
	return (struct proactor_op){
		.opcode = PROACTOR_READV, .readv = {file, pieces, count, offset}};
}

static inline struct proactor_op op_writev(int64_t file, const struct iovec *pieces, size_t count,
	int64_t offset)
{
	return (struct proactor_op){
		.opcode = PROACTOR_WRITEV, .writev = {file, pieces, count, offset}};
}

static inline struct proactor_op op_fallocate(int64_t file, int mode, int64_t offset, int64_t size)
{
	return (struct proactor_op){
		.opcode = PROACTOR_FALLOCATE, .fallocate = {file, mode, offset, size}};
}

static inline struct proactor_op op_ftruncate(int64_t file, int64_t size)
{
	return (struct proactor_op){.opcode = PROACTOR_FTRUNCATE, .ftruncate = {file, size}};
}

static inline struct proactor_op op_unlink(int64_t dir, const char *path, uint32_t flags)
{
	return (struct proactor_op){.opcode = PROACTOR_UNLINK, .unlink = {dir, path, flags}};
}

static inline struct proactor_op op_rename_at(int64_t old_dir, const char *old_path,
	int64_t new_dir, const char *new_path, uint32_t flags)
{
	return (struct proactor_op){
		.opcode = PROACTOR_RENAME,
		.rename = {old_dir, old_path, new_dir, new_path, flags},
	};
}

static inline struct proactor_op op_rename(const char *old_path, const char *new_path,
	uint32_t flags)
{
	return op_rename_at(PROACTOR_CWD, old_path, PROACTOR_CWD, new_path, flags);
}

static inline struct proactor_op op_mkdir(int64_t dir, const char *path, uint32_t mode)
{
	return (struct proactor_op){.opcode = PROACTOR_MKDIR, .mkdir = {dir, path, mode}};
}

static inline struct proactor_op op_symlink(int64_t dir, const char *path, const char *target)
{
	return (struct proactor_op){.opcode = PROACTOR_SYMLINK, .symlink = {dir, path, target}};
}

static inline struct proactor_op op_link_at(int64_t old_dir, const char *old_path, int64_t new_dir,
	const char *new_path, uint32_t flags)
{
	return (struct proactor_op){
		.opcode = PROACTOR_LINK,
		.link = {old_dir, old_path, new_dir, new_path, flags},
	};
}

static inline struct proactor_op op_link(const char *old_path, const char *new_path, uint32_t flags)
{
	return op_link_at(PROACTOR_CWD, old_path, PROACTOR_CWD, new_path, flags);
}

static inline struct proactor_op op_splice(int64_t in, int64_t in_offset, int64_t out,
	int64_t out_offset, int64_t size)
{
	return (struct proactor_op){
		.opcode = PROACTOR_SPLICE, .splice = {in, in_offset, out, out_offset, size, 0}};
}

static inline struct proactor_op op_recvfrom(int64_t file, void *data, size_t size, uint32_t flags,
	struct proactor_address *address)
{
	return (struct proactor_op){
		.opcode = PROACTOR_RECVFROM, .recvfrom = {file, data, size, flags, address}};
}

static inline struct proactor_op op_sendto(int64_t file, const void *data, size_t size,
	const struct proactor_address *address)
{
	return (struct proactor_op){
		.opcode = PROACTOR_SENDTO, .sendto = {file, data, size, 0, address}};
}

static inline struct proactor_op op_call(int64_t (*function)(void *), void *argument)
{
	return (struct proactor_op){.opcode = PROACTOR_CALL, .call = {function, argument}};
}
