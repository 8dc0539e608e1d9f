#include "sip/nameaddr.h"

/* addr-spec at `p`. With ',', '?' or ';' in it, it needs <>: so ';' ends it, the others are errors
 * (RFC 3261 20). Behind it, or NULL. */
static const char *take_bare(const char *p, const char *end, struct nameaddr *nameaddr)
{
	const char *begin = p;
	for (; p < end && *p != ';' && !char_is_space(*p); p++)
		if (*p == ',' || *p == '?')
			return NULL;
	nameaddr->uri_text = span_between(begin, p);
	if (uri_parse(nameaddr->uri_text, &nameaddr->uri) < 0)
		return NULL;
	p = space_skip(p, end);
	/* Others would read sip:user;x=y@host as one URI; values of this header that hold '@' are
	 * no reason to guess. */
	const char *at = nameaddr->uri.user.p ? NULL : memchr(p, '@', (size_t)(end - p));
	return at && !memchr(p, '"', (size_t)(at - p)) ? NULL : p;
}

/* "<" addr-spec ">" at `p`. No LWS inside (RFC 3261 25.1; RFC 4475 3.1.2.14): uri_skip refuses it.
 * Behind it, or NULL. */
static inline const char *take_bracketed(const char *p, const char *end, struct nameaddr *nameaddr)
{
	const char *close = uri_skip(p + 1, end, &nameaddr->uri);
	if (!close || close == end)
		return NULL;
	nameaddr->has_brackets = true;
	nameaddr->uri_text = nameaddr->uri.text;
	return space_skip(close + 1, end);
}

/* [ display-name ] at `p`: behind it and white space, NULL when it is malformed. */
static inline const char *take_display(const char *p, const char *end, struct nameaddr *nameaddr)
{
	const char *begin = p;
	if (*p == '"') {
		uint32_t n = quoted_length(span_between(p, end));
		nameaddr->display = span_of(begin, n);
		p = space_skip(p + n, end);
		return n && p < end && *p == '<' ? p : NULL;
	}
	/* display-name = *(token LWS), and UTF-8 that senders forget to quote. The '<' needs no LWS
	 * before it (RFC 4475 3.1.1.6). Anything else than '<' behind it, ':' for one, says that
	 * these tokens were no display name. */
	const char *name_end = p;
	while (p < end &&
		(char_is(*p, CHAR_TOKEN) || char_is_space(*p) || (unsigned char)*p >= 0x80)) {
		if (!char_is_space(*p))
			name_end = p + 1;
		p++;
	}
	if (p == end || *p != '<')
		return begin;
	if (name_end > begin)
		nameaddr->display = span_between(begin, name_end);
	return p;
}

/* header parameters, all of them well-formed. */
static inline int take_params(const char *p, const char *end, struct nameaddr *nameaddr)
{
	struct param param;
	bool tagged = false;
	nameaddr->params = span_between(p, end);
	while (p < end && *p == ';') {
		p = param_skip(p, end, &param);
		if (!p)
			return -1;
		if (param.name.n != 3 || tagged || !span_ieq(param.name, SPAN("tag")))
			continue;
		nameaddr->tag = param.value;
		tagged = true;
	}
	return p == end ? 0 : -1;
}

int nameaddr_parse(struct span value, struct nameaddr *nameaddr)
{
	const struct span none = {NULL, 0};
	struct span text = span_trim(value);
	if (!text.n)
		return -1;
	nameaddr->text = text;
	nameaddr->display = nameaddr->params = nameaddr->tag = none;
	nameaddr->has_brackets = false;
	const char *end = span_end(text), *p = text.p;
	if (*p != '<')
		p = take_display(p, end, nameaddr);
	if (p)
		p = *p == '<' ? take_bracketed(p, end, nameaddr) : take_bare(p, end, nameaddr);
	if (!p)
		return -1;
	return p == end ? 0 : take_params(p, end, nameaddr);
}
