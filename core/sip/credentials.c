#include "sip/credentials.h"

#include <stddef.h>

#include "sip/grammar.h"

static const struct {
	struct span name;
	size_t at;
} params[] = {
	{{"username", 8}, offsetof(struct credentials, username)},
	{{"realm", 5}, offsetof(struct credentials, realm)},
	{{"nonce", 5}, offsetof(struct credentials, nonce)},
	{{"uri", 3}, offsetof(struct credentials, uri)},
	{{"response", 8}, offsetof(struct credentials, response)},
	{{"cnonce", 6}, offsetof(struct credentials, cnonce)},
	{{"nc", 2}, offsetof(struct credentials, nc)},
	{{"qop", 3}, offsetof(struct credentials, qop)},
	{{"algorithm", 9}, offsetof(struct credentials, algorithm)},
	{{"opaque", 6}, offsetof(struct credentials, opaque)},
};

/* NULL: no parameter we know. */
static struct span *place_of(struct credentials *credentials, struct span name)
{
	for (size_t i = 0; i < sizeof params / sizeof params[0]; i++)
		if (span_ieq(params[i].name, name))
			return (struct span *)((char *)credentials + params[i].at);
	return NULL;
}

static struct span unquoted(struct span quoted, struct arena *arena)
{
	struct span inner = span_of(quoted.p + 1, quoted.n - 2);
	if (!span_find(inner, '\\'))
		return inner;
	char *text = arena_alloc(arena, inner.n);
	return span_of(text, quoted_unescape(inner, text));
}

/* token or quoted-string at `p`: behind it, or NULL. */
static const char *value_at(const char *p, const char *end, struct arena *arena, struct span *value)
{
	if (p < end && *p == '"') {
		uint32_t n = quoted_length(span_between(p, end));
		if (n)
			*value = unquoted(span_of(p, n), arena);
		return n ? p + n : NULL;
	}
	const char *behind = class_skip(p, end, CHAR_TOKEN);
	*value = span_between(p, behind);
	return behind > p ? behind : NULL;
}

/* name = value at `p`: behind it and the white space that follows, or NULL. */
static const char *param_at(
	const char *p, const char *end, struct arena *arena, struct credentials *credentials)
{
	const char *name_end = class_skip(p, end, CHAR_TOKEN);
	struct span name = span_between(p, name_end), value;
	p = space_skip(name_end, end);
	if (!name.n || p == end || *p != '=')
		return NULL;
	p = value_at(space_skip(p + 1, end), end, arena, &value);
	if (!p)
		return NULL;
	struct span *place = place_of(credentials, name);
	if (place && place->p)
		return NULL;
	if (place)
		*place = value;
	return space_skip(p, end);
}

int credentials_parse(struct span value, struct arena *arena, struct credentials *credentials)
{
	value = span_trim(value);
	const char *end = span_end(value), *p = class_skip(value.p, end, CHAR_TOKEN);
	*credentials = (struct credentials){0};
	if (!span_ieq(span_between(value.p, p), SPAN("Digest")) || p == end || !char_is_space(*p))
		return -1;
	for (int n = 0; n < CREDENTIALS_PARAMS_MAX; n++) {
		p = param_at(space_skip(p, end), end, arena, credentials);
		if (!p || p == end)
			return p ? 0 : -1;
		if (*p++ != ',')
			return -1;
	}
	return -1;
}
