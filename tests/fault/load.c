/* The load. See load.h. */
#include "tests/fault/load.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "driver/op.h"

enum {
	REFUSALS_MAX = 400,
	STALL_S = 10,
	LIMIT_S = 25,
	RETRY_NS = 100000,
	NOTIFY_EACH = 5,
	BUFFER_COUNT = 4,
	BUFFER_SIZE = 48,
	MEMORY_SIZE = 16384,
};

const struct role *const load_roles[] = {
	&role_block,
	&role_pieces,
	&role_chain,
	&role_names,
	&role_pipe,
	&role_socket,
	&role_shots,
	&role_selects,
	&role_splice,
	&role_accept,
	&role_connect,
	&role_datagram,
	&role_message,
	&role_timeout,
	&role_deadline,
	&role_cancel,
	&role_poll,
	&role_call,
};

void load_fill(void *data, size_t size, uint64_t offset)
{
	for (size_t i = 0; i < size; i++)
		((uint8_t *)data)[i] = load_byte(offset + i);
}

bool load_matches(const void *data, size_t size, uint64_t offset)
{
	for (size_t i = 0; i < size; i++)
		if (((const uint8_t *)data)[i] != load_byte(offset + i))
			return false;
	return true;
}

uint64_t load_allowed(uint32_t calls)
{
	static const uint32_t seen = 1U << FAULT_ALLOCATE | 1U << FAULT_MMAP | 1U << FAULT_EVENTFD |
		1U << FAULT_THREAD | 1U << FAULT_EPOLL_CTL | 1U << FAULT_ACCEPT | 1U << FAULT_POLL;
	uint64_t allowed = 0;

	for (int call = 0; call < FAULT_CALL_COUNT; call++)
		for (int i = 0; calls & seen & 1U << call && fault_errors[call][i] != 0; i++)
			allowed |= load_bit(fault_errors[call][i]);
	return allowed;
}

/* ---- failing ---- */

static struct load *watched;

static void print_pending(const struct load *load)
{
	for (size_t i = 0; i < load->actor_count; i++)
		for (int k = 0; k < FLIGHTS_MAX; k++) {
			const struct flight *flight = &load->actors[i]->flights[k];

			if (flight->is_pending)
				fprintf(stderr, "in flight: %s: %s%s\n",
					load->actors[i]->role->name, op_table[flight->opcode].name,
					flight->is_cancelled        ? ", cancelled"
						: flight->is_to_end ? ", to be cancelled"
								    : "");
		}
}

_Noreturn void actor_fail(const struct actor *actor, const char *condition, const char *file,
	int line)
{
	char text[600];

	snprintf(text, sizeof(text), "%s:%d: %s: not so: %s (%s; %u faults)", file, line,
		actor ? actor->role->name : "load", condition, fault_text(), fault_hits());
	if (watched)
		print_pending(watched);
	fault_stop();
	ck_abort_msg("%s", text);
	abort();
}

/* It prints, which a signal handler should not; but then nothing else will. */
static void on_alarm(int signal)
{
	(void)signal;
	fprintf(stderr, "it hangs: %s, %u faults, turn %u%s\n", fault_text(), fault_hits(),
		watched ? watched->turn : 0, watched && watched->is_given_up ? ", given up" : "");
	if (watched && watched->actors)
		print_pending(watched);
	abort();
}

/* ---- for actors ---- */

static bool is_allowed(const struct load *load, int64_t result)
{
	return result < 0 && result > -64 && load->options->allowed & load_bit((int)-result);
}

static void take_result(struct flight *flight, int64_t result, uint32_t flags)
{
	struct actor *actor = flight->actor;

	if (!(flags & PROACTOR_MORE))
		flight->is_pending = false;
	actor->role->ended(actor, (unsigned)(flight - actor->flights), result, flags);
}

