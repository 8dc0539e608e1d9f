#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sip/nameaddr.h"
#include "../guard.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void assert_nameaddr_inside(const struct nameaddr *nameaddr, struct span text)
{
	assert_inside(nameaddr->text, text);
	assert_inside(nameaddr->display, text);
	assert_inside(nameaddr->uri_text, text);
	assert_inside(nameaddr->uri.user, nameaddr->uri_text);
	assert_inside(nameaddr->uri.host, nameaddr->uri_text);
	assert_inside(nameaddr->uri.params, nameaddr->uri_text);
	assert_inside(nameaddr->params, text);
}

enum form { BARE, BRACKETS };

static const struct {
	struct span text;
	const char *display, *uri, *params, *tag;
	enum form form;
	const char *why;
} good[] = {
	{SPAN("<sip:a@b>"), NULL, "sip:a@b", NULL, NULL, BRACKETS, "brackets"},
	{SPAN("sip:a@b"), NULL, "sip:a@b", NULL, NULL, BARE, "no brackets"},
	{SPAN("Alice <sip:a@b>;tag=1"), "Alice", "sip:a@b", ";tag=1", "1", BRACKETS,
		"token as display name"},
	{SPAN("Alice B. Carol <sip:a@b>"), "Alice B. Carol", "sip:a@b", NULL, NULL, BRACKETS,
		"tokens"},
	{SPAN("\"Alice\" <sip:a@b>"), "\"Alice\"", "sip:a@b", NULL, NULL, BRACKETS,
		"quoted display name"},
	{SPAN("\"\" <sip:a@b>"), "\"\"", "sip:a@b", NULL, NULL, BRACKETS, "empty quotes"},
	{SPAN("\"a <sip:x@y> b\" <sip:a@b>"), "\"a <sip:x@y> b\"", "sip:a@b", NULL, NULL, BRACKETS,
		"brackets in quotes are text"},
	{SPAN("J\xc3\xbcrgen <sip:a@b>"), "J\xc3\xbcrgen", "sip:a@b", NULL, NULL, BRACKETS,
		"unquoted UTF-8"},
	{SPAN(" \t<sip:a@b>\r\n "), NULL, "sip:a@b", NULL, NULL, BRACKETS,
		"blanks and folds around"},
	{SPAN("<sip:a@b;lr?x=y>;p;q=0.5"), NULL, "sip:a@b;lr?x=y", ";p;q=0.5", NULL, BRACKETS,
		"URI parameters inside, header parameters outside"},
	{SPAN("sip:a@b;p;tag=x"), NULL, "sip:a@b", ";p;tag=x", "x", BARE,
		"without brackets all parameters are the header's (RFC 3261 20)"},
	{SPAN("sip:+19725552222@gw1.example.net;unknownparam"), NULL,
		"sip:+19725552222@gw1.example.net", ";unknownparam", NULL, BARE, "RFC 4475 3.3.12"},
	{SPAN("\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n"), NULL,
		"sip:vivekg@chair-dnrc.example.com", ";   tag    = 1918181833n", "1918181833n",
		BARE, "RFC 4475 3.1.1.1, To"},
	{SPAN("\"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8"),
		"\"J Rosenberg \\\\\\\"\"", "sip:jdrosen@example.com", ";\r\n  tag = 98asjd8",
		"98asjd8", BRACKETS, "RFC 4475 3.1.1.1, From"},
	{SPAN("\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>"), NULL,
		"sip:services.example.com;lr;unknownwith=value;unknown-no-value", NULL, NULL,
		BRACKETS, "RFC 4475 3.1.1.1, Route"},
	{SPAN("\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n newvalue "
	      ";\r\n  secondparam"),
		"\"Quoted string \\\"\\\"\"", "sip:jdrosen@example.com",
		"; newparam =\r\n newvalue ;\r\n  secondparam", NULL, BRACKETS,
		"RFC 4475 3.1.1.1, Contact"},
	{SPAN("token1~` token2'+_ token3*%!.- "
	      "<sip:mundane@example.com>;fromParam''~+*_!.-%=\"\xd1\x80\";tag=_token~1'+`*"
	      "%!-."),
		"token1~` token2'+_ token3*%!.-", "sip:mundane@example.com",
		";fromParam''~+*_!.-%=\"\xd1\x80\";tag=_token~1'+`*%!-.", "_token~1'+`*%!-.",
		BRACKETS, "RFC 4475 3.1.1.2, From"},
	{SPAN("caller<sip:caller@example.com>;tag=323"), "caller", "sip:caller@example.com",
		";tag=323", "323", BRACKETS, "RFC 4475 3.1.1.6"},
	{SPAN("\"caller\"<sip:caller@example.com>"), "\"caller\"", "sip:caller@example.com", NULL,
		NULL, BRACKETS, "the same with quotes"},
	{SPAN("sip:null-%00-null@example.com;tag=839923423"), NULL, "sip:null-%00-null@example.com",
		";tag=839923423", "839923423", BARE, "RFC 4475 3.1.1.4"},
	{SPAN("isbn:2983792873"), NULL, "isbn:2983792873", NULL, NULL, BARE, "RFC 4475 3.3.4, To"},
	{SPAN("<http://www.example.com>;tag=3234233"), NULL, "http://www.example.com",
		";tag=3234233", "3234233", BRACKETS, "RFC 4475 3.3.4, From"},
	{SPAN("<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"), NULL,
		"sip:user@example.com?Route=%3Csip:sip.example.com%3E", NULL, NULL, BRACKETS,
		"RFC 4475 3.3.14"},
	{SPAN("sip:user@[2001:db8:::192.0.2.1]"), NULL, "sip:user@[2001:db8:::192.0.2.1]", NULL,
		NULL, BARE, "RFC 5118 4.10"},
	{SPAN("\"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>"), "\"T. desk phone\"",
		"sip:ted@[::ffff:192.0.2.2]", NULL, NULL, BRACKETS, "RFC 5118 4.9"},
	{SPAN("<tel:+1-201-555-0123>;tag=a"), NULL, "tel:+1-201-555-0123", ";tag=a", "a", BRACKETS,
		"tel"},
	{SPAN("<sip:a,b;c?d@e>"), NULL, "sip:a,b;c?d@e", NULL, NULL, BRACKETS,
		"anything in a bracketed user part"},
	{SPAN("Alice\r\n Bob <sip:a@b>"), "Alice\r\n Bob", "sip:a@b", NULL, NULL, BRACKETS,
		"folded display name"},
	{SPAN("sip:b;x=\"u@v\";tag=1@2"), NULL, "sip:b", ";x=\"u@v\";tag=1@2", "1@2", BARE,
		"'@' in quotes misleads nobody"},
	{SPAN("sip:a@b;tag=1@2"), NULL, "sip:a@b", ";tag=1@2", "1@2", BARE,
		"'@' in a tag, as in the field"},
	{SPAN("<sip:a@b>;tag=x;tag=y"), NULL, "sip:a@b", ";tag=x;tag=y", "x", BRACKETS,
		"the first tag"},
	{SPAN("<sip:a@b>;TAG=x"), NULL, "sip:a@b", ";TAG=x", "x", BRACKETS, "tag in another case"},
	{SPAN("<sip:a@b>;tag"), NULL, "sip:a@b", ";tag", NULL, BRACKETS, "tag without value"},
	{SPAN("\"tag=1\" <sip:a@b;tag=2>;xtag=3"), "\"tag=1\"", "sip:a@b;tag=2", ";xtag=3", NULL,
		BRACKETS, "no tag, whatever looks like one"},
	{SPAN("<sip:a@b>;+sip.instance=\"<urn:uuid:f81d4fae>\";expires=60"), NULL, "sip:a@b",
		";+sip.instance=\"<urn:uuid:f81d4fae>\";expires=60", NULL, BRACKETS,
		"RFC 5626 instance"},
};

