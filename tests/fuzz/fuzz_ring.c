/*
 * A hostile client's shared memory, and a whole server (server.h).
 *
 * The client has some descriptors attached (files 1 to 4), a memory and a ring. Input: a byte that
 * says how large that is and how the session ends; then steps, each a byte that says what, and what
 * it needs: see step(). What the input does not have is zero.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proto/queue.h"
#include "tests/fuzz/server.h"

enum {
	ENTRIES_SHIFT_MASK = 3, /* 8, 16, 32 or 64 */
	FLAG_PATIENT = 4,       /* gives the daemon a moment before it goes */
	FLAG_END = 8,           /* ends its side of the connection first */
};

enum { MEMORY_SIZE = 16384, RING_FDS = 3, FDS = 1 + RING_FDS, FDS_MAX = 16, SLOW_MS = 2000 };

struct client {
	int fd;
	int fds[FDS]; /* of the memory; of the ring's memory, the doorbell, the wake */
	uint8_t *memory;
	uint8_t *ring;
	size_t ring_size;
	uint32_t entries;
	struct queue requests;
	struct queue responses;
};

struct input {
	const uint8_t *at;
	size_t size;
};

static uint8_t take(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->at++;
}

static uint32_t take_number(struct input *input)
{
	uint32_t number = 0;

	for (int i = 0; i < 4; i++)
		number = number << 8 | take(input);
	return number;
}

/* Up to @size bytes; gives how many. */
static size_t take_bytes(struct input *input, uint8_t *bytes, size_t size)
{
	size = MIN(size, input->size);
	memcpy(bytes, input->at, size);
	input->at += size;
	input->size -= size;
	return size;
}

/* ---- beginning and end ---- */

