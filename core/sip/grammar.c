#include "sip/grammar.h"

#include "base/addr.h"

/* Each rule of RFC 3261 25.1 as a predicate; the compiler fills the table from them. */
#define DIGIT(c) ((c) >= '0' && (c) <= '9')
#define ALPHA(c) (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z'))
#define HEX(c) (DIGIT(c) || ((c) >= 'a' && (c) <= 'f') || ((c) >= 'A' && (c) <= 'F'))
#define TOKEN(c)                                                                                   \
	(ALPHA(c) || DIGIT(c) || (c) == '-' || (c) == '.' || (c) == '!' || (c) == '%' ||           \
		(c) == '*' || (c) == '_' || (c) == '+' || (c) == '`' || (c) == '\'' || (c) == '~')
#define WORD(c)                                                                                    \
	(TOKEN(c) || (c) == '(' || (c) == ')' || (c) == '<' || (c) == '>' || (c) == ':' ||         \
		(c) == '\\' || (c) == '"' || (c) == '/' || (c) == '[' || (c) == ']' ||             \
		(c) == '?' || (c) == '{' || (c) == '}')
#define HOST(c) (ALPHA(c) || DIGIT(c) || (c) == '-' || (c) == '.' || (c) == '_')
/* unreserved and escaped */
#define PLAIN(c)                                                                                   \
	(ALPHA(c) || DIGIT(c) || (c) == '-' || (c) == '_' || (c) == '.' || (c) == '!' ||           \
		(c) == '~' || (c) == '*' || (c) == '\'' || (c) == '(' || (c) == ')' || (c) == '%')
#define USER(c)                                                                                    \
	(PLAIN(c) || (c) == '&' || (c) == '=' || (c) == '+' || (c) == '$' || (c) == ',' ||         \
		(c) == ';' || (c) == '?' || (c) == '/' || (c) == '#')
#define PARAM(c)                                                                                   \
	(PLAIN(c) || (c) == '[' || (c) == ']' || (c) == '/' || (c) == ':' || (c) == '&' ||         \
		(c) == '+' || (c) == '$')
/* Wider than gen-value (token, host): real branches and tags hold '@', '/', '=' and the like. */
#define VALUE(c)                                                                                   \
	((c) > ' ' && (c) != 0x7f && (c) != '"' && (c) != ',' && (c) != ';' && (c) != '<' &&       \
		(c) != '>' && (c) != '?')

#define CLASS(c)                                                                                   \
	((TOKEN(c) ? CHAR_TOKEN : 0) | (HOST(c) ? CHAR_HOST : 0) | (WORD(c) ? CHAR_WORD : 0) |     \
		(USER(c) ? CHAR_USER : 0) | (PARAM(c) ? CHAR_PARAM : 0) |                          \
		(HEX(c) ? CHAR_HEX : 0) | (DIGIT(c) ? CHAR_DIGIT : 0) |                            \
		(VALUE(c) ? CHAR_VALUE : 0) | (HOST(c) && (c) != '.' ? CHAR_LABEL : 0))
#define CLASS4(c) CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define CLASS16(c) CLASS4(c), CLASS4((c) + 4), CLASS4((c) + 8), CLASS4((c) + 12)
#define CLASS64(c) CLASS16(c), CLASS16((c) + 16), CLASS16((c) + 32), CLASS16((c) + 48)

const uint16_t char_class[256] = {CLASS64(0), CLASS64(64), CLASS64(128), CLASS64(192)};

bool span_is(struct span s, unsigned class)
{
	return s.n > 0 && class_skip(s.p, s.p + s.n, class) == s.p + s.n;
}

uint32_t quoted_length(struct span s)
{
	const char *p = s.p + 1, *end = span_end(s), *quote = NULL;
	while (p < end) {
		if (!quote || quote < p)
			quote = memchr(p, '"', (size_t)(end - p));
		if (!quote)
			return 0;
		const char *escape = memchr(p, '\\', (size_t)(quote - p));
		if (!escape)
			return (uint32_t)(quote + 1 - s.p);
		p = escape + 1;
		if (*p == '\r' || *p == '\n') /* quoted-pair has all of ASCII but these */
			return 0;
		p++;
	}
	return 0;
}

uint32_t quoted_unescape(struct span s, char *out)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && i + 1 < s.n)
			i++;
		out[n++] = s.p[i];
	}
	return n;
}

/* hostname of RFC 3261 25.1, but '_' and labels of digits pass as in the field (RFC 1123 2.1). A
 * label is not empty and has
 * '-' at neither end; a dot may end the last one. */
