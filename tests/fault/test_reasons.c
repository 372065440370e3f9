/*
 * What is said of a ring that could not be had: another driver is taken, and its
 * proactor_driver_reason() has the call that failed, how, and what that means. (The words for each
 * cause: test_uring_reason.c.)
 */
#include "tests/fault/suite.h"

#include <liburing.h>
#include <limits.h>
#include <string.h>

/* The reason of the driver that was taken instead, with @fault. */
static const char *reason_with(struct fault fault, uint64_t required_ops)
{
	static char reason[256];
	struct proactor_options options = {.size = sizeof(options), .required_ops = required_ops};
	struct proactor *proactor;

	fault_plan(&fault, 1);
	must(IN_DRIVER(proactor_new(&proactor, &options)));
	ck_assert_str_eq(proactor_driver_name(proactor), "epoll");
	strncpy(reason, proactor_driver_reason(proactor), sizeof(reason) - 1);
	proactor_free(proactor);
	ck_assert_ptr_null(strchr(reason, '\n'));
	return reason;
}

static void assert_reason(struct fault fault, const char *call)
{
	const char *reason = reason_with(fault, 0), *name = strerrorname_np(fault.error);

	ck_assert_uint_gt(fault_hits(), 0);
	ck_assert_msg(strstr(reason, call) && strstr(reason, name), "%s: %s", fault_text(), reason);
}

static const struct fault none = {FAULT_SETUP, UINT_MAX, 1, EPERM};

START_TEST(setup_that_fails_says_how)
{
	static const int errors[] = {EPERM, ENOSYS, ENOMEM, EINVAL, EMFILE, ENFILE};

	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		assert_reason((struct fault){FAULT_SETUP, 1, UINT_MAX, errors[i]},
			"io_uring_setup");
	assert_reason((struct fault){FAULT_MAP_QUEUES, 1, UINT_MAX, ENOMEM}, "mapping the queues");
}
END_TEST

/* A filter may let a ring be made, and then forbid all there is to register. */
START_TEST(probe_that_fails_says_how)
{
	for (size_t i = 0; fault_errors[FAULT_PROBE][i] != 0; i++)
		assert_reason((struct fault){FAULT_PROBE, 1, UINT_MAX,
				      fault_errors[FAULT_PROBE][i]},
			"asking for its operations");
}
END_TEST

START_TEST(memory_that_is_missing_is_named)
{
	const char *reason = reason_with((struct fault){FAULT_ALLOCATE, 1, 1, ENOMEM}, 0);

	ck_assert_msg(strstr(reason, "no memory"), "%s", reason);
	/* the second is the probe's */
	assert_reason((struct fault){FAULT_ALLOCATE, 2, 1, ENOMEM}, "asking for its operations");
}
END_TEST

START_TEST(operation_that_is_missing_is_named)
{
	const char *reason;

	/* the kernel has none after this */
	fault_kernel(&(struct fault_kernel){.op_last = IORING_OP_ACCEPT});
	reason = reason_with(none, 0);
	ck_assert_msg(strstr(reason, "lacks the operation read"), "%s", reason);
	/* it is not needed, but wanted */
	fault_kernel(&(struct fault_kernel){.op_last = 54});
	reason = reason_with(none, UINT64_C(1) << PROACTOR_FTRUNCATE);
	ck_assert_msg(strstr(reason, "lacks the operation ftruncate"), "%s", reason);
	fault_kernel(NULL);
}
END_TEST

START_TEST(kernel_that_is_too_old_is_named)
{
	const char *reason;

	fault_kernel(&(struct fault_kernel){.features = IORING_FEAT_EXT_ARG});
	reason = reason_with(none, 0);
	ck_assert_msg(strstr(reason, "too old"), "%s", reason);
	fault_kernel(NULL);
}
END_TEST

void add_reasons(Suite *suite)
{
	suite_add(suite, setup_that_fails_says_how);
	suite_add(suite, probe_that_fails_says_how);
	suite_add(suite, memory_that_is_missing_is_named);
	suite_add(suite, operation_that_is_missing_is_named);
	suite_add(suite, kernel_that_is_too_old_is_named);
}
