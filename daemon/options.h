/* The command line of proactord, read. */
#pragma once

#include <sys/types.h>

#include "proto/limits.h"

struct options {
	const char *socket; /* NULL: the default */
	mode_t socket_mode;
	gid_t socket_group; /* -1: left as it is */
	uint32_t driver;    /* enum proactor_driver */
	unsigned threads;   /* from 1 to SHARDS_MAX */
	uint64_t drain_ns;
	uint64_t spin_ns;
	struct limits limits;
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE,  /* --help, --version: exit with success */
	OPTIONS_WRONG, /* stderr says what is wrong: exit with EX_USAGE, here 2 */
};

enum options_result options_parse(struct options *options, int argc, char **argv);
