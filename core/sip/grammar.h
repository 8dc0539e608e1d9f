/* The lexical rules of RFC 3261 section 25 that every parser here shares: character classes, quoted
 * strings, parameters, comma lists. Length-based, no allocation, no hidden control flow. */
#pragma once

#include "base/span.h"

extern const uint8_t char_class[256];
enum {
	CHAR_TOKEN = 1,   /* token (also methods, parameter names, header names) */
	CHAR_HOST = 2,    /* letters, digits, '-', '.', '_' */
	CHAR_WORD = 4,    /* word, as in Call-ID */
	CHAR_USER = 8,    /* user part of a SIP URI, '%' included */
	CHAR_PARAM = 16,  /* URI parameters, '%' included */
	CHAR_HEX = 32,
	CHAR_DIGIT = 64,
};

static inline bool char_is(char c, unsigned class)
{
	return char_class[(unsigned char)c] & class;
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

/* Cuts the first comma-separated value off `*rest` (trimmed into `*value`); commas inside quotes, <> and
 * (comments) do not separate. False when nothing is left. Empty values between commas are returned as
 * empty spans: the caller says whether its rule allows them. */
bool list_next(struct span *rest, struct span *value);

/* ;name=value parameters. `*rest` starts at the first ';' (or is empty). Steps to the next one: name and value
 * trimmed, quotes of the value kept. A parameter without '=' has value.p == NULL.
 * Returns 1, 0 at the end, negative at a syntax error (bad name, unbalanced quote). */
struct param {
	struct span name, value;
	struct span whole; /* from its ';' to before the next one */
};
int param_next(struct span *rest, struct param *param);
/* The first parameter of that name (any letter case); false when absent. `params` as for param_next. */
bool param_find(struct span params, struct span name, struct param *param);
