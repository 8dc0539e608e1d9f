/* Two URIs compared, and what is made of one: the address-of-record and the Request-URI. All of RFC
 * 3261 19.1.4, 10.3 and 19.1.5. */
#include "base/put.h"
#include "sip/uri.h"

enum { ESCAPED = 256 }; /* added to a byte that means something else unescaped */

static unsigned hex_of(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c | 0x20) - 'a' + 10;
}

/* The next character of valid text. "Characters other than those in the reserved set are equal to
 * their %HH encoding"; the reserved ones, and '%' itself, stay apart from it. */
static inline unsigned next_char(const char **p)
{
	unsigned c = (unsigned char)*(*p)++;
	if (c != '%')
		return c;
	c = hex_of((*p)[0]) << 4 | hex_of((*p)[1]);
	*p += 2;
	return memchr(";/?:@&=+$,%", (int)c, 11) ? c + ESCAPED : c;
}

enum letter_case { CASE_MATTERS, CASE_FOLDED };

static bool escaped_eq(struct span a, struct span b, enum letter_case letters)
{
	if (span_eq(a, b))
		return true;
	if (!a.n || !b.n)
		return false;
	const char *pa = a.p, *pb = b.p, *a_end = span_end(a), *b_end = span_end(b);
	while (pa < a_end && pb < b_end) {
		unsigned ca = next_char(&pa), cb = next_char(&pb);
		if (ca == cb)
			continue;
		bool same = letters == CASE_FOLDED && (ca | 0x20) == (cb | 0x20) &&
			    (ca | 0x20) >= 'a' && (ca | 0x20) <= 'z';
		if (!same)
			return false;
	}
	return pa == a_end && pb == b_end;
}

/* Cuts the next name[=value] that ends at `separator` off `*rest`. */
static bool pair_next(struct span *rest, char separator, struct span *name, struct span *value)
{
	if (!rest->n)
		return false;
	const char *end = span_find(*rest, separator);
	struct span pair = end ? span_between(rest->p, end) : *rest;
	*rest = end ? span_from(*rest, pair.n + 1) : (struct span){NULL, 0};
	const char *equals = span_find(pair, '=');
	*name = equals ? span_between(pair.p, equals) : pair;
	*value = equals ? span_between(equals + 1, span_end(pair)) : (struct span){NULL, 0};
	return true;
}

static struct span behind_first(struct span params)
{
	return params.n ? span_from(params, 1) : params;
}

bool uri_find_param(const struct uri *uri, struct span name, struct span *value)
{
	struct span rest = behind_first(uri->params), found;
	while (pair_next(&rest, ';', &found, value))
		if (escaped_eq(found, name, CASE_FOLDED))
			return true;
	return false;
}

bool uri_transport(const struct uri *uri, enum transport *transport)
{
	bool sips = uri->scheme == URI_SIPS;
	struct span value;
	*transport = sips ? TRANSPORT_TLS : TRANSPORT_NONE;
	if ((!sips && uri->scheme != URI_SIP) || !uri_param(uri, SPAN("transport"), &value))
		return true;
	enum transport asked = transport_of(value);
	if (asked == TRANSPORT_NONE)
		return false;
	if (!sips)
		*transport = asked;
	/* sips with tcp means TLS over TCP (RFC 3261 26.2.2); UDP can not carry it. */
	return !sips || asked != TRANSPORT_UDP;
}

uint16_t uri_port_or_default(const struct uri *uri)
{
	enum transport transport;
	if (uri->port)
		return uri->port;
	return uri_transport(uri, &transport) && transport == TRANSPORT_TLS ? 5061 : 5060;
}

enum unmatched { UNMATCHED_DIFFERS, UNMATCHED_IGNORED };

/* Every name=value of `a` against those of `b`. What `b` does not name at all is judged by
 * `unmatched`; in URI parameters the ones that change where a request goes must be in both (RFC
 * 3261 19.1.4, and its examples for transport). */
static bool pairs_match(struct span a, struct span b, char separator, enum unmatched unmatched)
{
	struct span name, value, other, other_value;
	while (pair_next(&a, separator, &name, &value)) {
		bool named = false, same = false;
		for (struct span rest = b;
			!same && pair_next(&rest, separator, &other, &other_value);) {
			bool is_it = escaped_eq(name, other, CASE_FOLDED);
			named |= is_it;
			same = is_it && escaped_eq(value, other_value, CASE_FOLDED);
		}
		if (same)
			continue;
		if (named || unmatched == UNMATCHED_DIFFERS)
			return false;
		static const struct span always[] = {
			{"user", 4}, {"ttl", 3}, {"method", 6}, {"maddr", 5}, {"transport", 9}};
		for (size_t i = 0; i < sizeof always / sizeof *always; i++)
			if (escaped_eq(name, always[i], CASE_FOLDED))
				return false;
	}
	return true;
}

