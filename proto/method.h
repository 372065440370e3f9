/*
 * Every method there is: the operations of driver/op.tbl, and those of method.tbl.
 */
#pragma once

#include "driver/op.h"
#include "proto/limits.h"
#include "proto/rpc.h"

enum method {
#define METHOD(name, NAME, result, summary) METHOD_##NAME,
#define PARAM(name, type, need)
#define END
#include "proto/method.tbl"
#undef METHOD
#undef PARAM
#undef END
	METHOD_COUNT
};

/* Of the protocol: what `hello` and `describe` say, and what "since" counts. */
enum { PROTOCOL_VERSION = 1 };

/* The method of method.tbl called by the @size bytes at @name, or METHOD_COUNT. */
enum method method_find(const char *name, size_t size);

const char *method_name(enum method method);

/* Whether @count parameters will do. False: @error says what is wanted. */
bool method_check_count(enum method method, uint32_t count, struct rpc_error *error);

/* A parameter of a method of method.tbl was not what it has to be. */
void method_error_param(enum method method, unsigned index, const char *wanted,
	struct rpc_error *error);

/* Packs the answer to `describe`. */
void method_pack_describe(struct pack *pack, const struct limits *limits);

/* Packs a map of the limits. */
void method_pack_limits(struct pack *pack, const struct limits *limits);
