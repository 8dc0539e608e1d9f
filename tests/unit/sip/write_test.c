#include "sip/edit.h"

#include "sample.h"

static void an_unedited_message_is_its_bytes_in_one_piece(void **state)
{
	(void)state;
	struct sample *s = sample_good(SPAN("\r\n" SAMPLE "tail"));
	struct iovec iov[4];
	assert_int_equal(write_msg(&s->msg, iov, 4, false), 1);
	assert_int_equal(write_length(iov, 1), sizeof SAMPLE - 1);
	assert_memory_equal(iov[0].iov_base, SAMPLE, sizeof SAMPLE - 1);
	assert_ptr_equal(iov[0].iov_base, s->text.p + 2);
	sample_free(s);
}

static void an_edit_leaves_its_neighbours_where_they_are(void **state)
{
	(void)state;
	struct sample *s = sample_good(SPAN(SAMPLE));
	struct iovec iov[8];
	assert_int_equal(edit_set(&s->msg, SPAN("Max-Forwards"), SPAN("69")), 0);
	assert_int_equal(write_msg(&s->msg, iov, 8, false), 3);
	assert_ptr_equal(iov[0].iov_base, s->msg.raw.p);
	assert_ptr_equal((char *)iov[2].iov_base + iov[2].iov_len, span_end(s->msg.raw));
	assert_int_equal(edit_insert(&s->msg, 0, HDR_RECORD_ROUTE, SPAN("<sip:p;lr>")), 0);
	assert_int_equal(edit_insert(&s->msg, 0, HDR_VIA, SPAN("SIP/2.0/UDP p")), 0);
	assert_int_equal(write_msg(&s->msg, iov, 8, false), 6);
	sample_free(s);
}

static void what_does_not_fit_the_pieces_is_copied_into_the_last(void **state)
{
	(void)state;
	for (uint32_t max = 1; max < 12; max++) {
		struct sample *s = sample_good(SPAN(SAMPLE));
		assert_int_equal(edit_set(&s->msg, SPAN("Max-Forwards"), SPAN("69")), 0);
		assert_int_equal(edit_set(&s->msg, SPAN("To"), SPAN("<sip:x@y>")), 0);
		assert_int_equal(edit_set(&s->msg, SPAN("CSeq"), SPAN("8 INVITE")), 0);
		struct iovec iov[12];
		uint32_t n = write_msg(&s->msg, iov, max, false);
		assert_int_equal(n, max < 7 ? max : 7);
		char text[1024];
		size_t at = 0;
		for (uint32_t i = 0; i < n; at += iov[i].iov_len, i++)
			memcpy(text + at, iov[i].iov_base, iov[i].iov_len);
		assert_int_equal(at, write_length(iov, n));
		struct span whole = sample_write(&s->msg, false);
		assert_true(span_eq(whole, span_of(text, at)));
		free((char *)whole.p);
		sample_free(s);
	}
}

static void a_stream_gets_the_content_length_that_was_missing(void **state)
{
	(void)state;
	struct sample *s = sample_good(SPAN(SAMPLE_HEAD "\r\nbody"));
	struct span text = sample_write(&s->msg, true);
	assert_span(text, SAMPLE);
	free((char *)text.p);
	assert_written(&s->msg, SAMPLE_HEAD "\r\nbody");
	assert_int_equal(edit_remove(&s->msg, SPAN("Contact")), 0);
	text = sample_write(&s->msg, true);
	assert_non_null(memmem(text.p, text.n, "\r\nContent-Length: 4\r\n\r\nbody", 27));
	free((char *)text.p);
	sample_free(s);
}

static void phrases_are_those_of_the_rfc(void **state)
{
	(void)state;
	assert_span(reason_phrase(100), "Trying");
	assert_span(reason_phrase(481), "Call/Transaction Does Not Exist");
	assert_span(reason_phrase(606), "Not Acceptable");
	assert_span(reason_phrase(599), "Unknown");
}

static void assert_reply(const char *request, struct reply reply, const char *want)
{
	struct sample *s = sample_check(span_str(request));
	struct span out;
	bool made = write_reply(&s->msg, &reply, &out);
	assert_int_equal(made, want != NULL);
	if (want)
		assert_span(out, want);
	sample_free(s);
}

