/* Why there is no ring. See uring_reason.h. */
#include "driver/uring_reason.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/err.h"

static int read_disabled(void)
{
	FILE *file = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	int digit;

	if (!file)
		return -1;
	digit = fgetc(file);
	fclose(file);
	return digit >= '0' && digit <= '9' ? digit - '0' : -1;
}

void uring_facts_find(struct uring_facts *ret_facts)
{
	struct rlimit limit;

	ret_facts->disabled = read_disabled();
	ret_facts->seccomp_mode = prctl(PR_GET_SECCOMP);
	ret_facts->memlock_size =
		getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY
		? limit.rlim_cur
		: UINT64_MAX;
}

/*
 * 2 is for everybody; 1 lets a group and administrators (io_uring_setup(2)), whom then a filter may
 * forbid it.
 */
static const char *explain_forbidden(const struct uring_facts *facts)
{
	bool is_filtered = facts->seccomp_mode == SECCOMP_MODE_FILTER;

	if (facts->disabled == 2)
		return "forbidden to all by kernel.io_uring_disabled = 2";
	if (facts->disabled == 1)
		return is_filtered
			? "forbidden by kernel.io_uring_disabled = 1, or by the seccomp filter of this process"
			: "forbidden by kernel.io_uring_disabled = 1 to who is not in kernel.io_uring_group";
	return is_filtered
		? "forbidden by the seccomp filter of this process, as in most containers"
		: "forbidden, by a security module or a policy of this system";
}

static const char *explain(const struct uring_facts *facts, int error)
{
	switch (-error) {
	case EPERM:
	case EACCES: return explain_forbidden(facts);
	case ENOSYS:
		return facts->seccomp_mode == SECCOMP_MODE_FILTER
			? "the kernel has no io_uring, or the seccomp filter of this process hides it"
			: "the kernel has no io_uring";
	case EINVAL: return "the kernel knows none of the modes that would do";
	case EMFILE: return "the process has no descriptor left (ulimit -n)";
	case ENFILE: return "the system has no descriptor left (fs.file-max)";
	default: return err_text(-error);
	}
}

void uring_facts_explain(const struct uring_facts *facts, const char *call, int error, char *reason,
	size_t size)
{
	if (error == -ENOMEM && facts->memlock_size != UINT64_MAX)
		snprintf(reason, size,
			"%s: ENOMEM: memory is short, or the limit of %llu KiB of locked memory is (ulimit -l)",
			call, (unsigned long long)facts->memlock_size / 1024);
	else
		snprintf(reason, size, "%s: %s: %s", call, err_name(-error), explain(facts, error));
}
