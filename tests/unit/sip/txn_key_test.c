#include "sample.h"

#include "sip/edit.h"
#include "sip/txn.h"

static const struct siphash_key secret = {0x0123456789abcdef, 0xfedcba9876543210};

/* What the messages below are made of; NULL: that of an INVITE. */
struct parts {
	const char *method, *uri, *via, *from, *to, *call_id, *cseq;
};

static const char *or_else(const char *given, const char *usual)
{
	return given ? given : usual;
}

#define COOKIE "SIP/2.0/UDP host.example.com:5060;branch=z9hG4bKabc"
#define OLD "SIP/2.0/UDP host.example.com:5060;branch=7"

static struct sample *message(const char *via, const struct parts *p)
{
	char text[1024];
	const char *method = or_else(p->method, "INVITE");
	int n = snprintf(text, sizeof text,
		"%s %s SIP/2.0\r\nVia: %s\r\nVia: SIP/2.0/UDP below;branch=z9hG4bKbelow\r\n"
		"From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s %s\r\nMax-Forwards: 70\r\n\r\n",
		method, or_else(p->uri, "sip:bob@b"), or_else(p->via, via),
		or_else(p->from, "<sip:a@a>;tag=f1"), or_else(p->to, "<sip:bob@b>"),
		or_else(p->call_id, "c1"), or_else(p->cseq, "7"), method);
	return sample_parse(span_of(text, (size_t)n));
}

static struct txn_key server_key(const char *via, const struct parts *parts)
{
	struct sample *s = message(via, parts);
	struct txn_key key;
	assert_int_equal(s->result, 0);
	assert_true(txn_key_server(&s->msg, &secret, &key));
	sample_free(s);
	return key;
}

struct key_case {
	const char *why;
	struct parts parts;
	bool same; /* as the INVITE */
};

static void assert_keys(const char *via, const struct key_case *cases, size_t n)
{
	struct txn_key invite = server_key(via, &(struct parts){0});
	for (size_t i = 0; i < n; i++) {
		struct txn_key key = server_key(via, &cases[i].parts);
		if (txn_key_eq(key, invite) != cases[i].same)
			print_error("%s\n", cases[i].why);
		assert_int_equal(txn_key_eq(key, invite), cases[i].same);
		assert_int_equal(key.check == invite.check, cases[i].same);
	}
}

static void with_the_cookie_branch_sent_by_and_method_are_the_request(void **state)
{
	(void)state;
	static const struct key_case cases[] = {
		{"the same again", {0}, true},
		{"its ACK", {.method = "ACK", .to = "<sip:bob@b>;tag=t1"}, true},
		{"nothing else counts",
			{.uri = "sip:x@y",
				.from = "<sip:x@x>;tag=9",
				.to = "<sip:y@y>;tag=8",
				.call_id = "c2",
				.cseq = "8"},
			true},
		{"letter case (RFC 3261 7.3.1)",
			{.via = "SIP/2.0/UDP HOST.example.COM:5060;branch=Z9HG4bkABC"}, true},
		{"the port that is meant when none is given",
			{.via = "SIP/2.0/UDP host.example.com;branch=z9hG4bKabc"}, true},
		{"the recipient's parameters", {.via = COOKIE ";received=192.0.2.1;rport=5"}, true},
		{"another transport",
			{.via = "SIP/2.0/TCP host.example.com:5060;branch=z9hG4bKabc"}, true},
		{"its CANCEL is a request of its own", {.method = "CANCEL"}, false},
		{"another method", {.method = "BYE"}, false},
		{"a method in lower case is another one", {.method = "invite"}, false},
		{"another branch", {.via = COOKIE "d"}, false},
		{"another host (17.2.3: two clients may choose the same branch)",
			{.via = "SIP/2.0/UDP host2.example.com:5060;branch=z9hG4bKabc"}, false},
		{"another port", {.via = "SIP/2.0/UDP host.example.com:5061;branch=z9hG4bKabc"},
			false},
		{"nor one that differs in its upper byte",
			{.via = "SIP/2.0/UDP host.example.com:4804;branch=z9hG4bKabc"}, false},
		{"TLS means 5061", {.via = "SIP/2.0/TLS host.example.com;branch=z9hG4bKabc"},
			false},
	};
	assert_keys(COOKIE, cases, N_OF(cases));
}

