#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sip/via.h"
#include "../guard.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void assert_via_inside(const struct via *via, struct span text)
{
	assert_inside(via->text, text);
	assert_inside(via->transport_text, text);
	assert_inside(via->host, text);
	assert_inside(via->params, text);
	assert_inside(via->branch, text);
	assert_inside(via->received, text);
	assert_inside(via->maddr, text);
	assert_inside(via->rport, text);
}

enum rport { NO_RPORT, HAS_RPORT };

static const struct {
	const char *text, *transport;
	enum transport id;
	const char *host;
	uint16_t port;
	const char *branch, *received, *maddr, *rport;
	enum rport has_rport;
	const char *why;
} good[] = {
	{"SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa", "UDP", TRANSPORT_UDP, "192.0.2.1", 5070,
		"z9hG4bKa", NULL, NULL, NULL, NO_RPORT, "what most look like"},
	{"SIP/2.0/TCP sip33.example.com", "TCP", TRANSPORT_TCP, "sip33.example.com", 0, NULL, NULL,
		NULL, NULL, NO_RPORT, "no parameters (RFC 4475 3.1.1.7)"},
	{"SIP/2.0/udp a;rport;branch=x", "udp", TRANSPORT_UDP, "a", 0, "x", NULL, NULL, NULL,
		HAS_RPORT, "rport asked for (RFC 3581 3)"},
	{"SIP/2.0/UDP a;rport=9988;received=192.0.2.1", "UDP", TRANSPORT_UDP, "a", 0, NULL,
		"192.0.2.1", NULL, "9988", HAS_RPORT, "rport filled in (RFC 3581 4)"},
	{"SIP/2.0/UDP a;rport=;branch=x", "UDP", TRANSPORT_UDP, "a", 0, "x", NULL, NULL, "",
		HAS_RPORT, "rport of nothing"},
	{"SIP/2.0/UDP a;maddr=224.2.0.1;ttl=16", "UDP", TRANSPORT_UDP, "a", 0, NULL, NULL,
		"224.2.0.1", NULL, NO_RPORT, "multicast"},
	{"SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw", "UDP", TRANSPORT_UDP,
		"192.0.2.2", 0, "390skdjuw", NULL, NULL, NULL, NO_RPORT, "RFC 4475 3.1.1.1, first"},
	{"SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ", "TCP",
		TRANSPORT_TCP, "spindle.example.com", 0, "z9hG4bK9ikj8", NULL, NULL, NULL, NO_RPORT,
		"RFC 4475 3.1.1.1, second"},
	{"SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239", "UDP",
		TRANSPORT_UDP, "192.168.255.111", 0, "z9hG4bK30239", NULL, NULL, NULL, NO_RPORT,
		"RFC 4475 3.1.1.1, third"},
	{"SIP/2.0/ UDP a : 5060 ; branch = x", "UDP", TRANSPORT_UDP, "a", 5060, "x", NULL, NULL,
		NULL, NO_RPORT, "blanks around every separator"},
	{"SIP/2.0/UDP\r\n a\r\n :\r\n 5060", "UDP", TRANSPORT_UDP, "a", 5060, NULL, NULL, NULL,
		NULL, NO_RPORT, "folds too"},
	{"SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~", "TCP", TRANSPORT_TCP,
		"host1.example.com", 0, "z9hG4bK-.!%66*_+`'~", NULL, NULL, NULL, NO_RPORT,
		"RFC 4475 3.1.1.2"},
	{"SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf", "SCTP", TRANSPORT_NONE,
		"t2.example.com", 0, "z9hG4bKklasjdhf", NULL, NULL, NULL, NO_RPORT,
		"RFC 4475 3.1.1.10"},
	{"SIP/2.0/UNKNOWN t4.example.com", "UNKNOWN", TRANSPORT_NONE, "t4.example.com", 0, NULL,
		NULL, NULL, NULL, NO_RPORT, "RFC 4475 3.1.1.10"},
	{"SIP/2.0/TLS t3.example.com", "TLS", TRANSPORT_TLS, "t3.example.com", 0, NULL, NULL, NULL,
		NULL, NO_RPORT, "RFC 4475 3.1.1.10"},
	{"SIP/7.0/UDP c.example.com", "UDP", TRANSPORT_UDP, "c.example.com", 0, NULL, NULL, NULL,
		NULL, NO_RPORT, "a version of others (RFC 4475 3.1.2.16)"},
	{"SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111", "UDP", TRANSPORT_UDP,
		"[2001:db8::9:1]", 6050, "z9hG4bKas3-111", NULL, NULL, NULL, NO_RPORT,
		"RFC 5118 4.7"},
	{"SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19", "UDP", TRANSPORT_UDP,
		"[::ffff:192.0.2.10]", 19823, "z9hG4bKbh19", NULL, NULL, NULL, NO_RPORT,
		"RFC 5118 4.9"},
	{"SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111", "UDP",
		TRANSPORT_UDP, "[2001:db8::9:1]", 0, "z9hG4bKas3-111", "[2001:db8::9:255]", NULL,
		NULL, NO_RPORT, "RFC 5118 4.5"},
	{"SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3", "UDP",
		TRANSPORT_UDP, "[2001:db8::9:1]", 0, "z9hG4bKas3", "2001:db8::9:255", NULL, NULL,
		NO_RPORT, "RFC 5118 4.5, without brackets"},
	{"SIP/2.0/UDP a;BRANCH=x;RPort=1;Received=1.2.3.4;MADDR=b", "UDP", TRANSPORT_UDP, "a", 0,
		"x", "1.2.3.4", "b", "1", HAS_RPORT, "names in another case"},
	{"SIP/2.0/UDP a;branch", "UDP", TRANSPORT_UDP, "a", 0, "", NULL, NULL, NULL, NO_RPORT,
		"branch without value"},
	{"SIP/2.0/UDP a;x=\";branch=no\";branch=yes", "UDP", TRANSPORT_UDP, "a", 0, "yes", NULL,
		NULL, NULL, NO_RPORT, "quotes hide parameters"},
	{"SIP/2.0/UDP a;ttl=1;hidden;alias;keep;oc", "UDP", TRANSPORT_UDP, "a", 0, NULL, NULL, NULL,
		NULL, NO_RPORT, "parameters that mean nothing here"},
};