bool actor_push(struct actor *actor, unsigned index, struct proactor_op op)
{
	struct flight *flight = &actor->flights[index];
	struct load *load = actor->load;
	struct proactor_completion ready;
	int r;

	actor_require(actor, !flight->is_pending);
	*flight = (struct flight){.actor = actor, .opcode = op.opcode};
	op.context = flight;
	r = IN_DRIVER(proactor_push(load->proactor, &op, &flight->key, &ready));
	if (r < 0) {
		if (!is_allowed(load, r))
			fprintf(stderr, "%s: refused: %s\n", op_table[op.opcode].name,
				result_text(r));
		actor_require(actor, is_allowed(load, r));
		load->refusals_in_turn++;
		return false;
	}
	load->pushed++;
	if (r == PROACTOR_PENDING) {
		flight->is_pending = true;
		return true;
	}
	actor_require(actor, ready.context == flight && ready.opcode == op.opcode);
	load->ended++;
	load->is_busy = true;
	take_result(flight, ready.result, ready.flags);
	return true;
}

static void cancel(struct flight *flight)
{
	struct load *load = flight->actor->load;
	int r = IN_DRIVER(proactor_cancel(load->proactor, flight->key));

	if (r == -ENOMEM) {
		actor_require(flight->actor, is_allowed(load, r));
		load->refusals_in_turn++;
		return;
	}
	actor_require(flight->actor, r == PROACTOR_CANCEL_REQUESTED || r == PROACTOR_CANCEL_DONE);
	flight->is_cancelled = true;
}

void actor_cancel(struct actor *actor, unsigned index)
{
	struct flight *flight = &actor->flights[index];

	if (!flight->is_pending || flight->is_to_end)
		return;
	flight->is_to_end = true;
	cancel(flight);
}

int64_t actor_attach(struct actor *actor, int fd)
{
	struct load *load = actor->load;
	int64_t file;

	actor_require(actor, fd >= 0);
	actor_require(actor, IN_DRIVER(proactor_attach(load->proactor, fd, &file)) == 0);
	actor_adopt(actor, file);
	return file;
}

void actor_adopt(struct actor *actor, int64_t file)
{
	actor_require(actor, actor->file_count < ACTOR_FILES_MAX);
	actor->files[actor->file_count++] = file;
}

void actor_drop(struct actor *actor, int64_t file)
{
	actor_require(actor, actor->file_count > 0);
	actor_require(actor, actor->files[actor->file_count - 1] == file);
	actor->file_count--;
}

void actor_close(struct actor *actor, int64_t file)
{
	const struct load *load = actor->load;
	int fd = (int)file;

	if (load->proactor)
		actor_require(actor, IN_DRIVER(proactor_detach(load->proactor, fd, &fd)) == 0);
	actor_require(actor, close(fd) == 0);
}

bool actor_succeeded(struct actor *actor, unsigned index, int64_t result)
{
	const struct flight *flight = &actor->flights[index];

	if (result >= 0)
		return true;
	if ((result == -ECANCELED && flight->is_to_end) || is_allowed(actor->load, result)) {
		actor->load->failures++;
		return false;
	}
	fprintf(stderr, "%s: %s\n", op_table[flight->opcode].name, result_text(result));
	actor_require(actor, !"a failure that nothing explains");
	return false;
}

/* ---- entries ---- */

static void take_entry(struct load *load, const struct proactor_entry *entry)
{
	struct flight *flight = entry->context;
	struct proactor_completion completion;
	struct actor *actor;

	actor_require(NULL, flight && flight->actor && flight->actor->load == load);
	actor = flight->actor;
	actor_require(actor, flight->is_pending && flight->key == entry->key);
	actor_require(actor, proactor_pop(load->proactor, entry, &completion) == 0);
	actor_require(actor, completion.result == entry->result);
	actor_require(actor, completion.flags == entry->flags);
	actor_require(actor, completion.context == flight);
	if (!(entry->flags & PROACTOR_MORE)) {
		load->ended++;
		actor_require(actor, proactor_pop(load->proactor, entry, &completion) == -ENOENT);
	}
	take_result(flight, entry->result, entry->flags);
}

