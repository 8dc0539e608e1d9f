/* Answers of DNS as records. No socket, no state. */
#pragma once

#include "base/world.h"

struct ares_addrinfo;

enum {
	DNS_NAME_MAX = 253,
	DNS_CLASS_IN = 1,
	DNS_TYPE_SRV = 33,
	DNS_TYPE_NAPTR = 35,
};

/* Letters, digits, hyphens and underscores in labels of 1 to 63; no dot at the end. */
bool dns_is_host_name(struct span name);

/* Each returns how many records there are, at most DNS_RECORDS_MAX; they are the caller's to free,
 * and NULL when there are none. Records that are malformed or of another type are left out. */
uint32_t dns_reply_addresses(
	const struct ares_addrinfo *result, enum dns_type type, struct dns_record **records);
/* SRV or NAPTR. A target or replacement of "." is "" in the record; NAPTR with a regular
 * expression are left out (RFC 3263 4.1 uses replacements). */
uint32_t dns_reply_records(
	const unsigned char *reply, uint32_t size, enum dns_type type, struct dns_record **records);
