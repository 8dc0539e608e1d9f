#include "sip/edit.h"

#include "sample.h"

#define LINE "INVITE sip:b@c SIP/2.0\r\n"

static struct sample *with_headers(const char *headers)
{
	char text[1024];
	int n = snprintf(text, sizeof text, LINE "%s\r\n", headers);
	struct sample *s = sample_parse(span_of(text, (size_t)n));
	assert_int_equal(s->result, 0);
	return s;
}

enum verb { SET, ADD, REMOVE };

static void changes_headers_by_name(void **state)
{
	(void)state;
	static const struct {
		enum verb verb;
		const char *before, *name, *value, *after, *why;
	} cases[] = {
		{SET, "A: 1\r\nB: 2\r\n", "a", "3", "A: 3\r\nB: 2\r\n", "keeps place and spelling"},
		{SET, "v: 1\r\nB: 2\r\n", "Via", "3", "v: 3\r\nB: 2\r\n",
			"compact form is the same name"},
		{SET, "A: 1\r\nB: 2\r\nA: 3\r\nA: 4\r\n", "A", "5", "A: 5\r\nB: 2\r\n",
			"one remains"},
		{SET, "A: 1\r\n", "B", "2", "A: 1\r\nB: 2\r\n", "appended when absent"},
		{SET, "A:1\n", "A", " 2\t", "A: 2\r\n", "trimmed"},
		{SET, "A: 1\r\n 2\r\nB: 3\r\n", "A", "", "A: \r\nB: 3\r\n", "empty, folds go"},
		{ADD, "A: 1\r\nB: 2\r\n", "A", "3", "A: 1\r\nA: 3\r\nB: 2\r\n", "behind its kind"},
		{ADD, "A: 1\r\n", "B", "2", "A: 1\r\nB: 2\r\n", "at the end"},
		{ADD, "", "Route", "<sip:a>", "Route: <sip:a>\r\n", "the first"},
		{REMOVE, "A: 1\r\nB: 2\r\na: 3\r\n", "A", "", "B: 2\r\n", "all of them"},
		{REMOVE, "t: 1\r\nTo: 2\r\n", "TO", "", "", "both forms"},
		{REMOVE, "A: 1\r\n", "B", "", "A: 1\r\n", "none there"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct sample *s = with_headers(cases[i].before);
		struct span name = span_str(cases[i].name), value = span_str(cases[i].value);
		int error = cases[i].verb == SET   ? edit_set(&s->msg, name, value)
			    : cases[i].verb == ADD ? edit_add(&s->msg, name, value)
						   : edit_remove(&s->msg, name);
		char after[1024];
		snprintf(after, sizeof after, LINE "%s\r\n", cases[i].after);
		struct span text = sample_write(&s->msg, false);
		if (error || !span_eq(text, span_str(after)))
			print_error("case %zu: %s\n", i, cases[i].why);
		assert_int_equal(error, 0);
		assert_span(text, after);
		assert_int_equal(s->msg.head_n, text.n);
		free((char *)text.p);
		sample_free(s);
	}
}

static void refuses_what_would_break_the_message(void **state)
{
	(void)state;
	static const struct {
		struct span name, value;
		int error;
		const char *why;
	} cases[] = {
		{SPAN("X"), SPAN("a\r\nVia: evil"), EDIT_BAD_VALUE, "a new header line"},
		{SPAN("X"), SPAN("a\r\n b"), EDIT_BAD_VALUE, "a fold"},
		{SPAN("X"), SPAN("a\nb"), EDIT_BAD_VALUE, "LF"},
		{SPAN("X"), SPAN("a\rb"), EDIT_BAD_VALUE, "CR"},
		{SPAN("X"), SPAN("a\0b"), EDIT_BAD_VALUE, "NUL"},
		{SPAN("X"), SPAN("\"\\\0\""), EDIT_BAD_VALUE, "NUL, even escaped"},
		{SPAN("X"), SPAN("a\x01"), EDIT_BAD_VALUE, "what the next hop would refuse"},
		{SPAN("X"), SPAN("\"\\\x07\""), 0, "a quoted-pair"},
		{SPAN("X"), SPAN("a\tb \xc3\xa9"), 0, "tab and UTF-8"},
		{SPAN(""), SPAN("a"), EDIT_BAD_NAME, "no name"},
		{SPAN("X Y"), SPAN("a"), EDIT_BAD_NAME, "two words"},
		{SPAN("X:"), SPAN("a"), EDIT_BAD_NAME, "colon"},
		{SPAN("X\r\nY"), SPAN("a"), EDIT_BAD_NAME, "line end"},
		{SPAN("Content-Length"), SPAN("5"), EDIT_REFUSED, "follows the body"},
		{SPAN("L"), SPAN("5"), EDIT_REFUSED, "in compact form too"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct sample *s = with_headers("X: 1\r\nl: 0\r\n");
		int set = edit_set(&s->msg, cases[i].name, cases[i].value);
		int add = edit_add(&s->msg, cases[i].name, cases[i].value);
		if (set != cases[i].error || add != cases[i].error)
			print_error("%s: %d %d\n", cases[i].why, set, add);
		assert_int_equal(set, cases[i].error);
		assert_int_equal(add, cases[i].error);
		if (cases[i].error)
			assert_written(&s->msg, LINE "X: 1\r\nl: 0\r\n\r\n");
		sample_free(s);
	}
	struct sample *s = with_headers("l: 0\r\n");
	assert_int_equal(edit_remove(&s->msg, SPAN("l")), EDIT_REFUSED);
	assert_int_equal(edit_value(&s->msg, 0, SPAN("1")), EDIT_REFUSED);
	assert_int_equal(edit_insert(&s->msg, 0, HDR_CONTENT_LENGTH, SPAN("1")), EDIT_REFUSED);
	assert_int_equal(edit_pop_value(&s->msg, HDR_CONTENT_LENGTH), EDIT_REFUSED);
	assert_int_equal(edit_insert(&s->msg, 0, HDR_OTHER, SPAN("1")), EDIT_BAD_NAME);
	assert_int_equal(edit_value(&s->msg, 1, SPAN("1")), EDIT_BAD_NAME);
	assert_int_equal(edit_value(&s->msg, -1, SPAN("1")), EDIT_BAD_NAME);
	assert_false(s->msg.edited);
	sample_free(s);
}

static void what_is_written_is_read_at_once(void **state)
{
	(void)state;
	struct sample *s = sample_good(SPAN(SAMPLE));
	struct msg *msg = &s->msg;
	assert_int_equal(edit_set(msg, SPAN("from"), SPAN("<sip:carol@d>;tag=9")), 0);
	assert_span(msg_from(msg)->uri.user, "carol");
	assert_int_equal(edit_set(msg, SPAN("t"), SPAN("nonsense <")), 0);
	assert_null(msg_to(msg));
	assert_int_equal(edit_remove(msg, SPAN("To")), 0);
	assert_null(msg_to(msg));
	assert_int_equal(edit_set(msg, SPAN("CSeq"), SPAN("8 BYE")), 0);
	assert_int_equal(msg_cseq(msg)->number, 8);
	assert_int_equal(edit_set(msg, SPAN("Max-Forwards"), SPAN("1")), 0);
	assert_int_equal(msg_max_forwards(msg), 1);
	assert_int_equal(edit_uri(msg, SPAN("sip:dave@e;lr")), 0);
	assert_span(msg_ruri(msg)->user, "dave");
	assert_span(msg->method, "INVITE");
	assert_int_equal(edit_insert(msg, 0, HDR_VIA, SPAN("SIP/2.0/TCP p;branch=z9hG4bKnew")), 0);
	assert_span(msg_top_via(msg)->branch, "z9hG4bKnew");
	assert_int_equal(edit_pop_value(msg, HDR_VIA), 0);
	assert_span(msg_top_via(msg)->branch, "z9hG4bKtop");
	assert_int_equal(edit_value(msg, 0, SPAN("SIP/2.0/UDP q;branch=z9hG4bKq")), 0);
	assert_span(msg_top_via(msg)->branch, "z9hG4bKq");
	edit_remove_at(msg, 0);
	assert_null(msg_top_via(msg));
	sample_free(s);
}

static void the_method_of_a_response_follows_its_cseq(void **state)
{
	(void)state;
	struct sample *s = sample_good(
		SPAN("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\nTo: <sip:a@b>\r\n"
		     "Call-ID: x\r\nCSeq: 1 INVITE\r\n\r\n"));
	assert_int_equal(edit_set(&s->msg, SPAN("CSeq"), SPAN("2 BYE")), 0);
	assert_int_equal(s->msg.method_id, METHOD_BYE);
	assert_int_equal(edit_uri(&s->msg, SPAN("sip:a@b")), EDIT_REFUSED);
	sample_free(s);
}

static void takes_values_off_the_front_of_a_list(void **state)
{
	(void)state;
	struct sample *s = with_headers(
		"Route: <sip:a,b>;x=\",\" , <sip:c>,<sip:d>\r\nX: 1\r\nroute:\r\n <sip:e>\r\n");
	static const char *const after[] = {
		LINE "Route: <sip:c>,<sip:d>\r\nX: 1\r\nroute:\r\n <sip:e>\r\n\r\n",
		LINE "Route: <sip:d>\r\nX: 1\r\nroute:\r\n <sip:e>\r\n\r\n",
		LINE "X: 1\r\nroute:\r\n <sip:e>\r\n\r\n",
		LINE "X: 1\r\n\r\n",
		LINE "X: 1\r\n\r\n",
	};
	for (size_t i = 0; i < N_OF(after); i++) {
		assert_int_equal(edit_pop_value(&s->msg, HDR_ROUTE), 0);
		assert_written(&s->msg, after[i]);
	}
	sample_free(s);
	s = with_headers("Subject: a, b\r\n");
	assert_int_equal(edit_pop_value(&s->msg, HDR_SUBJECT), 0);
	assert_written(&s->msg, LINE "\r\n");
	sample_free(s);
}

static void the_request_uri_is_a_uri(void **state)
{
	(void)state;
	static const struct {
		struct span uri;
		int error;
	} cases[] = {
		{SPAN("sip:a@b"), 0},
		{SPAN("tel:+1"), 0},
		{SPAN("urn:service:sos"), 0},
		{SPAN(""), EDIT_BAD_VALUE},
		{SPAN("a"), EDIT_BAD_VALUE},
		{SPAN("sip:a b"), EDIT_BAD_VALUE},
		{SPAN("sip:a@b\r\nVia: evil"), EDIT_BAD_VALUE},
		{SPAN("sip:a@b SIP/2.0"), EDIT_BAD_VALUE},
		{SPAN("<sip:a@b>"), EDIT_BAD_VALUE},
		{SPAN("sip:a@b?Route=x"), EDIT_BAD_VALUE},
		{SPAN("sip:a\0@b"), EDIT_BAD_VALUE},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct sample *s = with_headers("");
		assert_int_equal(edit_uri(&s->msg, cases[i].uri), cases[i].error);
		char after[256];
		snprintf(after, sizeof after, "INVITE %.*s SIP/2.0\r\n\r\n", (int)cases[i].uri.n,
			cases[i].uri.p);
		assert_written(&s->msg, cases[i].error ? LINE "\r\n" : after);
		sample_free(s);
	}
}

static void content_length_follows_the_body(void **state)
{
	(void)state;
	static const struct {
		const char *before, *body, *type, *after;
	} cases[] = {
		{"\r\n", "abc", "", "Content-Length: 3\r\n\r\nabc"},
		{"\r\n", "abc", "text/plain",
			"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc"},
		{"l: 1\r\nc: a/b\r\n\r\nx", "abc", "", "l: 3\r\nc: a/b\r\n\r\nabc"},
		{"l: 1\r\nc: a/b\r\nl: 1\r\n\r\nx", "", "d/e", "l: 0\r\nc: d/e\r\n\r\n"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		char text[256];
		int n = snprintf(text, sizeof text, LINE "%s", cases[i].before);
		struct sample *s = sample_parse(span_of(text, (size_t)n));
		assert_int_equal(
			edit_body(&s->msg, span_str(cases[i].body), span_str(cases[i].type)), 0);
		assert_span(s->msg.body, cases[i].body);
		snprintf(text, sizeof text, LINE "%s", cases[i].after);
		assert_written(&s->msg, text);
		sample_free(s);
	}
	struct sample *s = with_headers("l: 0\r\n");
	char *body = must_zalloc(MSG_SIZE_MAX + 1);
	assert_int_equal(edit_body(&s->msg, SPAN("x"), SPAN("a\r\nb")), EDIT_BAD_VALUE);
	assert_int_equal(
		edit_body(&s->msg, span_of(body, MSG_SIZE_MAX + 1), SPAN("")), EDIT_TOO_MANY);
	assert_written(&s->msg, LINE "l: 0\r\n\r\n");
	assert_int_equal(edit_body(&s->msg, span_of(body, MSG_SIZE_MAX - 1024), SPAN("")), 0);
	free(body);
	sample_free(s);
}

static void notes_where_a_request_really_came_from(void **state)
{
	(void)state;
	static const struct {
		const char *via, *source, *after, *why;
	} cases[] = {
		{"Via: SIP/2.0/UDP 192.0.2.1;branch=x", "192.0.2.1:5060",
			"Via: SIP/2.0/UDP 192.0.2.1;branch=x", "nothing to say"},
		{"Via: SIP/2.0/UDP 192.0.2.1;branch=x", "192.0.2.2:99",
			"Via: SIP/2.0/UDP 192.0.2.1;branch=x;received=192.0.2.2", "other address"},
		{"Via: SIP/2.0/UDP a.example", "192.0.2.2:99",
			"Via: SIP/2.0/UDP a.example;received=192.0.2.2", "a name, no parameters"},
		{"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=x", "192.0.2.1:99",
			"Via: SIP/2.0/UDP 192.0.2.1:5060;rport=99;branch=x;received=192.0.2.1",
			"RFC 3581 4"},
		{"v:SIP/2.0/UDP a;rport=1;received=9.9.9.9;branch=x", "192.0.2.2:99",
			"v: SIP/2.0/UDP a;rport=99;branch=x;received=192.0.2.2",
			"the peer's own are replaced"},
		{"Via: SIP/2.0/UDP 192.0.2.1 ;received=9.9.9.9", "192.0.2.1:5060",
			"Via: SIP/2.0/UDP 192.0.2.1", "a blank before what goes"},
		{"Via: SIP/2.0/UDP 192.0.2.1;received=9.9.9.9;branch=x", "192.0.2.1:5060",
			"Via: SIP/2.0/UDP 192.0.2.1;branch=x", "a lie goes"},
		{"Via: SIP/2.0/UDP [2001:db8::1];branch=x", "[2001:db8:0::1]:5060",
			"Via: SIP/2.0/UDP [2001:db8::1];branch=x", "the same IPv6 address"},
		{"Via: SIP/2.0/UDP [2001:db8::1]", "[2001:db8::2]:5060",
			"Via: SIP/2.0/UDP [2001:db8::1];received=2001:db8::2",
			"another one; RFC 5118 4.5: no brackets"},
		{"Via: SIP/2.0/UDP a;rport, SIP/2.0/UDP b;rport", "192.0.2.2:99",
			"Via: SIP/2.0/UDP a;rport=99;received=192.0.2.2, SIP/2.0/UDP b;rport",
			"the first of a list"},
		{"Via: SIP / 2.0 /UDP\r\n a\r\n ; rport", "192.0.2.2:99",
			"Via: SIP / 2.0 /UDP a ;rport=99;received=192.0.2.2", "folds"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		char text[512];
		snprintf(text, sizeof text, "X: y\r\n%s\r\nVia: SIP/2.0/UDP z;rport\r\n",
			cases[i].via);
		struct sample *s = with_headers(text);
		struct addr source;
		assert_true(addr_parse(span_str(cases[i].source), 0, &source));
		assert_int_equal(edit_received(&s->msg, &source), 0);
		int at = msg_find(&s->msg, HDR_VIA, 0);
		struct span line = span_of(s->msg.headers[at].line, s->msg.headers[at].line_n - 2);
		if (!span_eq(line, span_str(cases[i].after)))
			print_error("%s\n", cases[i].why);
		assert_span(line, cases[i].after);
		assert_non_null(msg_top_via(&s->msg));
		sample_free(s);
	}
}

static void says_so_when_there_is_no_via_to_note_it_in(void **state)
{
	(void)state;
	struct addr source;
	assert_true(addr_parse(SPAN("192.0.2.1:5060"), 0, &source));
	struct sample *s = with_headers("X: y\r\n");
	assert_int_equal(edit_received(&s->msg, &source), EDIT_BAD_VALUE);
	sample_free(s);
	s = with_headers("Via: nonsense\r\n");
	assert_int_equal(edit_received(&s->msg, &source), EDIT_BAD_VALUE);
	sample_free(s);
}

static void keeps_the_limits_of_a_message(void **state)
{
	(void)state;
	struct sample *s = with_headers("A: 1\r\n");
	int error = 0, n = 0;
	while (!error && n <= MSG_HEADERS_MAX) {
		error = edit_add(&s->msg, SPAN("A"), SPAN("2"));
		n++;
	}
	assert_int_equal(error, EDIT_TOO_MANY);
	assert_int_equal(s->msg.n_headers, MSG_HEADERS_MAX);
	assert_int_equal(edit_insert(&s->msg, 0, HDR_VIA, SPAN("x")), EDIT_TOO_MANY);
	assert_int_equal(edit_set(&s->msg, SPAN("A"), SPAN("3")), 0);
	assert_int_equal(s->msg.n_headers, 1);
	char *text = must_alloc(MSG_HEADER_LENGTH_MAX);
	memset(text, 'x', MSG_HEADER_LENGTH_MAX);
	assert_int_equal(edit_add(&s->msg, SPAN("A"), span_of(text, MSG_HEADER_LENGTH_MAX - 4)),
		EDIT_TOO_MANY);
	for (n = 0; edit_add(&s->msg, SPAN("A"), span_of(text, MSG_HEADER_LENGTH_MAX - 5)) == 0;
		n++)
		;
	assert_int_equal(n, 3); /* the section */
	for (n = 0; edit_value(&s->msg, 1, span_of(text, MSG_HEADER_LENGTH_MAX - 5)) == 0; n++)
		;
	assert_true(n > 20 && n < 32); /* the arena */
	assert_int_equal(edit_value(&s->msg, 1, span_of(text, 8000)), 0);
	free(text);
	sample_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_headers_by_name),
		cmocka_unit_test(refuses_what_would_break_the_message),
		cmocka_unit_test(what_is_written_is_read_at_once),
		cmocka_unit_test(the_method_of_a_response_follows_its_cseq),
		cmocka_unit_test(takes_values_off_the_front_of_a_list),
		cmocka_unit_test(the_request_uri_is_a_uri),
		cmocka_unit_test(content_length_follows_the_body),
		cmocka_unit_test(notes_where_a_request_really_came_from),
		cmocka_unit_test(says_so_when_there_is_no_via_to_note_it_in),
		cmocka_unit_test(keeps_the_limits_of_a_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
