/*
 * Many clients: 256 sessions at work, against one with as much in flight.
 *
 * All belong to one thread, which goes round them and sleeps only when none has anything; the one
 * session is served by the same loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tests/bench/bench_daemon.h"

enum { SESSIONS = 256, TOTAL_DEPTH = 1024, ENTRIES = 64 };

struct crowd_session {
	struct proactor *proactor;
	int64_t file;
	uint8_t *memory;
};

struct lane {
	struct crowd_session *session;
	uint8_t *data;
	uint64_t offset;
};

struct crowd {
	unsigned session_count;
	int epoll;
	uint64_t random, started, ended, op_count;
	struct crowd_session sessions[SESSIONS];
	struct lane lanes[TOTAL_DEPTH];
};

static int push(struct crowd *crowd, struct lane *lane)
{
	struct proactor_op op = {.opcode = PROACTOR_READ, .context = lane};
	struct proactor_completion ready;
	uint64_t key;
	int r;

	if (crowd->started == crowd->op_count)
		return 0;
	crowd->random ^= crowd->random << 13;
	crowd->random ^= crowd->random >> 7;
	crowd->random ^= crowd->random << 17;
	lane->offset = crowd->random % BENCH_DATA_BLOCKS * BENCH_BLOCK_SIZE;
	op.read.file = lane->session->file;
	op.read.data = lane->data;
	op.read.size = BENCH_BLOCK_SIZE;
	op.read.offset = (int64_t)lane->offset;
	crowd->started++;
	r = proactor_push(lane->session->proactor, &op, &key, &ready);
	/* the daemon's files are never READY, unless something is wrong */
	return r == PROACTOR_READY ? -EIO : r;
}

static int finish(struct crowd *crowd, struct proactor *proactor,
	const struct proactor_entry *entry)
{
	struct proactor_completion completion;
	struct lane *lane;
	int r = proactor_pop(proactor, entry, &completion);

	if (unlikely(r < 0))
		return r;
	lane = completion.context;
	crowd->ended++;
	if (unlikely(completion.result != BENCH_BLOCK_SIZE ||
		    *(const uint64_t *)lane->data != lane->offset))
		return -EIO;
	return push(crowd, lane);
}

/* Serves every session once; how many operations had ended. */
static int go_round(struct crowd *crowd)
{
	static const struct timespec zero;
	struct proactor_entry entries[ENTRIES];
	int r = 0, total = 0;

	for (unsigned i = 0; i < crowd->session_count; i++) {
		struct proactor *proactor = crowd->sessions[i].proactor;
		int count = proactor_poll(proactor, &zero, entries, ENTRIES);

		if (count == -ETIME)
			continue;
		if (count < 0)
			return count;
		for (int j = 0; r >= 0 && j < count; j++)
			r = finish(crowd, proactor, &entries[j]);
		if (r < 0)
			return r;
		total += count;
	}
	return total;
}

static int crowd_run(void *context, uint64_t op_count, uint64_t seed)
{
	struct crowd *crowd = context;
	struct epoll_event event;
	int r = 0;

	crowd->op_count = op_count;
	crowd->started = crowd->ended = 0;
	crowd->random = seed;
	for (unsigned i = 0; r >= 0 && i < TOTAL_DEPTH; i++)
		r = push(crowd, &crowd->lanes[i]);
	while (r >= 0 && crowd->ended < op_count) {
		r = go_round(crowd);
		/* pushes after an entry are sent by the next poll: two empty rounds in a row */
		if (r == 0 && (r = go_round(crowd)) == 0)
			(void)epoll_wait(crowd->epoll, &event, 1, -1);
	}
	return MIN(r, 0);
}

static int session_init(struct crowd *crowd, struct crowd_session *session, int data_fd)
{
	unsigned depth = TOTAL_DEPTH / crowd->session_count;
	struct epoll_event event = {.events = EPOLLIN};
	void *memory;
	int fd, r = proactor_fd(session->proactor, &fd);

	if (r < 0)
		return r;
	if (epoll_ctl(crowd->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	fd = fcntl(data_fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = proactor_attach(session->proactor, fd, &session->file);
	if (r >= 0)
		r = proactor_memory_new(session->proactor, (size_t)depth * BENCH_BLOCK_SIZE,
			&memory);
	if (r < 0)
		return r;
	memset(memory, 0xff, (size_t)depth * BENCH_BLOCK_SIZE);
	for (unsigned i = 0; i < depth; i++) {
		unsigned index = (unsigned)(session - crowd->sessions) * depth + i;

		crowd->lanes[index] = (struct lane){.session = session,
			.data = (uint8_t *)memory + (size_t)i * BENCH_BLOCK_SIZE};
	}
	return 0;
}

static int crowd_new(struct crowd **ret_crowd, const struct bench *bench,
	const struct bench_daemon *daemon, unsigned session_count, const char **ret_absent)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	int r = 0;

	if (!crowd)
		return -ENOMEM;
	*ret_crowd = crowd;
	*ret_absent = NULL;
	crowd->session_count = session_count;
	crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; r >= 0 && i < session_count && !*ret_absent; i++) {
		struct crowd_session *session = &crowd->sessions[i];

		r = bench_daemon_connect(daemon, BENCH_BEST, &session->proactor, ret_absent);
		if (r >= 0 && !*ret_absent)
			r = session_init(crowd, session, bench->data_fd);
	}
	return r;
}

static void crowd_free(struct crowd *crowd)
{
	if (!crowd)
		return;
	for (unsigned i = 0; i < crowd->session_count; i++)
		proactor_free(crowd->sessions[i].proactor);
	fd_close(crowd->epoll);
	free(crowd);
}

int bench_crowds(struct bench *bench)
{
	static const char name[] = "scale.s256.vs_s1";
	struct crowd *many = NULL, *one = NULL;
	struct bench_daemon daemon;
	struct bench_side sides[] = {{.name = "256 sessions", .run = crowd_run},
		{.name = "1 session", .run = crowd_run}};
	const char *absent = NULL;
	int r;

	if (!bench_wants(bench, name))
		return 0;
	r = bench_daemon_init(&daemon, bench, NULL);
	if (r >= 0)
		r = crowd_new(&many, bench, &daemon, SESSIONS, &absent);
	if (r >= 0 && !absent)
		r = crowd_new(&one, bench, &daemon, 1, &absent);
	sides[0].context = many;
	sides[1].context = one;
	if (r >= 0 && !absent)
		sides[0].note = bench_daemon_note(&daemon, many->sessions[0].proactor);
	r = r < 0 ? bench_failed(name, "prepare", r)
		  : bench_pair(bench, name, absent ? NULL : &sides[0], absent ? NULL : &sides[1],
			    absent);
	crowd_free(many);
	crowd_free(one);
	bench_daemon_deinit(&daemon);
	return r;
}
