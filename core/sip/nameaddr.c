#include "sip/nameaddr.h"

/* header parameters, all of them well-formed; `p` is behind white space. */
static int take_params(const char *p, const char *end, struct nameaddr *nameaddr)
{
	if (p == end)
		return 0;
	nameaddr->params = span_between(p, end);
	struct span rest = nameaddr->params;
	struct param param;
	int found;
	while ((found = param_next(&rest, &param)) > 0)
		;
	return found;
}

/* "<" addr-spec ">" at `p`. No LWS inside (RFC 3261 25.1; RFC 4475 3.1.2.14): uri_parse refuses it.
 */
static int take_bracketed(const char *p, const char *end, struct nameaddr *nameaddr)
{
	const char *close = memchr(p, '>', (size_t)(end - p));
	if (!close)
		return -1;
	nameaddr->has_brackets = true;
	nameaddr->uri_text = span_between(p + 1, close);
	if (uri_parse(nameaddr->uri_text, &nameaddr->uri) < 0)
		return -1;
	return take_params(space_skip(close + 1, end), end, nameaddr);
}

/* addr-spec at `p`. With ',', '?' or ';' in it, it needs <>: so ';' ends it, the others are errors
 * (RFC 3261 20). */
static int take_bare(const char *p, const char *end, struct nameaddr *nameaddr)
{
	const char *begin = p;
	for (; p < end && *p != ';' && !char_is_space(*p); p++)
		if (*p == ',' || *p == '?')
			return -1;
	nameaddr->uri_text = span_between(begin, p);
	if (uri_parse(nameaddr->uri_text, &nameaddr->uri) < 0)
		return -1;
	p = space_skip(p, end);
	/* Others would read sip:user;x=y@host as one URI; values of this header that hold '@' are
	 * no reason to guess. */
	const char *at = nameaddr->uri.user.p ? NULL : memchr(p, '@', (size_t)(end - p));
	if (at && !memchr(p, '"', (size_t)(at - p)))
		return -1;
	return take_params(p, end, nameaddr);
}

int nameaddr_parse(struct span value, struct nameaddr *nameaddr)
{
	memset(nameaddr, 0, sizeof *nameaddr);
	struct span text = span_trim(value);
	if (!text.n)
		return -1;
	nameaddr->text = text;
	const char *begin = text.p, *end = span_end(text), *p = begin;
	if (*p == '"') {
		uint32_t n = quoted_length(text);
		nameaddr->display = span_of(begin, n);
		p = space_skip(p + n, end);
		return n && p < end && *p == '<' ? take_bracketed(p, end, nameaddr) : -1;
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
		return take_bare(begin, end, nameaddr);
	if (name_end > begin)
		nameaddr->display = span_between(begin, name_end);
	return take_bracketed(p, end, nameaddr);
}

struct span nameaddr_tag(const struct nameaddr *nameaddr)
{
	struct param tag;
	return param_find(nameaddr->params, SPAN("tag"), &tag) ? tag.value : (struct span){NULL, 0};
}
