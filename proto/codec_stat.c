/* statx on the wire. See codec_stat.h. */
#include "proto/codec_stat.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define NSEC_PER_SEC INT64_C(1000000000)

enum form { FORM_U16, FORM_U32, FORM_U64, FORM_TIME, FORM_DEVICE };

/* @mask: the bit that says that the kernel filled it in; 0: it always does. */
static const struct field {
	const char *name;
	enum form form;
	uint16_t offset;
	uint32_t mask;
} fields[] = {
	{"mode", FORM_U16, offsetof(struct statx, stx_mode), STATX_TYPE | STATX_MODE},
	{"nlink", FORM_U32, offsetof(struct statx, stx_nlink), STATX_NLINK},
	{"uid", FORM_U32, offsetof(struct statx, stx_uid), STATX_UID},
	{"gid", FORM_U32, offsetof(struct statx, stx_gid), STATX_GID},
	{"ino", FORM_U64, offsetof(struct statx, stx_ino), STATX_INO},
	{"size", FORM_U64, offsetof(struct statx, stx_size), STATX_SIZE},
	{"blocks", FORM_U64, offsetof(struct statx, stx_blocks), STATX_BLOCKS},
	{"atime", FORM_TIME, offsetof(struct statx, stx_atime), STATX_ATIME},
	{"mtime", FORM_TIME, offsetof(struct statx, stx_mtime), STATX_MTIME},
	{"ctime", FORM_TIME, offsetof(struct statx, stx_ctime), STATX_CTIME},
	{"btime", FORM_TIME, offsetof(struct statx, stx_btime), STATX_BTIME},
	{"mask", FORM_U32, offsetof(struct statx, stx_mask), 0},
	{"blksize", FORM_U32, offsetof(struct statx, stx_blksize), 0},
	{"attributes", FORM_U64, offsetof(struct statx, stx_attributes), 0},
	{"attributes_mask", FORM_U64, offsetof(struct statx, stx_attributes_mask), 0},
	{"dev", FORM_DEVICE, offsetof(struct statx, stx_dev_major), 0},
	{"rdev", FORM_DEVICE, offsetof(struct statx, stx_rdev_major), 0},
};

static const uint8_t *place(const struct statx *stat, const struct field *field)
{
	return (const uint8_t *)stat + field->offset;
}

/*
 * Saturates in the year 2262, before which and after which int64_t has no nanoseconds; file systems
 * have more years.
 */
static int64_t nanoseconds_of(const struct statx_timestamp *time)
{
	int64_t ns;

	if (__builtin_mul_overflow(time->tv_sec, NSEC_PER_SEC, &ns) ||
		__builtin_add_overflow(ns, time->tv_nsec, &ns))
		return time->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static void pack_field(struct pack *pack, const struct field *field, const struct statx *stat)
{
	struct statx_timestamp time;
	uint16_t number16;
	uint32_t number32, device[2];
	uint64_t number64;

	pack_str(pack, field->name);
	switch (field->form) {
	case FORM_U16:
		memcpy(&number16, place(stat, field), sizeof(number16));
		pack_uint(pack, number16);
		break;
	case FORM_U32:
		memcpy(&number32, place(stat, field), sizeof(number32));
		pack_uint(pack, number32);
		break;
	case FORM_U64:
		memcpy(&number64, place(stat, field), sizeof(number64));
		pack_uint(pack, number64);
		break;
	case FORM_TIME:
		memcpy(&time, place(stat, field), sizeof(time));
		pack_int(pack, nanoseconds_of(&time));
		break;
	case FORM_DEVICE:
		memcpy(device, place(stat, field), sizeof(device));
		pack_uint(pack, (uint64_t)device[0] << 32 | device[1]);
		break;
	}
}

static bool is_there(const struct field *field, const struct statx *stat)
{
	return field->mask == 0 || (stat->stx_mask & field->mask) != 0;
}

void codec_stat_pack(struct pack *pack, const struct statx *stat)
{
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		count += is_there(&fields[i], stat);
	pack_map(pack, count);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (is_there(&fields[i], stat))
			pack_field(pack, &fields[i], stat);
}

static struct statx_timestamp timestamp_of(int64_t ns)
{
	int64_t rest = ns % NSEC_PER_SEC;

	/* the nanoseconds count forward, also before the epoch */
	return (struct statx_timestamp){
		.tv_sec = ns / NSEC_PER_SEC - (rest < 0),
		.tv_nsec = (uint32_t)(rest < 0 ? rest + NSEC_PER_SEC : rest),
	};
}

static void store(struct statx *stat, const struct field *field, const struct token *token)
{
	int64_t ns = token->type == TOKEN_NEGATIVE ? token->negative
						   : (int64_t)MIN(token->uint, (uint64_t)INT64_MAX);
	struct statx_timestamp time = timestamp_of(ns);
	uint64_t number = token->type == TOKEN_UINT ? token->uint : 0;
	uint32_t device[2] = {(uint32_t)(number >> 32), (uint32_t)number};
	uint8_t *to = (uint8_t *)stat + field->offset;

	switch (field->form) {
	case FORM_U16: memcpy(to, &(uint16_t){(uint16_t)number}, sizeof(uint16_t)); break;
	case FORM_U32: memcpy(to, &(uint32_t){(uint32_t)number}, sizeof(uint32_t)); break;
	case FORM_U64: memcpy(to, &number, sizeof(number)); break;
	case FORM_TIME:
		memcpy(to, &time, offsetof(struct statx_timestamp, tv_nsec) + sizeof(time.tv_nsec));
		break;
	case FORM_DEVICE: memcpy(to, device, sizeof(device)); break;
	}
}

static const struct field *find(const uint8_t *name, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strlen(fields[i].name) == size && memcmp(fields[i].name, name, size) == 0)
			return &fields[i];
	return NULL;
}

int codec_stat_read(struct reader *reader, struct statx *ret_stat)
{
	struct statx stat = {0};
	const struct field *field;
	const uint8_t *name;
	struct reader before;
	struct value value;
	uint32_t count;
	size_t size;

	if (reader_map(reader, &count) < 0)
		return -EBADMSG;
	for (; count > 0; count--) {
		if (reader_bytes(reader, &name, &size) < 0)
			return -EBADMSG;
		before = *reader;
		if (reader_skip(reader) < 0 || reader_next(&before, &value) < 0)
			return -EBADMSG;
		field = find(name, size);
		if (field && (value.token.type == TOKEN_UINT || value.token.type == TOKEN_NEGATIVE))
			store(&stat, field, &value.token);
	}
	if (ret_stat)
		*ret_stat = stat;
	return 0;
}