static uint32_t hostname_length(struct span s)
{
	const char *p = s.p, *end = span_end(s);
	for (;;) {
		const char *label = p;
		p = class_skip(p, end, CHAR_LABEL);
		if (p == label)
			return (uint32_t)(p - s.p);
		if (*label == '-' || p[-1] == '-')
			return 0;
		if (p == end || *p != '.')
			return (uint32_t)(p - s.p);
		if (++p < end && *p == '.')
			return 0;
	}
}

/* Digits with dots are an IPv4 address or nothing: some resolvers would make one of them. A number
 * without dots is a name, as the field has it. */
static uint32_t numeric_length(struct span s)
{
	uint32_t n = addr_ipv4_length(s);
	if (n && (n == s.n || !char_is(s.p[n], CHAR_HOST)))
		return n;
	uint32_t all = hostname_length(s);
	bool dotted = false;
	for (uint32_t i = 0; i < all; i++) {
		if (s.p[i] != '.' && !char_is(s.p[i], CHAR_DIGIT))
			return all;
		dotted |= s.p[i] == '.';
	}
	return dotted ? 0 : all;
}

uint32_t host_length(struct span s)
{
	if (!s.n)
		return 0;
	if (char_is(s.p[0], CHAR_DIGIT))
		return numeric_length(s);
	if (s.p[0] != '[')
		return hostname_length(s);
	const char *close = memchr(s.p, ']', s.n < ADDR_IP_TEXT_MAX ? s.n : ADDR_IP_TEXT_MAX);
	struct addr ip;
	if (!close || !addr_parse_ip(span_between(s.p, close + 1), 0, &ip))
		return 0;
	return (uint32_t)(close + 1 - s.p);
}

const char *port_skip(const char *p, const char *end, uint16_t *port)
{
	unsigned value = 0, digit;
	for (; p < end && (digit = (unsigned char)*p - (unsigned)'0') <= 9; p++) {
		value = value * 10 + digit;
		if (value > UINT16_MAX)
			return NULL;
	}
	*port = (uint16_t)value;
	return value ? p : NULL;
}

/* `p` stands at '(': behind its ')', or `end` when it is not closed. Comments nest (RFC 3261 25.1).
 */
static const char *comment_skip(const char *p, const char *end)
{
	uint32_t depth = 0;
	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return end;
}

/* What is left open takes all the rest: its value is malformed then, which its own parser finds. */
static const char *comma_find(struct span s)
{
	const char *p = s.p, *end = span_end(s);
	while (p < end) {
		if (*p == ',')
			return p;
		if (*p == '"') {
			uint32_t n = quoted_length(span_between(p, end));
			p = n ? p + n : end;
		} else if (*p == '<') {
			p = memchr(p, '>', (size_t)(end - p));
			p = p ? p + 1 : end;
		} else if (*p == '(' && (p == s.p || char_is_space(p[-1]))) {
			p = comment_skip(p, end);
		} else {
			p++;
		}
	}
	return end;
}

bool list_next(struct span *rest, struct span *value)
{
	struct span s = span_trim(*rest);
	if (!s.n)
		return false;
	const char *comma = span_find(s, ',') ? comma_find(s) : span_end(s);
	*value = span_trim(span_between(s.p, comma));
	if (comma == span_end(s)) {
		*rest = span_of(comma, 0);
		return true;
	}
	/* A last comma stays, to be seen as the empty value it makes, unless it is that value. */
	struct span after = span_trim(span_between(comma + 1, span_end(s)));
	*rest = after.n || !value->n ? after : span_of(comma, 1);
	return true;
}

/* gen-value (RFC 3261 25.1): the end of the one at `p`, which may be empty; NULL for an open quote.
 */
static const char *value_end(const char *p, const char *end)
{
	if (p < end && *p == '"') {
		uint32_t n = quoted_length(span_between(p, end));
		return n ? p + n : NULL;
	}
	return class_skip(p, end, CHAR_VALUE);
}

int param_next(struct span *rest, struct param *param)
{
	if (!rest->n)
		return 0;
	const char *begin = rest->p, *end = span_end(*rest);
	if (*begin != ';')
		return -1;
	const char *name = space_skip(begin + 1, end), *p = class_skip(name, end, CHAR_TOKEN);
	if (p == name)
		return -1;
	param->name = span_between(name, p);
	param->value = (struct span){NULL, 0};
	p = space_skip(p, end);
	if (p < end && *p == '=') {
		const char *value = space_skip(p + 1, end);
		p = value_end(value, end);
		if (!p)
			return -1;
		param->value = span_between(value, p);
		p = space_skip(p, end);
	}
	if (p < end && *p != ';')
		return -1;
	param->whole = span_between(begin, p);
	*rest = span_between(p, end);
	return 1;
}

bool param_find(struct span params, struct span name, struct param *param)
{
	while (param_next(&params, param) > 0)
		if (span_ieq(param->name, name))
			return true;
	return false;
}
