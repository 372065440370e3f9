/* What the tests of the suite share. See conformance.h. */
#include "tests/conformance/conformance.h"

#include <netinet/in.h>
#include <sys/un.h>

enum { KEPT_MAX = 64, QUIET_MS = 20 };

/* Entries that came while another one was awaited, already popped. */
struct kept {
	struct proactor *proactor; /* NULL: free */
	uint64_t key;
	int64_t result;
};

static _Thread_local struct kept kept[KEPT_MAX];

/* ---- a proactor ---- */

struct proactor_options options_for_engine(void)
{
	return (struct proactor_options){
		.size = sizeof(struct proactor_options),
		.driver = engine->driver,
		.socket_path = engine->driver == PROACTOR_DRIVER_REMOTE ? engine_socket : NULL,
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

uint64_t launch(struct proactor *proactor, struct proactor_op op)
{
	struct proactor_completion ready = {.result = -1};
	uint64_t key = 0;
	int r;

	op.context = context_of(&op);
	r = must(proactor_push(proactor, &op, &key, &ready));
	ck_assert_msg(r == PROACTOR_PENDING, "opcode %u is READY with %s", op.opcode,
		result_text(ready.result));
	ck_assert_uint_ne(key, 0);
	return key;
}

static bool take_kept(struct proactor *proactor, uint64_t key, int64_t *ret_result)
{
	for (size_t i = 0; i < KEPT_MAX; i++)
		if (kept[i].proactor == proactor && kept[i].key == key) {
			*ret_result = kept[i].result;
			kept[i].proactor = NULL;
			return true;
		}
	return false;
}

bool has_ended(const struct proactor *proactor, uint64_t key)
{
	for (size_t i = 0; i < KEPT_MAX; i++)
		if (kept[i].proactor == proactor && kept[i].key == key)
			return true;
	return false;
}

static void keep(struct proactor *proactor, uint64_t key, int64_t result)
{
	for (size_t i = 0; i < KEPT_MAX; i++)
		if (!kept[i].proactor) {
			kept[i] = (struct kept){proactor, key, result};
			return;
		}
	ck_abort_msg("more entries than anybody awaits");
}

int64_t await(struct proactor *proactor, uint64_t key)
{
	struct proactor_completion completion;
	struct proactor_entry entry = {0};
	int64_t result;

	while (!take_kept(proactor, key, &result)) {
		if (must(proactor_poll(proactor, NULL, &entry, 1)) == 0)
			continue;
		must(proactor_pop(proactor, &entry, &completion));
		assert_result(completion.result, entry.result);
		ck_assert_ptr_eq(completion.context, entry.context);
		ck_assert_uint_eq(completion.flags, 0);
		keep(proactor, entry.key, completion.result);
	}
	return result;
}

int64_t run(struct proactor *proactor, struct proactor_op op)
{
	struct proactor_completion ready;
	uint64_t key;

	op.context = context_of(&op);
	if (must(proactor_push(proactor, &op, &key, &ready)) == PROACTOR_PENDING)
		return await(proactor, key);
	ck_assert_ptr_eq(ready.context, op.context);
	ck_assert_uint_eq(ready.opcode, op.opcode);
	return ready.result;
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
