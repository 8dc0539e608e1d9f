#include "base/addr.h"

#include "base/put.h"

struct span transport_name(enum transport transport)
{
	switch (transport) {
	case TRANSPORT_UDP:
		return SPAN("UDP");
	case TRANSPORT_TCP:
		return SPAN("TCP");
	case TRANSPORT_TLS:
		return SPAN("TLS");
	case TRANSPORT_NONE:
		break;
	}
	return SPAN("");
}

static inline unsigned digit_of(char c)
{
	return (unsigned char)c - (unsigned)'0';
}

/* RFC 3261 25.1: IPv4address = 1*3DIGIT "." ... so leading zeros are decimal. */
const char *addr_ipv4_skip(const char *p, const char *end, uint8_t out[4])
{
	for (int i = 0;; i++) {
		unsigned value, digit;
		if (p == end || (value = digit_of(*p++)) > 9)
			return NULL;
		if (p < end && (digit = digit_of(*p)) <= 9) {
			value = value * 10 + digit;
			if (++p < end && (digit = digit_of(*p)) <= 9) {
				value = value * 10 + digit;
				p++;
			}
		}
		if (value > 255)
			return NULL;
		out[i] = (uint8_t)value;
		if (i == 3)
			return p;
		if (p == end || *p++ != '.')
			return NULL;
	}
}

