#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sip/uri.h"
#include "../guard.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void assert_uri_inside(const struct uri *uri, struct span text)
{
	assert_inside(uri->text, text);
	assert_inside(uri->scheme_name, text);
	assert_inside(uri->user, text);
	assert_inside(uri->password, text);
	assert_inside(uri->host, text);
	assert_inside(uri->params, text);
	assert_inside(uri->headers, text);
}

static const struct {
	const char *text;
	enum uri_scheme scheme;
	const char *user, *password, *host;
	uint16_t port;
	const char *params, *headers, *why;
} good[] = {
	{"sip:example.com", URI_SIP, NULL, NULL, "example.com", 0, NULL, NULL, "host only"},
	{"sip:alice@example.com", URI_SIP, "alice", NULL, "example.com", 0, NULL, NULL, "user"},
	{"SIP:alice@Example.COM", URI_SIP, "alice", NULL, "Example.COM", 0, NULL, NULL,
		"scheme in any case"},
	{"sips:alice@example.com:5061", URI_SIPS, "alice", NULL, "example.com", 5061, NULL, NULL,
		"sips"},
	{"sip:alice:secret@example.com", URI_SIP, "alice", "secret", "example.com", 0, NULL, NULL,
		"password"},
	{"sip:alice:@example.com", URI_SIP, "alice", "", "example.com", 0, NULL, NULL,
		"empty password"},
	{"sip:a@b;transport=udp;lr", URI_SIP, "a", NULL, "b", 0, ";transport=udp;lr", NULL,
		"parameters"},
	{"sip:a@b?Subject=x&Priority=", URI_SIP, "a", NULL, "b", 0, NULL,
		"Subject=x&Priority=", "headers"},
	{"sip:a@b:5070;lr?X=y", URI_SIP, "a", NULL, "b", 5070, ";lr", "X=y", "all parts"},
	{"sip:a@b;opaque=AbC==", URI_SIP, "a", NULL, "b", 0, ";opaque=AbC==", NULL,
		"base64, as in the field"},
	{"sip:a@b;x=;lr=", URI_SIP, "a", NULL, "b", 0, ";x=;lr=", NULL,
		"empty values, as in the field"},
	{"sip:a@b:0005060", URI_SIP, "a", NULL, "b", 5060, NULL, NULL, "zeros before a port"},
	{"sip:vivekg@chair-dnrc.example.com;unknownparam", URI_SIP, "vivekg", NULL,
		"chair-dnrc.example.com", 0, ";unknownparam", NULL, "RFC 4475 3.1.1.1"},
	{"sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/"
	 ";;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
		URI_SIP, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
		"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)", "example.com", 0, NULL, NULL,
		"RFC 4475 3.1.1.2"},
	{"sip:sips%3Auser%40example.com@example.net", URI_SIP, "sips%3Auser%40example.com", NULL,
		"example.net", 0, NULL, NULL, "RFC 4475 3.1.1.3"},
	{"sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31", URI_SIP, "cal%6Cer", NULL,
		"host5.example.net", 0, ";%6C%72;n%61me=v%61lue%25%34%31", NULL,
		"RFC 4475 3.1.1.3"},
	{"sip:null-%00-null@example.com", URI_SIP, "null-%00-null", NULL, "example.com", 0, NULL,
		NULL, "RFC 4475 3.1.1.4"},
	{"sip:user;par=u%40example.net@example.com", URI_SIP, "user;par=u%40example.net", NULL,
		"example.com", 0, NULL, NULL, "RFC 4475 3.1.1.9"},
	{"sip:user@example.com?Route=%3Csip:sip.example.com%3E", URI_SIP, "user", NULL,
		"example.com", 0, NULL, "Route=%3Csip:sip.example.com%3E", "RFC 4475 3.3.14"},
	{"sip:+13035551111@ift.client.example.net;user=phone", URI_SIP, "+13035551111", NULL,
		"ift.client.example.net", 0, ";user=phone", NULL, "RFC 4475 3.4.1"},
	{"sip:*21#@example.com;user=phone", URI_SIP, "*21#", NULL, "example.com", 0, ";user=phone",
		NULL, "dialled digits have '#' (RFC 3966 3)"},
	{"sip:3Zq%0Bsip%3Ajohn%40a.b:7070;lr;maddr=192.0.2.1", URI_SIP, NULL, NULL,
		"3Zq%0Bsip%3Ajohn%40a.b", 7070, ";lr;maddr=192.0.2.1", NULL,
		"a URI of somebody's own where the host stands, as in the field"},
	{"sip:x@%41%3A;maddr=[2001:db8::1]?a=b", URI_SIP, "x", NULL, "%41%3A", 0,
		";maddr=[2001:db8::1]", "a=b", "the same with all parts"},
	{"sip:[2001:db8::10]", URI_SIP, NULL, NULL, "[2001:db8::10]", 0, NULL, NULL,
		"RFC 5118 4.1"},
	{"sip:[2001:db8::10:5070]", URI_SIP, NULL, NULL, "[2001:db8::10:5070]", 0, NULL, NULL,
		"RFC 5118 4.3"},
	{"sip:[2001:db8::10]:5070", URI_SIP, NULL, NULL, "[2001:db8::10]", 5070, NULL, NULL,
		"RFC 5118 4.4"},
	{"sip:user@[2001:db8:::192.0.2.1]", URI_SIP, "user", NULL, "[2001:db8:::192.0.2.1]", 0,
		NULL, NULL, "RFC 5118 4.10"},
	{"sip:a@b;maddr=[2001:db8::1];lr", URI_SIP, "a", NULL, "b", 0, ";maddr=[2001:db8::1];lr",
		NULL, "IPv6 maddr"},
	{"tel:+1-201-555-0123", URI_TEL, "+1-201-555-0123", NULL, NULL, 0, NULL, NULL,
		"RFC 3966 6"},
	{"tel:7042;phone-context=example.com", URI_TEL, "7042", NULL, NULL, 0,
		";phone-context=example.com", NULL, "RFC 3966 6"},
	{"tel:863-1234;phone-context=+1-914-555", URI_TEL, "863-1234", NULL, NULL, 0,
		";phone-context=+1-914-555", NULL, "RFC 3966 6"},
	{"TEL:*21#", URI_TEL, "*21#", NULL, NULL, 0, NULL, NULL, "local digits"},
	{"tel:(0)30.123a", URI_TEL, "(0)30.123a", NULL, NULL, 0, NULL, NULL,
		"separators and hexadecimal digits"},
	{"nobodyKnowsThisScheme:totallyopaquecontent", URI_OTHER, NULL, NULL,
		"totallyopaquecontent", 0, NULL, NULL, "RFC 4475 3.3.2"},
	{"soap.beep://192.0.2.103:3002", URI_OTHER, NULL, NULL, "//192.0.2.103:3002", 0, NULL, NULL,
		"RFC 4475 3.3.3"},
	{"isbn:2983792873", URI_OTHER, NULL, NULL, "2983792873", 0, NULL, NULL, "RFC 4475 3.3.4"},
	{"http://www.example.com/?a=b&c;d#e", URI_OTHER, NULL, NULL, "//www.example.com/?a=b&c;d#e",
		0, NULL, NULL, "RFC 4475 3.3.4"},
	{"urn:service:sos", URI_OTHER, NULL, NULL, "service:sos", 0, NULL, NULL, "RFC 5031"},
	{"a+b-c.1:x", URI_OTHER, NULL, NULL, "x", 0, NULL, NULL, "all that a scheme may hold"},
};