static void takes_values_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct span text = guarded(span_str(good[i].text));
		struct via via;
		expect_number(via_parse(text, &via), 0, good[i].text);
		assert_via_inside(&via, text);
		expect_text(via.transport_text, good[i].transport, good[i].why);
		expect_number(via.transport, good[i].id, good[i].why);
		expect_text(via.host, good[i].host, good[i].why);
		expect_number(via.port, good[i].port, good[i].why);
		expect_text(via.branch, good[i].branch, good[i].why);
		expect_text(via.received, good[i].received, good[i].why);
		expect_text(via.maddr, good[i].maddr, good[i].why);
		expect_text(via.rport, good[i].rport, good[i].why);
		expect_number(via.has_rport, good[i].has_rport, good[i].why);
	}
}

static const struct {
	struct span text;
	const char *why;
} bad[] = {
	{SPAN(""), "nothing"},
	{SPAN(" "), "a blank"},
	{SPAN("SIP/2.0/UDP"), "no sent-by"},
	{SPAN("SIP/2.0/UDP "), "no sent-by behind a blank"},
	{SPAN("SIP/2.0/UDP;branch=x"), "parameters for sent-by"},
	{SPAN("SIP/2.0/UDP ;branch=x"), "the same behind a blank"},
	{SPAN("SIP/2.0 192.0.2.1"), "no transport"},
	{SPAN("SIP/2.0/ 192.0.2.1"), "transport left out"},
	{SPAN("SIP//UDP a"), "no version"},
	{SPAN("/2.0/UDP a"), "no protocol"},
	{SPAN("SIP/2.0/UDP/x a"), "four parts"},
	{SPAN("SIP/2.0/U@P a"), "no token"},
	{SPAN("SIP/2.0/UDP[::1]"), "no blank before sent-by"},
	{SPAN("SIP/2.0/UDP 192.0.2.15;;"), "RFC 4475 3.1.2.1, first"},
	{SPAN(";"), "RFC 4475 3.1.2.1, second"},
	{SPAN("SIP/2.0/UDP a;"), "stray ';'"},
	{SPAN("SIP/2.0/UDP a, SIP/2.0/UDP b"), "two values"},
	{SPAN("SIP/2.0/UDP a b"), "text behind"},
	{SPAN("SIP/2.0/UDP a;x b"), "text behind a parameter"},
	{SPAN("SIP/2.0/UDP a:"), "empty port"},
	{SPAN("SIP/2.0/UDP a:0"), "port 0"},
	{SPAN("SIP/2.0/UDP a:999999;branch=x"), "port too large"},
	{SPAN("SIP/2.0/UDP a:4294972356"), "2^32 + 5060"},
	{SPAN("SIP/2.0/UDP a:5060x"), "text behind the port"},
	{SPAN("SIP/2.0/UDP 153.96.14.162:5060."), "the same, as in the field"},
	{SPAN("SIP/2.0/UDP 2001:db8::9:1;branch=x"), "IPv6 without brackets"},
	{SPAN("SIP/2.0/UDP [2001:db8::9:1;branch=x"), "open bracket"},
	{SPAN("SIP/2.0/UDP 256.1.1.1"), "no IPv4"},
	{SPAN("SIP/2.0/UDP user@a"), "user part"},
	{SPAN("SIP/2.0/UDP a;branch=x;branch=y"), "two branches could be read two ways"},
	{SPAN("SIP/2.0/UDP a;received=1.2.3.4;received=5.6.7.8"), "two received"},
	{SPAN("SIP/2.0/UDP a;rport;rport=1"), "two rport"},
	{SPAN("SIP/2.0/UDP a;maddr=b;Maddr=c"), "two maddr"},
	{SPAN("SIP/2.0/UDP a;branch;branch=y"), "two branches, one without value"},
	{SPAN("SIP/2.0/UDP a;x=\"y"), "open quote"},
	{SPAN("SIP/2.0/UDP a\0b"), "NUL"},
};

