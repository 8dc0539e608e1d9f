#include "sample.h"

#define LINE "INVITE sip:b@example.com SIP/2.0\r\n"
#define VIA "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
#define FROM "From: <sip:a@example.com>;tag=1\r\n"
#define TO "To: <sip:b@example.com>\r\n"
#define CALL_ID "Call-ID: x\r\n"
#define CSEQ "CSeq: 1 INVITE\r\n"
#define ALL VIA FROM TO CALL_ID CSEQ

/* `reason` NULL: in order. Every request refused here gets a 400. */
static void accepts_or_refuses_a_request(void **state)
{
	(void)state;
	static const struct {
		const char *text, *reason, *why;
	} cases[] = {
		{LINE ALL, NULL, "the least there must be"},
		{LINE "v: SIP/2.0/UDP iftgw.example.com\r\n" TO CALL_ID CSEQ "f: sip:a@b\r\n", NULL,
			"RFC 2543: no branch, no tag, no Max-Forwards"},
		{LINE FROM TO CALL_ID CSEQ, "Missing Via", ""},
		{LINE VIA TO CALL_ID CSEQ, "Missing From", ""},
		{LINE VIA FROM CALL_ID CSEQ, "Missing To", ""},
		{LINE VIA FROM TO CSEQ, "Missing Call-ID", ""},
		{LINE VIA FROM TO CALL_ID, "Missing CSeq", ""},
		{"INVITE <sip:b@example.com> SIP/2.0\r\n" ALL, "Bad Request-URI",
			"RFC 4475 3.1.2.7"},
		{"INVITE sip:b@example.com?Route=%3Csip:c%3E SIP/2.0\r\n" ALL, "Bad Request-URI",
			"RFC 4475 3.1.2.11"},
		{"INVITE sip: SIP/2.0\r\n" ALL, "Bad Request-URI", "no host"},
		{"INVITE b SIP/2.0\r\n" ALL, "Bad Request-URI", "no scheme"},
		{"INVITE sip:b@[::1 SIP/2.0\r\n" ALL, "Bad Request-URI", "open bracket"},
		{"INVITE nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0\r\n" ALL, NULL,
			"RFC 4475 3.3.2"},
		{"INVITE http://a/b?c SIP/2.0\r\n" ALL, NULL, "a query is only a header in SIP"},
		{"INVITE tel:+1-201-555-0123 SIP/2.0\r\n" ALL, NULL, "telephone number"},
		{LINE FROM TO CALL_ID CSEQ "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n", "Bad Via",
			"RFC 4475 3.1.2.1"},
		{LINE FROM TO CALL_ID CSEQ "Via:\r\n", "Bad Via", "empty"},
		{LINE ALL "Via:\r\n", "Bad Via", "empty second header"},
		{LINE ALL "Via: SIP/2.0/UDP\r\n", "Bad Via", "no sent-by"},
		{LINE ALL "Via: SIP/2.0/UNKNOWN a, SIP/2.0/UDP\r\n", "Bad Via",
			"no sent-by in a list"},
		{LINE ALL "Via: SIP/2.0/UNKNOWN a, SIP/2.0/SCTP b\r\n", NULL, "RFC 4475 3.1.1.10"},
		{LINE VIA TO CALL_ID CSEQ "From: \"A <sip:a@b>\r\n", "Bad From",
			"RFC 4475 3.1.2.6"},
		{LINE VIA TO CALL_ID CSEQ "From: Bell, A <sip:a@b>\r\n", "Bad From",
			"RFC 4475 3.1.2.15"},
		{LINE VIA FROM CALL_ID CSEQ "To: < sip:a@b >\r\n", "Bad To", "RFC 4475 3.1.2.14"},
		{LINE VIA FROM CALL_ID CSEQ "To:\r\n", "Bad To", "empty"},
		{LINE VIA FROM CALL_ID CSEQ "To: isbn:2983792873\r\n", NULL, "RFC 4475 3.3.4"},
		{LINE VIA FROM TO CSEQ "Call-ID:\r\n", "Bad Call-ID", "empty"},
		{LINE VIA FROM TO CSEQ "Call-ID: a b\r\n", "Bad Call-ID", "two words"},
		{LINE VIA FROM TO CSEQ "Call-ID: a;b\r\n", "Bad Call-ID",
			"would become a parameter in Replaces"},
		{LINE VIA FROM TO CSEQ "Call-ID: a=b$c@d@e\r\n", NULL,
			"more than a word, but nothing breaks"},
		{LINE VIA FROM TO CALL_ID "CSeq: INVITE\r\n", "Bad CSeq", "no number"},
		{LINE VIA FROM TO CALL_ID "CSeq: 1\r\n", "Bad CSeq", "no method"},
		{LINE VIA FROM TO CALL_ID "CSeq: 1INVITE\r\n", "Bad CSeq", "no blank"},
		{LINE VIA FROM TO CALL_ID "CSeq: -1 INVITE\r\n", "Bad CSeq", "sign"},
		{LINE VIA FROM TO CALL_ID "CSeq: 1 INVITE x\r\n", "Bad CSeq", "more"},
		{LINE VIA FROM TO CALL_ID "CSeq: 0009\r\n  INVITE\r\n", NULL, "RFC 4475 3.1.1.1"},
		{LINE VIA FROM TO CALL_ID "CSeq: 2147483647 INVITE\r\n", NULL, "2^31 - 1"},
		{LINE VIA FROM TO CALL_ID "CSeq: 2147483648 INVITE\r\n", "Bad CSeq",
			"RFC 3261 8.1.1.5"},
		{LINE VIA FROM TO CALL_ID "CSeq: 36893488147419103232 INVITE\r\n", "Bad CSeq",
			"RFC 4475 3.1.2.4"},
		{LINE VIA FROM TO CALL_ID "CSeq: 1 OPTIONS\r\n", "CSeq Method Mismatch",
			"RFC 4475 3.1.2.17"},
		{LINE VIA FROM TO CALL_ID "CSeq: 1 invite\r\n", "CSeq Method Mismatch",
			"letter case counts"},
		{LINE ALL "Contact: sip:a@b?Route=%3Csip:c%3E\r\n", "Bad Contact",
			"RFC 4475 3.1.2.13"},
		{LINE ALL "Contact: <sip:a@b>;;;;\r\n", "Bad Contact", "RFC 4475 3.1.2.1"},
		{LINE ALL "Contact: <sip:a@b>, sip:c@d;q=0.1, \"E,\" <tel:1>\r\n", NULL, "list"},
		{LINE ALL "Contact: <sip:a@b>, <sip:c\r\n", "Bad Contact", "the second of a list"},
		{LINE ALL "Contact: *\r\n", NULL, "star"},
		{LINE ALL "Contact:\r\n", NULL, "empty ones are sent, and say nothing"},
		{LINE ALL "Route: <sip:;lr>\r\n", "Bad Route", "no host"},
		{LINE ALL "Route:\r\n", NULL, "empty"},
		{LINE ALL "Route: ,\r\n", "Bad Route", "empty value"},
		{LINE ALL "Route: <sip:a;lr>, <sip:;lr>\r\nRoute: <sip:x%40y>\r\n", NULL,
			"those below the topmost are not ours"},
		{LINE ALL "Record-Route: <sip:@>\r\n", NULL, "nor is this"},
		{LINE ALL "Max-Forwards: 0068\r\n", NULL, "leading zeros"},
		{LINE ALL "Max-Forwards: 300\r\n", NULL,
			"above 255, but still a number to count down"},
		{LINE ALL "Max-Forwards: 4294967296\r\n", "Bad Max-Forwards", "2^32"},
		{LINE ALL "Max-Forwards: -1\r\n", "Bad Max-Forwards", "sign"},
		{LINE ALL "Max-Forwards:\r\n", "Bad Max-Forwards", "empty"},
		{LINE ALL "Expires: 1000000000000000000000\r\n", NULL,
			"RFC 4475 3.1.2.4: may be clamped"},
		{LINE ALL "Expires: soon\r\n", "Bad Expires", "text"},
		{LINE ALL "Min-Expires: 1h\r\n", "Bad Min-Expires", "text"},
		{LINE ALL "Max-Breadth: x\r\n", "Bad Max-Breadth", "text"},
		{LINE ALL CALL_ID CSEQ TO FROM, NULL, "repeated, but equal"},
		{LINE ALL "i: x\r\n", NULL, "repeated in compact form"},
		{LINE ALL "Call-ID: y\r\n", "Conflicting Headers", "RFC 4475 3.3.8"},
		{LINE ALL "CSeq: 2 INVITE\r\n", "Conflicting Headers", "RFC 4475 3.3.8"},
		{LINE ALL "To: <sip:c@d>;tag=\r\n", "Conflicting Headers", "RFC 4475 3.3.8"},
		{LINE ALL "Max-Forwards: 1\r\nMax-Forwards: 2\r\n", "Conflicting Headers",
			"RFC 4475 3.3.8"},
		{LINE ALL "UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n", NULL, "RFC 4475 3.1.1.1"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		char text[1024];
		int n = snprintf(text, sizeof text, "%s\r\n", cases[i].text);
		struct sample *s = sample_check(span_of(text, (size_t)n));
		const char *got = s->error.reason ? s->error.reason : "fine";
		const char *want = cases[i].reason ? cases[i].reason : "fine";
		if (strcmp(got, want) != 0)
			print_error("case %zu, %s: %s\n", i, cases[i].why, got);
		assert_string_equal(got, want);
		assert_int_equal(s->error.code, cases[i].reason ? 400 : 0);
		sample_free(s);
	}
}

static void limits_the_number_of_vias(void **state)
{
	(void)state;
	for (uint32_t extra = 0; extra < 2; extra++) {
		char text[16 * 1024];
		int n = snprintf(text, sizeof text, LINE FROM TO CALL_ID CSEQ "Via: SIP/2.0/UDP a");
		for (uint32_t i = 1; i < VIA_COUNT_MAX + extra; i++)
			n += snprintf(text + n, sizeof text - (size_t)n, ",SIP/2.0/UDP a");
		n += snprintf(text + n, sizeof text - (size_t)n, "\r\n\r\n");
		struct sample *s = sample_check(span_of(text, (size_t)n));
		assert_int_equal(s->result, extra ? -1 : 0);
		sample_free(s);
	}
}

static void nobody_is_told_about_a_bad_response(void **state)
{
	(void)state;
	struct sample *s = sample_check(SPAN("SIP/2.0 200 OK\r\n" VIA FROM TO CALL_ID
					     "CSeq: 9292394834772304023312 OPTIONS\r\n\r\n"));
	assert_int_equal(s->result, -1);
	assert_int_equal(s->error.code, 0);
	assert_string_equal(s->error.reason, "Bad CSeq");
	sample_free(s);
}

static void a_response_is_not_dropped_for_its_contact(void **state)
{
	(void)state;
	struct sample *s =
		sample_good(SPAN("SIP/2.0 200 OK\r\n" ALL "Contact: <sip:\r\nExpires: x\r\n\r\n"));
	assert_int_equal(s->msg.method_id, METHOD_INVITE);
	sample_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_or_refuses_a_request),
		cmocka_unit_test(limits_the_number_of_vias),
		cmocka_unit_test(nobody_is_told_about_a_bad_response),
		cmocka_unit_test(a_response_is_not_dropped_for_its_contact),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
