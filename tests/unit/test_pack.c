/* Packing: each value in its shortest form, as the specification has it. */
#include "tests/harness.h"

#include <string.h>

#include "proto/pack.h"

static struct buffer buffer;

/* What was packed since the last call is @size bytes at @bytes. */
static void check(const struct pack *pack, const uint8_t *bytes, size_t size)
{
	ck_assert(!pack->failed);
	ck_assert_uint_eq(buffer_size(&buffer), size);
	ck_assert_mem_eq(buffer_bytes(&buffer), bytes, size);
	buffer_clear(&buffer);
}

#define CHECK(pack, ...)                                                                           \
	check(&pack, ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__}))

START_TEST(unsigned_integer_takes_its_shortest_form)
{
	struct pack pack = pack_into(&buffer);

	pack_uint(&pack, 0), CHECK(pack, 0x00);
	pack_uint(&pack, 127), CHECK(pack, 0x7f);
	pack_uint(&pack, 128), CHECK(pack, 0xcc, 0x80);
	pack_uint(&pack, 255), CHECK(pack, 0xcc, 0xff);
	pack_uint(&pack, 256), CHECK(pack, 0xcd, 0x01, 0x00);
	pack_uint(&pack, 65535), CHECK(pack, 0xcd, 0xff, 0xff);
	pack_uint(&pack, 65536), CHECK(pack, 0xce, 0, 1, 0, 0);
	pack_uint(&pack, UINT32_MAX), CHECK(pack, 0xce, 0xff, 0xff, 0xff, 0xff);
	pack_uint(&pack, UINT64_C(1) << 32), CHECK(pack, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0);
	pack_uint(&pack, UINT64_MAX),
		CHECK(pack, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(signed_integer_takes_its_shortest_form)
{
	struct pack pack = pack_into(&buffer);

	pack_int(&pack, 200), CHECK(pack, 0xcc, 200);
	pack_int(&pack, -1), CHECK(pack, 0xff);
	pack_int(&pack, -32), CHECK(pack, 0xe0);
	pack_int(&pack, -33), CHECK(pack, 0xd0, 0xdf);
	pack_int(&pack, INT8_MIN), CHECK(pack, 0xd0, 0x80);
	pack_int(&pack, -129), CHECK(pack, 0xd1, 0xff, 0x7f);
	pack_int(&pack, INT16_MIN - 1), CHECK(pack, 0xd2, 0xff, 0xff, 0x7f, 0xff);
	pack_int(&pack, INT64_C(-2147483649)),
		CHECK(pack, 0xd3, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff);
	pack_int(&pack, INT64_MIN), CHECK(pack, 0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0);
	pack_int(&pack, INT64_MAX),
		CHECK(pack, 0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(containers_and_bodies_take_their_shortest_header)
{
	static uint8_t zeros[65536];
	struct pack pack = pack_into(&buffer);

	pack_array(&pack, 15), CHECK(pack, 0x9f);
	pack_array(&pack, 16), CHECK(pack, 0xdc, 0, 16);
	pack_array(&pack, 65536), CHECK(pack, 0xdd, 0, 1, 0, 0);
	pack_map(&pack, 15), CHECK(pack, 0x8f);
	pack_map(&pack, 16), CHECK(pack, 0xde, 0, 16);
	pack_bin_header(&pack, 0), CHECK(pack, 0xc4, 0);
	pack_bin_header(&pack, 256), CHECK(pack, 0xc5, 1, 0);
	pack_bin_header(&pack, 65536), CHECK(pack, 0xc6, 0, 1, 0, 0);
	pack_bin(&pack, NULL, 0), CHECK(pack, 0xc4, 0);
	pack_bin(&pack, "ab", 2), CHECK(pack, 0xc4, 2, 'a', 'b');
	pack_str(&pack, ""), CHECK(pack, 0xa0);
	pack_str(&pack, "ab"), CHECK(pack, 0xa2, 'a', 'b');
	pack_str_sized(&pack, "a\0b", 3), CHECK(pack, 0xa3, 'a', 0, 'b');
	pack_bin(&pack, zeros, sizeof(zeros));
	ck_assert_uint_eq(buffer_size(&buffer), 5 + sizeof(zeros));
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(string_longer_than_31_bytes_says_so_in_a_byte)
{
	struct pack pack = pack_into(&buffer);
	char text[33];

	memset(text, 'x', sizeof(text));
	pack_str_sized(&pack, text, 31);
	ck_assert_uint_eq(buffer_bytes(&buffer)[0], 0xbf);
	buffer_clear(&buffer);
	pack_str_sized(&pack, text, 32);
	ck_assert_mem_eq(buffer_bytes(&buffer), "\xd9\x20x", 3);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(other_values_and_pairs_are_as_specified)
{
	struct pack pack = pack_into(&buffer);

	pack_nil(&pack), CHECK(pack, 0xc0);
	pack_bool(&pack, false), CHECK(pack, 0xc2);
	pack_bool(&pack, true), CHECK(pack, 0xc3);
	pack_double(&pack, 1.5), CHECK(pack, 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0);
	pack_pair_uint(&pack, "k", 1), CHECK(pack, 0xa1, 'k', 1);
	pack_pair_str(&pack, "k", "v"), CHECK(pack, 0xa1, 'k', 0xa1, 'v');
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(what_is_packed_follows_what_is_there)
{
	struct pack pack = pack_into(&buffer);

	must(buffer_append(&buffer, "x", 1));
	pack_uint(&pack, 1);
	pack_uint(&pack, 2);
	CHECK(pack, 'x', 1, 2);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(memory_that_runs_out_is_remembered)
{
	/* so full that no room can be made, and never written to */
	struct buffer full = {.tail = SIZE_MAX - 4, .capacity = SIZE_MAX - 4};
	struct pack pack = pack_into(&full);

	pack_str(&pack, "longer than four");
	ck_assert(pack.failed);
	pack = pack_into(&buffer);
	pack.failed = true;
	pack_nil(&pack);
	ck_assert(pack.failed);
	buffer_deinit(&buffer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pack");

	suite_add(suite, unsigned_integer_takes_its_shortest_form);
	suite_add(suite, signed_integer_takes_its_shortest_form);
	suite_add(suite, containers_and_bodies_take_their_shortest_header);
	suite_add(suite, string_longer_than_31_bytes_says_so_in_a_byte);
	suite_add(suite, other_values_and_pairs_are_as_specified);
	suite_add(suite, what_is_packed_follows_what_is_there);
	suite_add(suite, memory_that_runs_out_is_remembered);
	return suite_main(suite);
}
