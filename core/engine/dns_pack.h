/* DNS records of one answer in few bytes: a struct dns_record has room for the longest of each
 * kind. */
#pragma once

#include "base/world.h"

/* New memory, for `free`, of `*size` bytes; NULL and 0 when no record is of `type`. `*packed` tells
 * how many are. */
void *dns_pack(const struct dns_record *records, uint32_t n, enum dns_type type, uint32_t *packed,
	uint32_t *size);
/* Takes `aged_s` off the TTLs. What the records have no value for is 0. */
void dns_unpack(const void *bytes, uint32_t n, enum dns_type type, uint32_t aged_s,
	struct dns_record *records);
