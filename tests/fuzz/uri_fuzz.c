/* Two URIs, one a line. What is read out of one, written again and read again is the same URI;
 * comparing and the address of record agree with each other. */
#include <stdio.h>

#include "sip/uri.h"
#include "spans.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_spans(const struct uri *uri, struct span text)
{
	must_agree(uri->text, text);
	must_be_inside(uri->scheme_name, text);
	must_be_inside(uri->user, text);
	must_be_inside(uri->password, text);
	must_be_inside(uri->host, text);
	must_be_inside(uri->params, text);
	must_be_inside(uri->headers, text);
	BUG(uri->params.p && uri->params.p[0] != ';');
	struct span value;
	if (uri_param(uri, SPAN("transport"), &value))
		must_be_inside(value, uri->params);
	enum transport transport;
	uri_transport(uri, &transport);
	BUG(uri_port_or_default(uri) == 0);
}

static void check_written(const struct uri *uri)
{
	static struct pieces out;
	out.n = 0;
	put(&out, uri->scheme_name);
	put(&out, SPAN(":"));
	put(&out, uri->user);
	if (uri->password.p) {
		put(&out, SPAN(":"));
		put(&out, uri->password);
	}
	if (uri->user.p && uri->scheme != URI_TEL)
		put(&out, SPAN("@"));
	put(&out, uri->host);
	if (uri->port) {
		char port[8];
		put(&out, span_of(port, (size_t)snprintf(port, sizeof port, ":%u", uri->port)));
	}
	put(&out, uri->params);
	if (uri->headers.p) {
		put(&out, SPAN("?"));
		put(&out, uri->headers);
	}
	struct uri again;
	BUG(uri_parse(whole_of(&out), &again) < 0);
	BUG(again.scheme != uri->scheme || again.port != uri->port);
	must_agree(again.user, uri->user);
	must_agree(again.password, uri->password);
	must_agree(again.host, uri->host);
	must_agree(again.params, uri->params);
	must_agree(again.headers, uri->headers);
	BUG(!uri_eq(&again, uri) || !uri_eq(uri, &again));
}

static struct span aor_of(const struct uri *uri, char *room)
{
	uint32_t n = uri_aor(uri, room);
	BUG(n > uri->text.n + 8);
	bool is_sip = uri->scheme == URI_SIP || uri->scheme == URI_SIPS;
	BUG((n > 0) != (is_sip && host_is_valid(uri->host)));
	BUG(is_sip && !n && !uri_has_param(uri, SPAN("maddr")));
	return span_of(room, n);
}

static void check_aor(const struct uri *uri)
{
	static char first[URI_LENGTH_MAX + 8], second[URI_LENGTH_MAX + 16];
	struct span aor = aor_of(uri, first);
	struct uri again;
	if (!aor.n || aor.n > URI_LENGTH_MAX)
		return;
	BUG(uri_parse(aor, &again) < 0);
	must_agree(aor_of(&again, second), aor);
	BUG(again.params.p || again.headers.p || again.password.p);
}

static void check_target(const struct uri *uri)
{
	static char room[URI_LENGTH_MAX];
	struct uri again;
	BUG(uri_parse(span_of(room, uri_as_target(uri, room)), &again) < 0);
	BUG(!uri_eq(&again, &again) || again.headers.p);
	BUG(again.params.p && uri->scheme != URI_TEL && uri_has_param(&again, SPAN("method")));
}

static void check_pair(const struct uri *a, const struct uri *b)
{
	static char a_room[URI_LENGTH_MAX + 8], b_room[URI_LENGTH_MAX + 8];
	bool equal = uri_eq(a, b);
	BUG(equal != uri_eq(b, a));
	if (equal)
		must_agree(aor_of(a, a_room), aor_of(b, b_room));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 2 * URI_LENGTH_MAX + 2)
		return 0;
	struct span text[2] = {span_of((const char *)data, size), SPAN("")};
	const char *line_end = span_find(text[0], '\n');
	if (line_end) {
		text[1] = span_between(line_end + 1, span_end(text[0]));
		text[0] = span_between(text[0].p, line_end);
	}
	struct uri uri[2];
	bool ok[2];
	for (int i = 0; i < 2; i++) {
		ok[i] = uri_parse(text[i], &uri[i]) == 0;
		if (!ok[i])
			continue;
		check_spans(&uri[i], text[i]);
		BUG(!uri_eq(&uri[i], &uri[i]));
		check_written(&uri[i]);
		check_aor(&uri[i]);
		check_target(&uri[i]);
	}
	if (ok[0] && ok[1])
		check_pair(&uri[0], &uri[1]);
	return 0;
}
