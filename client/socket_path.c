/* Where the daemon listens. See socket_path.h. */
#include "client/socket_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SYSTEM_PATH "/run/proactord/socket"

static int copy(char *to, size_t size, const char *directory, const char *path)
{
	int length = snprintf(to, size, "%s%s", directory, path);

	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

int socket_path(const char *given, char *ret_path, size_t size)
{
	const char *environment = secure_getenv("PROACTORD_SOCKET");
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");

	if (given)
		return copy(ret_path, size, "", given);
	if (environment && *environment)
		return copy(ret_path, size, "", environment);
	if (runtime && *runtime && copy(ret_path, size, runtime, "/proactord/socket") == 0 &&
		access(ret_path, F_OK) == 0)
		return 0;
	return copy(ret_path, size, "", SYSTEM_PATH);
}