static void without_the_cookie_what_rfc_2543_says_is_the_request(void **state)
{
	(void)state;
	static const struct key_case cases[] = {
		{"the same again", {0}, true},
		{"its ACK, with the To tag of the response",
			{.method = "ACK", .to = "<sip:bob@b>;tag=t1"}, true},
		{"the recipient's parameters", {.via = OLD ";received=192.0.2.1;rport=5"}, true},
		{"letter case of the host", {.via = "SIP/2.0/udp Host.example.com;branch=7"}, true},
		{"its CANCEL", {.method = "CANCEL"}, false},
		{"another method", {.method = "BYE"}, false},
		{"another Request-URI", {.uri = "sip:bob@c"}, false},
		{"another From tag", {.from = "<sip:a@a>;tag=f2"}, false},
		{"no From tag", {.from = "<sip:a@a>"}, false},
		{"another Call-ID", {.call_id = "c2"}, false},
		{"another CSeq", {.cseq = "263"}, false},
		{"or one that differs in its upper half", {.cseq = "65543"}, false},
		{"or in its upper quarter", {.cseq = "16777223"}, false},
		{"another host", {.via = "SIP/2.0/UDP host2.example.com:5060;branch=7"}, false},
		{"another port", {.via = "SIP/2.0/UDP host.example.com:5070;branch=7"}, false},
		{"another transport", {.via = "SIP/2.0/TCP host.example.com:5060;branch=7"}, false},
		{"another branch", {.via = "SIP/2.0/UDP host.example.com:5060;branch=8"}, false},
		{"no branch", {.via = "SIP/2.0/UDP host.example.com:5060"}, false},
		{"the cookie alone (RFC 4475 3.2.1)",
			{.via = "SIP/2.0/UDP host.example.com:5060;branch=z9hG4bK"}, false},
	};
	assert_keys(OLD, cases, N_OF(cases));
	struct parts bye = {.method = "BYE", .to = "<sip:bob@b>;tag=t1"};
	struct txn_key of_one = server_key(OLD, &bye);
	bye.to = "<sip:bob@b>;tag=t2";
	assert_false(txn_key_eq(of_one, server_key(OLD, &bye)));
}

static void tls_means_port_5061(void **state)
{
	(void)state;
	const char *given = "SIP/2.0/TLS a:5061;branch=z9hG4bK1",
		   *none = "SIP/2.0/TLS a;branch=z9hG4bK1";
	const struct parts parts = {0};
	assert_true(txn_key_eq(server_key(given, &parts), server_key(none, &parts)));
}

static void the_cookie_alone_identifies_nothing(void **state)
{
	(void)state;
	const char *via = "SIP/2.0/UDP host.example.com:5060;branch=z9hG4bK";
	struct txn_key key = server_key(via, &(struct parts){0});
	assert_false(txn_key_eq(key, server_key(via, &(struct parts){.call_id = "c2"})));
	assert_true(txn_key_eq(key, server_key(via, &(struct parts){0})));
}

static void a_cancel_finds_the_invite_it_means(void **state)
{
	(void)state;
	static const char *const vias[] = {COOKIE, OLD};
	for (size_t i = 0; i < N_OF(vias); i++) {
		struct sample *s = message(vias[i], &(struct parts){.method = "CANCEL"});
		struct txn_key key, own;
		assert_true(txn_key_cancelled(&s->msg, &secret, &key));
		assert_true(txn_key_server(&s->msg, &secret, &own));
		assert_true(txn_key_eq(key, server_key(vias[i], &(struct parts){0})));
		assert_false(txn_key_eq(key, own));
		sample_free(s);
	}
}

static void a_key_is_the_same_after_received_was_added(void **state)
{
	(void)state;
	static const char *const vias[] = {COOKIE ";rport", OLD ";rport"};
	for (size_t i = 0; i < N_OF(vias); i++) {
		struct sample *s = message(vias[i], &(struct parts){0});
		struct txn_key before, after;
		struct addr source;
		assert_true(addr_parse(SPAN("198.51.100.7:6000"), 0, &source));
		assert_true(txn_key_server(&s->msg, &secret, &before));
		assert_int_equal(edit_received(&s->msg, &source), 0);
		assert_true(msg_top_via(&s->msg)->received.p);
		assert_true(txn_key_server(&s->msg, &secret, &after));
		assert_true(txn_key_eq(before, after));
		sample_free(s);
	}
}

static void a_response_finds_the_request_that_was_sent(void **state)
{
	(void)state;
	static const struct {
		const char *via, *cseq, *why;
		bool same;
	} cases[] = {
		{COOKIE, "7 INVITE", "its response", true},
		{"SIP/2.0/TCP other;branch=Z9hG4bKABC", "8 INVITE", "branch and method alone count",
			true},
		{COOKIE, "7 CANCEL", "the response to its CANCEL (17.1.3)", false},
		{COOKIE "x", "7 INVITE", "another branch", false},
	};
	struct txn_key sent = txn_key_sent(SPAN("z9hG4bKabc"), SPAN("INVITE"), &secret);
	for (size_t i = 0; i < N_OF(cases); i++) {
		char text[512];
		int n = snprintf(text, sizeof text,
			"SIP/2.0 200 OK\r\nVia: %s\r\nVia: SIP/2.0/UDP b;branch=z9hG4bKb\r\n"
			"CSeq: %s\r\n\r\n",
			cases[i].via, cases[i].cseq);
		struct sample *s = sample_parse(span_of(text, (size_t)n));
		struct txn_key key;
		assert_true(txn_key_client(&s->msg, &secret, &key));
		if (txn_key_eq(key, sent) != cases[i].same)
			print_error("%s\n", cases[i].why);
		assert_int_equal(txn_key_eq(key, sent), cases[i].same);
		sample_free(s);
	}
}