static void takes_uris_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct span text = guarded(span_str(good[i].text));
		struct uri uri;
		expect_number(uri_parse(text, &uri), 0, good[i].text);
		assert_uri_inside(&uri, text);
		expect_text(uri.text, good[i].text, good[i].why);
		expect_number(uri.scheme, good[i].scheme, good[i].why);
		expect_text(uri.user, good[i].user, good[i].why);
		expect_text(uri.password, good[i].password, good[i].why);
		expect_text(uri.host, good[i].host, good[i].why);
		expect_number(uri.port, good[i].port, good[i].why);
		expect_text(uri.params, good[i].params, good[i].why);
		expect_text(uri.headers, good[i].headers, good[i].why);
		assert_true(uri_eq(&uri, &uri));
	}
}

static const struct {
	struct span text;
	const char *why;
} bad[] = {
	{SPAN(""), "nothing"},
	{SPAN("sip"), "no ':'"},
	{SPAN("sip:"), "no host"},
	{SPAN(":example.com"), "no scheme"},
	{SPAN("1sip:example.com"), "a scheme begins with a letter"},
	{SPAN("s_p:example.com"), "'_' in a scheme"},
	{SPAN("example.com"), "no scheme"},
	{SPAN("alan@jasomi.com"), "no scheme"},
	{SPAN("sip:@example.com"), "empty user"},
	{SPAN("sip::x@example.com"), "empty user with password"},
	{SPAN("sip:alice@"), "user without host"},
	{SPAN("sip:alice@b@c"), "two '@': the host could be either"},
	{SPAN("sip:alice@b;x=c@d"), "'@' in a parameter"},
	{SPAN("sip:alice@b?x=c@d"), "'@' in a header"},
	{SPAN("sip:a:b:c@d"), "':' in a password"},
	{SPAN("<sip:user@example.com>"), "RFC 4475 3.1.2.7"},
	{SPAN("sip:user@example.com; lr"), "RFC 4475 3.1.2.8"},
	{SPAN(" sip:user@example.com"), "blank first"},
	{SPAN("sip:user@example.com "), "blank last"},
	{SPAN("sip :user@example.com"), "blank in the scheme"},
	{SPAN("sip: user@example.com"), "blank behind the scheme"},
	{SPAN("sip:us er@example.com"), "blank in the user"},
	{SPAN("sip:user@example.com\r\n"), "line end"},
	{SPAN("sip:user@example.com;\r\n lr"), "fold"},
	{SPAN("sip:user\0@example.com"), "NUL in the user"},
	{SPAN("sip:user@example.com\0"), "NUL behind"},
	{SPAN("sip:\xc3\xbc@example.com"), "UTF-8 must be escaped"},
	{SPAN("sip:us\"er@example.com"), "quote"},
	{SPAN("sip:us<er@example.com"), "bracket"},
	{SPAN("sip:us%4@example.com"), "half an escape"},
	{SPAN("sip:us%4g@example.com"), "no hexadecimal digit"},
	{SPAN("sip:us%@example.com"), "escape of nothing"},
	{SPAN("sip:a:p%4@example.com"), "in the password"},
	{SPAN("sip:a@b;x=%4"), "in a parameter, at the end"},
	{SPAN("sip:a@b;%"), "in a parameter name"},
	{SPAN("sip:a@b?x=%"), "in a header"},
	{SPAN("sip:a@b?%zz=1"), "in a header name"},
	{SPAN("sip:%41.example.com"), "in the host"},
	{SPAN("sip:%41.example.com;maddr"), "in the host, and no other place named"},
	{SPAN("sip:%41.example.com;maddr=%41"), "in the host, and the other is none either"},
	{SPAN("sip:%4.example.com;maddr=192.0.2.1"), "half an escape in the host"},
	{SPAN("sip:a:;maddr=192.0.2.1"), "empty port before a maddr"},
	{SPAN("sip:;maddr=192.0.2.1"), "no host before a maddr"},
	{SPAN("sip:a,b;maddr=192.0.2.1"), "comma before a maddr"},
	{SPAN("sip:2001:db8::10"), "RFC 5118 4.2"},
	{SPAN("sip:user@[2001:db8::10"), "open bracket"},
	{SPAN("sip:user@[example.com]"), "no address in brackets"},
	{SPAN("sip:user@[::1]x"), "text behind brackets"},
	{SPAN("sip:a@b:"), "empty port"},
	{SPAN("sip:a@b:0"), "port 0"},
	{SPAN("sip:a@b:65536"), "port too large"},
	{SPAN("sip:a@b:4294972356"), "2^32 + 5060"},
	{SPAN("sip:a@b:5060x"), "text behind the port"},
	{SPAN("sip:a@b:-1"), "negative port"},
	{SPAN("sip:a@256.1.1.1"), "IPv4 out of range"},
	{SPAN("sip:a@b/c"), "path"},
	{SPAN("sip://b"), "not that kind of URI"},
	{SPAN("sip:a@b;"), "stray ';'"},
	{SPAN("sip:a@b;;lr"), "stray ';'"},
	{SPAN("sip:a@b;=x"), "parameter without name"},
	{SPAN("sip:a@b,sip:c@d"), "list"},
	{SPAN("sip:a@b?"), "no header"},
	{SPAN("sip:a@b?x"), "header without '='"},
	{SPAN("sip:a@b?=x"), "header without name"},
	{SPAN("sip:a@b?x=1&"), "stray '&'"},
	{SPAN("sip:a@b?x=1&&y=2"), "two '&'"},
	{SPAN("sip:a@b?x=1;y"), "';' in a header"},
	{SPAN("tel:"), "no number"},
	{SPAN("tel:+"), "no digits"},
	{SPAN("tel:-"), "separators only"},
	{SPAN("tel:+1a"), "global numbers are decimal"},
	{SPAN("tel:alice"), "no number"},
	{SPAN("tel:1 2"), "blank"},
	{SPAN("tel:1;"), "stray ';'"},
	{SPAN("tel:1;x=%1"), "half an escape"},
	{SPAN("http:"), "nothing behind the scheme"},
	{SPAN("http://a b"), "blank"},
	{SPAN("http://a>b"), "would end its brackets"},
	{SPAN("http://a<b"), "bracket"},
	{SPAN("http://a\"b"), "quote"},
	{SPAN("http://a%4"), "half an escape"},
	{SPAN("http://a\tb"), "HTAB"},
	{SPAN("http://a\x7f"), "DEL"},
};