static void refuses_what_is_no_via(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct via via;
		expect_number(via_parse(guarded(bad[i].text), &via), -1, bad[i].why);
	}
	struct via via;
	assert_int_equal(via_parse((struct span){NULL, 0}, &via), -1);
}

static void reads_no_byte_past_the_end_wherever_the_value_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
		struct span text =
			i < COUNT(good) ? span_str(good[i].text) : bad[i - COUNT(good)].text;
		for (uint32_t n = 0; n <= text.n; n++) {
			struct span cut = guarded(span_of(text.p, n));
			struct via via;
			if (via_parse(cut, &via) == 0)
				assert_via_inside(&via, cut);
		}
	}
}

/* addr NULL: no address; name then is what must be resolved, NULL for nothing. */
static const struct {
	const char *text, *addr, *name, *why;
} targets[] = {
	{"SIP/2.0/UDP 192.0.2.1", "192.0.2.1:5060", NULL, "sent-by, default port"},
	{"SIP/2.0/UDP 192.0.2.1:5070", "192.0.2.1:5070", NULL, "sent-by with port"},
	{"SIP/2.0/TLS 192.0.2.1", "192.0.2.1:5061", NULL, "default port of TLS"},
	{"SIP/2.0/UDP [2001:db8::9:1]:6050", "[2001:db8::9:1]:6050", NULL, "IPv6"},
	{"SIP/2.0/UDP a:5070;received=192.0.2.1", "192.0.2.1:5070", NULL,
		"received, port of sent-by"},
	{"SIP/2.0/UDP a;received=2001:db8::9:255", "[2001:db8::9:255]:5060", NULL,
		"received without brackets"},
	{"SIP/2.0/UDP a:5070;received=192.0.2.1;rport=9988", "192.0.2.1:9988", NULL,
		"received and rport (RFC 3581 4)"},
	{"SIP/2.0/UDP a:5070;received=192.0.2.1;rport", "192.0.2.1:5070", NULL,
		"rport that nobody filled in"},
	{"SIP/2.0/UDP 192.0.2.9:5070;rport=9988", "192.0.2.9:5070", NULL,
		"rport counts only with received"},
	{"SIP/2.0/UDP a:5070;maddr=192.0.2.7;received=192.0.2.1;rport=9", "192.0.2.7:5070", NULL,
		"maddr goes first"},
	{"SIP/2.0/TCP a:5070;maddr=192.0.2.7;received=192.0.2.1;rport=9", "192.0.2.1:5070", NULL,
		"streams: received and the port of sent-by (RFC 3261 18.2.2)"},
	{"SIP/2.0/UDP example.com:5070", NULL, "example.com", "a name"},
	{"SIP/2.0/UDP 192.0.2.1;maddr=example.com", NULL, "example.com", "a name in maddr"},
	{"SIP/2.0/UDP 192.0.2.1;maddr=a@b", NULL, NULL, "garbage in maddr"},
	{"SIP/2.0/UDP 192.0.2.1;maddr", NULL, NULL, "nothing in maddr"},
	{"SIP/2.0/UDP 192.0.2.1;received=example.com", NULL, NULL,
		"received is an address or nothing"},
	{"SIP/2.0/UDP 192.0.2.1;received=192.0.2.1;rport=0", NULL, NULL, "rport 0"},
	{"SIP/2.0/UDP 192.0.2.1;received=192.0.2.1;rport=70000", NULL, NULL, "rport too large"},
	{"SIP/2.0/UDP 192.0.2.1;received=192.0.2.1;rport=abc", NULL, NULL, "rport of letters"},
	{"SIP/2.0/UDP 255.255.255.255;branch=x", NULL, NULL, "broadcast (RFC 4475 3.3.10)"},
	{"SIP/2.0/UDP a;received=0.0.0.0", NULL, NULL, "any"},
	{"SIP/2.0/UDP a;maddr=224.2.0.1", NULL, NULL, "multicast"},
	{"SIP/2.0/UDP [::ffff:255.255.255.255]", NULL, NULL, "broadcast in disguise"},
};

static void tells_where_a_response_goes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		struct via via;
		struct addr addr;
		struct span name, text = guarded(span_str(targets[i].text));
		char out[ADDR_TEXT_MAX];
		expect_number(via_parse(text, &via), 0, targets[i].text);
		bool ok = via_response_target(&via, &addr, &name);
		assert_inside(name, text);
		expect_text(span_of(ok ? out : NULL, ok ? addr_print(&addr, out) : 0),
			targets[i].addr, targets[i].why);
		expect_text(name, targets[i].name, targets[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_values_apart),
		cmocka_unit_test(refuses_what_is_no_via),
		cmocka_unit_test(reads_no_byte_past_the_end_wherever_the_value_is_cut),
		cmocka_unit_test(tells_where_a_response_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
