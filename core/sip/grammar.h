/* The lexical rules of RFC 3261 section 25 that every parser here shares: character classes, quoted
 * strings, parameters, comma lists. Length-based, no allocation, no hidden control flow. */
#pragma once

#include "base/span.h"

extern const uint16_t char_class[256];
enum {
	CHAR_TOKEN = 1,   /* token (also methods, parameter names, header names) */
	CHAR_HOST = 2,    /* letters, digits, '-', '.', '_' */
	CHAR_WORD = 4,    /* word, as in Call-ID */
	CHAR_USER = 8,    /* user part of a SIP URI, '%' included; also '#' as in *21# (RFC 3966 3) */
	CHAR_PARAM = 16,  /* URI parameters, '%' included */
	CHAR_HEX = 32,
	CHAR_DIGIT = 64,
	CHAR_VALUE = 128, /* unquoted parameter values: all that ends neither the parameter nor the header value */
	CHAR_LABEL = 256, /* CHAR_HOST without '.' */
};

static inline bool char_is(char c, unsigned class)
{
	return char_class[(unsigned char)c] & class;
}
/* Behind the characters of `class` at `p`. */
static inline const char *class_skip(const char *p, const char *end, unsigned class)
{
	for (; end - p >= 4; p += 4) {
		if (!char_is(p[0], class))
			return p;
		if (!char_is(p[1], class))
			return p + 1;
		if (!char_is(p[2], class))
			return p + 2;
		if (!char_is(p[3], class))
			return p + 3;
	}
	while (p < end && char_is(*p, class))
		p++;
	return p;
}
/* White space wherever LWS is allowed; a fold is CRLF and SP or HTAB, so its parts count. */
static inline bool char_is_space(char c)
{
	return (unsigned char)c <= ' ' && (c == ' ' || c == '\t' || c == '\r' || c == '\n');
}
static inline const char *space_skip(const char *p, const char *end)
{
	while (p < end && char_is_space(*p))
		p++;
	return p;
}
/* Non-empty and all of `class`. */
bool span_is(struct span s, unsigned class);
static inline bool span_is_token(struct span s)
{
	return span_is(s, CHAR_TOKEN);
}

/* `s` begins with '"': the length of the quoted string with both quotes (RFC 3261 25.1; an escaped quote
 * does not end it), 0 when it is not closed. */
uint32_t quoted_length(struct span s);
/* Undoes the escapes of a quoted string without its quotes; writes at most s.n bytes, returns how many. */
uint32_t quoted_unescape(struct span s, char *out);

/* Of the host (name, IPv4 or [IPv6]) that `s` begins with; 0 when it begins with none. */
uint32_t host_length(struct span s);
/* Behind the digits at `p`, NULL when there are none or they say anything but 1 to 65535: port 0 can be neither sent to
 * nor told from "none given". */
const char *port_skip(const char *p, const char *end, uint16_t *port);

/* Cuts the first comma-separated value off `*rest` (trimmed into `*value`); commas inside quotes, <> and
 * (comments) do not separate; a comment follows white space. False when nothing is left. Each stray comma gives
 * an empty value, a trailing one too: the caller says whether its rule allows them. */
bool list_next(struct span *rest, struct span *value);

/* ;name=value parameters. `*rest` starts at the first ';' (or is empty). Steps to the next one: name and value
 * trimmed, quotes of the value kept. A parameter without '=' has value.p == NULL, one with nothing behind its
 * '=' an empty value (seen in the field).
 * Returns 1, 0 at the end, negative at a syntax error (no name, a stray ';', unbalanced quote). */
struct param {
	struct span name, value;
	struct span whole; /* from its ';' to before the next one */
};
int param_next(struct span *rest, struct param *param);
/* The first parameter of that name (any letter case); false when absent. `params` as for param_next. */
bool param_find(struct span params, struct span name, struct param *param);