static void refuses_what_is_no_uri(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct uri uri;
		expect_number(uri_parse(guarded(bad[i].text), &uri), -1, bad[i].why);
	}
	struct uri uri;
	assert_int_equal(uri_parse((struct span){NULL, 0}, &uri), -1);
}

static void has_limits_of_length_and_parameters(void **state)
{
	(void)state;
	static char text[URI_LENGTH_MAX + 1];
	struct uri uri;
	memset(text, 'a', sizeof text);
	memcpy(text, "sip:", 4);
	assert_int_equal(uri_parse(guarded(span_of(text, URI_LENGTH_MAX)), &uri), 0);
	assert_int_equal(uri_parse(guarded(span_of(text, URI_LENGTH_MAX + 1)), &uri), -1);
	static const char *const repeated[] = {";x", "&x="};
	for (size_t i = 0; i < COUNT(repeated); i++) {
		size_t unit = strlen(repeated[i]), n = 5;
		for (int count = 0; count <= URI_PARAMS_MAX; count++) {
			memcpy(text + n, repeated[i], unit);
			if (i == 1 && count == 0)
				text[n] = '?';
			n += unit;
			expect_number(uri_parse(guarded(span_of(text, n)), &uri),
				count < URI_PARAMS_MAX ? 0 : -1, "parameters");
		}
	}
}