/* As proactor_poll(), with the entries taken. */
static int poll_once(struct load *load, const struct timespec *timeout)
{
	struct proactor_entry entries[16];
	unsigned count = load->options->one_by_one ? 1 : ARRAY_SIZE(entries);
	int r = IN_DRIVER(proactor_poll(load->proactor, timeout, entries, count));

	if (r < 0 && r != -ETIME)
		fprintf(stderr, "poll: %s\n", result_text(r));
	actor_require(NULL, r >= 0 || r == -ETIME);
	for (int i = 0; i < r; i++)
		take_entry(load, &entries[i]);
	if (r == 0) {
		actor_require(NULL, load->is_notified);
		load->is_notified = false;
	}
	return r;
}

void actor_end_chain(struct actor *actor)
{
	(void)poll_once(actor->load, &(struct timespec){0});
}

/* How long until what ends by itself must have. */
static struct timespec patience(const struct load *load)
{
	if (load->is_busy)
		return (struct timespec){0};
	return load->refusals_in_turn > 0 || load->is_hurried || load->is_given_up
		? clock_timespec(RETRY_NS)
		: (struct timespec){.tv_sec = STALL_S};
}

static void wait_in_poll(struct load *load)
{
	struct timespec timeout = patience(load);
	uint64_t deadline_ns = clock_deadline_ns(&timeout);
	int r = poll_once(load, &timeout);

	actor_require(NULL, r != -ETIME || timeout.tv_sec == 0);
	/* what was there all the time is found at its end, too */
	actor_require(NULL, timeout.tv_sec == 0 || clock_now_ns() < deadline_ns);
}

static void wait_by_fd(struct load *load)
{
	struct timespec timeout = patience(load);
	struct pollfd pollfd = {.fd = load->fd, .events = POLLIN};
	int r = poll_once(load, &(struct timespec){0});

	if (r != -ETIME)
		return;
	r = ppoll(&pollfd, 1, &timeout, NULL);
	actor_require(NULL, r == 1 || timeout.tv_sec == 0);
}

/* ---- turns ---- */

static bool has_flights(const struct actor *actor)
{
	for (int i = 0; i < FLIGHTS_MAX; i++)
		if (actor->flights[i].is_pending)
			return true;
	return false;
}

static bool is_over(const struct load *load)
{
	for (size_t i = 0; i < load->actor_count; i++) {
		const struct actor *actor = load->actors[i];

		if (has_flights(actor) || (actor->rounds_left > 0 && !load->is_given_up))
			return false;
	}
	return true;
}

static void repeat_cancels(struct actor *actor)
{
	for (unsigned i = 0; i < FLIGHTS_MAX; i++) {
		struct flight *flight = &actor->flights[i];

		if (flight->is_pending && flight->is_to_end && !flight->is_cancelled)
			cancel(flight);
		else if (actor->load->is_given_up)
			actor_cancel(actor, i);
	}
}

static void act(struct load *load, struct actor *actor)
{
	if (!load->is_given_up) {
		if (!actor->has_begun)
			actor->has_begun = actor->role->begin(actor);
		if (!actor->has_begun)
			load->refusals_in_turn++;
		else
			actor->role->act(actor);
	}
	repeat_cancels(actor);
}

static void notify(struct load *load)
{
	/* without a handle there is nobody to be notified */
	if (!load->handle && IN_DRIVER(proactor_handle(load->proactor, &load->handle)) < 0)
		return;
	proactor_notify(load->handle);
	load->is_notified = true;
}

static void take_turn(struct load *load)
{
	load->turn++;
	load->refusals_in_turn = 0;
	load->is_hurried = load->is_busy = false;
	for (size_t i = 0; i < load->actor_count; i++)
		act(load, load->actors[i]);
	load->refusals += load->refusals_in_turn;
	if (load->refusals > REFUSALS_MAX)
		load->is_given_up = true;
	if (load->turn % NOTIFY_EACH == 0)
		notify(load);
	if (is_over(load))
		return;
	if (load->options->by_fd)
		wait_by_fd(load);
	else
		wait_in_poll(load);
}