/* Reads what is there, and closes or keeps (up to @count) the descriptors on it. Gives how many. */
static int receive(int fd, int *fds, int count, int timeout_ms)
{
	static uint8_t room[65536];
	union {
		struct cmsghdr header;
		uint8_t space[CMSG_SPACE(sizeof(int) * FDS_MAX)];
	} control;
	struct iovec piece = {room, sizeof(room)};
	struct msghdr message = {.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	struct cmsghdr *header;
	int kept = 0, got[FDS_MAX];
	size_t size;

	if (poll(&pollfd, 1, timeout_ms) <= 0 ||
		recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return 0;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return 0;
	size = header->cmsg_len - CMSG_LEN(0);
	memcpy(got, CMSG_DATA(header), size);
	for (size_t i = 0; i < size / sizeof(int); i++)
		if (kept < count)
			fds[kept++] = got[i];
		else
			fd_close(got[i]);
	return kept;
}

/* The descriptors up to the @count-th must come. */
static void await_fds(struct client *client, int *taken, int count)
{
	for (int tries = 0; *taken < count && tries < 32; tries++)
		*taken += receive(client->fd, client->fds + *taken, count - *taken, SLOW_MS);
	assert(*taken == count && "the daemon does not share");
}

static void open_client(struct client *client, int fd, uint32_t entries)
{
	/* attach four times; memory(16384), which a thread makes; then ring(entries) */
	static const uint8_t calls[] = "\x94\x00\x01\xa6"
				       "attach\x90\x94\x00\x02\xa6"
				       "attach\x90\x94\x00\x03\xa6"
				       "attach\x90\x94\x00\x04\xa6"
				       "attach\x90\x94\x00\x05\xa6"
				       "memory\x91\xcd\x40\x00";
	const uint8_t ring[] = {0x94, 0, 6, 0xa4, 'r', 'i', 'n', 'g', 0x91, (uint8_t)entries};
	const ssize_t size = sizeof(calls) - 1;
	int taken = 0;

	*client = (struct client){.fd = fd, .entries = entries};
	assert(fuzz_server_send_descriptors(fd, calls, (size_t)size) == size);
	await_fds(client, &taken, 1);
	assert(send(fd, ring, sizeof(ring), MSG_NOSIGNAL) == sizeof(ring));
	await_fds(client, &taken, FDS);
	client->ring_size = queue_memory_size(entries);
	client->memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, client->fds[0], 0);
	client->ring = mmap(NULL, client->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		client->fds[1], 0);
	assert(client->memory != MAP_FAILED && client->ring != MAP_FAILED);
	client->requests = queue_of(client->ring, entries, /* is_responses= */ false);
	client->responses = queue_of(client->ring, entries, /* is_responses= */ true);
}

static void close_client(struct client *client)
{
	(void)munmap(client->memory, MEMORY_SIZE);
	(void)munmap(client->ring, client->ring_size);
	for (int i = 0; i < FDS; i++)
		close(client->fds[i]);
	close(client->fd);
}

/* ---- what it does ---- */

static void ring_bell(const struct client *client)
{
	struct pollfd pollfd = {.fd = client->fds[2], .events = POLLOUT};

	if (poll(&pollfd, 1, 0) > 0)
		(void)!eventfd_write(client->fds[2], 1);
}

/* A frame as it should be, but for what is in it, and for its size. */
static void put(struct client *client, struct input *input)
{
	struct queue_slot *slot = queue_slot(&client->requests);
	uint8_t size = take(input), bytes[QUEUE_FRAME_SIZE_MAX] = {0};
	size_t count = take_bytes(input, bytes, MIN((size_t)take(input), sizeof(bytes)));

	memcpy(slot->frame, bytes, sizeof(bytes));
	slot->size = size > 0 ? size : (uint8_t)count;
	atomic_store_explicit((_Atomic uint8_t *)&slot->turn, queue_turn(&client->requests),
		memory_order_release);
	client->requests.position++;
}

static void scribble(uint8_t *bytes, size_t size, struct input *input)
{
	size_t at = take_number(input) % size;

	(void)take_bytes(input, bytes + at, MIN((size_t)take(input), size - at));
}

/* Until the daemon has taken what was put, or seems not to want to. */
static void give_way(struct client *client)
{
	for (int i = 0; i < 40; i++) {
		if (atomic_load(&client->requests.control->consumed) == client->requests.position)
			return;
		usleep(20);
	}
}

static void take_responses(struct client *client)
{
	struct queue_slot slot;

	for (uint32_t i = 0; i < client->entries && queue_has(&client->responses); i++) {
		(void)queue_copy(&client->responses, &slot);
		queue_advance(&client->responses);
	}
	queue_release(&client->responses);
}

static void say(const struct client *client, struct input *input)
{
	uint8_t bytes[256];
	size_t size = take_bytes(input, bytes, take(input));

	(void)!send(client->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void step(struct client *client, struct input *input)
{
	static const size_t words[] = {0, 4, 8, 128, 132, 136};
	size_t word;

	switch (take(input) % 9) {
	case 0: put(client, input); break;
	case 1:
		word = words[take(input) % ARRAY_SIZE(words)];
		atomic_store((_Atomic uint32_t *)(void *)(client->ring + word), take_number(input));
		break;
	case 2: scribble(client->ring, client->ring_size, input); break;
	case 3: scribble(client->memory, MEMORY_SIZE, input); break;
	case 4: ring_bell(client); break;
	case 5: give_way(client); break;
	case 6: take_responses(client); break;
	case 7: say(client, input); break;
	default: (void)receive(client->fd, NULL, 0, 0); break;
	}
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_server_start();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct client client;
	uint8_t flags;

	if (size < 2)
		return 0;
	flags = take(&input);
	open_client(&client, fuzz_server_connect(data, size),
		QUEUE_ENTRIES_MIN << (flags & ENTRIES_SHIFT_MASK));
	while (input.size > 0)
		step(&client, &input);
	ring_bell(&client);
	give_way(&client);
	if (flags & FLAG_PATIENT)
		usleep(500);
	if (flags & FLAG_END)
		(void)shutdown(client.fd, SHUT_WR);
	close_client(&client);
	fuzz_server_check_nothing_is_left();
	fuzz_server_sweep();
	return 0;
}