static void refuses_every_cut_and_every_control_byte_without_reading_past_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct span text = span_str(good[i].text);
		struct uri uri;
		for (uint32_t n = 0; n <= text.n; n++) {
			struct span cut = guarded(span_of(text.p, n));
			if (uri_parse(cut, &uri) == 0)
				assert_uri_inside(&uri, cut);
		}
		char broken[256];
		for (uint32_t at = 0; at < text.n; at++) {
			memcpy(broken, text.p, text.n);
			broken[at] = (char)(at % 32);
			expect_number(
				uri_parse(guarded(span_of(broken, text.n)), &uri), -1, text.p);
		}
	}
}

static struct uri must_parse(const char *text)
{
	struct uri uri;
	if (uri_parse(guarded(span_str(text)), &uri) < 0)
		fail_msg("no URI: %s", text);
	return uri;
}

static const struct {
	const char *a, *b, *why;
	bool equal;
} pairs[] = {
	/* the examples of RFC 3261 19.1.4 */
	{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp",
		"escapes and case", true},
	{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", "unknown parameter in one",
		true},
	{"sip:carol@chicago.com", "sip:carol@chicago.com;security=on", "the same", true},
	{"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", "two of them",
		true},
	{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
		"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
		"order of parameters", true},
	{"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
		"sip:alice@atlanta.com?priority=urgent&subject=project%20x", "order of headers",
		true},
	{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP",
		"users differ in case", false},
	{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", "default port is not no port", false},
	{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", "nor is the default transport",
		false},
	{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", "port and transport",
		false},
	{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting",
		"headers always count", false},
	{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", "a name is not its address", false},
	{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off",
		"different values", false},
	/* the rules */
	{"sip:a@b", "sips:a@b", "schemes", false},
	{"sip:a@b", "sip:b", "user in one", false},
	{"sip:a@b", "sip:a:@b", "password in one", false},
	{"sip:a:p@b", "sip:a:P@b", "password in another case", false},
	{"sip:a@b;user=phone", "sip:a@b", "user parameter in one", false},
	{"sip:a@b", "sip:a@b;TTL=1", "ttl in one", false},
	{"sip:a@b;method=INVITE", "sip:a@b", "method in one", false},
	{"sip:a@b;m%61ddr=1.2.3.4", "sip:a@b", "maddr in one, escaped", false},
	{"sip:a@b;lr", "sip:a@b", "lr in one", true},
	{"sip:a@b;lr", "sip:a@b;lr=on", "lr with another value", false},
	{"sip:a@b;lr", "sip:a@b;%6C%72", "escaped name", true},
	{"sip:a%3Bb@c", "sip:a;b@c", "reserved characters are not their escapes", false},
	{"sip:a%3Bb@c", "sip:a%3bb@c", "digits of escapes have no case", true},
	{"sip:a%2541@c", "sip:a%41@c", "an escape is undone once", false},
	{"sip:aA@c", "sip:a%41@c", "unreserved", true},
	{"sip:%00@c", "sip:%00%00@c", "RFC 4475 3.1.1.4", false},
	{"sip:a%00x@c", "sip:a%00y@c", "what follows a NUL counts", false},
	{"sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0::0001]", "spellings of IPv6", true},
	{"sip:a@[2001:db8::1]", "sip:a@[2001:db8::2]", "different IPv6", false},
	{"sip:a@b?x=1", "sip:a@b?x=2", "header values", false},
	{"sip:a@b?x=1&y=2", "sip:a@b?x=1", "header in one", false},
	{"sip:a@b;x=1;x=2", "sip:a@b;x=2;x=1", "a name given twice", true},
	{"tel:+1-201-555-0123", "tel:+12015550123", "visual separators (RFC 3966 4)", true},
	{"tel:+12015550123", "tel:12015550123", "global and local", false},
	{"tel:7042;phone-context=example.com", "tel:7042;phone-context=EXAMPLE.com", "case", true},
	{"tel:7042;phone-context=example.com", "tel:7042", "a parameter in one", false},
	{"tel:1;a=1;b=2", "tel:1;b=2;a=1", "order", true},
	{"http://a/x", "HTTP://a/x", "scheme in another case", true},
	{"http://a/x", "http://a/X", "other schemes compare as bytes", false},
	{"http://a", "sip:a", "schemes", false},
};

static void compares_by_the_rules_of_rfc_3261(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct uri a = must_parse(pairs[i].a), b = must_parse(pairs[i].b);
		expect_number(uri_eq(&a, &b), pairs[i].equal, pairs[i].why);
		expect_number(uri_eq(&b, &a), pairs[i].equal, pairs[i].why);
	}
}

static const struct {
	const char *text, *aor, *why;
} aors[] = {
	{"sip:alice@Example.COM", "sip:alice@example.com", "host in lower case"},
	{"SIPS:alice@example.com", "sip:alice@example.com",
		"sips is the same resource (RFC 3261 19.1)"},
	{"sip:Alice@example.com", "sip:Alice@example.com", "users have case"},
	{"sip:alice:secret@example.com;user=phone;lr?x=y", "sip:alice@example.com",
		"no more than the resource"},
	{"sip:alice@example.com:05070", "sip:alice@example.com:5070", "port if given"},
	{"sip:a@b:65535", "sip:a@b:65535", "largest port"},
	{"sip:a@b:7", "sip:a@b:7", "smallest ports"},
	{"sip:example.com", "sip:example.com", "no user"},
	{"sip:%75se%72@example.com", "sip:user@example.com", "RFC 4475 3.1.1.3"},
	{"sip:null-%00-null@example.com", "sip:null-%00-null@example.com", "RFC 4475 3.1.1.4"},
	{"sip:user;par=u%40example.net@example.com", "sip:user;par=u%40example.net@example.com",
		"RFC 4475 3.1.1.9"},
	{"sip:a%3bb%3Ac@d", "sip:a%3Bb%3Ac@d", "needed escapes stay, in upper case"},
	{"sip:a%2541@d", "sip:a%2541@d", "an escaped '%' stays"},
	{"sip:%c3%bc@d", "sip:%C3%BC@d", "UTF-8 stays escaped"},
	{"sip:*21%23@d", "sip:*21#@d", "'#' either way"},
	{"sip:a@[2001:DB8:0::1]", "sip:a@[2001:db8::1]", "one spelling of IPv6"},
	{"sip:a@[::ffff:ffff:ffff]:65535", "sip:a@[::ffff:255.255.255.255]:65535",
		"the spelling that grows most"},
	{"sip:a@[2001:db8:::192.0.2.1]", "sip:a@[2001:db8::c000:201]", "RFC 5118 4.10"},
	{"sip:a@010.1.2.3", "sip:a@10.1.2.3", "one spelling of IPv4"},
	{"tel:+12015550123", "", "no SIP URI"},
	{"http://example.com", "", "no SIP URI"},
};

static void makes_one_address_of_record_from_all_spellings(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(aors); i++) {
		struct uri uri = must_parse(aors[i].text), again;
		char out[256];
		uint32_t n = uri_aor(&uri, out);
		assert_true(n <= uri.text.n + 8);
		expect_text(span_of(out, n), aors[i].aor, aors[i].why);
		if (!n)
			continue;
		char second[256];
		struct span aor = guarded(span_of(out, n));
		expect_number(uri_parse(aor, &again), 0, aors[i].aor);
		expect_text(span_of(second, uri_aor(&again, second)), aors[i].aor,
			"an AOR is its own AOR");
	}
}

