/* What the files of locate share. */
#pragma once

#include "sip/locate.h"

enum {
	LOCATE_ID_NAPTR = 0, /* question ids: one for NAPTR, */
	LOCATE_ID_SRV = 1,   /* one for each service, */
	LOCATE_ID_HOST = 8,  /* two for each host: A, then AAAA */
	LOCATE_ID_END = LOCATE_ID_HOST + 2 * LOCATE_HOSTS_MAX,
};

enum { LOCATE_NO_HOST = UINT8_MAX };

/* What legs of `transport` can reach; NONE: of any that the zone does not deny. */
uint8_t locate_families(const struct locate *locate, enum transport transport);
/* Bits by id: what the present round has to know. */
uint64_t locate_wanted(const struct locate *locate);

/* The target without the last dot; empty for the root, and for what is no name. */
struct span record_target(const struct dns_record *record);
/* Target ".": there is no such service (RFC 2782). */
bool record_is_denial(const struct dns_record *record);

/* The order among the records of one answer. Each writes the numbers of those that are of use into
 * `order` and returns how many; `n` is at most DNS_RECORDS_MAX. The order the records come in does
 * not matter.
 *
 * By priority, then drawn by weight (RFC 2782). */
uint32_t order_srv(const struct dns_record *records, uint32_t n, uint64_t seed,
	uint8_t order[DNS_RECORDS_MAX]);
/* By order, then preference (RFC 3403 4.1). */
uint32_t order_naptr(const struct dns_record *records, uint32_t n, uint8_t order[DNS_RECORDS_MAX]);
/* Addresses of that type, each once, drawn evenly; without those nobody may be sent to. */
uint32_t order_addresses(const struct dns_record *records, uint32_t n, enum dns_type type,
	uint64_t seed, uint8_t order[DNS_RECORDS_MAX]);
