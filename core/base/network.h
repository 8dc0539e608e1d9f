/* Networks in CIDR notation. */
#pragma once

#include "base/addr.h"

struct network {
	struct addr addr;
	uint8_t bits;
};

/* "10.0.0.0/8", "2001:db8::/32"; an address without "/" is that one alone. False: neither. */
bool network_parse(struct span text, struct network *network);
bool network_has(const struct network *network, const struct addr *addr);
