/* Questions to DNS by c-ares on the loop. Addresses are looked up in /etc/hosts first (TTL 0);
 * search domains of resolv.conf are not applied, for names in messages are whole. */
#pragma once

#include "net/loop.h"

struct dns;

/* Returns new; NULL with a reason in `error`. */
struct dns *dns_new(struct loop *loop, char error[256]);
/* Open questions are forgotten. */
void dns_free(struct dns *dns);
/* As world.dns_query and world.dns_cancel. */
void dns_query(
	struct dns *dns, uint64_t query, enum dns_type type, struct span name, uint32_t timeout_ms);
void dns_cancel(struct dns *dns, uint64_t query);