static const struct {
	const char *text, *target, *why;
} targets[] = {
	{"sip:a@b", "sip:a@b", "nothing to remove"},
	{"sip:a@b;method=BYE", "sip:a@b", "method"},
	{"sip:a:p@b:5070;x=1;METHOD=BYE;lr?Subject=a", "sip:a:p@b:5070;x=1;lr",
		"what stands around it stays"},
	{"sip:a@b;m%65thod=BYE;method;y=a=b", "sip:a@b;y=a=b", "each spelling of it"},
	{"sip:a@b;methods=x;transport=tcp;maddr=192.0.2.1;ttl=3",
		"sip:a@b;methods=x;transport=tcp;maddr=192.0.2.1;ttl=3", "others are not meant"},
	{"sip:method=x@b?a=b&c=d", "sip:method=x@b", "headers, and a user is no parameter"},
	{"sips:b?a=b", "sips:b", "sips too"},
	{"tel:+1201;method=x", "tel:+1201;method=x", "no rule of tel"},
	{"http://a/?b=c", "http://a/?b=c", "no SIP URI"},
};

static void makes_a_request_uri_without_what_is_not_allowed_in_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(targets); i++) {
		struct uri uri = must_parse(targets[i].text);
		char out[256];
		uint32_t n = uri_as_target(&uri, out);
		assert_true(n <= uri.text.n);
		expect_text(span_of(out, n), targets[i].target, targets[i].why);
	}
}

