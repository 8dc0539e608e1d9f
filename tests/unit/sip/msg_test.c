#include "sample.h"
#include "sip/edit.h"

/* What becomes of a first line: 0 accepted, otherwise the code; -1 ignored (code 0). */
static void reads_or_refuses_the_first_line(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		int code;
		const char *why;
	} cases[] = {
		{"INVITE sip:a@b SIP/2.0", 0, "plain"},
		{"INVITE sip:a@b sip/2.0", 0, "the version has no letter case, RFC 3261 7.1"},
		{"invite sip:a@b SIP/2.0", 0, "a method, only not INVITE"},
		{"A-b.!%*_+`'~ tel:+1 SIP/2.0", 0, "every token is a method"},
		{"OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0", 0, "schemes are not judged here"},
		{"INVITE  sip:a@b SIP/2.0", 400, "RFC 4475 3.1.2.9"},
		{"INVITE sip:a@b  SIP/2.0", 400, "two blanks again"},
		{"INVITE sip:a@b SIP/2.0 ", 400, "RFC 4475 3.1.2.10"},
		{" INVITE sip:a@b SIP/2.0", 400, "leading blank"},
		{"INVITE sip:a@b; lr SIP/2.0", 400, "RFC 4475 3.1.2.8"},
		{"INVITE sip:a@b\t SIP/2.0", 400, "a tab is no separator"},
		{"INVITE\tsip:a@b SIP/2.0", 400, "neither here"},
		{"INVITE SIP/2.0", 400, "no URI"},
		{"INVITE  SIP/2.0", 400, "empty URI"},
		{"IN@VITE sip:a@b SIP/2.0", 400, "no token"},
		{"INVITE sip:a@b", 400, "no version, but surely SIP"},
		{"INVITE sip:a\x01@b SIP/2.0", 400, "control byte"},
		{"INVITE sip:a@b SIP/3.0", 505, "newer version"},
		{"INVITE sip:a@b SIP/1.0", 505, "older version"},
		{"INVITE sip:a@b SIP/2.0.0", 505, "not quite 2.0"},
		{"INVITE sip:a@b SIP/2.1", 505, "minor version"},
		{"INVITE  sip:a@b  SIP/7.0", 505, "the version is looked at first"},
		{"GET / HTTP/1.1", -1, "HTTP"},
		{"OPTIONS rtsp://a/b RTSP/1.0", -1, "RTSP"},
		{"hello", -1, "one word"},
		{"\x16\x03\x01\x02", -1, "TLS"},
		{"\x80\x60\x12\x34", -1, "RTP"},
		{"SIP/2.0 200 OK", 0, "plain status line"},
		{"sip/2.0 200 OK", 0, "letter case again"},
		{"SIP/2.0 100 ", 0, "RFC 4475 3.1.1.13: empty reason"},
		{"SIP/2.0 100", 0, "empty reason and no blank"},
		{"SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe", 0, "RFC 4475 3.1.1.12"},
		{"SIP/2.0 699 x", 0, "highest code"},
		{"SIP/2.0 099 x", -1, "below 100"},
		{"SIP/2.0 700 x", -1, "above 699"},
		{"SIP/2.0 4294967301 better not break the receiver", -1, "RFC 4475 3.1.2.19"},
		{"SIP/2.0 20 OK", -1, "two digits"},
		{"SIP/2.0  200 OK", -1, "two blanks"},
		{"SIP/2.0 200OK", -1, "no blank"},
		{"SIP/3.0 200 OK", -1, "nobody answers a response"},
		{"SIP/", -1, "less than a version"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		char text[512];
		int n = snprintf(text, sizeof text, "%s\r\nVia: x\r\n\r\n", cases[i].line);
		struct sample *s = sample_parse(span_of(text, (size_t)n));
		int code = s->result == 0 ? 0 : s->error.code ? (int)s->error.code : -1;
		if (code != cases[i].code)
			print_error("%s (%s): %d\n", cases[i].line, cases[i].why, code);
		assert_int_equal(code, cases[i].code);
		assert_true(code == 0 || s->error.reason != NULL);
		sample_free(s);
	}
}

