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
#define PLAIN_USER(c)                                                                              \
	(USER(c) && (c) != '%' && (c) != ',' && (c) != ';' && (c) != '?' && (c) != '/')
/* Wider than gen-value (token, host): real branches and tags hold '@', '/', '=' and the like. */
#define VALUE(c)                                                                                   \
	((c) > ' ' && (c) != 0x7f && (c) != '"' && (c) != ',' && (c) != ';' && (c) != '<' &&       \
		(c) != '>' && (c) != '?')
#define CALL_ID(c) ((c) != ' ' && (c) != '\t' && (c) != ',' && (c) != ';')

#define CLASS(c)                                                                                   \
	((TOKEN(c) ? CHAR_TOKEN : 0) | (HOST(c) ? CHAR_HOST : 0) | (WORD(c) ? CHAR_WORD : 0) |     \
		(USER(c) ? CHAR_USER : 0) | (PARAM(c) ? CHAR_PARAM : 0) |                          \
		(HEX(c) ? CHAR_HEX : 0) | (DIGIT(c) ? CHAR_DIGIT : 0) |                            \
		(VALUE(c) ? CHAR_VALUE : 0) | (HOST(c) && (c) != '.' ? CHAR_LABEL : 0) |           \
		(PLAIN_USER(c) ? CHAR_PLAIN_USER : 0) |                                            \
		(PARAM(c) && (c) != '%' ? CHAR_PLAIN_PARAM : 0) | (CALL_ID(c) ? CHAR_CALL_ID : 0))
#define CLASS4(c) CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define CLASS16(c) CLASS4(c), CLASS4((c) + 4), CLASS4((c) + 8), CLASS4((c) + 12)
#define CLASS64(c) CLASS16(c), CLASS16((c) + 16), CLASS16((c) + 32), CLASS16((c) + 48)

const uint16_t char_class[256] = {CLASS64(0), CLASS64(64), CLASS64(128), CLASS64(192)};

const char *spaces_skip(const char *p, const char *end)
{
	while (p < end && char_is_space(*p))
		p++;
	return p;
}

bool span_is(struct span s, unsigned class)
{
	return s.n > 0 && class_skip(s.p, s.p + s.n, class) == s.p + s.n;
}

/* The first '"' or backslash at `p`, or NULL. */
static inline const char *quote_find(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)p);
		__m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
		__m128i escape = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
		int found = _mm_movemask_epi8(_mm_or_si128(quote, escape));
		if (found)
			return p + __builtin_ctz((unsigned)found);
	}
#endif
	while (p < end && *p != '"' && *p != '\\')
		p++;
	return p < end ? p : NULL;
}

uint32_t quoted_length(struct span s)
{
	const char *p = s.p + 1, *end = span_end(s);
	while ((p = quote_find(p, end))) {
		if (*p == '"')
			return (uint32_t)(p + 1 - s.p);
		p++;
		if (p == end || *p == '\r' ||
			*p == '\n') /* quoted-pair has all of ASCII but these */
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
 * label is not empty and has '-' at neither end; a dot may end the last one. */
const char *hostname_skip(const char *p, const char *end)
{
	for (const char *label = p;; label = p) {
		p = class_skip(p, end, CHAR_LABEL);
		if (p == label) /* behind a last dot; at the start no label has been */
			return p < end && *p == '.' ? NULL : p;
		if (*label == '-' || p[-1] == '-')
			return NULL;
		if (p == end || *p != '.')
			return p;
		p++;
	}
}

/* Digits with dots are an IPv4 address or nothing: some resolvers would make one of them. A number
 * without dots is a name, as the field has it. */
static const char *numeric_skip(const char *begin, const char *end)
{
	uint8_t v4[4];
	const char *behind = addr_ipv4_skip(begin, end, v4);
	if (behind && (behind == end || !char_is(*behind, CHAR_HOST)))
		return behind;
	behind = hostname_skip(begin, end);
	bool dotted = false;
	for (const char *p = begin; behind && p < behind; p++) {
		if (*p != '.' && !char_is(*p, CHAR_DIGIT))
			return behind;
		dotted |= *p == '.';
	}
	return dotted ? NULL : behind;
}

static const char *ipv6_reference_skip(const char *p, const char *end)
{
	size_t n = (size_t)(end - p);
	const char *close = memchr(p, ']', n < ADDR_IP_TEXT_MAX ? n : ADDR_IP_TEXT_MAX);
	struct addr ip;
	return close && addr_parse_ip(span_between(p, close + 1), 0, &ip) ? close + 1 : NULL;
}

const char *other_host_skip(const char *p, const char *end)
{
	if (p == end)
		return NULL;
	if (char_is(*p, CHAR_DIGIT))
		return numeric_skip(p, end);
	return *p == '[' ? ipv6_reference_skip(p, end) : NULL;
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

int param_next(struct span *rest, struct param *param)
{
	if (!rest->n)
		return 0;
	const char *end = span_end(*rest);
	const char *p = *rest->p == ';' ? param_skip(rest->p, end, param) : NULL;
	if (!p)
		return -1;
	*rest = span_between(p, end);
	return 1;
}

bool param_find(struct span params, struct span name, struct param *param)
{
	while (param_next(&params, param) > 0)
		if (param->name.n == name.n &&
			(bytes_eq(param->name.p, name.p, name.n) || span_ieq(param->name, name)))
			return true;
	return false;
}