static void an_unknown_method_counts_by_its_name(void **state)
{
	(void)state;
	struct txn_key a = server_key(COOKIE, &(struct parts){.method = "FOO"});
	assert_false(txn_key_eq(a, server_key(COOKIE, &(struct parts){.method = "BAR"})));
	assert_true(txn_key_eq(a, server_key(COOKIE, &(struct parts){.method = "FOO"})));
	assert_false(txn_key_eq(txn_key_sent(SPAN("z9hG4bKa"), SPAN("FOO"), &secret),
		txn_key_sent(SPAN("z9hG4bKa"), SPAN("BAR"), &secret)));
}

static void keys_depend_on_the_secret_and_the_side(void **state)
{
	(void)state;
	const struct siphash_key other = {secret.k0 ^ 1, secret.k1};
	struct txn_key a = txn_key_sent(SPAN("z9hG4bKabc"), SPAN("INVITE"), &secret);
	struct txn_key b = txn_key_sent(SPAN("z9hG4bKabc"), SPAN("INVITE"), &other);
	assert_true(a.hash != b.hash && a.check != b.check && a.hash != a.check);
	assert_false(txn_key_eq(a, server_key(COOKIE, &(struct parts){0})));
}

/* Texts are hashed in chunks: the border between branch and host must not get lost there. */
static void long_branches_and_hosts_are_not_taken_for_each_other(void **state)
{
	(void)state;
	enum { LENGTH = 200 };
	char xs[LENGTH + 1], via[600];
	struct txn_key keys[LENGTH + 1];
	memset(xs, 'x', LENGTH);
	for (int i = 1; i < LENGTH; i++) {
		snprintf(via, sizeof via, "SIP/2.0/UDP %.*s;branch=z9hG4bK%.*s", LENGTH - i, xs, i,
			xs);
		keys[i] = server_key(via, &(struct parts){0});
		for (int k = 1; k < i; k++)
			assert_true(keys[k].hash != keys[i].hash);
	}
}

static void what_cannot_be_matched_has_no_key(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
	} cases[] = {
		{"INVITE sip:a@b SIP/2.0\r\nCSeq: 1 INVITE\r\n\r\n", "no Via"},
		{"INVITE sip:a@b SIP/2.0\r\nVia: nonsense\r\nCSeq: 1 INVITE\r\n\r\n", "bad Via"},
		{"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\n"
		 "To: <sip:a@b>\r\nCSeq: 1 INVITE\r\n\r\n",
			"RFC 2543, no Call-ID"},
		{"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a@b>\r\n"
		 "To: <sip:a@b>\r\nCall-ID: a\r\n\r\n",
			"RFC 2543, no CSeq"},
		{"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nTo: <sip:a@b>\r\nCall-ID: a\r\n"
		 "CSeq: 1 INVITE\r\n\r\n",
			"RFC 2543, no From"},
		{"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a\r\nCSeq: 1 INVITE\r\n\r\n",
			"a response without branch"},
		{"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\n\r\n",
			"a response without CSeq"},
	};
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct sample *s = sample_parse(span_str(cases[i].text));
		struct txn_key key;
		bool found = s->msg.is_request ? txn_key_server(&s->msg, &secret, &key)
					       : txn_key_client(&s->msg, &secret, &key);
		if (found)
			print_error("%s\n", cases[i].why);
		assert_false(found);
		sample_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_the_cookie_branch_sent_by_and_method_are_the_request),
		cmocka_unit_test(without_the_cookie_what_rfc_2543_says_is_the_request),
		cmocka_unit_test(tls_means_port_5061),
		cmocka_unit_test(the_cookie_alone_identifies_nothing),
		cmocka_unit_test(a_cancel_finds_the_invite_it_means),
		cmocka_unit_test(a_key_is_the_same_after_received_was_added),
		cmocka_unit_test(a_response_finds_the_request_that_was_sent),
		cmocka_unit_test(an_unknown_method_counts_by_its_name),
		cmocka_unit_test(keys_depend_on_the_secret_and_the_side),
		cmocka_unit_test(long_branches_and_hosts_are_not_taken_for_each_other),
		cmocka_unit_test(what_cannot_be_matched_has_no_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
