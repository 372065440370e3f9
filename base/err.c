/* Names and texts of errno values, as glibc (≥ 2.32) knows them. See err.h. */
#include "base/err.h"

#include <string.h>

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
