/* The methods, and what `describe` says of them. */
#include "tests/harness.h"

#include <string.h>

#include "proto/codec.h"
#include "proto/method.h"
#include "proto/scan.h"

static struct buffer buffer;

START_TEST(every_method_is_found_by_its_name_and_no_other)
{
	for (int i = 0; i < METHOD_COUNT; i++) {
		const char *name = method_name((enum method)i);

		ck_assert_int_eq(method_find(name, strlen(name)), i);
		ck_assert_int_eq(method_find(name, strlen(name) - 1), METHOD_COUNT);
		ck_assert_int_eq(method_find(name, strlen(name) + 1), METHOD_COUNT);
		ck_assert_msg(!op_find(name, strlen(name)), "%s is an operation too", name);
	}
	ck_assert_int_eq(method_find("", 0), METHOD_COUNT);
}
END_TEST

START_TEST(count_of_parameters_is_that_of_the_table)
{
	struct rpc_error error;

	ck_assert(method_check_count(METHOD_HELLO, 0, &error) &&
		method_check_count(METHOD_HELLO, 2, &error));
	ck_assert(!method_check_count(METHOD_HELLO, 3, &error));
	ck_assert(method_check_count(METHOD_CANCEL, 1, &error) &&
		!method_check_count(METHOD_CANCEL, 0, &error));
	ck_assert_str_eq(error.message,
		"INVALID_PARAMS: cancel: takes 1 parameters, got 0: parameter 1 \"msgid\" is missing");
	ck_assert(!method_check_count(METHOD_PING, 1, &error));
}
END_TEST

START_TEST(wrong_parameter_is_named)
{
	struct rpc_error error;

	method_error_param(METHOD_CANCEL, 0, "a msgid", &error);
	ck_assert_int_eq(error.code, RPC_INVALID_PARAMS);
	ck_assert_str_eq(error.message,
		"INVALID_PARAMS: cancel: parameter 1 \"msgid\" wants a msgid");
}
END_TEST

/* ---- describe ---- */

/* Goes to the value of @key in the map that @reader is at. */
static struct reader value_of(struct reader reader, const char *key)
{
	const uint8_t *name;
	uint32_t count;
	size_t size;

	for (must(reader_map(&reader, &count)); count > 0; count--) {
		must(reader_bytes(&reader, &name, &size));
		if (size == strlen(key) && memcmp(name, key, size) == 0)
			return reader;
		must(reader_skip(&reader));
	}
	ck_abort_msg("there is no \"%s\"", key);
	return reader;
}

static bool text_is(struct reader reader, const char *text)
{
	const uint8_t *bytes;
	size_t size;

	must(reader_bytes(&reader, &bytes, &size));
	return size == strlen(text) && memcmp(bytes, text, size) == 0;
}

static struct reader described(void)
{
	struct pack pack = pack_into(&buffer);
	struct limits limits;

	limits_init(&limits);
	method_pack_describe(&pack, &limits);
	return reader_of(buffer_bytes(&buffer), buffer_size(&buffer));
}

/* The description of the method called @name. */
static struct reader method_of(struct reader description, const char *name)
{
	struct reader methods = value_of(description, "methods");
	uint32_t count;

	for (must(reader_array(&methods, &count)); count > 0; count--) {
		if (text_is(value_of(methods, "name"), name))
			return methods;
		must(reader_skip(&methods));
	}
	ck_abort_msg("%s is not described", name);
	return methods;
}

START_TEST(description_is_one_value_that_a_client_s_scan_lets_pass)
{
	struct limits limits;
	struct scan scan;
	struct reader reader = described();

	must(reader_skip(&reader));
	ck_assert_ptr_eq(reader.at, reader.end);
	limits_init(&limits);
	limits.value[LIMIT_FRAME_ELEMENTS] = limit_table[LIMIT_FRAME_ELEMENTS].maximum;
	buffer_clear(&buffer);
	must(buffer_append(&buffer, "\x91", 1));
	(void)described();
	scan_reset(&scan);
	ck_assert_msg(scan_frame(&scan, buffer_bytes(&buffer), buffer_size(&buffer), &limits) ==
			SCAN_FRAME,
		"%s", scan.reason);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(every_method_is_described_with_its_parameters)
{
	struct reader description = described(), methods = value_of(description, "methods");
	uint32_t method_count, wire_count = METHOD_COUNT;

	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++) {
		uint32_t count, required, described_count;
		struct reader params;

		if (op_table[opcode].where != OP_WHERE_WIRE)
			continue;
		wire_count++;
		codec_param_counts(&op_table[opcode], &count, &required);
		params = value_of(method_of(description, op_table[opcode].name), "params");
		must(reader_array(&params, &described_count));
		ck_assert_msg(described_count == count, "%s", op_table[opcode].name);
		for (uint32_t i = 0; i < count; i++) {
			struct value optional;
			struct reader reader = value_of(params, "optional");

			must(reader_next(&reader, &optional));
			ck_assert_int_eq(optional.token.boolean, i >= required);
			must(reader_skip(&params));
		}
	}
	for (int i = 0; i < METHOD_COUNT; i++)
		(void)method_of(description, method_name((enum method)i));
	must(reader_array(&methods, &method_count));
	ck_assert_uint_eq(method_count, wire_count);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(every_type_of_an_operation_is_explained)
{
	struct reader types = value_of(described(), "types");

	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++)
		for (const struct op_param *param = op_table[opcode].params; param->name; param++)
			if (op_table[opcode].where == OP_WHERE_WIRE &&
				!op_kind_is_local(param->kind))
				(void)value_of(types, codec_param_type(param));
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(every_limit_is_told_with_its_value)
{
	struct pack pack = pack_into(&buffer);
	struct limits limits;
	uint64_t number;

	limits_init(&limits);
	limits.value[LIMIT_FILES] = 4711;
	method_pack_limits(&pack, &limits);
	for (size_t i = 0; i < LIMIT_COUNT; i++) {
		struct reader reader =
			value_of(reader_of(buffer_bytes(&buffer), buffer_size(&buffer)),
				limit_table[i].name);

		must(reader_uint(&reader, UINT64_MAX, &number));
		ck_assert_uint_eq(number, limits.value[i]);
	}
	buffer_deinit(&buffer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("method");

	suite_add(suite, every_method_is_found_by_its_name_and_no_other);
	suite_add(suite, count_of_parameters_is_that_of_the_table);
	suite_add(suite, wrong_parameter_is_named);
	suite_add(suite, description_is_one_value_that_a_client_s_scan_lets_pass);
	suite_add(suite, every_method_is_described_with_its_parameters);
	suite_add(suite, every_type_of_an_operation_is_explained);
	suite_add(suite, every_limit_is_told_with_its_value);
	return suite_main(suite);
}
