/* struct proactor_op, one line each. */
#pragma once

#include "driver/proactor.h"

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
