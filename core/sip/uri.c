#include "sip/uri.h"

bool host_is_valid(struct span host)
{
	return host.n && host_length(host) == host.n;
}

/* escaped = "%" HEXDIG HEXDIG. What separates the parts of a URI is no hexadecimal digit, so an
 * escape that is whole in the text is whole in its part. */
static bool escapes_are_whole(struct span text)
{
	const char *p = text.p, *end = span_end(text);
	while ((p = memchr(p, '%', (size_t)(end - p)))) {
		if (end - p < 3 || !char_is(p[1], CHAR_HEX) || !char_is(p[2], CHAR_HEX))
			return false;
		p += 3;
	}
	return true;
}

/* What `plain`, a class without '%', and whole escapes make. Any other '%' is left, where no rule
 * takes it. */
static inline const char *escaped_skip(const char *p, const char *end, unsigned plain)
{
	for (;;) {
		p = class_skip(p, end, plain);
		bool escape = end - p >= 3 && *p == '%' && char_is(p[1], CHAR_HEX) &&
			      char_is(p[2], CHAR_HEX);
		if (!escape)
			return p;
		p += 3;
	}
}

/* uri-parameters (RFC 3261 25.1) from the ';' at `p`: behind them, NULL when one has no name or
 * there are too many.
 * '=' in a value is tolerated, as in opaque=AbC==. */
static const char *params_skip(const char *p, const char *end)
{
	unsigned n = 0;
	while (p < end && *p == ';') {
		const char *name = ++p;
		p = escaped_skip(p, end, CHAR_PLAIN_PARAM);
		if (p == name || ++n > URI_PARAMS_MAX)
			return NULL;
		while (p < end && *p == '=')
			p = escaped_skip(p + 1, end, CHAR_PLAIN_PARAM);
	}
	return p;
}

/* headers = "?" hname "=" hvalue *( "&" ... ), without the '?'. */
static bool headers_are_valid(struct span headers)
{
	const char *p = headers.p, *end = span_end(headers), *name = p;
	unsigned n = 1;
	bool named = false;
	while (p < end) {
		if (*p == '&') {
			if (!named || ++n > URI_PARAMS_MAX)
				return false;
			named = false;
			name = ++p;
		} else if (*p == '=') {
			if (p == name)
				return false;
			named = true;
			p++;
		} else if (char_is(*p, CHAR_PARAM) || *p == '?') {
			p++;
		} else {
			return false;
		}
	}
	return named;
}

/* userinfo = user [ ":" password ], without the '@'. */
static bool parse_userinfo(struct span info, struct uri *uri)
{
	const char *end = span_end(info);
	const char *p = class_skip(info.p, end, CHAR_USER);
	uri->user = span_between(info.p, p);
	if (p < end && *p == ':') {
		const char *password = p + 1;
		p = class_skip(password, end, CHAR_USER);
		uri->password = span_between(password, p);
	}
	return uri->user.n && p == end;
}

/* hostport uri-parameters at `p`: behind them, or NULL. */
static inline const char *hostport_skip(const char *p, const char *end, struct uri *uri)
{
	const char *behind = host_skip(p, end);
	if (!behind)
		return NULL;
	uri->host = span_between(p, behind);
	p = behind;
	if (p < end && *p == ':') {
		p = port_skip(p + 1, end, &uri->port);
		if (!p)
			return NULL;
	}
	if (p == end || *p != ';')
		return p;
	behind = params_skip(p, end);
	if (behind)
		uri->params = span_between(p, behind);
	return behind;
}

/* Some proxies write a whole URI, escaped, where the host stands, and with maddr where they are. No
 * rule of RFC 3261 has such a host, but nobody has to read it: the maddr says where it goes. */
static const char *unread_hostport_skip(const char *p, const char *end, struct uri *uri)
{
	const char *behind = escaped_skip(p, end, CHAR_HOST);
	struct span maddr;
	uri->host = span_between(p, behind);
	uri->port = 0;
	if (behind < end && *behind == ':')
		behind = port_skip(behind + 1, end, &uri->port);
	p = behind;
	behind = p && uri->host.n ? params_skip(p, end) : NULL;
	if (!behind)
		return NULL;
	uri->params = span_between(p, behind);
	return uri_param(uri, SPAN("maddr"), &maddr) && host_is_valid(maddr) ? behind : NULL;
}

/* SIP-URI behind its scheme (RFC 3261 19.1.1). No part may hold an unescaped '@', so the first one
 * ends userinfo and a second is an error: nobody can read another host out of this text than we do.
 */
static int parse_sip(struct span rest, struct uri *uri)
{
	const char *end = span_end(rest), *p = rest.p, *at = span_find(rest, '@');
	if (at) {
		if (!parse_userinfo(span_between(p, at), uri))
			return -1;
		p = at + 1;
	}
	const char *host = p;
	p = hostport_skip(host, end, uri);
	if (!p || (p < end && *p != '?'))
		p = unread_hostport_skip(host, end, uri);
	if (p && p < end && *p == '?') {
		uri->headers = span_between(p + 1, end);
		return headers_are_valid(uri->headers) ? 0 : -1;
	}
	return p == end ? 0 : -1;
}