static void gives_the_parts_of_a_request(void **state)
{
	(void)state;
	struct sample *s = sample_good(SPAN("\r\n\r\n" SAMPLE));
	struct msg *msg = &s->msg;
	assert_true(msg->is_request);
	assert_int_equal(msg->method_id, METHOD_INVITE);
	assert_span(msg->method, "INVITE");
	assert_span(msg->uri, "sip:bob@example.com");
	assert_span(msg->body, "body");
	assert_span(msg->blank, "\r\n");
	assert_int_equal(msg->n_headers, 8);
	assert_int_equal(msg->head_n + msg->body.n, msg->raw.n);
	assert_span(msg_ruri(msg)->user, "bob");
	assert_span(msg_top_via(msg)->branch, "z9hG4bKtop");
	assert_span(nameaddr_tag(msg_from(msg)), "a1");
	assert_null(nameaddr_tag(msg_to(msg)).p);
	assert_int_equal(msg_cseq(msg)->number, 7);
	assert_int_equal(msg_max_forwards(msg), 70);
	assert_span(msg_value(msg, HDR_CALL_ID), "c1@192.0.2.1");
	assert_null(msg_value(msg, HDR_EXPIRES).p);
	sample_free(s);
}

static void gives_the_parts_of_a_response(void **state)
{
	(void)state;
	struct sample *s =
		sample_good(SPAN("SIP/2.0 486 Busy Here\nv: SIP/2.0/TCP a.b;branch=z9hG4bK1\n"
				 "f: <sip:a@b>;tag=1\nt: <sip:c@d>;tag=2\ni: x\nCSeq: 1 BYE\n\n"));
	assert_false(s->msg.is_request);
	assert_int_equal(s->msg.code, 486);
	assert_span(s->msg.reason, "Busy Here");
	assert_int_equal(s->msg.method_id, METHOD_BYE);
	assert_null(msg_ruri(&s->msg));
	assert_span(s->msg.blank, "\r\n");
	sample_free(s);
}

