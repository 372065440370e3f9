/* What the tests of the suite share. See conformance.h. */
#include "tests/conformance/conformance.h"

#include <netinet/in.h>
#include <sys/un.h>

enum { KEPT_MAX = 1024, QUIET_MS = 20 };

/* What has ended and nobody has awaited yet, popped already or READY. */
struct kept {
	struct proactor *proactor;
	uint64_t key;
	struct proactor_completion completion;
};

static _Thread_local struct kept kept[KEPT_MAX];
static _Thread_local size_t kept_count;

/* Where there is no key, because it was READY, we make one. */
#define READY_KEY (UINT64_C(1) << 63)

/* ---- a proactor ---- */

struct proactor_options options_for_engine(void)
{
	return (struct proactor_options){
		.size = sizeof(struct proactor_options),
		.driver = engine->driver,
		.socket_path = engine->driver == PROACTOR_DRIVER_REMOTE ? engine_socket : NULL,
		.spin_us = engine->never_spins ? PROACTOR_SPIN_NEVER : 0,
	};
}

struct proactor *start_with_capacity(uint32_t capacity)
{
	struct proactor_options options = options_for_engine();
	struct proactor *proactor;

	options.capacity = capacity;
	must(proactor_new(&proactor, &options));
	return proactor;
}

struct proactor *start(void)
{
	return start_with_capacity(0);
}

void stop(struct proactor *proactor)
{
	struct proactor_stats stats;

	proactor_stats(proactor, &stats);
	ck_assert_uint_eq(stats.in_flight, 0);
	ck_assert_uint_eq(stats.pushed, stats.completed + stats.cancelled);
	ck_assert_ptr_null(proactor_free(proactor));
}

/* ---- operations ---- */

/*
 * The context of each operation that launch() and run() push: something that the driver cannot
 * guess.
 */
static void *context_of(const struct proactor_op *op)
{
	return op->context ? op->context : (void *)(uintptr_t)(0x1000 + op->opcode);
}

static void keep(struct proactor *proactor, uint64_t key,
	const struct proactor_completion *completion)
{
	ck_assert_msg(kept_count < KEPT_MAX, "more has ended than anybody awaits");
	kept[kept_count++] = (struct kept){proactor, key, *completion};
}

static struct kept take_kept(size_t index)
{
	struct kept taken = kept[index];

	kept_count--;
	memmove(&kept[index], &kept[index + 1], (kept_count - index) * sizeof(kept[0]));
	return taken;
}

/* Where the one of @key is; with @key READY_KEY, the first that was READY. KEPT_MAX: nowhere. */
static size_t find_kept(const struct proactor *proactor, uint64_t key)
{
	for (size_t i = 0; i < kept_count; i++)
		if (kept[i].proactor == proactor &&
			(key == READY_KEY ? kept[i].key & READY_KEY : kept[i].key == key))
			return i;
	return KEPT_MAX;
}

uint64_t launch(struct proactor *proactor, struct proactor_op op)
{
	static _Thread_local uint64_t ready_count;
	struct proactor_completion ready = {.result = -1};
	uint64_t key = 0;

	op.context = context_of(&op);
	if (must(proactor_push(proactor, &op, &key, &ready)) == PROACTOR_READY) {
		ck_assert_uint_eq(key, 0);
		ck_assert_ptr_eq(ready.context, op.context);
		ck_assert_uint_eq(ready.opcode, op.opcode);
		ck_assert_uint_eq(ready.flags, 0);
		key = READY_KEY | ++ready_count;
		keep(proactor, key, &ready);
	}
	ck_assert_uint_ne(key, 0);
	return key;
}

bool has_ended(const struct proactor *proactor, uint64_t key)
{
	return find_kept(proactor, key) < KEPT_MAX;
}

static struct proactor_completion pop(struct proactor *proactor, const struct proactor_entry *entry)
{
	struct proactor_completion completion;

	must(proactor_pop(proactor, entry, &completion));
	assert_result(completion.result, entry->result);
	ck_assert_ptr_eq(completion.context, entry->context);
	ck_assert_uint_eq(completion.flags, entry->flags);
	return completion;
}

int64_t await(struct proactor *proactor, uint64_t key)
{
	struct proactor_completion completion;
	struct proactor_entry entry;

	while (!has_ended(proactor, key)) {
		if (must(proactor_poll(proactor, NULL, &entry, 1)) == 0)
			continue;
		completion = pop(proactor, &entry);
		ck_assert_uint_eq(completion.flags, 0);
		keep(proactor, entry.key, &completion);
	}
	return take_kept(find_kept(proactor, key)).completion.result;
}

