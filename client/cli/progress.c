/* Progress on a terminal. See progress.h. */
#include "client/cli/progress.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "client/cli/format.h"

#define DRAW_INTERVAL_NS (100 * NSEC_PER_MSEC)

enum { WIDTH_DEFAULT = 80, WIDTH_MAX = 200, BAR_MAX = 40, BAR_MIN = 8, TEXT_SIZE = 128 };

static bool has_value(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

void progress_init(struct progress *progress, const char *name, uint64_t total, bool quiet)
{
	const char *term = getenv("TERM"), *slash = strrchr(name, '/');
	bool terminal = isatty(STDERR_FILENO);

	*progress = (struct progress){
		.name = slash && slash[1] ? slash + 1 : name,
		.total = total,
		.start_ns = clock_now_ns(),
		.summary = terminal && !quiet,
		.bar = terminal && !quiet && term && strcmp(term, "dumb") != 0,
		.color = !has_value("NO_COLOR"),
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	};
	/* what is done before the first drawing was due needs no bar */
	progress->drawn_ns = progress->start_ns;
}

static int width_of_terminal(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return WIDTH_DEFAULT;
	return MIN(size.ws_col, WIDTH_MAX);
}

/* "1.2 GiB  1.9 GiB/s  ETA 1 s": what stands right of the bar. */
static void numbers(const struct progress *progress, uint64_t bytes, uint64_t now_ns,
	char text[TEXT_SIZE])
{
	double seconds = (double)(now_ns - progress->start_ns) / NSEC_PER_SEC;
	double rate = seconds > 0 ? (double)bytes / seconds : 0;
	char size[FORMAT_SIZE], speed[FORMAT_SIZE], eta[FORMAT_SIZE];

	format_bytes((double)bytes, size);
	format_bytes(rate, speed);
	/* a hundred days are as good as never */
	if (progress->total > bytes && (double)(progress->total - bytes) < rate * 8640000) {
		/* whole seconds: digits behind the point would only flicker */
		format_duration((uint64_t)((double)(progress->total - bytes) / rate + 1) *
				NSEC_PER_SEC,
			eta);
		if (strchr(eta, '.'))
			snprintf(eta, sizeof(eta), "%.0f s",
				(double)(progress->total - bytes) / rate + 1);
		snprintf(text, TEXT_SIZE, "%10s %10s/s  ETA %-6s", size, speed, eta);
	} else
		snprintf(text, TEXT_SIZE, "%10s %10s/s", size, speed);
}

static void draw_bar(const struct progress *progress, uint64_t bytes, int width)
{
	double done = progress->total > 0
		? (double)MIN(bytes, progress->total) / (double)progress->total
		: 0;
	int full = (int)(done * width);

	fprintf(stderr, " %3d%% %s", (int)(done * 100), progress->color ? "\033[32m" : "");
	for (int i = 0; i < width; i++)
		fputs(i < full ? (progress->utf8 ? "━" : "#") : (progress->utf8 ? "╌" : "."),
			stderr);
	fputs(progress->color ? "\033[0m" : "", stderr);
}

static void draw(const struct progress *progress, uint64_t bytes, uint64_t now_ns)
{
	enum { PERCENT_WIDTH = 7 };
	char text[TEXT_SIZE];
	/* the last column stays free: some terminals wrap there */
	int room = width_of_terminal() - 1, name_width, bar_width;

	numbers(progress, bytes, now_ns, text);
	room -= (int)strlen(text) + 1;
	if (room < 0) {
		fprintf(stderr, "\r\033[K%.*s", MAX(room + (int)strlen(text) + 1, 0), text);
		return;
	}
	/* a name may take what a bar of a fair width leaves */
	name_width = MIN((int)strlen(progress->name), MAX(room - PERCENT_WIDTH - BAR_MIN * 2, 0));
	bar_width = MIN(room - name_width - PERCENT_WIDTH, (int)BAR_MAX);
	fprintf(stderr, "\r\033[K%.*s", name_width, progress->name);
	if (progress->total > 0 && bar_width >= BAR_MIN)
		draw_bar(progress, bytes, bar_width);
	fprintf(stderr, " %s", text);
}

void progress_update(struct progress *progress, uint64_t bytes)
{
	uint64_t now_ns;

	if (!progress->bar)
		return;
	now_ns = clock_now_ns();
	if (now_ns - progress->drawn_ns < DRAW_INTERVAL_NS)
		return;
	draw(progress, bytes, now_ns);
	(void)fflush(stderr);
	progress->drawn_ns = now_ns;
	progress->drawn = true;
}

void progress_clear(struct progress *progress)
{
	if (progress->drawn)
		fputs("\r\033[K", stderr);
	progress->drawn = false;
}

void progress_finish(struct progress *progress, uint64_t bytes)
{
	uint64_t duration_ns = clock_now_ns() - progress->start_ns;
	char size[FORMAT_SIZE], time[FORMAT_SIZE], rate[FORMAT_SIZE];

	progress_clear(progress);
	if (!progress->summary)
		return;
	format_bytes((double)bytes, size);
	format_duration(duration_ns, time);
	format_bytes((double)bytes * NSEC_PER_SEC / (double)MAX(duration_ns, UINT64_C(1)), rate);
	fprintf(stderr, "%s: %s in %s, %s/s\n", progress->name, size, time, rate);
}
