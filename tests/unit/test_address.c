/* Socket addresses on the wire. */
#include "tests/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "proto/address.h"

static struct buffer buffer;

/* ["family", "host", numbers…] as it is on the wire. */
static void pack_address(const char *family, const char *host, size_t host_size, unsigned count,
	const int64_t *numbers)
{
	struct pack pack = pack_into(&buffer);

	buffer_clear(&buffer);
	pack_array(&pack, 2 + count);
	pack_str(&pack, family);
	pack_str_sized(&pack, host, host_size);
	for (unsigned i = 0; i < count; i++)
		pack_int(&pack, numbers[i]);
}

static int read_packed(struct proactor_address *ret_address)
{
	struct reader reader = reader_of(buffer_bytes(&buffer), buffer_size(&buffer));
	const char *wanted = NULL;
	int r = address_read(&reader, ret_address, &wanted);

	ck_assert_ptr_nonnull(wanted);
	if (r == 0)
		ck_assert_ptr_eq(reader.at, reader.end);
	return r;
}

#define NUMBERS(...)                                                                               \
	(unsigned)ARRAY_SIZE(((const int64_t[]){__VA_ARGS__})), ((const int64_t[]){__VA_ARGS__})

static void check_there_and_back(const struct proactor_address *address)
{
	struct pack pack = pack_into(&buffer);
	struct proactor_address read;

	buffer_clear(&buffer);
	address_pack(&pack, address);
	assert_result(read_packed(&read), 0);
	ck_assert_uint_eq(read.size, address->size);
	ck_assert_mem_eq(&read.storage, &address->storage, address->size);
}

static struct proactor_address local(const char *path, size_t size)
{
	struct proactor_address address = {
		.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)};

	address.any.sa_family = AF_UNIX;
	memcpy(((struct sockaddr_un *)&address.storage)->sun_path, path, size);
	return address;
}