static bool pairs_eq(struct span a, struct span b, char separator, enum unmatched unmatched)
{
	return span_eq(a, b) ||
	       (pairs_match(a, b, separator, unmatched) && pairs_match(b, a, separator, unmatched));
}

/* IPv6 has many spellings (RFC 5118 5): addresses are compared as such. */
static bool host_eq(struct span a, struct span b)
{
	struct addr ip_a, ip_b;
	if (span_ieq(a, b))
		return true;
	return addr_parse_ip(a, 0, &ip_a) && addr_parse_ip(b, 0, &ip_b) &&
	       addr_same_ip(&ip_a, &ip_b);
}

/* Digits without visual separators (RFC 3966 4). */
static bool number_eq(struct span a, struct span b)
{
	uint32_t i = 0, j = 0;
	for (;; i++, j++) {
		while (i < a.n && memchr("-.()", a.p[i], 4))
			i++;
		while (j < b.n && memchr("-.()", b.p[j], 4))
			j++;
		if (i == a.n || j == b.n)
			return i == a.n && j == b.n;
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[j]))
			return false;
	}
}

bool uri_eq(const struct uri *a, const struct uri *b)
{
	if (a->scheme != b->scheme)
		return false;
	switch (a->scheme) {
	case URI_OTHER:
		return span_ieq(a->scheme_name, b->scheme_name) && span_eq(a->host, b->host);
	case URI_TEL:
		return number_eq(a->user, b->user) &&
		       pairs_eq(behind_first(a->params), behind_first(b->params), ';',
			       UNMATCHED_DIFFERS);
	case URI_SIP:
	case URI_SIPS:
		break;
	}
	if (!a->user.p != !b->user.p || !a->password.p != !b->password.p)
		return false;
	return escaped_eq(a->user, b->user, CASE_MATTERS) &&
	       escaped_eq(a->password, b->password, CASE_MATTERS) && a->port == b->port &&
	       host_eq(a->host, b->host) &&
	       pairs_eq(behind_first(a->params), behind_first(b->params), ';', UNMATCHED_IGNORED) &&
	       pairs_eq(a->headers, b->headers, '&', UNMATCHED_DIFFERS);
}

static char *put_user(char *out, struct span user)
{
	for (const char *p = user.p, *end = span_end(user); p < end;) {
		unsigned c = next_char(&p);
		if (c < ESCAPED && char_is((char)c, CHAR_USER)) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = "0123456789ABCDEF"[c >> 4 & 15];
		*out++ = "0123456789ABCDEF"[c & 15];
	}
	return out;
}

uint32_t uri_plain_user(struct span user, char *out)
{
	return (uint32_t)(put_user(out, user) - out);
}

static char *put_host(char *out, struct span host)
{
	struct addr ip;
	if (addr_parse_ip(host, 0, &ip))
		return out + addr_print_host(&ip, out);
	for (uint32_t i = 0; i < host.n; i++)
		*out++ = ascii_lower(host.p[i]);
	return out;
}

uint32_t uri_aor(const struct uri *uri, char *out)
{
	bool is_sip = uri->scheme == URI_SIP || uri->scheme == URI_SIPS;
	if (!is_sip || !host_is_valid(uri->host))
		return 0;
	char *p = out;
	memcpy(p, "sip:", 4);
	p += 4;
	if (uri->user.p) {
		p = put_user(p, uri->user);
		*p++ = '@';
	}
	p = put_host(p, uri->host);
	if (uri->port) {
		*p++ = ':';
		for (unsigned unit = 10000; unit; unit /= 10)
			if (uri->port >= unit)
				*p++ = (char)('0' + uri->port / unit % 10);
	}
	return (uint32_t)(p - out);
}

uint32_t uri_as_target(const struct uri *uri, char *out)
{
	if (uri->scheme != URI_SIP && uri->scheme != URI_SIPS)
		return (uint32_t)(put_span(out, uri->text) - out);
	const char *headers = uri->headers.p ? uri->headers.p - 1 : span_end(uri->text);
	const char *params = uri->params.p ? uri->params.p : headers;
	char *p = put_span(out, span_between(uri->text.p, params));
	struct span rest = behind_first(uri->params), name, value;
	while (pair_next(&rest, ';', &name, &value)) {
		if (escaped_eq(name, SPAN("method"), CASE_FOLDED))
			continue;
		*p++ = ';';
		p = put_span(p, value.p ? span_between(name.p, span_end(value)) : name);
	}
	return (uint32_t)(p - out);
}
