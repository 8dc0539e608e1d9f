/* Domains to proxies: `domain2proxy` of the dispatcher (seed 002).
 *
 * "example.com" matches that domain, "*.example.com" the domain and all below it, "*" everything
 * else. The longest match wins, an exact one over "*." of the same length. Letter case and a last
 * dot do not count. An IP literal is matched by its exact text or by "*", never by "*.": it has no
 * domains above it. */
#pragma once

#include "sip/uri.h"

enum {
	DOMAIN_MAP_ROUTES_MAX = 65536,
	DOMAIN_MAP_PROXIES_MAX = 16, /* of one domain */
};

struct domain_map;

/* Where a domain's requests go: in this order. */
struct domain_route {
	struct span pattern;	   /* lower case */
	const struct uri *proxies; /* "ip[:port]" and "host[:port]" have become sip: URIs */
	uint32_t n;
};

struct domain_map *domain_map_new(void);
void domain_map_free(struct domain_map *map); /* NULL is fine */

/* Each of `proxies` is a sip: or sips: URI, "ip", "ip:port", "[ipv6]:port", "host" or "host:port".
 * Copies. 0, or -1 with a sentence in `error` that says what to write instead; nothing has changed
 * then. */
int domain_map_add(struct domain_map *map, struct span pattern, const struct span *proxies,
	uint32_t n, char error[256]);
/* `host` as it stands in a URI. NULL: none. Valid as long as the map. */
const struct domain_route *domain_map_find(const struct domain_map *map, struct span host);
