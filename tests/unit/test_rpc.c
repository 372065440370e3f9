/* The envelope, and errors both ways. */
#include "tests/harness.h"

#include <errno.h>
#include <string.h>

#include "proto/rpc.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static const char *refused(const uint8_t *frame, size_t size, struct rpc_message *message)
{
	const char *reason = "";

	assert_result(rpc_parse(frame, size, message, &reason), -EBADMSG);
	return reason;
}

static struct rpc_message parsed(const uint8_t *frame, size_t size)
{
	struct rpc_message message;
	const char *reason;

	must(rpc_parse(frame, size, &message, &reason));
	return message;
}

/* ---- taking apart ---- */

START_TEST(request_is_taken_apart)
{
	struct rpc_message message;
	uint64_t number;

	/* [0, 2^32 - 1, "read", [1, 2]] */
	message = parsed(BYTES(0x94, 0, 0xce, 0xff, 0xff, 0xff, 0xff, 0xa4, 'r', 'e', 'a', 'd',
		0x92, 1, 2));
	ck_assert_int_eq(message.type, RPC_REQUEST);
	ck_assert_uint_eq(message.msgid, UINT32_MAX);
	ck_assert_uint_eq(message.method_size, 4);
	ck_assert_mem_eq(message.method, "read", 4);
	ck_assert_uint_eq(message.param_count, 2);
	must(reader_uint(&message.params, 1, &number));
	must(reader_uint(&message.params, 2, &number));
	ck_assert_uint_eq(number, 2);
}
END_TEST

START_TEST(method_may_be_a_bin)
{
	struct rpc_message message;

	message = parsed(BYTES(0x94, 0, 1, 0xc4, 4, 'p', 'i', 'n', 'g', 0x90));
	ck_assert_mem_eq(message.method, "ping", message.method_size);
}
END_TEST

START_TEST(response_is_taken_apart)
{
	struct rpc_message message;
	struct value value;

	/* [1, 7, [2, "x"], {"k": 1}] */
	message = parsed(BYTES(0x94, 1, 7, 0x92, 2, 0xa1, 'x', 0x81, 0xa1, 'k', 1));
	ck_assert_int_eq(message.type, RPC_RESPONSE);
	ck_assert_uint_eq(message.msgid, 7);
	must(reader_next(&message.error, &value));
	ck_assert_int_eq(value.token.type, TOKEN_ARRAY);
	must(reader_next(&message.result, &value));
	ck_assert_int_eq(value.token.type, TOKEN_MAP);
}
END_TEST

START_TEST(notification_is_taken_apart)
{
	struct rpc_message message;

	message = parsed(BYTES(0x93, 2, 0xa1, 'x', 0x91, 5));
	ck_assert_int_eq(message.type, RPC_NOTIFICATION);
	ck_assert_mem_eq(message.method, "x", 1);
	ck_assert_uint_eq(message.param_count, 1);
}
END_TEST

START_TEST(message_of_another_shape_is_refused_with_the_reason)
{
	struct rpc_message message;

	ck_assert_str_eq(refused(BYTES(0xc0), &message), "a message is an array");
	ck_assert_str_eq(refused(BYTES(0x90), &message), "the type is not 0, 1 or 2");
	ck_assert_str_eq(refused(BYTES(0x94, 3, 1, 0xa1, 'x', 0x90), &message),
		"the type is not 0, 1 or 2");
	ck_assert_str_eq(refused(BYTES(0x94, 0xff, 1, 0xa1, 'x', 0x90), &message),
		"the type is not 0, 1 or 2");
	ck_assert_str_eq(refused(BYTES(0x94, 2, 1, 0xa1, 'x', 0x90), &message),
		"a notification has 3 elements");
	ck_assert_str_eq(refused(BYTES(0x93, 0, 1, 0xa1, 'x'), &message),
		"a request or response has 4 elements");
	ck_assert_str_eq(refused(BYTES(0x95, 1, 1, 0xc0, 0xc0, 0xc0), &message),
		"a request or response has 4 elements");
	ck_assert(strstr(refused(BYTES(0x94, 0, 0xff, 0xa1, 'x', 0x90), &message), "msgid"));
	ck_assert(strstr(refused(BYTES(0x94, 0, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0, 0xa1, 'x', 0x90),
				 &message),
		"msgid"));
}
END_TEST

START_TEST(broken_request_can_still_be_answered)
{
	struct rpc_message message;

	ck_assert_str_eq(refused(BYTES(0x94, 0, 9, 5, 0x90), &message), "the method is not a str");
	ck_assert(message.type == RPC_REQUEST && message.msgid == 9);
	ck_assert_str_eq(refused(BYTES(0x94, 0, 9, 0xa1, 'x', 0x80), &message),
		"the params are not an array");
	ck_assert(message.type == RPC_REQUEST && message.msgid == 9);
	/* without a msgid it cannot, and must not be taken for one that can */
	(void)refused(BYTES(0x94, 0, 0xc0, 0xa1, 'x', 0x90), &message);
	ck_assert_int_eq(message.type, RPC_NOTIFICATION);
}
END_TEST

