/* Socket addresses on the wire. See address.h. */
#include "proto/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "proto/utf8.h"

/*
 * A numeric host and a port. Both families' structures begin alike, but for where the address
 * stands.
 */
static int read_inet(struct reader *reader, int family, void *host, in_port_t *port)
{
	char text[INET6_ADDRSTRLEN];
	const uint8_t *bytes;
	uint64_t number;
	size_t size;

	if (reader_bytes(reader, &bytes, &size) < 0 || size >= sizeof(text) ||
		memchr(bytes, '\0', size))
		return -EPROTO;
	memcpy(text, bytes, size);
	text[size] = '\0';
	if (inet_pton(family, text, host) != 1 || reader_uint(reader, UINT16_MAX, &number) < 0)
		return -EPROTO;
	*port = htons((uint16_t)number);
	return 0;
}

static int read_inet4(struct reader *reader, uint32_t count, struct proactor_address *address)
{
	struct sockaddr_in *inet = (struct sockaddr_in *)&address->storage;

	if (count != 3)
		return -EPROTO;
	*inet = (struct sockaddr_in){.sin_family = AF_INET};
	address->size = sizeof(*inet);
	return read_inet(reader, AF_INET, &inet->sin_addr, &inet->sin_port);
}

static int read_inet6(struct reader *reader, uint32_t count, struct proactor_address *address)
{
	struct sockaddr_in6 *inet6 = (struct sockaddr_in6 *)&address->storage;
	uint64_t scope = 0;

	if (count != 3 && count != 4)
		return -EPROTO;
	*inet6 = (struct sockaddr_in6){.sin6_family = AF_INET6};
	address->size = sizeof(*inet6);
	if (read_inet(reader, AF_INET6, &inet6->sin6_addr, &inet6->sin6_port) < 0)
		return -EPROTO;
	if (count == 4 && reader_uint(reader, UINT32_MAX, &scope) < 0)
		return -EPROTO;
	inet6->sin6_scope_id = (uint32_t)scope;
	return 0;
}

static int read_unix(struct reader *reader, uint32_t count, struct proactor_address *address)
{
	struct sockaddr_un *local = (struct sockaddr_un *)&address->storage;
	const uint8_t *path;
	bool is_path;
	size_t size;

	*local = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (count != 2 || reader_bytes(reader, &path, &size) < 0)
		return -EPROTO;
	/*
	 * a name that begins with NUL is abstract, and all of it counts; a path ends with its one
	 * NUL
	 */
	is_path = size > 0 && path[0] != '\0';
	if (size + is_path > sizeof(local->sun_path) || (is_path && memchr(path, '\0', size)))
		return -EPROTO;
	memcpy(local->sun_path, path, size);
	address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + is_path);
	return 0;
}

int address_read(struct reader *reader, struct proactor_address *ret_address,
	const char **ret_wanted)
{
	struct proactor_address address = {0};
	const uint8_t *family;
	uint32_t count;
	size_t size;
	int r;

	*ret_wanted =
		"an address: [\"inet\", host, port], [\"inet6\", host, port, scope?] or [\"unix\", path]";
	if (reader_array(reader, &count) < 0 || count < 2 ||
		reader_bytes(reader, &family, &size) < 0)
		return -EPROTO;
	if (size == 4 && memcmp(family, "inet", 4) == 0)
		r = read_inet4(reader, count, &address);
	else if (size == 5 && memcmp(family, "inet6", 5) == 0)
		r = read_inet6(reader, count, &address);
	else if (size == 4 && memcmp(family, "unix", 4) == 0)
		r = read_unix(reader, count, &address);
	else
		r = -EPROTO;
	if (r == 0)
		*ret_address = address;
	return r;
}

static void pack_inet(struct pack *pack, const char *family, int number, const void *host,
	in_port_t port, uint32_t scope)
{
	char text[INET6_ADDRSTRLEN];

	pack_array(pack, scope ? 4 : 3);
	pack_str(pack, family);
	pack_str(pack, inet_ntop(number, host, text, sizeof(text)));
	pack_uint(pack, ntohs(port));
	if (scope)
		pack_uint(pack, scope);
}

static void pack_unix(struct pack *pack, const struct proactor_address *address)
{
	const struct sockaddr_un *local = (const struct sockaddr_un *)&address->storage;
	size_t size =
		address->size - MIN((size_t)address->size, offsetof(struct sockaddr_un, sun_path));

	size = MIN(size, sizeof(local->sun_path));
	if (size > 0 && local->sun_path[0] != '\0')
		size = strnlen(local->sun_path, size);
	pack_array(pack, 2);
	pack_str(pack, "unix");
	/* every client prints a str, and some take no other than UTF-8 */
	if (utf8_is_valid((const uint8_t *)local->sun_path, size))
		pack_str_sized(pack, local->sun_path, size);
	else
		pack_bin(pack, local->sun_path, size);
}

void address_pack(struct pack *pack, const struct proactor_address *address)
{
	const struct sockaddr_in *inet = (const struct sockaddr_in *)&address->storage;
	const struct sockaddr_in6 *inet6 = (const struct sockaddr_in6 *)&address->storage;
	sa_family_t family = address->size >= sizeof(family) ? address->any.sa_family : AF_UNIX;

	if (family == AF_INET && address->size >= sizeof(*inet)) {
		pack_inet(pack, "inet", AF_INET, &inet->sin_addr, inet->sin_port, 0);
	} else if (family == AF_INET6 && address->size >= sizeof(*inet6)) {
		pack_inet(pack, "inet6", AF_INET6, &inet6->sin6_addr, inet6->sin6_port,
			inet6->sin6_scope_id);
	} else if (family == AF_UNIX) {
		pack_unix(pack, address);
	} else {
		pack_array(pack, 3);
		pack_str(pack, "other");
		pack_uint(pack, family);
		pack_bin(pack, &address->storage,
			MIN((size_t)address->size, sizeof(address->storage)));
	}
}
