/* One MessagePack header. */
#include "tests/harness.h"

#include <errno.h>
#include <string.h>

#include "proto/token.h"

/* Decodes all of @bytes as one header, and checks that no part of it is taken for a header. */
#define TOKEN(...) token_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static struct token token_of(const uint8_t *bytes, size_t size)
{
	struct token token;

	for (size_t part = 0; part < size; part++)
		ck_assert_int_eq(token_parse(bytes, part, &token), TOKEN_MORE);
	ck_assert_int_eq(token_parse(bytes, size, &token), TOKEN_OK);
	ck_assert_uint_eq(token.header_size, size);
	return token;
}

static void check_uint(struct token token, uint64_t number)
{
	ck_assert_int_eq(token.type, TOKEN_UINT);
	ck_assert_uint_eq(token.uint, number);
	ck_assert_uint_eq(token.body_size, 0);
	ck_assert_uint_eq(token.count, 0);
}

static void check_negative(struct token token, int64_t number)
{
	ck_assert_int_eq(token.type, TOKEN_NEGATIVE);
	ck_assert_int_eq(token.negative, number);
}

static void check_body(struct token token, enum token_type type, uint32_t size)
{
	ck_assert_int_eq(token.type, type);
	ck_assert_uint_eq(token.body_size, size);
	ck_assert_uint_eq(token.count, 0);
}

static void check_count(struct token token, enum token_type type, uint32_t count)
{
	ck_assert_int_eq(token.type, type);
	ck_assert_uint_eq(token.count, count);
	ck_assert_uint_eq(token.body_size, 0);
}

START_TEST(integer_is_the_same_in_every_width)
{
	check_uint(TOKEN(0x00), 0);
	check_uint(TOKEN(0x7f), 127);
	check_uint(TOKEN(0xcc, 0x7f), 127);
	check_uint(TOKEN(0xcd, 0x00, 0x7f), 127);
	check_uint(TOKEN(0xce, 0x00, 0x00, 0x00, 0x7f), 127);
	check_uint(TOKEN(0xcf, 0, 0, 0, 0, 0, 0, 0, 0x7f), 127);
	check_uint(TOKEN(0xd0, 0x7f), 127);
	check_uint(TOKEN(0xd1, 0x00, 0x7f), 127);
	check_uint(TOKEN(0xd2, 0x00, 0x00, 0x00, 0x7f), 127);
	check_uint(TOKEN(0xd3, 0, 0, 0, 0, 0, 0, 0, 0x7f), 127);
	check_uint(TOKEN(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), UINT64_MAX);
	check_uint(TOKEN(0xd3, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), INT64_MAX);
}
END_TEST

START_TEST(negative_integer_keeps_its_sign_in_every_width)
{
	check_negative(TOKEN(0xff), -1);
	check_negative(TOKEN(0xe0), -32);
	check_negative(TOKEN(0xd0, 0x80), INT8_MIN);
	check_negative(TOKEN(0xd1, 0x80, 0x00), INT16_MIN);
	check_negative(TOKEN(0xd2, 0x80, 0x00, 0x00, 0x00), INT32_MIN);
	check_negative(TOKEN(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0), INT64_MIN);
	check_negative(TOKEN(0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), -1);
}
END_TEST

START_TEST(bodies_announce_their_size)
{
	check_body(TOKEN(0xa0), TOKEN_STR, 0);
	check_body(TOKEN(0xbf), TOKEN_STR, 31);
	check_body(TOKEN(0xd9, 0xff), TOKEN_STR, 255);
	check_body(TOKEN(0xda, 0x01, 0x02), TOKEN_STR, 0x102);
	check_body(TOKEN(0xdb, 0xff, 0xff, 0xff, 0xff), TOKEN_STR, UINT32_MAX);
	check_body(TOKEN(0xc4, 0x00), TOKEN_BIN, 0);
	check_body(TOKEN(0xc5, 0x01, 0x02), TOKEN_BIN, 0x102);
	check_body(TOKEN(0xc6, 0xff, 0xff, 0xff, 0xff), TOKEN_BIN, UINT32_MAX);
}
END_TEST