static const struct {
	const char *text;
	bool known;
	enum transport transport;
	uint16_t port;
} transports[] = {
	{"sip:a@b", true, TRANSPORT_NONE, 5060},
	{"sip:a@b:5070", true, TRANSPORT_NONE, 5070},
	{"sip:a@b;transport=udp", true, TRANSPORT_UDP, 5060},
	{"sip:a@b;x;Transport=TCP;y", true, TRANSPORT_TCP, 5060},
	{"sip:a@b;transport=tls", true, TRANSPORT_TLS, 5061},
	{"sip:a@b:5070;transport=tls", true, TRANSPORT_TLS, 5070},
	{"sip:a@b;transport=sctp", false, TRANSPORT_NONE, 5060},
	{"sip:a@b;transport", false, TRANSPORT_NONE, 5060},
	{"sip:a@b;xtransport=tcp", true, TRANSPORT_NONE, 5060},
	{"sip:transport=tcp;transport=udp@b;transport=tcp", true, TRANSPORT_TCP, 5060},
	{"sips:a@b", true, TRANSPORT_TLS, 5061},
	{"sips:a@b;transport=tcp", true, TRANSPORT_TLS, 5061},
	{"sips:a@b;transport=udp", false, TRANSPORT_TLS, 5060},
	{"tel:1;transport=tcp", true, TRANSPORT_NONE, 5060},
};