static bool parse_ipv4(struct span s, uint8_t out[4])
{
	return s.n && addr_ipv4_skip(s.p, span_end(s), out) == span_end(s);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What stands between colons, and where the "::" was. */
struct groups {
	uint16_t value[8];
	int n;
	int gap; /* groups before "::", -1: none seen */
};

/* The last 32 bits may be written as IPv4 (RFC 4291 2.2). */
static bool take_ipv4(struct groups *g, struct span tail)
{
	uint8_t v4[4];
	if (g->n > 6 || !parse_ipv4(tail, v4))
		return false;
	g->value[g->n++] = (uint16_t)(v4[0] << 8 | v4[1]);
	g->value[g->n++] = (uint16_t)(v4[2] << 8 | v4[3]);
	return true;
}

/* `s` is what follows a "::". RFC 5118 4.10: the grammar of RFC 3261 wrongly makes senders write a
 * third colon before an IPv4 tail. */
static struct span third_colon_skip(struct span s)
{
	uint8_t v4[4];
	if (s.n && s.p[0] == ':' && parse_ipv4(span_from(s, 1), v4))
		return span_from(s, 1);
	return s;
}

static bool parse_groups(struct span s, struct groups *g)
{
	if (s.n >= 2 && s.p[0] == ':' && s.p[1] == ':') {
		g->gap = 0;
		s = third_colon_skip(span_from(s, 2));
	}
	while (s.n) {
		unsigned value = 0;
		uint32_t digits = 0;
		for (int d; digits < s.n && digits < 4 && (d = hex_digit(s.p[digits])) >= 0;
			digits++)
			value = value << 4 | (unsigned)d;
		if (digits < s.n && s.p[digits] == '.')
			return take_ipv4(g, s);
		if (!digits || g->n == 8)
			return false;
		g->value[g->n++] = (uint16_t)value;
		s = span_from(s, digits);
		if (!s.n)
			break;
		if (s.p[0] != ':' || s.n == 1)
			return false;
		s = span_from(s, 1);
		if (s.p[0] != ':')
			continue;
		if (g->gap >= 0)
			return false;
		g->gap = g->n;
		s = third_colon_skip(span_from(s, 1));
	}
	return true;
}

static bool parse_ipv6(struct span s, struct in6_addr *out)
{
	struct groups g = {.gap = -1};
	if (!parse_groups(s, &g) || (g.gap < 0 ? g.n != 8 : g.n > 7))
		return false;
	memset(out, 0, sizeof *out);
	for (int i = 0; i < g.n; i++) {
		int at = g.gap >= 0 && i >= g.gap ? 8 - g.n + i : i;
		out->s6_addr[2 * at] = (uint8_t)(g.value[i] >> 8);
		out->s6_addr[2 * at + 1] = (uint8_t)g.value[i];
	}
	return true;
}

bool addr_parse_ip(struct span ip, uint16_t port, struct addr *addr)
{
	memset(addr, 0, sizeof *addr);
	if (!ip.n || ip.n > ADDR_IP_TEXT_MAX)
		return false;
	if (parse_ipv4(ip, (uint8_t *)&addr->in4.sin_addr)) {
		addr->in4.sin_family = AF_INET;
		addr->in4.sin_port = htons(port);
		return true;
	}
	if (ip.p[0] == '[') {
		if (ip.n < 2 || ip.p[ip.n - 1] != ']')
			return false;
		ip = span_of(ip.p + 1, ip.n - 2);
	}
	memset(addr, 0, sizeof *addr);
	struct in6_addr v6;
	if (!parse_ipv6(ip, &v6))
		return false;
	addr->in6.sin6_family = AF_INET6;
	addr->in6.sin6_port = htons(port);
	addr->in6.sin6_addr = v6;
	return true;
}

bool addr_parse(struct span text, uint16_t default_port, struct addr *addr)
{
	struct span ip = text, digits = {NULL, 0};
	const char *close = text.n && text.p[0] == '[' ? span_find(text, ']') : NULL;
	const char *colon = span_find(text, ':');
	if (close) {
		ip = span_between(text.p, close + 1);
		colon = close + 1 < span_end(text) ? close + 1 : NULL;
		if (colon && *colon != ':')
			return false;
	} else if (colon && span_find(span_between(colon + 1, span_end(text)), ':')) {
		colon = NULL; /* bare IPv6 */
	}
	uint32_t port = default_port;
	if (colon) {
		ip = span_between(text.p, colon);
		digits = span_between(colon + 1, span_end(text));
		if (!span_u32(digits, &port) || port > UINT16_MAX)
			return false;
	}
	return addr_parse_ip(ip, (uint16_t)port, addr);
}

static char *put_ipv4(char *out, const uint8_t v4[4])
{
	for (int i = 0; i < 4; i++) {
		if (i)
			*out++ = '.';
		out = put_u32(out, v4[i]);
	}
	return out;
}

static char *put_group(char *out, unsigned value)
{
	for (int shift = value > 0xfff	? 12
			 : value > 0xff ? 8
			 : value > 0xf	? 4
					: 0;
		shift >= 0; shift -= 4)
		*out++ = "0123456789abcdef"[value >> shift & 15];
	return out;
}

/* RFC 5952 4: the first longest run of two or more zero groups becomes "::"; ::ffff:0:0/96 ends as
 * IPv4 (5). */
static char *put_ipv6(char *out, const struct in6_addr *ip)
{
	unsigned group[8];
	int run = 0, run_n = 1, zeros = 0;
	for (int i = 0; i < 8; i++) {
		group[i] = (unsigned)ip->s6_addr[2 * i] << 8 | ip->s6_addr[2 * i + 1];
		zeros = group[i] ? 0 : zeros + 1;
		if (zeros > run_n) {
			run_n = zeros;
			run = i + 1 - zeros;
		}
	}
	bool mapped = IN6_IS_ADDR_V4MAPPED(ip);
	for (int i = 0; i < 8;) {
		if (run_n > 1 && i == run) {
			*out++ = ':';
			i += run_n;
			if (i == 8)
				*out++ = ':';
			continue;
		}
		if (i)
			*out++ = ':';
		if (mapped && i == 6)
			return put_ipv4(out, ip->s6_addr + 12);
		out = put_group(out, group[i++]);
	}
	return out;
}

uint32_t addr_print_ip(const struct addr *addr, char *out)
{
	if (addr->sa.sa_family == AF_INET)
		return (uint32_t)(put_ipv4(out, (const uint8_t *)&addr->in4.sin_addr) - out);
	if (addr->sa.sa_family == AF_INET6)
		return (uint32_t)(put_ipv6(out, &addr->in6.sin6_addr) - out);
	return 0;
}

uint32_t addr_print_host(const struct addr *addr, char *out)
{
	if (addr->sa.sa_family != AF_INET6)
		return addr_print_ip(addr, out);
	out[0] = '[';
	uint32_t n = 1 + addr_print_ip(addr, out + 1);
	out[n] = ']';
	return n + 1;
}

uint32_t addr_print(const struct addr *addr, char *out)
{
	uint32_t n = addr_print_host(addr, out);
	if (!n)
		return 0;
	out[n++] = ':';
	return (uint32_t)(put_u32(out + n, addr_port(addr)) - out);
}

uint16_t addr_port(const struct addr *addr)
{
	if (addr->sa.sa_family == AF_INET)
		return ntohs(addr->in4.sin_port);
	return addr->sa.sa_family == AF_INET6 ? ntohs(addr->in6.sin6_port) : 0;
}

void addr_set_port(struct addr *addr, uint16_t port)
{
	if (addr->sa.sa_family == AF_INET)
		addr->in4.sin_port = htons(port);
	else if (addr->sa.sa_family == AF_INET6)
		addr->in6.sin6_port = htons(port);
}

bool addr_same_ip(const struct addr *a, const struct addr *b)
{
	if (a->sa.sa_family != b->sa.sa_family)
		return false;
	if (a->sa.sa_family == AF_INET)
		return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
	if (a->sa.sa_family == AF_INET6)
		return IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
	return true;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
	if (!addr_same_ip(a, b) || addr_port(a) != addr_port(b))
		return false;
	return a->sa.sa_family != AF_INET6 || a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

/* The IPv4 address in host order, that of ::ffff:0:0/96 too: it reaches the same machine. */
static bool ipv4_of(const struct addr *addr, uint32_t *ip)
{
	if (addr->sa.sa_family == AF_INET) {
		*ip = ntohl(addr->in4.sin_addr.s_addr);
		return true;
	}
	if (addr->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&addr->in6.sin6_addr))
		return false;
	memcpy(ip, addr->in6.sin6_addr.s6_addr + 12, sizeof *ip);
	*ip = ntohl(*ip);
	return true;
}

bool addr_is_loopback(const struct addr *addr)
{
	uint32_t ip;
	if (ipv4_of(addr, &ip))
		return ip >> 24 == IN_LOOPBACKNET;
	return addr->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&addr->in6.sin6_addr);
}

bool addr_is_any(const struct addr *addr)
{
	uint32_t ip;
	if (ipv4_of(addr, &ip))
		return ip == INADDR_ANY;
	return addr->sa.sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr);
}

bool addr_is_unroutable(const struct addr *addr)
{
	uint32_t ip;
	if (!addr_is_set(addr) || addr_port(addr) == 0 || addr_is_any(addr))
		return true;
	if (ipv4_of(addr, &ip))
		return ip == INADDR_BROADCAST || IN_MULTICAST(ip);
	return IN6_IS_ADDR_MULTICAST(&addr->in6.sin6_addr);
}
