/* What comes in several pieces, both ways: vectors, messages, and results that bring an address. */
#include "tests/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "proto/codec.h"

static struct buffer buffer;
static struct codec_scratch scratch;

static struct reader packed(void)
{
	return reader_of(buffer_bytes(&buffer), buffer_size(&buffer));
}

/* What was packed, as the parameters of @opcode. */
static bool read(uint32_t opcode, uint32_t count, struct proactor_op *ret_op)
{
	struct rpc_error error = {0};
	bool done;

	*ret_op = (struct proactor_op){.opcode = opcode};
	done = codec_read_params(&op_table[opcode], packed(), count, ret_op, &scratch, &error);
	ck_assert(done || error.code == RPC_INVALID_PARAMS);
	buffer_clear(&buffer);
	return done;
}

static void pack_sizes(struct pack *pack, uint32_t count, uint64_t size)
{
	pack_uint(pack, 1);
	pack_array(pack, count);
	for (uint32_t i = 0; i < count; i++)
		pack_uint(pack, size);
}

/* ---- parameters ---- */

START_TEST(pieces_are_counted_before_they_are_kept)
{
	struct pack pack = pack_into(&buffer);
	struct proactor_op op;

	pack_sizes(&pack, IOV_MAX, 3);
	ck_assert(read(PROACTOR_READV, 2, &op));
	ck_assert_uint_eq(op.readv.count, IOV_MAX);
	ck_assert_uint_eq(op.readv.pieces[IOV_MAX - 1].iov_len, 3);
	pack_sizes(&pack, IOV_MAX + 1, 3);
	ck_assert(!read(PROACTOR_READV, 2, &op));
	for (int opcode = 0; opcode < 2; opcode++) {
		pack_uint(&pack, 1);
		if (opcode == 1)
			pack_array(&pack, 2);
		pack_array(&pack, IOV_MAX + 1);
		for (uint32_t i = 0; i <= IOV_MAX; i++)
			pack_bin(&pack, "x", 1);
		pack_nil(&pack);
		ck_assert(!read(opcode ? PROACTOR_SENDMSG : PROACTOR_WRITEV, 2, &op));
	}
	/* announced alone */
	pack_uint(&pack, 1);
	pack_array(&pack, UINT32_MAX);
	ck_assert(!read(PROACTOR_WRITEV, 2, &op));
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(sizes_whose_sum_is_no_size_are_refused)
{
	struct pack pack = pack_into(&buffer);
	struct proactor_op op;

	pack_sizes(&pack, 1, INT64_MAX);
	ck_assert(read(PROACTOR_READV, 2, &op));
	pack_sizes(&pack, 2, INT64_MAX / 2);
	ck_assert(read(PROACTOR_READV, 2, &op));
	pack_sizes(&pack, 2, INT64_MAX);
	ck_assert(!read(PROACTOR_READV, 2, &op));
	pack_sizes(&pack, 1, UINT64_C(1) << 63);
	ck_assert(!read(PROACTOR_READV, 2, &op));
	buffer_deinit(&buffer);
}
END_TEST

static void pack_triple(struct pack *pack, uint64_t memory, uint64_t offset, uint64_t size)
{
	pack_array(pack, 3);
	pack_uint(pack, memory);
	pack_uint(pack, offset);
	pack_uint(pack, size);
}

START_TEST(piece_may_be_a_region)
{
	struct pack pack = pack_into(&buffer);
	struct proactor_op op;

	pack_uint(&pack, 1);
	pack_array(&pack, 3);
	pack_bin(&pack, "head", 4);
	pack_triple(&pack, 7, 4096, 100);
	pack_triple(&pack, 8, 0, 0);
	ck_assert(read(PROACTOR_WRITEV, 2, &op));
	ck_assert_uint_eq(scratch.region_count, 2);
	ck_assert_uint_eq(scratch.regions[0].memory, 0);
	ck_assert_mem_eq(op.writev.pieces[0].iov_base, "head", 4);
	ck_assert_uint_eq(scratch.regions[1].memory, 7);
	ck_assert_uint_eq(scratch.regions[1].offset, 4096);
	ck_assert_uint_eq(op.writev.pieces[1].iov_len, 100);
	ck_assert_ptr_null(op.writev.pieces[1].iov_base);
	ck_assert_uint_eq(scratch.regions[2].memory, 8);
	/* what was read before is forgotten */
	pack_sizes(&pack, 2, 3);
	ck_assert(read(PROACTOR_READV, 2, &op));
	ck_assert_uint_eq(scratch.region_count, 0);
	pack_uint(&pack, 1);
	pack_triple(&pack, 9, 5, 6);
	ck_assert(read(PROACTOR_RECVMSG, 2, &op));
	ck_assert_uint_eq(scratch.region_count, 1);
	ck_assert_uint_eq(scratch.regions[0].memory, 9);
	ck_assert_uint_eq(op.recvmsg.message->msg_iov->iov_len, 6);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(spaces_are_all_regions_or_none_is)
{
	struct pack pack = pack_into(&buffer);
	struct proactor_op op;

	for (uint32_t named = 0; named < 8; named++) {
		pack_uint(&pack, 1);
		pack_array(&pack, 3);
		for (uint32_t i = 0; i < 3; i++) {
			if (named >> i & 1)
				pack_triple(&pack, 1, 0, 10);
			else
				pack_uint(&pack, 10);
		}
		ck_assert_int_eq(read(PROACTOR_READV, 2, &op), named == 0 || named == 7);
	}
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(regions_whose_sum_is_no_size_are_refused)
{
	static const uint32_t opcodes[] = {PROACTOR_READV, PROACTOR_WRITEV};
	struct pack pack = pack_into(&buffer);
	struct proactor_op op;

	for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
		for (uint64_t size = INT64_MAX - 1; size <= INT64_MAX; size++) {
			pack_uint(&pack, 1);
			pack_array(&pack, 2);
			pack_triple(&pack, 1, INT64_MAX, size);
			pack_triple(&pack, 1, INT64_MAX, 1);
			ck_assert_int_eq(read(opcodes[i], 2, &op), size == INT64_MAX - 1);
		}
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(regions_are_packed_where_there_are_some)
{
	struct iovec pieces[] = {{(void *)(uintptr_t) "abc", 3}, {NULL, 100}, {NULL, 0}};
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};
	struct codec_region regions[] = {{0}, {.memory = 5, .offset = 4096}, {0}};
	struct proactor_op ops[] = {
		{.opcode = PROACTOR_WRITEV, .writev = {1, pieces, 3, PROACTOR_CURRENT}},
		{.opcode = PROACTOR_SENDMSG, .sendmsg = {1, &message, 0}},
	};
	struct pack pack = pack_into(&buffer);

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		struct rpc_message request;
		struct rpc_error error;
		struct proactor_op op = {.opcode = ops[i].opcode};
		const char *reason;

		codec_pack_request_in(&pack, 1, &ops[i], regions);
		must(rpc_parse(buffer_bytes(&buffer), buffer_size(&buffer), &request, &reason));
		ck_assert(codec_read_params(&op_table[op.opcode], request.params,
			request.param_count, &op, &scratch, &error));
		ck_assert_uint_eq(scratch.region_count, 1);
		ck_assert_uint_eq(scratch.regions[1].memory, 5);
		ck_assert_uint_eq(scratch.regions[1].offset, 4096);
		ck_assert_uint_eq(scratch.pieces[1].iov_len, 100);
		ck_assert_mem_eq(scratch.pieces[0].iov_base, "abc", 3);
		ck_assert_uint_eq(scratch.pieces[2].iov_len, 0);
		buffer_clear(&buffer);
	}
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(message_is_its_pieces_and_perhaps_an_address)
{
	static const uint32_t counts[] = {0, 1, 2, 3};
	struct pack pack = pack_into(&buffer);
	struct proactor_op op;

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		pack_uint(&pack, 1);
		pack_array(&pack, counts[i]);
		for (uint32_t k = 0; k < counts[i]; k++) {
			pack_array(&pack, k == 0);
			if (k == 0)
				pack_str(&pack, "as str");
		}
		/* an empty array is no address */
		ck_assert_int_eq(read(PROACTOR_SENDMSG, 2, &op), counts[i] == 1);
	}
	pack_uint(&pack, 1);
	pack_array(&pack, 2);
	pack_array(&pack, 0);
	pack_array(&pack, 2);
	pack_str(&pack, "unix");
	pack_str(&pack, "/x");
	ck_assert(read(PROACTOR_SENDMSG, 2, &op));
	ck_assert_uint_eq(op.sendmsg.message->msg_iovlen, 0);
	ck_assert_ptr_eq(op.sendmsg.message->msg_name, &scratch.address.storage);
	buffer_deinit(&buffer);
}
END_TEST

/* ---- results ---- */

/* The result of @op with @text, as the daemon packs it. */
static void pack_result(const struct proactor_op *op, const char *text)
{
	struct pack pack = pack_into(&buffer);

	codec_pack_result(&pack, op, (int64_t)strlen(text));
	must(buffer_append(&buffer, text, strlen(text)));
	codec_pack_trailer(&pack, op);
	ck_assert(!pack.failed);
}

START_TEST(result_fills_pieces_one_after_another_and_no_further)
{
	char room[16];
	struct iovec pieces[] = {{room, 2}, {NULL, 0}, {room + 8, 3}, {room + 15, 1}};
	struct codec_result result = {.pieces = pieces, .size = 6};

	memset(room, '.', sizeof(room));
	pack_result(&(struct proactor_op){.opcode = PROACTOR_READV}, "abcd");
	must(codec_read_result(PROACTOR_READV, packed(), &result));
	ck_assert_int_eq(result.result, 4);
	ck_assert_mem_eq(room, "ab......cd......", 16);
	buffer_clear(&buffer);
	pack_result(&(struct proactor_op){.opcode = PROACTOR_READV}, "more than fits");
	assert_result(codec_read_result(PROACTOR_READV, packed(), &result), -EBADMSG);
	ck_assert_mem_eq(room, "ab......cd......", 16);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(datagram_brings_an_address_or_none)
{
	struct proactor_address from = {.size = sizeof(struct sockaddr_in)}, found;
	struct proactor_op op = {.opcode = PROACTOR_RECVFROM, .recvfrom = {.address = &from}};
	char room[4];
	struct codec_result result = {.data = room, .size = 4, .address = &found};

	*(struct sockaddr_in *)&from.storage =
		(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(53)};
	for (int i = 0; i < 3; i++) {
		memset(&found, 0xee, sizeof(found));
		if (i == 1)
			from.any.sa_family = AF_NETLINK;
		if (i == 2)
			from.size = 0;
		pack_result(&op, "abc");
		must(codec_read_result(op.opcode, packed(), &result));
		ck_assert_int_eq(result.result, 3);
		ck_assert_uint_eq(found.size, i == 0 ? sizeof(struct sockaddr_in) : 0);
		buffer_clear(&buffer);
	}
	/* who does not want to know need not */
	result.address = NULL;
	pack_result(&op, "abc");
	must(codec_read_result(op.opcode, packed(), &result));
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(result_that_lacks_something_is_malformed)
{
	struct pack pack = pack_into(&buffer);
	char room[4];
	struct codec_result result = {.data = room, .size = 4};

	for (int i = 0; i < 5; i++) {
		pack_array(&pack, i == 0 ? 2 : i == 1 ? 4 : 3);
		if (i == 2)
			pack_uint(&pack, 1);
		else
			pack_bin(&pack, "abc", 3);
		pack_nil(&pack);
		if (i == 3)
			pack_str(&pack, "flags");
		else if (i == 4)
			pack_uint(&pack, UINT32_MAX);
		else
			pack_uint(&pack, 0);
		assert_result(codec_read_result(PROACTOR_RECVMSG, packed(), &result), -EBADMSG);
		buffer_clear(&buffer);
	}
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(largest_trailer_is_within_what_is_said_of_it)
{
	struct sockaddr_un *local;
	struct proactor_address addresses[3] = {0};
	struct pack pack = pack_into(&buffer);

	addresses[0].size = sizeof(addresses[0].storage);
	addresses[0].any.sa_family = AF_NETLINK;
	addresses[1].size = sizeof(struct sockaddr_un);
	local = (struct sockaddr_un *)&addresses[1].storage;
	local->sun_family = AF_UNIX;
	memset(local->sun_path, 'x', sizeof(local->sun_path));
	addresses[2].size = sizeof(struct sockaddr_in6);
	*(struct sockaddr_in6 *)&addresses[2].storage = (struct sockaddr_in6){
		.sin6_family = AF_INET6, .sin6_port = UINT16_MAX, .sin6_scope_id = UINT32_MAX};
	memset(&((struct sockaddr_in6 *)&addresses[2].storage)->sin6_addr, 0xff, 16);
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct msghdr message = {.msg_name = &addresses[i].storage,
			.msg_namelen = addresses[i].size,
			.msg_flags = -1};
		struct proactor_op op = {
			.opcode = PROACTOR_RECVMSG, .recvmsg = {.message = &message}};

		codec_pack_trailer(&pack, &op);
		ck_assert_uint_gt(buffer_size(&buffer), 0);
		ck_assert_uint_le(buffer_size(&buffer), CODEC_TRAILER_MAX);
		buffer_clear(&buffer);
	}
	buffer_deinit(&buffer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("codec_pieces");

	suite_add(suite, pieces_are_counted_before_they_are_kept);
	suite_add(suite, sizes_whose_sum_is_no_size_are_refused);
	suite_add(suite, piece_may_be_a_region);
	suite_add(suite, spaces_are_all_regions_or_none_is);
	suite_add(suite, regions_whose_sum_is_no_size_are_refused);
	suite_add(suite, regions_are_packed_where_there_are_some);
	suite_add(suite, message_is_its_pieces_and_perhaps_an_address);
	suite_add(suite, result_fills_pieces_one_after_another_and_no_further);
	suite_add(suite, datagram_brings_an_address_or_none);
	suite_add(suite, result_that_lacks_something_is_malformed);
	suite_add(suite, largest_trailer_is_within_what_is_said_of_it);
	return suite_main(suite);
}