START_TEST(no_prefix_of_a_message_is_a_message)
{
	static const uint8_t frame[] = {0x94, 1, 7, 0x92, 2, 0xa1, 'x', 0x81, 0xa1, 'k', 1};
	struct rpc_message message;

	for (size_t size = 0; size < sizeof(frame); size++)
		(void)refused(frame, size, &message);
}
END_TEST

/* ---- errors ---- */

START_TEST(error_of_the_system_names_itself_and_explains)
{
	struct rpc_error error;

	rpc_error_set(&error, ENOENT, "open \"%s\"", "x");
	ck_assert_int_eq(error.code, 2);
	ck_assert_str_eq(error.message, "ENOENT: open \"x\": No such file or directory");
	ck_assert_ptr_null(error.limit);
}
END_TEST

START_TEST(error_of_the_protocol_names_itself)
{
	struct rpc_error error;

	rpc_error_set(&error, RPC_INVALID_PARAMS, "%s", "why");
	ck_assert_str_eq(error.message, "INVALID_PARAMS: why");
	ck_assert_str_eq(rpc_error_name(RPC_PARSE_ERROR), "PARSE_ERROR");
	ck_assert_str_eq(rpc_error_name(RPC_INVALID_REQUEST), "INVALID_REQUEST");
	ck_assert_str_eq(rpc_error_name(RPC_METHOD_NOT_FOUND), "METHOD_NOT_FOUND");
	ck_assert_str_eq(rpc_error_name(RPC_INTERNAL_ERROR), "INTERNAL_ERROR");
	ck_assert_str_eq(rpc_error_name(-1), "PROTOCOL_ERROR");
	ck_assert_str_eq(rpc_error_name(EAGAIN), "EAGAIN");
}
END_TEST

START_TEST(long_reason_is_cut_and_the_error_stays_one)
{
	struct rpc_error error;
	char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	rpc_error_set(&error, ENAMETOOLONG, "%s", text);
	ck_assert_uint_lt(strlen(error.message), sizeof(error.message));
	ck_assert_ptr_nonnull(strstr(error.message, ": File name too long"));
}
END_TEST

START_TEST(every_limit_can_be_named_in_full)
{
	struct rpc_error error;

	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		rpc_error_set_limit(&error, EDQUOT, (enum limit)i, UINT64_MAX, UINT64_MAX - 1);
		ck_assert_int_eq(error.code, EDQUOT);
		ck_assert_ptr_nonnull(strstr(error.message, limit_table[i].name));
		ck_assert_msg(strstr(error.message, "18446744073709551614"), "cut: %s",
			error.message);
		ck_assert_ptr_eq(error.limit, &limit_table[i]);
	}
}
END_TEST

static void round_trip(const struct rpc_error *error, struct rpc_error *ret_error)
{
	struct buffer buffer = {0};
	struct pack pack = pack_into(&buffer);
	struct rpc_message message;
	struct value value;
	const char *reason;

	rpc_pack_error(&pack, 5, error);
	must(rpc_parse(buffer_bytes(&buffer), buffer_size(&buffer), &message, &reason));
	ck_assert_int_eq(message.type, RPC_RESPONSE);
	ck_assert_uint_eq(message.msgid, 5);
	must(rpc_error_parse(message.error, ret_error));
	must(reader_next(&message.result, &value));
	ck_assert_int_eq(value.token.type, TOKEN_NIL);
	ck_assert_ptr_eq(message.result.at, message.result.end);
	buffer_deinit(&buffer);
}

START_TEST(error_survives_the_wire)
{
	struct rpc_error error, read;

	rpc_error_set(&error, ENOSPC, "write");
	round_trip(&error, &read);
	ck_assert_int_eq(read.code, error.code);
	ck_assert_str_eq(read.message, error.message);
	rpc_error_set(&error, RPC_METHOD_NOT_FOUND, "x");
	round_trip(&error, &read);
	ck_assert_int_eq(read.code, -32601);
	rpc_error_set_limit(&error, EDQUOT, LIMIT_FILES, 10, 11);
	round_trip(&error, &read);
	ck_assert_int_eq(read.code, EDQUOT);
	ck_assert_str_eq(read.message, error.message);
}
END_TEST