static inline bool is_separator(char c)
{
	return c == '-' || c == '.' || c == '(' || c == ')';
}

/* telephone-uri behind its scheme (RFC 3966 3): digits of some kind and visual separators, then
 * parameters. */
static int parse_tel(struct span rest, struct uri *uri)
{
	const char *end = span_end(rest), *p = rest.p;
	bool global = rest.n && *p == '+', any = false;
	for (p += global; p < end; p++) {
		bool digit = char_is(*p, global ? CHAR_DIGIT : CHAR_HEX) ||
			     (!global && (*p == '*' || *p == '#'));
		if (!digit && !is_separator(*p))
			break;
		any |= digit;
	}
	uri->user = span_between(rest.p, p);
	if (p < end) {
		uri->params = span_between(p, end);
		p = params_skip(p, end);
	}
	return any && p == end ? 0 : -1;
}

/* absoluteURI is looked into no further: it only must not break out of where it is written. */
static int parse_other(struct span rest, struct uri *uri)
{
	for (const char *p = rest.p, *end = span_end(rest); p < end; p++) {
		bool ends_it = (unsigned char)*p <= ' ' || *p == 0x7f || *p == '<' || *p == '>' ||
			       *p == '"';
		if (ends_it)
			return -1;
	}
	uri->host = rest;
	return rest.n ? 0 : -1;
}

/* scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." ); its length, 0 when no ':' ends it. */
static uint32_t scheme_length(struct span text)
{
	uint32_t n = 0;
	while (n < text.n && (char_is(text.p[n], CHAR_HOST) || text.p[n] == '+') &&
		text.p[n] != '_')
		n++;
	bool alpha = n && (text.p[0] | 0x20) >= 'a' && (text.p[0] | 0x20) <= 'z';
	return alpha && n < text.n && text.p[n] == ':' ? n : 0;
}

static enum uri_scheme scheme_of(struct span name)
{
	if (span_ieq(name, SPAN("sip")))
		return URI_SIP;
	if (span_ieq(name, SPAN("sips")))
		return URI_SIPS;
	return span_ieq(name, SPAN("tel")) ? URI_TEL : URI_OTHER;
}

static int parse_any(struct span text, struct uri *uri)
{
	memset(uri, 0, sizeof *uri);
	uri->text = text;
	uint32_t n = scheme_length(text);
	if (!n || !escapes_are_whole(text))
		return -1;
	uri->scheme_name = span_of(text.p, n);
	uri->scheme = scheme_of(uri->scheme_name);
	struct span rest = span_from(text, n + 1);
	switch (uri->scheme) {
	case URI_SIP:
	case URI_SIPS:
		return parse_sip(rest, uri);
	case URI_TEL:
		return parse_tel(rest, uri);
	case URI_OTHER:
		break;
	}
	return parse_other(rest, uri);
}

static __attribute__((noinline)) const char *any_skip(
	const char *p, const char *end, struct uri *uri)
{
	const char *close = memchr(p, '>', (size_t)(end - p));
	if (!close)
		close = end;
	bool fits = close - p <= URI_LENGTH_MAX;
	return fits && parse_any(span_between(p, close), uri) == 0 ? close : NULL;
}

/* "sip:", a user part that needs no second look or none, hostport, parameters, in one pass: what
 * nearly all are. Behind it; NULL when it is another URI, or none. */
static inline const char *plain_skip(const char *p, const char *end, struct uri *uri)
{
	const struct span none = {NULL, 0};
	if (end - p < 5 || memcmp(p, "sip:", 4) != 0)
		return NULL;
	uri->scheme = URI_SIP;
	uri->scheme_name = span_of(p, 3);
	uri->user = uri->password = uri->params = uri->headers = none;
	uri->port = 0;
	p += 4;
	const char *at = class_skip(p, end, CHAR_PLAIN_USER);
	if (at < end && *at == '@') {
		uri->user = span_between(p, at);
		if (at == p)
			return NULL;
		p = at + 1;
	}
	p = hostport_skip(p, end, uri);
	return p && (p == end || *p == '>') ? p : NULL;
}

const char *uri_skip(const char *p, const char *end, struct uri *uri)
{
	const char *behind = plain_skip(p, end, uri);
	if (!behind)
		return any_skip(p, end, uri);
	uri->text = span_between(p, behind);
	return uri->text.n <= URI_LENGTH_MAX ? behind : NULL;
}

int uri_parse(struct span text, struct uri *uri)
{
	return text.n && uri_skip(text.p, span_end(text), uri) == span_end(text) ? 0 : -1;
}