static void reads_transport_and_port_from_scheme_and_parameter(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(transports); i++) {
		struct uri uri = must_parse(transports[i].text);
		enum transport transport;
		bool known = uri_transport(&uri, &transport);
		expect_number(known, transports[i].known, transports[i].text);
		if (known)
			expect_number(transport, transports[i].transport, transports[i].text);
		expect_number(uri_port_or_default(&uri), transports[i].port, transports[i].text);
	}
}

static void finds_parameters_by_name_whatever_case_and_escapes(void **state)
{
	(void)state;
	struct uri uri = must_parse("sip:lr;maddr=x@b;%6C%72;MADDR=1.2.3.4;e=");
	struct span value;
	assert_true(uri_has_param(&uri, SPAN("lr")));
	assert_true(uri_param(&uri, SPAN("maddr"), &value));
	expect_text(value, "1.2.3.4", "not what the user part holds");
	assert_true(uri_param(&uri, SPAN("e"), &value));
	expect_text(value, "", "empty value");
	assert_true(uri_param(&uri, SPAN("lr"), &value));
	expect_text(value, NULL, "no value");
	assert_false(uri_has_param(&uri, SPAN("l")));
	uri = must_parse("sip:b");
	assert_false(uri_has_param(&uri, SPAN("lr")));
}

static void a_host_is_valid_only_as_a_whole(void **state)
{
	(void)state;
	assert_true(host_is_valid(guarded(SPAN("example.com"))));
	assert_true(host_is_valid(guarded(SPAN("[::1]"))));
	assert_false(host_is_valid(guarded(SPAN("example.com:5060"))));
	assert_false(host_is_valid(guarded(SPAN("::1"))));
	assert_false(host_is_valid(guarded(SPAN(""))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_uris_apart),
		cmocka_unit_test(refuses_what_is_no_uri),
		cmocka_unit_test(has_limits_of_length_and_parameters),
		cmocka_unit_test(
			refuses_every_cut_and_every_control_byte_without_reading_past_the_end),
		cmocka_unit_test(compares_by_the_rules_of_rfc_3261),
		cmocka_unit_test(makes_one_address_of_record_from_all_spellings),
		cmocka_unit_test(makes_a_request_uri_without_what_is_not_allowed_in_it),
		cmocka_unit_test(reads_transport_and_port_from_scheme_and_parameter),
		cmocka_unit_test(finds_parameters_by_name_whatever_case_and_escapes),
		cmocka_unit_test(a_host_is_valid_only_as_a_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