#define VIAS "Via: SIP/2.0/UDP p;branch=z9hG4bK2\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
#define REST "Call-ID: x\r\nCSeq: 1 INVITE\r\n"
#define INVITE                                                                                     \
	"INVITE sip:b@c SIP/2.0\r\nFrom: <sip:a@b>;tag=1\r\n" VIAS                                 \
	"Record-Route: <sip:p;lr>, <sip:q;lr>\r\nTo: B <sip:b@c>\r\nTimestamp: 5\r\n" REST         \
	"Subject: s\r\n\r\n"

static void a_reply_has_what_the_request_had(void **state)
{
	(void)state;
	assert_reply(INVITE, (struct reply){.code = 100, .to_tag = SPAN("t")},
		"SIP/2.0 100 Trying\r\n" VIAS "From: <sip:a@b>;tag=1\r\nTo: B <sip:b@c>\r\n" REST
		"Timestamp: 5\r\nContent-Length: 0\r\n\r\n");
	assert_reply(INVITE, (struct reply){.code = 180, .to_tag = SPAN("t")},
		"SIP/2.0 180 Ringing\r\n" VIAS
		"Record-Route: <sip:p;lr>, <sip:q;lr>\r\nFrom: <sip:a@b>;tag=1\r\n"
		"To: B <sip:b@c>;tag=t\r\n" REST "Content-Length: 0\r\n\r\n");
	assert_reply(INVITE,
		(struct reply){.code = 302,
			.reason = SPAN("Gone Fishing"),
			.to_tag = SPAN("t"),
			.headers = SPAN("Contact: <sip:e@f>\r\n"),
			.body = SPAN("hello"),
			.body_type = SPAN("text/plain")},
		"SIP/2.0 302 Gone Fishing\r\n" VIAS
		"From: <sip:a@b>;tag=1\r\nTo: B <sip:b@c>;tag=t\r\n" REST
		"Contact: <sip:e@f>\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
}

/* One header of the request, as it must stand in the reply; the tag "t" is offered. */
static void a_reply_echoes_headers_safely(void **state)
{
	(void)state;
	static const struct {
		struct span request, reply;
		const char *why;
	} cases[] = {
		{SPAN("t: <sip:b@c>;tag=x\r\n"), SPAN("To: <sip:b@c>;tag=x\r\n"),
			"its own tag stays"},
		{SPAN("t: <sip:b@c>;x=y\r\n"), SPAN("To: <sip:b@c>;x=y;tag=t\r\n"), "added"},
		{SPAN("t: sip:b@c;tag=x\r\n"), SPAN("To: sip:b@c;tag=x\r\n"), "no brackets"},
		{SPAN("t: <sip:b@c;tag=x>\r\n"), SPAN("To: <sip:b@c;tag=x>;tag=t\r\n"),
			"a tag of the URI is none"},
		{SPAN("t: \"b <sip:b@c>\r\n"), SPAN("To: \"b <sip:b@c>;tag=t\r\n"), "malformed"},
		{SPAN("t: \"b <sip:b@c>;tag=x\r\n"), SPAN("To: \"b <sip:b@c>;tag=x\r\n"),
			"malformed, with tag"},
		{SPAN("t: <sip:b@c>;tag=\r\nt: <sip:d@e>\r\n"), SPAN("To: <sip:b@c>;tag="),
			"CVE-2018-14767"},
		{SPAN("t: \"\\\a \\\0 \\\x7f\" <sip:b@c>\r\n"),
			SPAN("To: \"\\\a \\\0 \\\x7f\" <sip:b@c>;tag=t\r\n"), "RFC 4475 3.1.1.2"},
		{SPAN("t: a\r\n\t<sip:b@c>\r\n"), SPAN("To: a\r\n\t<sip:b@c>;tag=t\r\n"),
			"folds stay"},
		{SPAN("t: a\n <sip:b@c>\n"), SPAN("To: a\r\n <sip:b@c>;tag=t\r\n"),
			"with a proper line end"},
		{SPAN("t: a\rVia: evil <sip:b@c>\r\n"), SPAN("To: a Via: evil <sip:b@c>;tag=t\r\n"),
			"bare CR"},
		{SPAN("t: \"a\\\rVia: evil\" <sip:b@c>\r\n"),
			SPAN("To: \"a\\ Via: evil\" <sip:b@c>;tag=t\r\n"), "an escaped CR"},
		{SPAN("t: a\0b <sip:b@c>\r\n"), SPAN("To: a b <sip:b@c>;tag=t\r\n"), "NUL"},
		{SPAN("i: a\x01"
		      "b\r\n"),
			SPAN("Call-ID: a b\r\n"), "any control byte"},
		{SPAN("no header\r\nCSeq: 1 INVITE\r\n"), SPAN("CSeq: 1 INVITE\r\n"),
			"behind a bad line"},
		{SPAN("CSeq: nonsense\r\n"), SPAN("CSeq: nonsense\r\n"), "as far as it goes"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		char text[512];
		int n = snprintf(
			text, sizeof text, "INVITE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP p\r\n");
		memcpy(text + n, cases[i].request.p, cases[i].request.n);
		memcpy(text + n + cases[i].request.n, "\r\n", 2);
		struct sample *s = sample_check(span_of(text, (size_t)n + cases[i].request.n + 2));
		struct span out;
		assert_true(write_reply(
			&s->msg, &(struct reply){.code = 400, .to_tag = SPAN("t")}, &out));
		if (!memmem(out.p, out.n, cases[i].reply.p, cases[i].reply.n))
			print_error("%s: %.*s\n", cases[i].why, (int)out.n, out.p);
		assert_non_null(memmem(out.p, out.n, cases[i].reply.p, cases[i].reply.n));
		sample_free(s);
	}
}

static void nobody_answers_without_a_via_or_to_a_response(void **state)
{
	(void)state;
	assert_reply("INVITE sip:b@c SIP/2.0\r\nTo: <sip:b@c>\r\n\r\n", (struct reply){.code = 400},
		NULL);
	assert_reply("SIP/2.0 200 OK\r\n" VIAS "\r\n", (struct reply){.code = 400}, NULL);
	assert_reply(INVITE, (struct reply){.code = 99}, NULL);
	assert_reply(INVITE, (struct reply){.code = 700}, NULL);
}

static void a_version_nobody_knows_is_answered_in_ours(void **state)
{
	(void)state;
	assert_reply("OPTIONS sip:b@c SIP/7.0\r\nVia: SIP/7.0/UDP c;branch=z9hG4bKk\r\nTo: "
		     "<sip:b@c>\r\n\r\n",
		(struct reply){.code = 505, .to_tag = SPAN("t")},
		"SIP/2.0 505 Version Not Supported\r\nVia: SIP/7.0/UDP c;branch=z9hG4bKk\r\nTo: "
		"<sip:b@c>;tag=t\r\n"
		"Content-Length: 0\r\n\r\n");
}

static void a_reply_has_a_limit(void **state)
{
	(void)state;
	struct sample *s = sample_good(SPAN(SAMPLE));
	char *body = must_zalloc(REPLY_LENGTH_MAX);
	struct span out;
	assert_false(write_reply(&s->msg,
		&(struct reply){.code = 200, .body = span_of(body, REPLY_LENGTH_MAX)}, &out));
	assert_true(write_reply(&s->msg,
		&(struct reply){.code = 200, .body = span_of(body, REPLY_LENGTH_MAX - 1024)},
		&out));
	free(body);
	sample_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_unedited_message_is_its_bytes_in_one_piece),
		cmocka_unit_test(an_edit_leaves_its_neighbours_where_they_are),
		cmocka_unit_test(what_does_not_fit_the_pieces_is_copied_into_the_last),
		cmocka_unit_test(a_stream_gets_the_content_length_that_was_missing),
		cmocka_unit_test(phrases_are_those_of_the_rfc),
		cmocka_unit_test(a_reply_has_what_the_request_had),
		cmocka_unit_test(a_reply_echoes_headers_safely),
		cmocka_unit_test(nobody_answers_without_a_via_or_to_a_response),
		cmocka_unit_test(a_version_nobody_knows_is_answered_in_ours),
		cmocka_unit_test(a_reply_has_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
