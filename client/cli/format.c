/* Numbers for people. See format.h. */
#include "client/cli/format.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/def.h"

void format_bytes(double bytes, char text[FORMAT_SIZE])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;

	while (bytes >= 1023.95 && unit + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		unit++;
	}
	snprintf(text, FORMAT_SIZE, "%.*f %s", unit > 0 && bytes < 99.95, bytes, units[unit]);
}

static void format_long(unsigned long seconds, char text[FORMAT_SIZE])
{
	unsigned long minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (hours == 0)
		snprintf(text, FORMAT_SIZE, "%lum%02lus", minutes, seconds % 60);
	else if (days == 0)
		snprintf(text, FORMAT_SIZE, "%luh%02lum", hours, minutes % 60);
	else
		snprintf(text, FORMAT_SIZE, "%lud%02luh", days, hours % 24);
}

void format_duration(uint64_t duration_ns, char text[FORMAT_SIZE])
{
	double us = (double)duration_ns / NSEC_PER_USEC;

	if (us < 1)
		snprintf(text, FORMAT_SIZE, "%u ns", (unsigned)duration_ns);
	else if (us < 99.95)
		snprintf(text, FORMAT_SIZE, "%.1f us", us);
	else if (us < 999.5)
		snprintf(text, FORMAT_SIZE, "%.0f us", us);
	else if (us < 999500)
		snprintf(text, FORMAT_SIZE, "%.*f ms", us < 99950 ? 1 : 0, us / 1e3);
	else if (us < 59.995e6)
		snprintf(text, FORMAT_SIZE, "%.2f s", us / 1e6);
	else
		format_long((unsigned long)(us / 1e6 + 0.5), text);
}
