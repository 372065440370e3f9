/*
 * Socket addresses on the wire:
 *
 *      ["inet", "127.0.0.1", 8080]     ["inet6", "::1", 8080]     ["inet6", "fe80::1", 8080, scope_id]
 *      ["unix", "/run/x"]              ["unix", "\0name"] abstract             ["unix", ""] unnamed
 *
 * Hosts are numeric: nothing here asks a name server. Any other family an address can only be
 * received with, as ["other", family, bytes].
 */
#pragma once

#include "driver/proactor.h"
#include "proto/pack.h"
#include "proto/reader.h"

/*
 * Reads an address. -EBADMSG, -EPROTO: not one; @ret_wanted then says what was wanted, a static
 * string.
 */
int address_read(struct reader *reader, struct proactor_address *ret_address,
	const char **ret_wanted);

void address_pack(struct pack *pack, const struct proactor_address *address);