START_TEST(inet_address_comes_back)
{
	struct proactor_address address = {.size = sizeof(struct sockaddr_in)};
	struct sockaddr_in *inet = (struct sockaddr_in *)&address.storage;

	*inet = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(65535), .sin_addr = {htonl(0xffffffff)}};
	check_there_and_back(&address);
	*inet = (struct sockaddr_in){.sin_family = AF_INET};
	check_there_and_back(&address);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(inet6_address_comes_back_with_its_scope)
{
	struct proactor_address address = {.size = sizeof(struct sockaddr_in6)};
	struct sockaddr_in6 *inet6 = (struct sockaddr_in6 *)&address.storage;

	*inet6 = (struct sockaddr_in6){
		.sin6_family = AF_INET6, .sin6_port = htons(1), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	check_there_and_back(&address);
	inet6->sin6_scope_id = UINT32_MAX;
	check_there_and_back(&address);
	memset(&inet6->sin6_addr, 0xab, sizeof(inet6->sin6_addr));
	check_there_and_back(&address);
	ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:255.255.255.255", &inet6->sin6_addr), 1);
	check_there_and_back(&address);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(unix_address_comes_back_be_it_a_path_abstract_or_unnamed)
{
	char longest[107];
	struct proactor_address address;

	address = local("/run/x", sizeof("/run/x"));
	check_there_and_back(&address);
	address = local("\0name\0more", 10);
	check_there_and_back(&address);
	address = local("\0", 1);
	check_there_and_back(&address);
	address = local("", 0);
	check_there_and_back(&address);
	memset(longest, 'x', sizeof(longest));
	longest[0] = '\0';
	address = local(longest, sizeof(longest));
	check_there_and_back(&address);
	buffer_deinit(&buffer);
}
END_TEST

/* unix(7): the abstract name is all of sun_path there is, up to 108 bytes. */
START_TEST(longest_abstract_name_comes_back)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct proactor_address address;

	memset(name, 'x', sizeof(name));
	name[0] = '\0';
	address = local(name, sizeof(name));
	check_there_and_back(&address);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(path_ends_where_it_ends_whatever_size_the_kernel_says)
{
	struct proactor_address read, address = local("/x\0garbage", 10);
	struct pack pack = pack_into(&buffer);

	address_pack(&pack, &address);
	must(read_packed(&read));
	ck_assert_uint_eq(read.size, offsetof(struct sockaddr_un, sun_path) + sizeof("/x"));
	/* the kernel fills all of sun_path with a path that has no room for a NUL */
	buffer_clear(&buffer);
	memset(((struct sockaddr_un *)&address.storage)->sun_path, 'p', 108);
	address.size = sizeof(struct sockaddr_un) + 1;
	address_pack(&pack, &address);
	ck_assert_mem_eq(buffer_bytes(&buffer), "\x92\xa4unix\xd9\x6cpppp", 12);
	ck_assert_uint_eq(buffer_size(&buffer), 8 + 108);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(other_family_is_packed_as_bytes)
{
	struct proactor_address address = {.size = 4, .any = {.sa_family = AF_NETLINK}}, read;
	struct pack pack = pack_into(&buffer);

	address_pack(&pack, &address);
	ck_assert_mem_eq(buffer_bytes(&buffer), "\x93\xa5other\x10\xc4\x04\x10\0\0\0", 14);
	assert_result(read_packed(&read), -EPROTO);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(address_shorter_than_its_family_is_not_read_beyond_its_end)
{
	struct proactor_address address = {.size = 4, .any = {.sa_family = AF_INET}};
	struct pack pack = pack_into(&buffer);

	address_pack(&pack, &address);
	ck_assert_mem_eq(buffer_bytes(&buffer), "\x93\xa5other\x02", 8);
	buffer_clear(&buffer);
	address.size = 0;
	address_pack(&pack, &address);
	ck_assert_mem_eq(buffer_bytes(&buffer), "\x92\xa4unix\xa0", 7);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(host_that_is_not_numeric_is_refused)
{
	struct proactor_address address;
	static const char *const hosts[] = {"localhost", "", "127.0.0.1 ", "127.1", "::1",
		"256.0.0.1", "1234:1234:1234:1234:1234:1234:123.123.123.123"};

	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		pack_address("inet", hosts[i], strlen(hosts[i]), NUMBERS(80));
		assert_result(read_packed(&address), -EPROTO);
	}
	pack_address("inet6", "127.0.0.1", 9, NUMBERS(80));
	assert_result(read_packed(&address), -EPROTO);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(host_with_something_behind_a_nul_is_refused)
{
	struct proactor_address address;

	pack_address("inet", "127.0.0.1\0x", 11, NUMBERS(80));
	assert_result(read_packed(&address), -EPROTO);
	pack_address("inet6", "::1\0", 4, NUMBERS(80));
	assert_result(read_packed(&address), -EPROTO);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(port_and_scope_are_taken_up_to_their_last_value)
{
	struct proactor_address address;

	pack_address("inet", "1.2.3.4", 7, NUMBERS(65535));
	assert_result(read_packed(&address), 0);
	pack_address("inet", "1.2.3.4", 7, NUMBERS(65536));
	assert_result(read_packed(&address), -EPROTO);
	pack_address("inet", "1.2.3.4", 7, NUMBERS(-1));
	assert_result(read_packed(&address), -EPROTO);
	pack_address("inet6", "fe80::1", 7, NUMBERS(1, UINT32_MAX));
	assert_result(read_packed(&address), 0);
	pack_address("inet6", "fe80::1", 7, NUMBERS(1, INT64_C(1) << 32));
	assert_result(read_packed(&address), -EPROTO);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(path_with_a_nul_in_it_or_too_long_is_refused)
{
	char path[108];
	struct proactor_address address;

	pack_address("unix", "/a\0b", 4, 0, NULL);
	assert_result(read_packed(&address), -EPROTO);
	memset(path, 'p', sizeof(path));
	pack_address("unix", path, 107, 0, NULL);
	assert_result(read_packed(&address), 0);
	ck_assert_uint_eq(address.size, sizeof(struct sockaddr_un));
	pack_address("unix", path, 108, 0, NULL);
	assert_result(read_packed(&address), -EPROTO);
	buffer_deinit(&buffer);
}
END_TEST

START_TEST(wrong_family_count_or_type_is_refused_and_nothing_written)
{
	struct proactor_address address = {.size = 77};
	static const char *const families[] = {"", "ine", "inet4", "INET", "other", "inet66"};

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		pack_address(families[i], "1.2.3.4", 7, NUMBERS(80));
		assert_result(read_packed(&address), -EPROTO);
	}
	pack_address("inet", "1.2.3.4", 7, 0, NULL);
	assert_result(read_packed(&address), -EPROTO);
	pack_address("inet", "1.2.3.4", 7, NUMBERS(80, 0));
	assert_result(read_packed(&address), -EPROTO);
	pack_address("inet6", "::1", 3, NUMBERS(80, 0, 0));
	assert_result(read_packed(&address), -EPROTO);
	pack_address("unix", "/x", 2, NUMBERS(80));
	assert_result(read_packed(&address), -EPROTO);
	buffer_clear(&buffer);
	assert_result(read_packed(&address), -EPROTO);
	ck_assert_uint_eq(address.size, 77);
	buffer_deinit(&buffer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("address");

	suite_add(suite, inet_address_comes_back);
	suite_add(suite, inet6_address_comes_back_with_its_scope);
	suite_add(suite, unix_address_comes_back_be_it_a_path_abstract_or_unnamed);
	suite_add(suite, longest_abstract_name_comes_back);
	suite_add(suite, path_ends_where_it_ends_whatever_size_the_kernel_says);
	suite_add(suite, other_family_is_packed_as_bytes);
	suite_add(suite, address_shorter_than_its_family_is_not_read_beyond_its_end);
	suite_add(suite, host_that_is_not_numeric_is_refused);
	suite_add(suite, host_with_something_behind_a_nul_is_refused);
	suite_add(suite, port_and_scope_are_taken_up_to_their_last_value);
	suite_add(suite, path_with_a_nul_in_it_or_too_long_is_refused);
	suite_add(suite, wrong_family_count_or_type_is_refused_and_nothing_written);
	return suite_main(suite);
}
