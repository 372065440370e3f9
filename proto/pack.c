/* Packing values. See pack.h. */
#include "proto/pack.h"

#include <msgpack.h>
#include <string.h>

static int append(void *context, const char *bytes, size_t size)
{
	struct pack *pack = context;

	if (buffer_append(pack->buffer, bytes, size) < 0)
		pack->failed = true;
	return 0;
}

static msgpack_packer packer_of(struct pack *pack)
{
	return (msgpack_packer){.data = pack, .callback = append};
}

void pack_nil(struct pack *pack)
{
	msgpack_packer packer = packer_of(pack);

	msgpack_pack_nil(&packer);
}

void pack_bool(struct pack *pack, bool boolean)
{
	msgpack_packer packer = packer_of(pack);

	boolean ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer);
}

void pack_uint(struct pack *pack, uint64_t number)
{
	msgpack_packer packer = packer_of(pack);

	msgpack_pack_uint64(&packer, number);
}

void pack_int(struct pack *pack, int64_t number)
{
	msgpack_packer packer = packer_of(pack);

	msgpack_pack_int64(&packer, number);
}

void pack_double(struct pack *pack, double number)
{
	msgpack_packer packer = packer_of(pack);

	msgpack_pack_double(&packer, number);
}

void pack_str_sized(struct pack *pack, const char *string, size_t size)
{
	msgpack_packer packer = packer_of(pack);

	msgpack_pack_str(&packer, size);
	msgpack_pack_str_body(&packer, string, size);
}

void pack_str(struct pack *pack, const char *string)
{
	pack_str_sized(pack, string, strlen(string));
}

void pack_bin_header(struct pack *pack, size_t size)
{
	msgpack_packer packer = packer_of(pack);

	msgpack_pack_bin(&packer, size);
}

void pack_body(struct pack *pack, const void *bytes, size_t size)
{
	(void)append(pack, bytes, size);
}

void pack_bin(struct pack *pack, const void *bytes, size_t size)
{
	pack_bin_header(pack, size);
	pack_body(pack, bytes, size);
}

void pack_array(struct pack *pack, size_t count)
{
	msgpack_packer packer = packer_of(pack);

	msgpack_pack_array(&packer, count);
}

void pack_map(struct pack *pack, size_t count)
{
	msgpack_packer packer = packer_of(pack);

	msgpack_pack_map(&packer, count);
}
