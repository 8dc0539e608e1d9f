#include "sip/line.h"

static bool controls_are_quoted(struct span text)
{
	bool quoted = false;
	const char *end = span_end(text);
	for (const char *p = text.p; p < end; p++) {
		if (*p == '"') {
			quoted = !quoted;
		} else if (quoted && *p == '\\' && p + 1 < end && p[1] != '\r' && p[1] != '\n') {
			p++; /* quoted-pair = "\" (%x00-09 / %x0B-0C / %x0E-7F) */
		} else if (char_is_control(*p)) {
			uint32_t n = line_end_at(p, end);
			if (!n || p + n >= end || !char_is_blank(p[n]))
				return false;
			p += n;
		}
	}
	return true;
}

bool text_is_clean(struct span text)
{
	return control_find(text.p, span_end(text)) == span_end(text) || controls_are_quoted(text);
}

bool text_is_writable(struct span text)
{
	if (control_find(text.p, span_end(text)) == span_end(text))
		return true;
	return !span_find(text, '\r') && !span_find(text, '\n') && !span_find(text, '\0') &&
	       controls_are_quoted(text);
}

static bool starts_with(struct span s, struct span prefix)
{
	return s.n >= prefix.n && span_ieq(span_of(s.p, prefix.n), prefix);
}

bool line_is_sip(struct span line)
{
	line = span_trim(line);
	if (starts_with(line, SPAN("SIP/")))
		return true;
	const char *first = span_find(line, ' ');
	if (!first)
		return false;
	const char *last = memrchr(line.p, ' ', line.n);
	struct span uri = span_trim(span_between(first, span_end(line)));
	return starts_with(span_between(last + 1, span_end(line)), SPAN("SIP/")) ||
	       starts_with(uri, SPAN("sip:")) || starts_with(uri, SPAN("sips:"));
}