/* ---- the whole ---- */

static void actors_new(struct load *load)
{
	load->actors = calloc(ARRAY_SIZE(load_roles), sizeof(*load->actors));
	for (size_t i = 0; i < ARRAY_SIZE(load_roles); i++) {
		const struct role *role = load_roles[i];
		struct actor *actor;

		if (load->options->roles != 0 && !(load->options->roles >> i & 1))
			continue;
		actor = calloc(1, role->size);
		actor->load = load;
		actor->role = role;
		actor->rounds_left = role->rounds;
		load->actors[load->actor_count++] = actor;
	}
}

static void actor_free(struct actor *actor)
{
	if (actor->has_begun)
		actor->role->end(actor);
	for (unsigned i = 0; i < actor->file_count; i++)
		actor_close(actor, actor->files[i]);
	free(actor);
}

static void check_stats(const struct load *load)
{
	struct proactor_stats stats;

	proactor_stats(load->proactor, &stats);
	actor_require(NULL, load->pushed == load->ended);
	actor_require(NULL, stats.pushed == load->pushed && stats.in_flight == 0);
	actor_require(NULL, stats.completed + stats.cancelled == stats.pushed);
}

static enum load_outcome end(struct load *load)
{
	bool is_freed = !is_over(load);

	if (is_freed) {
		load->proactor = IN_DRIVER(proactor_free(load->proactor));
		load->buffers = NULL;
	} else {
		check_stats(load);
	}
	for (size_t i = 0; i < load->actor_count; i++)
		actor_free(load->actors[i]);
	load->actor_count = 0;
	free(load->actors);
	load->actors = NULL;
	proactor_buffers_free(load->buffers);
	if (load->proactor)
		proactor_memory_free(load->proactor, load->memory);
	(void)IN_DRIVER(proactor_free(load->proactor));
	proactor_handle_free(load->handle);
	return is_freed ? LOAD_FREED : load->is_given_up ? LOAD_GIVEN_UP : LOAD_DONE;
}

/* What actors share. Refused, they do without, or wait. */
static void equip(struct load *load)
{
	int r;

	if (load->options->by_fd) {
		do
			r = IN_DRIVER(proactor_fd(load->proactor, &load->fd));
		while (r < 0 && load->refusals++ < REFUSALS_MAX);
		actor_require(NULL, r >= 0);
	}
	for (int i = 0; i < 3 && !load->buffers; i++)
		(void)IN_DRIVER(proactor_buffers_new(load->proactor, BUFFER_COUNT, BUFFER_SIZE,
			&load->buffers));
	if (IN_DRIVER(proactor_memory_new(load->proactor, MEMORY_SIZE, (void **)&load->memory)) < 0)
		load->memory = NULL;
}

static bool is_refusal(const struct load_options *options, int r)
{
	return options->refusals == LOAD_ANY || options->refusals & load_bit(-r);
}

static enum load_outcome run(struct load *load)
{
	const struct load_options *options = load->options;
	int r = IN_DRIVER(proactor_new(&load->proactor, &options->proactor));

	if (r < 0) {
		if (!is_refusal(options, r))
			fprintf(stderr, "proactor_new: %s\n", result_text(r));
		actor_require(NULL, is_refusal(options, r));
		return LOAD_REFUSED;
	}
	equip(load);
	actors_new(load);
	while (!is_over(load) && !(options->free_after > 0 && load->turn >= options->free_after))
		take_turn(load);
	return end(load);
}

enum load_outcome load_run(const struct load_options *options)
{
	struct load load = {.options = options};
	int fds_before = fd_count();
	enum load_outcome outcome;

	watched = &load;
	signal(SIGALRM, on_alarm);
	alarm(is_slow() ? 4 * LIMIT_S : LIMIT_S);
	outcome = run(&load);
	alarm(0);
	actor_require(NULL, fd_count() == fds_before);
	fault_stop();
	watched = NULL;
	return outcome;
}
