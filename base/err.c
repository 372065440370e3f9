/* Names and texts of errno values, as glibc (≥ 2.32) knows them. See err.h. */
#include "base/err.h"

#include <string.h>

enum { ERRNO_MAX = 4095 };

const char *err_name(int error)
{
	const char *name = strerrorname_np(error);

	return name ? name : "EUNKNOWN";
}

const char *err_text(int error)
{
	const char *text = strerrordesc_np(error);

	return text ? text : "Unknown error";
}

int err_from_name(const char *name)
{
	for (int error = 1; error <= ERRNO_MAX; error++) {
		const char *candidate = strerrorname_np(error);

		if (candidate && strcmp(candidate, name) == 0)
			return error;
	}
	return 0;
}