/* The line between a start line and a blank line; `value` NULL: refused with 400. */
static void reads_or_refuses_a_header_line(void **state)
{
	(void)state;
	static const struct {
		struct span line;
		const char *name, *value, *why;
	} cases[] = {
		{SPAN("X: y\r\n"), "X", "y", "plain"},
		{SPAN("X:y\n"), "X", "y", "bare LF, no blank"},
		{SPAN("X \t : \t y \t \r\n"), "X", "y", "blanks everywhere"},
		{SPAN("X:\r\n"), "X", "", "empty"},
		{SPAN("X: \t\r\n"), "X", "", "blank"},
		{SPAN("X:a:b\r\n"), "X", "a:b", "the first colon counts"},
		{SPAN("X:\r\n a\r\n\tb \r\n  c\r\n"), "X", "a b c", "folds are one blank each"},
		{SPAN("X: a\n b\r\n"), "X", "a b", "bare LF before a fold"},
		{SPAN("X: a \r\n \r\n b\r\n"), "X", "a b", "a fold of blanks only"},
		{SPAN("X: a\r\n \r\n"), "X", "a",
			"a blank line that is a fold is not the last line"},
		{SPAN("extension-.!%*_+`'~: z\r\n"), "extension-.!%*_+`'~", "z", "a long token"},
		{SPAN("X: \xef\xbb\xbf\xff\r\n"), "X", "\xef\xbb\xbf\xff",
			"bytes above ASCII are text"},
		{SPAN("X: a\tb\r\n"), "X", "a\tb", "a tab is text"},
		{SPAN("X: \"\\\x07\\\x7f\" b\r\n"), "X", "\"\\\x07\\\x7f\" b",
			"RFC 4475 3.1.1.2: quoted-pairs"},
		{SPAN(": y\r\n"), NULL, NULL, "no name"},
		{SPAN("y\r\n"), NULL, NULL, "no colon"},
		{SPAN("X y: z\r\n"), NULL, NULL, "two words"},
		{SPAN("X\x01: z\r\n"), NULL, NULL, "control byte in the name"},
		{SPAN("X\v: z\r\n"), NULL, NULL, "VT before the colon"},
		{SPAN("X\0: z\r\n"), NULL, NULL, "NUL before the colon"},
		{SPAN("X(y): z\r\n"), NULL, NULL, "no token"},
		{SPAN("X\r\n : z\r\n"), NULL, NULL,
			"a fold before the colon: HCOLON allows SP and HTAB only"},
		{SPAN(" X: z\r\n"), NULL, NULL, "a fold of the start line"},
		{SPAN("X: a\rb\r\n"), NULL, NULL, "bare CR"},
		{SPAN("X: a\r\r\n"), NULL, NULL, "bare CR at the end"},
		{SPAN("X: a\0b\r\n"), NULL, NULL, "NUL"},
		{SPAN("X: a\x7f\r\n"), NULL, NULL, "DEL"},
		{SPAN("X: \"a\x01\"\r\n"), NULL, NULL, "in quotes, but not escaped"},
		{SPAN("X: \\\x01\r\n"), NULL, NULL, "escaped, but not in quotes"},
		{SPAN("X: \"\\\rb\"\r\n"), NULL, NULL, "CR cannot be escaped"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		char text[512];
		int n = snprintf(text, sizeof text, "INVITE sip:a@b SIP/2.0\r\n");
		memcpy(text + n, cases[i].line.p, cases[i].line.n);
		memcpy(text + n + cases[i].line.n, "\r\n", 2);
		struct sample *s = sample_parse(span_of(text, (size_t)n + cases[i].line.n + 2));
		bool as_wanted = s->result == (cases[i].value ? 0 : -1);
		if (cases[i].value)
			as_wanted = as_wanted && s->msg.n_headers == 1 &&
				    span_eq(hdr_name_text(&s->msg.headers[0]),
					    span_str(cases[i].name)) &&
				    span_eq(msg_unfolded(&s->msg, 0), span_str(cases[i].value));
		else
			as_wanted = as_wanted && s->error.code == 400;
		if (!as_wanted)
			print_error("case %zu: %s\n", i, cases[i].why);
		assert_true(as_wanted);
		sample_free(s);
	}
}

/* `body` NULL: 400. */
static void cuts_a_datagram_at_content_length(void **state)
{
	(void)state;
	static const struct {
		const char *headers, *body, *why;
	} cases[] = {
		{"", "0123456789", "absent: all the rest"},
		{"Content-Length: 10\r\n", "0123456789", "exact"},
		{"l:4\r\n", "0123", "shorter, compact"},
		{"content-length :\r\n 0\r\n", "", "folded"},
		{"Content-Length: 0010\r\n", "0123456789", "leading zeros"},
		{"Content-Length: 3\r\nl: 3\r\n", "012", "twice the same"},
		{"Content-Length: 11\r\n", NULL, "longer"},
		{"Content-Length: -1\r\n", NULL, "RFC 4475 3.1.2.3"},
		{"Content-Length: +5\r\n", NULL, "sign"},
		{"Content-Length: 0x5\r\n", NULL, "hexadecimal"},
		{"Content-Length: 5,5\r\n", NULL, "list"},
		{"Content-Length: 5 5\r\n", NULL, "two numbers"},
		{"Content-Length:\r\n", NULL, "empty"},
		{"Content-Length: 4294967296\r\n", NULL, "2^32"},
		{"Content-Length: 18446744073709551620\r\n", NULL, "2^64 + 4"},
		{"Content-Length: 5\r\nContent-Length: 6\r\n", NULL, "RFC 4475 3.3.9"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		char text[512];
		int n = snprintf(text, sizeof text, "INVITE sip:a@b SIP/2.0\r\n%s\r\n0123456789",
			cases[i].headers);
		struct sample *s = sample_parse(span_of(text, (size_t)n));
		if (s->result != (cases[i].body ? 0 : -1))
			print_error("%s\n", cases[i].why);
		assert_int_equal(s->result, cases[i].body ? 0 : -1);
		if (cases[i].body) {
			assert_span(s->msg.body, cases[i].body);
			assert_ptr_equal(span_end(s->msg.raw), span_end(s->msg.body));
		} else {
			assert_int_equal(s->error.code, 400);
		}
		sample_free(s);
	}
}

static struct span repeated(const char *before, const char *text, size_t times, const char *after)
{
	size_t n = strlen(text), at = strlen(before);
	char *out = must_alloc(at + n * times + strlen(after) + 1);
	memcpy(out, before, at);
	for (size_t i = 0; i < times; i++, at += n)
		memcpy(out + at, text, n);
	memcpy(out + at, after, strlen(after));
	return span_of(out, at + strlen(after));
}

static void keeps_its_limits(void **state)
{
	(void)state;
	static const char line[] = "INVITE sip:a@b SIP/2.0\r\n";
	const struct {
		struct span text;
		uint32_t code;
		const char *why;
	} cases[] = {
		{repeated(line, "a: b\r\n", MSG_HEADERS_MAX, "\r\n"), 0, "headers, just"},
		{repeated(line, "a: b\r\n", MSG_HEADERS_MAX + 1, "\r\n"), 400, "headers"},
		{repeated("INVITE sip:a@b SIP/2.0\r\n", "x", MSG_NAME_MAX, ": b\r\n\r\n"), 0,
			"name, just"},
		{repeated(line, "x", MSG_NAME_MAX + 1, ": b\r\n\r\n"), 400, "name"},
		{repeated("INVITE sip:a@b SIP/2.0\r\nX: ", "x", MSG_HEADER_LENGTH_MAX - 5,
			 "\r\n\r\n"),
			0, "header, just"},
		{repeated("INVITE sip:a@b SIP/2.0\r\nX: ", "x", MSG_HEADER_LENGTH_MAX - 4,
			 "\r\n\r\n"),
			400, "header"},
		{repeated("INVITE sip:a@b SIP/2.0\r\nX: ", "\r\n x", MSG_HEADER_LENGTH_MAX / 4,
			 "\r\n\r\n"),
			400, "folds"},
		{repeated("INVITE sip:a@b SIP/2.0\r\nX: ", "\n x", MSG_HEADER_LENGTH_MAX / 4 - 2,
			 "\r\n\r\n"),
			0, "folds that get their CRs, just"},
		{repeated("INVITE sip:a@b SIP/2.0\r\nX: ", "\n x", MSG_HEADER_LENGTH_MAX / 4 - 1,
			 "\r\n\r\n"),
			400, "folds that get their CRs"},
		{repeated("", "M", MSG_METHOD_MAX, " sip:a@b SIP/2.0\r\n\r\n"), 0, "method, just"},
		{repeated("", "M", MSG_METHOD_MAX + 1, " sip:a@b SIP/2.0\r\n\r\n"), 501, "method"},
		{repeated("INVITE sip:", "u", URI_LENGTH_MAX - 4, " SIP/2.0\r\n\r\n"), 0,
			"URI, just"},
		{repeated("INVITE sip:", "u", URI_LENGTH_MAX, " SIP/2.0\r\n\r\n"), 414, "URI"},
		{repeated(line,
			 "name: value that is longer, to fill the section before the count\r\n"
			 "\tand with a fold that makes this four times as long as it need be. And "
			 "so on, and so "
			 "forth, up to some three hundred bytes in all, because two hundred of "
			 "these have to make "
			 "more than sixty-four thousand and no line may be missing: "
			 "abcdefghijklmnopqrstuvwxyz\r\n"
			 " 0123456789\r\n",
			 230, "\r\n"),
			513, "section"},
		{repeated(line,
			 "name: some seventy bytes a line, four lines, and two hundred and forty "
			 "..\n"
			 " .. headers are below the limit, and with as many CRs as there are\n"
			 " lines they are beyond it: then it is the section that is refused\n"
			 " 0123456789 0123456789 0123456789 0123456789 0123456789 012345\n",
			 242, "\n"),
			513, "section that gets its CRs"},
		{repeated("INVITE sip:a@b SIP/2.0\r\n\r\n", "b", MSG_SIZE_MAX - 26, ""), 0,
			"size, just"},
		{repeated("INVITE sip:a@b SIP/2.0\r\n\r\n", "b", MSG_SIZE_MAX - 25, ""), 513,
			"size"},
		{repeated("INVITE sip:a@b SIP/2.0\n\n", "b", MSG_SIZE_MAX - 26, ""), 0,
			"size with CRs, just"},
		{repeated("INVITE sip:a@b SIP/2.0\n\n", "b", MSG_SIZE_MAX - 25, ""), 513,
			"size with CRs"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct sample *s = sample_parse(cases[i].text);
		if (s->error.code != cases[i].code)
			print_error("%s: %u\n", cases[i].why, s->error.code);
		assert_int_equal(s->error.code, cases[i].code);
		assert_int_equal(s->result, cases[i].code ? -1 : 0);
		sample_free(s);
		free((char *)cases[i].text.p);
	}
}

static void indexes_what_stands_behind_an_error(void **state)
{
	(void)state;
	struct sample *s = sample_parse(SPAN(
		"INVITE  sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nno header\r\nTo: t\r\n\r\n"));
	assert_int_equal(s->result, -1);
	assert_int_equal(s->error.code, 400);
	assert_string_equal(s->error.reason, "Bad Request-URI");
	assert_int_equal(s->msg.n_headers, 2);
	assert_span(msg_value(&s->msg, HDR_TO), "t");
	sample_free(s);
}

static void refuses_every_prefix_or_takes_it_without_reading_on(void **state)
{
	(void)state;
	struct span whole = SPAN(SAMPLE);
	for (uint32_t n = 0; n <= whole.n; n++) {
		struct sample *s = sample_check(span_of(whole.p, n));
		if (n < whole.n)
			assert_int_equal(s->result, -1);
		else
			assert_int_equal(s->result, 0);
		sample_free(s);
	}
}

static void walks_the_values_of_a_list_over_several_headers(void **state)
{
	(void)state;
	struct sample *s = sample_parse(
		SPAN("INVITE sip:a@b SIP/2.0\r\nRoute: <sip:a,b@c>;x=\",\" , <sip:d>\r\n"
		     "Subject: a, b\r\nRoute: \r\nRoute:\r\n <sip:e>,\r\n <sip:f>\r\n\r\n"));
	static const char *const wanted[] = {
		"<sip:a,b@c>;x=\",\"", "<sip:d>", "<sip:e>", "<sip:f>"};
	static const int header[] = {0, 0, 3, 3};
	struct msg_values values = msg_values(&s->msg, HDR_ROUTE);
	struct span value;
	for (size_t i = 0; i < N_OF(wanted); i++) {
		assert_true(msg_values_next(&values, &value));
		assert_span(value, wanted[i]);
		assert_int_equal(values.header, header[i]);
	}
	assert_false(msg_values_next(&values, &value));
	values = msg_values(&s->msg, HDR_SUBJECT);
	assert_true(msg_values_next(&values, &value));
	assert_span(value, "a, b");
	assert_false(msg_values_next(&values, &value));
	sample_free(s);
}

static void unfolds_a_header_once(void **state)
{
	(void)state;
	struct sample *s = sample_parse(SPAN("INVITE sip:a@b SIP/2.0\r\nX: a\r\n b\r\n\r\n"));
	struct span first = msg_unfolded(&s->msg, 0);
	uint32_t used = s->msg.arena.used;
	assert_ptr_equal(first.p, msg_unfolded(&s->msg, 0).p);
	assert_int_equal(s->msg.arena.used, used);
	assert_span(hdr_value(&s->msg.headers[0]), "a\r\n b");
	sample_free(s);
}

static void finds_headers_by_name(void **state)
{
	(void)state;
	struct sample *s = sample_parse(
		SPAN("INVITE sip:a@b SIP/2.0\r\nX-Foo: 1\r\nv: 2\r\nx-foo: 3\r\nVIA: 4\r\n\r\n"));
	assert_int_equal(msg_find_name(&s->msg, SPAN("x-FOO"), 0), 0);
	assert_int_equal(msg_find_name(&s->msg, SPAN("x-FOO"), 1), 2);
	assert_int_equal(msg_find_name(&s->msg, SPAN("x-FOO"), 3), -1);
	assert_int_equal(msg_find_name(&s->msg, SPAN("via"), 0), 1);
	assert_int_equal(msg_find_name(&s->msg, SPAN("V"), 2), 3);
	assert_int_equal(msg_find_name(&s->msg, SPAN("absent"), 0), -1);
	assert_int_equal(msg_find_name(&s->msg, SPAN(""), 0), -1);
	sample_free(s);
}

static void lives_on_without_the_receive_buffer(void **state)
{
	(void)state;
	struct sample *s = sample_good(SPAN(SAMPLE_HEAD "X: a\r\n b\r\n\r\nbody"));
	msg_unfolded(&s->msg, 7);
	msg_keep(&s->msg);
	memset((char *)s->text.p, '#', s->text.n);
	msg_keep(&s->msg);
	assert_span(s->msg.uri, "sip:bob@example.com");
	assert_span(msg_from(&s->msg)->uri.user, "alice");
	assert_span(msg_top_via(&s->msg)->branch, "z9hG4bKtop");
	assert_span(msg_unfolded(&s->msg, 7), "a b");
	assert_span(s->msg.body, "body");
	assert_written(&s->msg, SAMPLE_HEAD "X: a\r\n b\r\n\r\nbody");
	sample_free(s);
}

static void lines_that_end_in_a_bare_lf_end_in_crlf_from_then_on(void **state)
{
	(void)state;
	enum { LINES = 11 }; /* of the head; a body keeps its own */
	static const char as_read[] =
		"INVITE sip:b@c SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
		"f: <sip:a@b>;tag=1\r\nt: <sip:c@d>\r\ni: x\r\nCSeq: 1 INVITE\r\n"
		"X: a\r\n b\r\n\tc\r\nl: 6\r\n\r\na\nb\r\nc";
	for (uint32_t with_cr = 0; with_cr < 1 << LINES; with_cr++) {
		char text[sizeof as_read], *to = text;
		uint32_t line = 0;
		for (const char *at = as_read; *at; at++)
			if (*at != '\r' || line == LINES || with_cr >> line++ & 1)
				*to++ = *at;
		struct sample *s = sample_good(span_between(text, to));
		assert_span(s->msg.raw, as_read);
		assert_int_equal(s->msg.head_n + s->msg.body.n, s->msg.raw.n);
		assert_span(s->msg.body, "a\nb\r\nc");
		assert_written(&s->msg, as_read);
		msg_keep(&s->msg);
		memset((char *)s->text.p, '#', s->text.n);
		assert_written(&s->msg, as_read);
		sample_free(s);
	}
}

static void a_kept_message_leaves_its_room_to_the_next(void **state)
{
	(void)state;
	struct msg_rooms rooms = {0};
	struct msg first, second;
	struct msg_error error;
	msg_init(&first);
	msg_init(&second);
	first.rooms = second.rooms = &rooms;
	assert_int_equal(msg_parse(&first, SPAN(SAMPLE), &error), 0);
	struct msg_room *room = first.room;
	msg_keep(&first);
	assert_null(first.room);
	assert_int_equal(msg_parse(&second, SPAN(SAMPLE), &error), 0);
	assert_ptr_equal(second.room, room);
	assert_span(msg_from(&first)->uri.user, "alice"); /* in a room again */
	assert_non_null(first.room);
	assert_ptr_not_equal(first.room, room);
	msg_keep(&first);
	assert_null(first.room);
	msg_fini(&first);
	msg_fini(&second);
	msg_rooms_fini(&rooms);
	assert_null(rooms.free);
}

static void a_kept_message_is_edited_and_kept_again(void **state)
{
	(void)state;
	struct sample *s = sample_good(SPAN(SAMPLE_HEAD "X: a\r\n b\r\n\r\nbody"));
	assert_int_equal(edit_uri(&s->msg, SPAN("sip:carol@example.com")), 0);
	for (int i = 0; i < 3; i++) {
		msg_keep(&s->msg);
		memset((char *)s->text.p, '#', s->text.n);
		assert_int_equal(edit_add(&s->msg, SPAN("Y"), SPAN("c")), 0);
		assert_int_equal(edit_set(&s->msg, SPAN("Call-ID"), SPAN("c2")), 0);
		assert_span(msg_unfolded(&s->msg, 7), "a b");
	}
	assert_int_equal(edit_body(&s->msg, SPAN("new"), SPAN("text/plain")), 0);
	msg_keep(&s->msg);
	assert_span(s->msg.uri, "sip:carol@example.com");
	assert_span(s->msg.received_uri, "sip:bob@example.com");
	assert_span(msg_ruri(&s->msg)->user, "carol");
	assert_written(&s->msg, "INVITE sip:carol@example.com SIP/2.0\r\n"
				"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtop;rport\r\n"
				"Max-Forwards: 70\r\n"
				"From: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"
				"To: <sip:bob@example.com>\r\n"
				"Call-ID: c2\r\n"
				"CSeq: 7 INVITE\r\n"
				"Contact: <sip:alice@192.0.2.1:5060>\r\n"
				"X: a\r\n b\r\nY: c\r\nY: c\r\nY: c\r\n"
				"Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nnew");
	sample_free(s);
}

static void the_limits_of_edits_hold_for_a_kept_message(void **state)
{
	(void)state;
	static char text[10000];
	struct sample *s = sample_good(SPAN(SAMPLE));
	memset(text, 'x', sizeof text);
	int error = 0, edits = 0;
	for (; !error && edits < 1000; edits++) {
		msg_keep(&s->msg);
		error = edit_set(&s->msg, SPAN("X"), span_of(text, sizeof text));
	}
	assert_int_equal(error, EDIT_TOO_MANY);
	assert_in_range(edits, MSG_EDITS_MAX / sizeof text - 1, MSG_EDITS_MAX / sizeof text + 1);
	sample_free(s);
	s = sample_good(SPAN(SAMPLE));
	for (error = 0; !error && s->msg.n_headers < 1000;) {
		msg_keep(&s->msg);
		error = edit_add(&s->msg, SPAN("Y"), SPAN("c"));
	}
	assert_int_equal(error, EDIT_TOO_MANY);
	assert_int_equal(s->msg.n_headers, MSG_HEADERS_MAX);
	sample_free(s);
}

static void a_message_can_be_parsed_again_after_fini(void **state)
{
	(void)state;
	struct sample *s = sample_good(SPAN(SAMPLE));
	msg_keep(&s->msg);
	msg_fini(&s->msg);
	assert_int_equal(msg_parse(&s->msg, SPAN("SIP/2.0 200 OK\r\nX: y\r\n\r\n"), &s->error), 0);
	assert_int_equal(s->msg.n_headers, 1);
	assert_null(msg_from(&s->msg));
	sample_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_or_refuses_the_first_line),
		cmocka_unit_test(gives_the_parts_of_a_request),
		cmocka_unit_test(gives_the_parts_of_a_response),
		cmocka_unit_test(reads_or_refuses_a_header_line),
		cmocka_unit_test(cuts_a_datagram_at_content_length),
		cmocka_unit_test(keeps_its_limits),
		cmocka_unit_test(indexes_what_stands_behind_an_error),
		cmocka_unit_test(refuses_every_prefix_or_takes_it_without_reading_on),
		cmocka_unit_test(walks_the_values_of_a_list_over_several_headers),
		cmocka_unit_test(unfolds_a_header_once),
		cmocka_unit_test(finds_headers_by_name),
		cmocka_unit_test(lives_on_without_the_receive_buffer),
		cmocka_unit_test(lines_that_end_in_a_bare_lf_end_in_crlf_from_then_on),
		cmocka_unit_test(a_kept_message_leaves_its_room_to_the_next),
		cmocka_unit_test(a_kept_message_is_edited_and_kept_again),
		cmocka_unit_test(the_limits_of_edits_hold_for_a_kept_message),
		cmocka_unit_test(a_message_can_be_parsed_again_after_fini),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
