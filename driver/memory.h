/*
 * Registered memory: what proactor_memory_new() made, by address.
 *
 * The front maps it and keeps the list; an engine that can reach it faster when it knows it
 * beforehand registers it (struct driver's memory_add).
 */
#pragma once

#include "driver/driver.h"

/* All of it, at the end of @proactor. */
void memory_free_all(struct proactor *proactor);
