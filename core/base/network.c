#include "base/network.h"

static uint32_t bits_of(const struct addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? 128 : 32;
}

bool network_parse(struct span text, struct network *network)
{
	const char *slash = span_find(text, '/');
	struct span ip = slash ? span_between(text.p, slash) : text;
	uint32_t bits;
	if (!addr_parse_ip(ip, 0, &network->addr))
		return false;
	bits = bits_of(&network->addr);
	if (slash && (!span_u32(span_between(slash + 1, span_end(text)), &bits) ||
			     bits > bits_of(&network->addr)))
		return false;
	network->bits = (uint8_t)bits;
	return true;
}

static const uint8_t *bytes_of(const struct addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? addr->in6.sin6_addr.s6_addr
					      : (const uint8_t *)&addr->in4.sin_addr;
}

bool network_has(const struct network *network, const struct addr *addr)
{
	if (network->addr.sa.sa_family != addr->sa.sa_family)
		return false;
	const uint8_t *a = bytes_of(&network->addr), *b = bytes_of(addr);
	uint32_t whole = network->bits / 8, rest = network->bits % 8;
	return memcmp(a, b, whole) == 0 && (!rest || (a[whole] ^ b[whole]) >> (8 - rest) == 0);
}
