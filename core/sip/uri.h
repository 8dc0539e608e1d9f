/* URIs: sip and sips (RFC 3261 19.1), tel (RFC 3966), any other scheme as opaque text. Views, no
 * copies. */
#pragma once

#include "base/addr.h"
#include "sip/grammar.h"

enum {
	URI_LENGTH_MAX = 4096,
	URI_PARAMS_MAX = 64, /* parameters, and as many headers: uri_eq compares each with each */
};

enum uri_scheme { URI_OTHER, URI_SIP, URI_SIPS, URI_TEL };

struct uri {
	struct span text; /* all of it */
	enum uri_scheme scheme;
	struct span scheme_name;
	/* sip and sips; for tel the number stands in `user`; for others all after ':' in `host` */
	struct span user;     /* as written, escapes kept; p NULL when there is no '@' */
	struct span password; /* p NULL when absent */
	struct span host;    /* as written; IPv6 with its brackets; behind a maddr it may be none */
	uint16_t port;	     /* 0: none given */
	struct span params;  /* from its first ';' on */
	struct span headers; /* after '?' */
};

/* 0, or -1 on a syntax error or beyond URI_LENGTH_MAX or URI_PARAMS_MAX. Percent escapes must be
 * two hex digits; white space, control bytes and <> are refused. */
int uri_parse(struct span text, struct uri *uri);
/* The same for the URI at `p` that `end` or a '>' ends: there, or NULL. */
const char *uri_skip(const char *p, const char *end, struct uri *uri);
/* A host as in hostport: name, IPv4 or [IPv6]. */
bool host_is_valid(struct span host);
/* The first parameter of that name, escapes and letter case aside; false when absent. The value is
 * as written, p NULL when there is no '='. */
bool uri_find_param(const struct uri *uri, struct span name, struct span *value);
static inline bool uri_param(const struct uri *uri, struct span name, struct span *value)
{
	return uri->params.n && uri_find_param(uri, name, value); /* most have none */
}
static inline bool uri_has_param(const struct uri *uri, struct span name)
{
	struct span value;
	return uri_param(uri, name, &value);
}
/* ";transport=", default by scheme: NONE when nothing says (RFC 3263 4.1), TLS for sips. An unknown
 * transport gives false. */
bool uri_transport(const struct uri *uri, enum transport *transport);
/* Port given, or 5061 for sips and TLS, 5060 otherwise. */
uint16_t uri_port_or_default(const struct uri *uri);
/* RFC 3261 19.1.4: escapes decoded where allowed, parameters and headers compared by its rules. */
bool uri_eq(const struct uri *a, const struct uri *b);
/* The address-of-record key of RFC 3261 10.3 step 5: scheme, user with unneeded escapes undone,
 * lower-case host, port if given; no password, parameters, headers. "sip:" and "sips:" share a key
 * (19.1: sips is the same resource). Writes into `out` (room: text.n + 8); returns the length, 0
 * when the URI can be no AOR. */
uint32_t uri_aor(const struct uri *uri, char *out);
/* The user part with unneeded escapes undone (RFC 3261 19.1.4), of a URI that was parsed. Writes
 * into `out` (room: user.n); returns the length. */
uint32_t uri_plain_user(struct span user, char *out);
/* As a Request-URI: without headers and the method parameter, which are not for the one it is sent
 * to (RFC 3261 19.1.1, 19.1.5). Writes into `out` (room: text.n); returns the length. */
uint32_t uri_as_target(const struct uri *uri, char *out);
