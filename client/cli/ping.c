/* proactl ping: how long the way to the daemon and back takes. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "client/cli/dial.h"
#include "client/cli/interrupt.h"
#include "client/cli/json.h"

#define PATIENCE_NS (10 * NSEC_PER_SEC)

enum { COUNT_DEFAULT = 4, INTERVAL_MAX_S = 86400 };

struct ping {
	uint64_t count; /* to be sent; 0: until a signal comes */
	double interval_s;
	uint64_t sent;
	uint64_t answered;
	uint64_t min_ns;
	uint64_t max_ns;
	double sum_ns;
};

static void note(struct ping *ping, uint64_t time_ns)
{
	ping->min_ns = ping->answered == 0 ? time_ns : MIN(ping->min_ns, time_ns);
	ping->max_ns = MAX(ping->max_ns, time_ns);
	ping->sum_ns += (double)time_ns;
	ping->answered++;
}

static int ping_one(const struct cli *cli, struct connection *connection, struct ping *ping)
{
	uint64_t start_ns = clock_now_ns(), time_ns;
	json_t *result = NULL;
	int status;

	ping->sent++;
	status = dial_call(cli, connection, "ping", NULL, 0, start_ns + PATIENCE_NS, &result);
	if (status != 0)
		return status;
	time_ns = clock_now_ns() - start_ns;
	json_decref(result);
	note(ping, time_ns);
	if (!cli->json)
		printf("answer from %s: seq=%" PRIu64 " time=%.1f us\n", cli->socket, ping->sent,
			(double)time_ns / 1e3);
	(void)fflush(stdout);
	return 0;
}

static int ping_all(const struct cli *cli, struct connection *connection, struct ping *ping)
{
	struct timespec interval = clock_timespec((uint64_t)(ping->interval_s * 1e9));
	int status;

	for (;;) {
		status = ping_one(cli, connection, ping);
		if (status != 0 || interrupt_signal() ||
			(ping->count > 0 && ping->sent >= ping->count))
			return status;
		/* a signal ends the sleep, which is what it is to do */
		if (nanosleep(&interval, NULL) < 0 && interrupt_signal())
			return 0;
	}
}

static void summarize(const struct cli *cli, const struct ping *ping)
{
	double average_ns = ping->answered > 0 ? ping->sum_ns / (double)ping->answered : 0;

	if (cli->json) {
		json_print(json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "socket",
				   json_text(cli->socket), "sent", (json_int_t)ping->sent,
				   "answered", (json_int_t)ping->answered, "min_ns",
				   (json_int_t)ping->min_ns, "avg_ns", (json_int_t)average_ns,
				   "max_ns", (json_int_t)ping->max_ns),
			stdout, JSON_PRINT_AUTO);
		return;
	}
	printf("--- %s ---\n%" PRIu64 " sent, %" PRIu64 " answered\n", cli->socket, ping->sent,
		ping->answered);
	if (ping->answered > 0)
		printf("round trip min/avg/max = %.1f/%.1f/%.1f us\n", (double)ping->min_ns / 1e3,
			average_ns / 1e3, (double)ping->max_ns / 1e3);
}

static bool parse_interval(const char *text, double *ret_interval_s)
{
	char *end;
	double interval_s = strtod(text, &end);

	/* written so that NaN is refused too */
	if (end == text || *end != '\0' || !(interval_s >= 0 && interval_s <= INTERVAL_MAX_S))
		return false;
	*ret_interval_s = interval_s;
	return true;
}

static int parse(struct cli *cli, int argc, char **argv, struct ping *ping)
{
	static const struct option options[] = {CLI_OPTIONS,
		{"count", required_argument, NULL, 'c'}, {"interval", required_argument, NULL, 'i'},
		{0}};
	int option;

	while ((option = cli_option(cli, argc, argv, ":hc:i:", options)) != -1) {
		switch (option) {
		case 'c':
			if (!cli_parse_number(optarg, 0, UINT32_MAX, &ping->count))
				return cli_fail_usage(cli, "-c %s is not a count", optarg);
			break;
		case 'i':
			if (!parse_interval(optarg, &ping->interval_s))
				return cli_fail_usage(cli, "-i %s is not a number of seconds",
					optarg);
			break;
		default: return cli->status;
		}
	}
	return cli_check_count(cli, argc, 0, 0) ? -1 : cli->status;
}

int command_ping(struct cli *cli, int argc, char **argv)
{
	_cleanup_(connection_deinit) struct connection connection = {.fd = -EBADF};
	struct ping ping = {.count = COUNT_DEFAULT, .interval_s = 0.2};
	int status = parse(cli, argc, argv, &ping);

	if (status >= 0)
		return status;
	status = dial_connect(cli, &connection);
	if (status != 0)
		return status;
	interrupt_catch(NULL);
	status = ping_all(cli, &connection, &ping);
	/* an error is the one object that --json prints */
	if (status == 0 || !cli->json)
		summarize(cli, &ping);
	return status == 0 && interrupt_signal() ? interrupt_status() : status;
}
