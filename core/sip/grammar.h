/* The lexical rules of RFC 3261 section 25 that every parser here shares: character classes, quoted
 * strings, parameters, comma lists. Length-based, no allocation, no hidden control flow. */
#pragma once

#include "base/span.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

extern const uint16_t char_class[256];
enum {
	CHAR_TOKEN = 1, /* token (also methods, parameter names, header names) */
	CHAR_HOST = 2,	/* letters, digits, '-', '.', '_' */
	CHAR_WORD = 4,	/* word, as in Call-ID */
	CHAR_USER = 8,	/* user part of a SIP URI, '%' included; also '#' as in *21# (RFC 3966 3) */
	CHAR_PARAM = 16, /* URI parameters, '%' included */
	CHAR_HEX = 32,
	CHAR_DIGIT = 64,
	CHAR_VALUE = 128, /* unquoted parameter values: all that ends neither the parameter nor the
			     header value */
	CHAR_LABEL = 256, /* CHAR_HOST without '.' */
	/* Of these two what needs no second look: no '%', and of a user part only what no other
	   part begins with. */
	CHAR_PLAIN_USER = 512,
	CHAR_PLAIN_PARAM = 1024,
	CHAR_CALL_ID =
		2048, /* what does not break the headers apart that carry a Call-ID as a value */
};

static inline bool char_is(char c, unsigned class)
{
	return char_class[(unsigned char)c] & class;
}
#ifdef __SSE2__
/* The bytes of which some may end a text: all up to '"', those of ",;<>?", and all from 0x7f on,
 * which the addition makes as small as the first. */
static inline unsigned text_ends(__m128i v)
{
	__m128i next = _mm_add_epi8(v, _mm_set1_epi8(1));
	__m128i mark = _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(4)), _mm_set1_epi8('?'));
	__m128i angle = _mm_cmpeq_epi8(_mm_or_si128(v, _mm_set1_epi8(2)), _mm_set1_epi8('>'));
	__m128i comma = _mm_cmpeq_epi8(v, _mm_set1_epi8(','));
	__m128i text = _mm_cmpgt_epi8(next, _mm_set1_epi8('"' + 1));
	unsigned ends = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(mark, angle), comma));
	return ends | (~(unsigned)_mm_movemask_epi8(text) & 0xffff);
}
#endif
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
const char *spaces_skip(const char *p, const char *end);
/* Mostly there is none. */
static inline const char *space_skip(const char *p, const char *end)
{
	return p < end && (unsigned char)*p <= ' ' ? spaces_skip(p, end) : p;
}
/* The same for CHAR_VALUE and CHAR_CALL_ID, which have long runs and end at few characters. */
static inline const char *text_skip(const char *p, const char *end, unsigned class)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		unsigned ends = text_ends(_mm_loadu_si128((const __m128i *)p));
		for (; ends; ends &= ends - 1)
			if (!char_is(p[__builtin_ctz(ends)], class))
				return p + __builtin_ctz(ends);
	}
#endif
	return class_skip(p, end, class);
}
/* Non-empty and all of `class`. */
bool span_is(struct span s, unsigned class);
static inline bool span_is_token(struct span s)
{
	return span_is(s, CHAR_TOKEN);
}

/* `s` begins with '"': the length of the quoted string with both quotes (RFC 3261 25.1; an escaped
 * quote does not end it), 0 when it is not closed. */
uint32_t quoted_length(struct span s);
/* Undoes the escapes of a quoted string without its quotes; writes at most s.n bytes, returns how
 * many. */
uint32_t quoted_unescape(struct span s, char *out);

/* Behind the host (name, IPv4 or [IPv6]) at `p`, NULL when none stands there. */
const char *hostname_skip(const char *p, const char *end);
const char *other_host_skip(const char *p, const char *end);
static inline const char *host_skip(const char *p, const char *end)
{
	bool letter = p < end && char_is(*p, CHAR_LABEL) && !char_is(*p, CHAR_DIGIT);
	return letter ? hostname_skip(p, end) : other_host_skip(p, end);
}
/* Its length, 0 when `s` begins with none. */
static inline uint32_t host_length(struct span s)
{
	const char *behind = s.n ? host_skip(s.p, span_end(s)) : NULL;
	return behind ? (uint32_t)(behind - s.p) : 0;
}
/* Four bytes as they stand in memory, at once. */
static inline bool four_are_digits(uint32_t text)
{
	return (text & 0xf0f0f0f0) == 0x30303030 &&
	       ((text + 0x06060606) & 0xf0f0f0f0) == 0x30303030;
}
static inline unsigned four_digits(uint32_t text)
{
	const unsigned char *p = (const unsigned char *)&text;
	return p[0] * 1000u + p[1] * 100u + p[2] * 10u + p[3] - '0' * 1111u;
}
/* Behind the digits at `p`, NULL when there are none or they say anything but 1 to 65535: port 0
 * can be neither sent to nor told from "none given". */
static inline const char *port_skip(const char *p, const char *end, uint16_t *port)
{
	unsigned value = 0, digit;
	if (end - p >= 4 && four_are_digits(load_u32(p))) {
		value = four_digits(load_u32(p));
		p += 4;
	}
	for (; p < end && (digit = (unsigned char)*p - (unsigned)'0') <= 9; p++) {
		value = value * 10 + digit;
		if (value > UINT16_MAX)
			return NULL;
	}
	*port = (uint16_t)value;
	return value ? p : NULL;
}

/* Cuts the first comma-separated value off `*rest` (trimmed into `*value`); commas inside quotes,
 * <> and (comments) do not separate; a comment follows white space. False when nothing is left.
 * Each stray comma gives an empty value, a trailing one too: the caller says whether its rule
 * allows them. */
bool list_next(struct span *rest, struct span *value);

/* ;name=value parameters. `*rest` starts at the first ';' (or is empty). Steps to the next one:
 * name and value trimmed, quotes of the value kept. A parameter without '=' has value.p == NULL,
 * one with nothing behind its
 * '=' an empty value (seen in the field).
 * Returns 1, 0 at the end, negative at a syntax error (no name, a stray ';', unbalanced quote). */
struct param {
	struct span name, value;
	struct span whole; /* from its ';' to before the next one */
};
int param_next(struct span *rest, struct param *param);
/* gen-value (RFC 3261 25.1) at `p`: behind it, and it may be empty; NULL for an open quote. */
static inline const char *value_skip(const char *p, const char *end)
{
	if (p < end && *p == '"') {
		uint32_t n = quoted_length(span_between(p, end));
		return n ? p + n : NULL;
	}
	return text_skip(p, end, CHAR_VALUE);
}
/* The parameter whose ';' is at `p`: behind it, where the next ';' or `end` is, or NULL at a syntax
 * error. */
static inline const char *param_skip(const char *p, const char *end, struct param *param)
{
	const char *begin = p, *name = space_skip(p + 1, end);
	p = class_skip(name, end, CHAR_TOKEN);
	if (p == name)
		return NULL;
	param->name = span_between(name, p);
	param->value = (struct span){NULL, 0};
	p = space_skip(p, end);
	if (p < end && *p == '=') {
		const char *value = space_skip(p + 1, end);
		p = value_skip(value, end);
		if (!p)
			return NULL;
		param->value = span_between(value, p);
		p = space_skip(p, end);
	}
	param->whole = span_between(begin, p);
	return p == end || *p == ';' ? p : NULL;
}
/* The first parameter of that name (any letter case); false when absent. `params` as for
 * param_next. */
bool param_find(struct span params, struct span name, struct param *param);