int64_t run(struct proactor *proactor, struct proactor_op op)
{
	return await(proactor, launch(proactor, op));
}

struct proactor_completion next(struct proactor *proactor, struct proactor_entry *ret_entry)
{
	size_t ready = find_kept(proactor, READY_KEY);

	if (ready < KEPT_MAX) {
		struct kept taken = take_kept(ready);

		*ret_entry = (struct proactor_entry){
			taken.key, taken.completion.result, taken.completion.context, 0};
		return taken.completion;
	}
	while (must(proactor_poll(proactor, NULL, ret_entry, 1)) == 0)
		continue;
	return pop(proactor, ret_entry);
}

void refuse(struct proactor *proactor, struct proactor_op op, int error)
{
	struct proactor_completion ready = {.result = 42};
	uint64_t key = 42;

	assert_result(proactor_push(proactor, &op, &key, &ready), error);
	ck_assert_uint_eq(key, 42);
	ck_assert_int_eq(ready.result, 42);
}

int64_t run_or_refuse(struct proactor *proactor, struct proactor_op op)
{
	struct proactor_completion ready;
	uint64_t key;
	int r = proactor_push(proactor, &op, &key, &ready);

	if (r < 0)
		return r;
	return r == PROACTOR_READY ? ready.result : await(proactor, key);
}

void expect_quiet(struct proactor *proactor)
{
	struct timespec timeout = ms(QUIET_MS);
	struct proactor_entry entry;

	assert_result(proactor_poll(proactor, &timeout, &entry, 1), -ETIME);
}

/* ---- things to act on ---- */

void close_file(struct proactor *proactor, int64_t file)
{
	assert_result(run(proactor, op_close(file)), 0);
}

int64_t attach(struct proactor *proactor, int fd)
{
	int64_t file;

	must(proactor_attach(proactor, fd, &file));
	ck_assert(file >= 0);
	return file;
}

int64_t pattern_file(struct proactor *proactor, const char *path, size_t size)
{
	int fd = must(open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	uint8_t block[4096];

	for (size_t done = 0; done < size; done += MIN(size - done, sizeof(block))) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = pattern(done + i);
		ck_assert_int_gt(write(fd, block, MIN(size - done, sizeof(block))), 0);
	}
	close(fd);
	return must(run(proactor, op_open(path, O_RDWR)));
}

void assert_pattern(const void *bytes, size_t size, uint64_t offset)
{
	size_t same = 0;

	/* each assertion writes to a pipe of libcheck's */
	while (same < size && ((const uint8_t *)bytes)[same] == pattern(offset + same))
		same++;
	ck_assert_msg(same == size, "byte %zu of %zu from %" PRIu64, same, size, offset);
}

int64_t size_of(const char *path)
{
	struct stat now;

	must(stat(path, &now));
	return now.st_size;
}

int64_t silent_pipe(struct proactor *proactor, int *ret_writer)
{
	int fds[2];

	must(pipe2(fds, O_CLOEXEC));
	*ret_writer = fds[1];
	return attach(proactor, fds[0]);
}

int64_t stream(struct proactor *proactor, int *ret_peer)
{
	int fds[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	*ret_peer = fds[1];
	return attach(proactor, fds[0]);
}

struct proactor_address local_address(int domain)
{
	struct proactor_address address = {0};
	void *any = &address.storage;

	switch (domain) {
	case AF_INET:
		*(struct sockaddr_in *)any = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		};
		address.size = sizeof(struct sockaddr_in);
		break;
	case AF_INET6:
		*(struct sockaddr_in6 *)any = (struct sockaddr_in6){
			.sin6_family = AF_INET6,
			.sin6_addr = IN6ADDR_LOOPBACK_INIT,
		};
		address.size = sizeof(struct sockaddr_in6);
		break;
	default:
		*(struct sockaddr_un *)any = (struct sockaddr_un){.sun_family = AF_UNIX};
		/* absolute: whose working directory counts is for a test of its own */
		ck_assert_ptr_nonnull(getcwd(((struct sockaddr_un *)any)->sun_path,
			sizeof(address.storage) / 2));
		strcat(((struct sockaddr_un *)any)->sun_path, "/listener");
		address.size = sizeof(struct sockaddr_un);
	}
	return address;
}

int64_t listener(struct proactor *proactor, int domain, struct proactor_address *ret_address)
{
	int fd = must(socket(domain, SOCK_STREAM | SOCK_CLOEXEC, 0));

	*ret_address = local_address(domain);
	must(bind(fd, &ret_address->any, ret_address->size));
	must(listen(fd, 16));
	must(getsockname(fd, &ret_address->any, &ret_address->size));
	return attach(proactor, fd);
}