static void takes_values_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct span text = guarded(good[i].text);
		struct nameaddr nameaddr;
		expect_number(nameaddr_parse(text, &nameaddr), 0, good[i].why);
		assert_nameaddr_inside(&nameaddr, text);
		expect_text(nameaddr.display, good[i].display, good[i].why);
		expect_text(nameaddr.uri_text, good[i].uri, good[i].why);
		expect_text(nameaddr.params, good[i].params, good[i].why);
		expect_text(nameaddr_tag(&nameaddr), good[i].tag, good[i].why);
		expect_number(nameaddr.has_brackets, good[i].form == BRACKETS, good[i].why);
		assert_true(span_eq(nameaddr.text, span_trim(text)));
	}
}

static const struct {
	struct span text;
	const char *why;
} bad[] = {
	{SPAN(""), "nothing"},
	{SPAN(" \r\n "), "blanks"},
	{SPAN("*"), "the Contact that is no address"},
	{SPAN("Alice"), "display name only"},
	{SPAN("\"Alice\""), "quoted display name only"},
	{SPAN("me@127.0.0.1"), "no scheme"},
	{SPAN("\"Mr. J. User <sip:j.user@example.com>"), "RFC 4475 3.1.2.6"},
	{SPAN("sip:user@example.com?Route=%3Csip:sip.example.com%3E"), "RFC 4475 3.1.2.13"},
	{SPAN("\"Watson, Thomas\" < sip:t.watson@example.org >"), "RFC 4475 3.1.2.14"},
	{SPAN("<sip:a@b >"), "blank before '>'"},
	{SPAN("<\r\n sip:a@b>"), "fold in brackets"},
	{SPAN("Bell, Alexander <sip:a.g.bell@example.com>;tag=43"), "RFC 4475 3.1.2.15"},
	{SPAN("Alice: <sip:a@b>"), "no token in a display name"},
	{SPAN("a@b <sip:a@b>"), "nor here"},
	{SPAN("\"Joe\" <sip:joe@example.org>;;;;"), "RFC 4475 3.1.2.1"},
	{SPAN("<sip:a@b>;"), "stray ';'"},
	{SPAN("<sip:a@b>, <sip:c@d>"), "two values"},
	{SPAN("<sip:a@b><sip:c@d>"), "two addresses"},
	{SPAN("<sip:a@b>;x, <sip:c@d>"), "two values, behind parameters"},
	{SPAN("<sip:a@b> x"), "text behind"},
	{SPAN("<sip:a@b>x"), "text behind"},
	{SPAN("<sip:a@b"), "open bracket"},
	{SPAN("<"), "a bracket"},
	{SPAN("<>"), "empty brackets"},
	{SPAN("sip:a@b>"), "closing bracket"},
	{SPAN("<<sip:a@b>>"), "two pairs"},
	{SPAN("sip:a,b@c"), "comma without brackets (RFC 3261 20)"},
	{SPAN("sip:a?b@c"), "question mark without brackets"},
	{SPAN("sip:a@b;p?x=1"), "behind a parameter too"},
	{SPAN("sip:a@b;p=1?x=1"), "and behind its value"},
	{SPAN("sip:user;par=u@example.com"),
		"two readings: the user ends at the ';' or at the '@'"},
	{SPAN("sip: a@b"), "blank behind the scheme"},
	{SPAN("Alice sip:a@b"), "display name needs brackets"},
	{SPAN("\"Alice\" sip:a@b"), "quoted or not"},
	{SPAN("\"Alice\" Bob <sip:a@b>"), "text behind the quotes"},
	{SPAN("Bob \"Alice\" <sip:a@b>"), "text before the quotes"},
	{SPAN("\"a\" \"b\" <sip:a@b>"), "two quoted names"},
	{SPAN("<sip:a@b>;x=\"y"), "open quote in a parameter"},
	{SPAN("<sip:a@b>;tag=a b"), "blank in a value"},
	{SPAN("<2001:db8::10>"), "no URI"},
	{SPAN("<sip:2001:db8::10>"), "IPv6 without brackets"},
	{SPAN("Al\0ice <sip:a@b>"), "NUL in a display name"},
	{SPAN("<sip:a\0@b>"), "NUL in the URI"},
	{SPAN("&lt;sip:mark@1.2.3.4&gt;"), "HTML"},
};

static void refuses_what_is_no_address(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct nameaddr nameaddr;
		expect_number(nameaddr_parse(guarded(bad[i].text), &nameaddr), -1, bad[i].why);
	}
	struct nameaddr nameaddr;
	assert_int_equal(nameaddr_parse((struct span){NULL, 0}, &nameaddr), -1);
}

static void reads_no_byte_past_the_end_wherever_the_value_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good) + COUNT(bad); i++) {
		struct span text = i < COUNT(good) ? good[i].text : bad[i - COUNT(good)].text;
		for (uint32_t n = 0; n <= text.n; n++) {
			struct span cut = guarded(span_of(text.p, n));
			struct nameaddr nameaddr;
			if (nameaddr_parse(cut, &nameaddr) == 0)
				assert_nameaddr_inside(&nameaddr, cut);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_values_apart),
		cmocka_unit_test(refuses_what_is_no_address),
		cmocka_unit_test(reads_no_byte_past_the_end_wherever_the_value_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