START_TEST(error_with_a_limit_carries_it_as_data)
{
	struct buffer buffer = {0};
	struct pack pack = pack_into(&buffer);
	struct rpc_error error;
	/* {"limit": "files", "max": 10, "used": 11}, nil */
	static const uint8_t end[] = "\x83\xa5limit\xa5"
				     "files\xa3max\x0a\xa4used\x0b\xc0";

	rpc_error_set_limit(&error, EDQUOT, LIMIT_FILES, 10, 11);
	rpc_pack_error(&pack, 5, &error);
	ck_assert_uint_gt(buffer_size(&buffer), sizeof(end));
	ck_assert_mem_eq(buffer_bytes(&buffer) + buffer_size(&buffer) - (sizeof(end) - 1), end,
		sizeof(end) - 1);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(error_of_another_shape_is_refused)
{
	struct rpc_error error = {.code = 77};

	assert_result(rpc_error_parse(reader_of(BYTES(0xc0)), &error), -EBADMSG);
	assert_result(rpc_error_parse(reader_of(BYTES(0x91, 2)), &error), -EBADMSG);
	assert_result(rpc_error_parse(reader_of(BYTES(0x92, 0, 0xa0)), &error), -EBADMSG);
	assert_result(rpc_error_parse(reader_of(BYTES(0x92, 0xa1, 'x', 2)), &error), -EBADMSG);
	assert_result(rpc_error_parse(reader_of(BYTES(0x92, 2, 2)), &error), -EBADMSG);
	assert_result(rpc_error_parse(reader_of(BYTES(0x92, 0xce, 0x80, 0, 0, 0, 0xa0)), &error),
		-EBADMSG);
	assert_result(rpc_error_parse(reader_of(BYTES(0x92, 2, 0xa4, 'x')), &error), -EBADMSG);
	ck_assert_int_eq(error.code, 77);
}
END_TEST

START_TEST(error_with_a_long_message_or_more_to_it_is_read)
{
	uint8_t frame[2 + 3 + 1000 + 1] = {0x93, 2, 0xda, 1000 >> 8, 1000 & 0xff};
	struct rpc_error error;

	memset(frame + 5, 'x', 1000);
	frame[1005] = 0xc0;
	must(rpc_error_parse(reader_of(frame, sizeof(frame)), &error));
	ck_assert_uint_eq(strlen(error.message), sizeof(error.message) - 1);
}
END_TEST

START_TEST(count_of_parameters_is_checked_at_both_ends)
{
	struct rpc_error error;

	ck_assert(rpc_check_count("f", 1, 2, 1, NULL, &error));
	ck_assert(rpc_check_count("f", 1, 2, 2, NULL, &error));
	ck_assert(!rpc_check_count("f", 1, 2, 0, "file", &error));
	ck_assert_str_eq(error.message,
		"INVALID_PARAMS: f: takes 1 to 2 parameters, got 0: parameter 1 \"file\" is missing");
	ck_assert(!rpc_check_count("f", 1, 2, 3, NULL, &error));
	ck_assert(!rpc_check_count("f", 0, 0, UINT32_MAX, NULL, &error));
	ck_assert_str_eq(error.message, "INVALID_PARAMS: f: takes 0 parameters, got 4294967295");
}
END_TEST

START_TEST(header_before_bytes_has_the_room_that_is_promised)
{
	struct buffer buffer = {0};
	struct pack pack = pack_into(&buffer);

	rpc_pack_success(&pack, UINT32_MAX);
	pack_bin_header(&pack, UINT32_MAX);
	ck_assert_uint_le(buffer_size(&buffer), RPC_BYTES_HEADER_MAX);
	buffer_clear(&buffer);
	rpc_pack_completion(&pack, UINT32_MAX);
	pack_bin_header(&pack, UINT32_MAX);
	ck_assert_uint_eq(buffer_size(&buffer), RPC_BYTES_HEADER_MAX);
	buffer_deinit(&buffer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rpc");

	suite_add(suite, request_is_taken_apart);
	suite_add(suite, method_may_be_a_bin);
	suite_add(suite, response_is_taken_apart);
	suite_add(suite, notification_is_taken_apart);
	suite_add(suite, message_of_another_shape_is_refused_with_the_reason);
	suite_add(suite, broken_request_can_still_be_answered);
	suite_add(suite, no_prefix_of_a_message_is_a_message);
	suite_add(suite, error_of_the_system_names_itself_and_explains);
	suite_add(suite, error_of_the_protocol_names_itself);
	suite_add(suite, long_reason_is_cut_and_the_error_stays_one);
	suite_add(suite, every_limit_can_be_named_in_full);
	suite_add(suite, error_survives_the_wire);
	suite_add(suite, error_with_a_limit_carries_it_as_data);
	suite_add(suite, error_of_another_shape_is_refused);
	suite_add(suite, error_with_a_long_message_or_more_to_it_is_read);
	suite_add(suite, count_of_parameters_is_checked_at_both_ends);
	suite_add(suite, header_before_bytes_has_the_room_that_is_promised);
	return suite_main(suite);
}
