/* The table of operations and the check that every driver relies on. */
#include "tests/harness.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "driver/op.h"

static struct proactor_address address = {.size = sizeof(sa_family_t)};
static struct statx statx_buffer;

START_TEST(every_operation_is_found_by_its_name_and_no_other)
{
	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++) {
		const char *name = op_table[opcode].name;

		ck_assert_ptr_eq(op_find(name, strlen(name)), &op_table[opcode]);
		ck_assert_ptr_ne(op_find(name, strlen(name) - 1), &op_table[opcode]);
		ck_assert_uint_lt(strlen(name), OP_NAME_SIZE_MAX);
	}
	ck_assert_ptr_null(op_find("", 0));
	ck_assert_ptr_null(op_find("READ", 4));
	ck_assert_ptr_eq(op_find("reading", 4), &op_table[PROACTOR_READ]);
	ck_assert_ptr_null(op_find("read\0", 5));
}
END_TEST

START_TEST(optional_parameters_come_last_on_the_wire)
{
	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++) {
		bool optional = false;

		for (const struct op_param *param = op_table[opcode].params; param->name; param++) {
			if (op_kind_is_local(param->kind))
				continue;
			ck_assert_msg(param->optional || !optional, "%s.%s", op_table[opcode].name,
				param->name);
			optional = param->optional;
		}
	}
}
END_TEST

START_TEST(operation_on_the_wire_names_no_memory_that_cannot_travel)
{
	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++)
		for (const struct op_param *param = op_table[opcode].params; param->name; param++)
			ck_assert_msg(op_table[opcode].where == OP_WHERE_LOCAL ||
					(param->kind != OP_KIND_FUNCTION &&
						param->kind != OP_KIND_ARGUMENT),
				"%s.%s", op_table[opcode].name, param->name);
}
END_TEST

START_TEST(result_of_bytes_goes_with_a_space_to_fill)
{
	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++) {
		bool has_space = false;

		for (const struct op_param *param = op_table[opcode].params; param->name; param++)
			has_space |= param->kind == OP_KIND_SPACE || param->kind == OP_KIND_SPACES;
		ck_assert_msg((op_table[opcode].result == OP_RESULT_BYTES ||
				      op_table[opcode].result == OP_RESULT_DATAGRAM) == has_space,
			"%s", op_table[opcode].name);
	}
	ck_assert(op_makes_file(PROACTOR_OPEN));
	ck_assert(op_makes_file(PROACTOR_ACCEPT));
	ck_assert(op_makes_file(PROACTOR_SOCKET));
	ck_assert(!op_makes_file(PROACTOR_POLL));
}
END_TEST

START_TEST(fallbacks_are_those_of_the_manual)
{
	ck_assert_int_eq(op_table[PROACTOR_READ].params[2].fallback, PROACTOR_CURRENT);
	ck_assert_int_eq(op_table[PROACTOR_OPEN].params[3].fallback, 0666);
	ck_assert_int_eq(op_table[PROACTOR_POLL].params[1].fallback, POLLIN);
	ck_assert_int_eq(op_table[PROACTOR_LISTEN].params[1].fallback, SOMAXCONN);
}
END_TEST

START_TEST(unknown_opcodes_and_flags_are_refused)
{
	assert_result(op_check(&(struct proactor_op){.opcode = PROACTOR_NOP}), 0);
	assert_result(op_check(&(struct proactor_op){.opcode = PROACTOR_OPCODE_COUNT}), -EINVAL);
	assert_result(op_check(&(struct proactor_op){.opcode = UINT32_MAX}), -EINVAL);
	assert_result(op_check(&(struct proactor_op){
			      .opcode = PROACTOR_NOP, .flags = OP_FLAGS + 1}),
		-EINVAL);
	assert_result(op_check(&(struct proactor_op){.opcode = PROACTOR_NOP, .flags = 1U << 31}),
		-EINVAL);
}
END_TEST

START_TEST(path_must_be_there_and_fit)
{
	static char path[PATH_MAX + 1];
	struct proactor_op op = {.opcode = PROACTOR_OPEN};

	assert_result(op_check(&op), -EINVAL);
	op.open.path = memset(path, 'p', PATH_MAX);
	assert_result(op_check(&op), -EINVAL);
	path[PATH_MAX - 1] = '\0';
	assert_result(op_check(&op), 0);
	op.open.path = "";
	assert_result(op_check(&op), 0);
}
END_TEST

START_TEST(address_must_be_there_and_fit)
{
	struct proactor_op op = {.opcode = PROACTOR_CONNECT};

	assert_result(op_check(&op), -EINVAL);
	op.connect.address = &address;
	address.size = sizeof(sa_family_t);
	assert_result(op_check(&op), 0);
	address.size = sizeof(address.storage);
	assert_result(op_check(&op), 0);
	address.size = sizeof(address.storage) + 1;
	assert_result(op_check(&op), -EINVAL);
	address.size = sizeof(sa_family_t) - 1;
	assert_result(op_check(&op), -EINVAL);
	address.size = (socklen_t)-1;
	assert_result(op_check(&op), -EINVAL);
	op = (struct proactor_op){.opcode = PROACTOR_ACCEPT};
	assert_result(op_check(&op), 0);
}
END_TEST

START_TEST(quick_look_skips_no_operation_that_needs_the_long_one)
{
	for (uint32_t opcode = 0; opcode < PROACTOR_OPCODE_COUNT; opcode++) {
		struct proactor_op empty = {.opcode = opcode};

		/*
		 * what the long look refuses in an operation that is all zero, the quick one must
		 * have sent there
		 */
		assert_result(op_check(&empty), op_check_params(&empty));
	}
	ck_assert_uint_eq(op_checked >> PROACTOR_OPCODE_COUNT, 0);
}
END_TEST

START_TEST(statx_and_message_must_be_there)
{
	struct proactor_op op = {.opcode = PROACTOR_STAT};

	op.stat.path = "";
	assert_result(op_check(&op), -EINVAL);
	op.stat.stat = &statx_buffer;
	assert_result(op_check(&op), 0);
	assert_result(op_check(&(struct proactor_op){.opcode = PROACTOR_SENDMSG}), -EINVAL);
	assert_result(op_check(&(struct proactor_op){.opcode = PROACTOR_RECVMSG}), -EINVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("op");

	suite_add(suite, every_operation_is_found_by_its_name_and_no_other);
	suite_add(suite, optional_parameters_come_last_on_the_wire);
	suite_add(suite, operation_on_the_wire_names_no_memory_that_cannot_travel);
	suite_add(suite, result_of_bytes_goes_with_a_space_to_fill);
	suite_add(suite, fallbacks_are_those_of_the_manual);
	suite_add(suite, unknown_opcodes_and_flags_are_refused);
	suite_add(suite, path_must_be_there_and_fit);
	suite_add(suite, address_must_be_there_and_fit);
	suite_add(suite, quick_look_skips_no_operation_that_needs_the_long_one);
	suite_add(suite, statx_and_message_must_be_there);
	return suite_main(suite);
}
