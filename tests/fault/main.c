/*
 * Faults on one driver: fault io_uring, fault epoll.
 *
 * SEED=n repeats the runs that are left to chance.
 */
#include "tests/fault/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t driver;

int main(int argc, char **argv)
{
	bool is_uring = argc == 2 && strcmp(argv[1], "io_uring") == 0;
	Suite *suite = suite_create("fault");

	if (!is_uring && !(argc == 2 && strcmp(argv[1], "epoll") == 0)) {
		fprintf(stderr, "usage: %s io_uring|epoll\n", argv[0]);
		return EXIT_FAILURE;
	}
	driver = is_uring ? PROACTOR_DRIVER_IO_URING : PROACTOR_DRIVER_EPOLL;
	fault_thread_is_test();
	add_all(suite);
	add_sigpipe(suite);
	if (is_uring) {
		add_uring(suite);
		add_reasons(suite);
		add_table(suite);
	} else {
		add_epoll(suite);
	}
	return suite_main(suite);
}