START_TEST(ext_has_its_type_in_the_header)
{
	static const uint8_t fixed[] = {0xd4, 0xd5, 0xd6, 0xd7, 0xd8};
	struct token token;

	for (unsigned i = 0; i < sizeof(fixed); i++) {
		token = TOKEN(fixed[i], 0x85);
		check_body(token, TOKEN_EXT, 1U << i);
		ck_assert_int_eq(token.ext_type, -123);
	}
	token = TOKEN(0xc7, 0x03, 0x05);
	check_body(token, TOKEN_EXT, 3);
	ck_assert_int_eq(token.ext_type, 5);
	check_body(TOKEN(0xc8, 0x01, 0x00, 0x05), TOKEN_EXT, 256);
	check_body(TOKEN(0xc9, 0xff, 0xff, 0xff, 0xff, 0x05), TOKEN_EXT, UINT32_MAX);
}
END_TEST

START_TEST(containers_announce_their_count)
{
	check_count(TOKEN(0x90), TOKEN_ARRAY, 0);
	check_count(TOKEN(0x9f), TOKEN_ARRAY, 15);
	check_count(TOKEN(0xdc, 0x01, 0x02), TOKEN_ARRAY, 0x102);
	check_count(TOKEN(0xdd, 0xff, 0xff, 0xff, 0xff), TOKEN_ARRAY, UINT32_MAX);
	check_count(TOKEN(0x80), TOKEN_MAP, 0);
	check_count(TOKEN(0x8f), TOKEN_MAP, 15);
	check_count(TOKEN(0xde, 0x01, 0x02), TOKEN_MAP, 0x102);
	check_count(TOKEN(0xdf, 0xff, 0xff, 0xff, 0xff), TOKEN_MAP, UINT32_MAX);
}
END_TEST

START_TEST(nil_booleans_and_floats_are_told_apart)
{
	struct token token;

	ck_assert_int_eq(TOKEN(0xc0).type, TOKEN_NIL);
	token = TOKEN(0xc2);
	ck_assert(token.type == TOKEN_BOOL && !token.boolean);
	token = TOKEN(0xc3);
	ck_assert(token.type == TOKEN_BOOL && token.boolean);
	token = TOKEN(0xca, 0xbf, 0xc0, 0x00, 0x00);
	ck_assert(token.type == TOKEN_FLOAT && token.real == -1.5);
	token = TOKEN(0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0);
	ck_assert(token.type == TOKEN_FLOAT && token.real == 1.5);
}
END_TEST

START_TEST(the_one_unused_byte_is_refused)
{
	struct token token = {.header_size = 77};

	assert_result(token_parse((const uint8_t[]){0xc1, 0, 0}, 3, &token), -EBADMSG);
	ck_assert_uint_eq(token.header_size, 77);
}
END_TEST

/* By the specification's table of formats, independent of the one under test. */
START_TEST(every_tag_but_one_has_a_name_and_a_header_of_the_right_size)
{
	static const uint8_t sizes[] = {/* c0 */ 1, 0, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9,
		/* d0 */ 2, 3, 5, 9, 2, 2, 2, 2, 2, 2, 3, 5, 3, 5, 3, 5};
	uint8_t bytes[TOKEN_HEADER_SIZE_MAX] = {0};
	struct token token;

	for (unsigned tag = 0; tag <= 0xff; tag++) {
		bytes[0] = (uint8_t)tag;
		if (tag == 0xc1)
			continue;
		ck_assert_int_eq(token_parse(bytes, sizeof(bytes), &token), TOKEN_OK);
		ck_assert_msg(token.header_size ==
				(tag < 0xc0 || tag > 0xdf ? 1 : sizes[tag - 0xc0]),
			"0x%02x: %u", tag, token.header_size);
		ck_assert_ptr_nonnull(token_type_name(token.type));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("token");

	suite_add(suite, integer_is_the_same_in_every_width);
	suite_add(suite, negative_integer_keeps_its_sign_in_every_width);
	suite_add(suite, bodies_announce_their_size);
	suite_add(suite, ext_has_its_type_in_the_header);
	suite_add(suite, containers_announce_their_count);
	suite_add(suite, nil_booleans_and_floats_are_told_apart);
	suite_add(suite, the_one_unused_byte_is_refused);
	suite_add(suite, every_tag_but_one_has_a_name_and_a_header_of_the_right_size);
	return suite_main(suite);
}
