/* IPv4 and IPv6 socket addresses as values: parse, print, compare, hash. No name is ever resolved
 * here. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/span.h"

struct addr {
	union {
		struct sockaddr sa; /* sa_family AF_UNSPEC: no address */
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
	};
};

enum transport { TRANSPORT_NONE, TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS };

/* Upper-case name as in Via ("UDP"); "" for NONE. */
struct span transport_name(enum transport transport);
/* Any letter case; TRANSPORT_NONE when unknown. */
static inline enum transport transport_of(struct span name)
{
	if (name.n != 3)
		return TRANSPORT_NONE;
	/* |0x20 makes one letter of both cases, and these letters of nothing else */
	const unsigned char *p = (const unsigned char *)name.p;
	switch ((p[0] | 0x20) << 16 | (p[1] | 0x20) << 8 | (p[2] | 0x20)) {
	case 'u' << 16 | 'd' << 8 | 'p':
		return TRANSPORT_UDP;
	case 't' << 16 | 'c' << 8 | 'p':
		return TRANSPORT_TCP;
	case 't' << 16 | 'l' << 8 | 's':
		return TRANSPORT_TLS;
	}
	return TRANSPORT_NONE;
}
static inline bool transport_is_reliable(enum transport t)
{
	return t != TRANSPORT_UDP;
}

enum {
	ADDR_IP_TEXT_MAX = 48,	/* "ffff:...:255.255.255.255" and room for "[]" */
	ADDR_TEXT_MAX = 48 + 6, /* with ":65535" */
};

/* An IP literal, IPv6 with or without brackets; false when `ip` is anything else. */
bool addr_parse_ip(struct span ip, uint16_t port, struct addr *addr);
/* Behind the IPv4 literal that begins at `p`, NULL when none does. What follows is the caller's to
 * judge. */
const char *addr_ipv4_skip(const char *p, const char *end, uint8_t out[4]);
/* "ip", "ip:port", "[v6]:port"; `default_port` where none is given. */
bool addr_parse(struct span text, uint16_t default_port, struct addr *addr);

/* Write without NUL, return the length. addr_print_ip puts no brackets, addr_print_host does for
 * IPv6, addr_print adds ":port" to the latter. Room: ADDR_TEXT_MAX. */
uint32_t addr_print_ip(const struct addr *addr, char *out);
uint32_t addr_print_host(const struct addr *addr, char *out);
uint32_t addr_print(const struct addr *addr, char *out);

uint16_t addr_port(const struct addr *addr);
void addr_set_port(struct addr *addr, uint16_t port);
static inline socklen_t addr_len(const struct addr *addr)
{
	return addr->sa.sa_family == AF_INET6 ? sizeof addr->in6 : sizeof addr->in4;
}
static inline bool addr_is_set(const struct addr *addr)
{
	return addr->sa.sa_family != AF_UNSPEC;
}
bool addr_eq(const struct addr *a, const struct addr *b);
bool addr_same_ip(const struct addr *a, const struct addr *b);
bool addr_is_loopback(const struct addr *addr);
/* 0.0.0.0 or :: */
bool addr_is_any(const struct addr *addr);
/* Broadcast, multicast, any, or port 0: nothing that SIP may be sent to because a message says so.
 */
bool addr_is_unroutable(const struct addr *addr);
