#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "sip/grammar.h"
#include "../guard.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* The sets as RFC 3261 25.1 spells them, with letters and digits where all are in. */
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static void classes_hold_what_the_rfc_says(void **state)
{
	(void)state;
	static const struct {
		unsigned class;
		const char *members;
	} sets[] = {
		{CHAR_TOKEN, ALNUM "-.!%*_+`'~"},
		{CHAR_WORD, ALNUM "-.!%*_+`'~()<>:\\\"/[]?{}"},
		{CHAR_HOST, ALNUM "-._"},
		{CHAR_LABEL, ALNUM "-_"},
		{CHAR_USER, ALNUM "-_.!~*'()%&=+$,;?/#"},
		{CHAR_PARAM, ALNUM "-_.!~*'()%[]/:&+$"},
		{CHAR_HEX, "0123456789abcdefABCDEF"},
		{CHAR_DIGIT, "0123456789"},
	};
	for (size_t i = 0; i < COUNT(sets); i++)
		for (int c = 0; c < 256; c++) {
			bool in = c && strchr(sets[i].members, c);
			if (!!char_is((char)c, sets[i].class) != in)
				fail_msg("class %u, character %d", sets[i].class, c);
		}
	for (int c = 0; c < 256; c++)
		expect_number(!!char_is((char)c, CHAR_VALUE),
			c > ' ' && c != 0x7f && !strchr("\",;<>?", c), "CHAR_VALUE");
}

static void a_token_has_at_least_one_character(void **state)
{
	(void)state;
	assert_true(span_is_token(guarded(SPAN("!interesting-Method0123456789_*+`.%indeed'~"))));
	assert_false(span_is_token(guarded(SPAN(""))));
	assert_false(span_is_token(guarded(SPAN("a b"))));
	assert_false(span_is_token(guarded(SPAN("a\0b"))));
	assert_false(span_is_token((struct span){NULL, 0}));
}

static void finds_the_end_of_a_quoted_string(void **state)
{
	(void)state;
	static const struct {
		struct span text;
		uint32_t length;
		const char *why;
	} cases[] = {
		{SPAN("\"\""), 2, "empty"},
		{SPAN("\"abc\" <sip:a@b>"), 5, "text behind"},
		{SPAN("\"a\\\"b\"c"), 6, "escaped quote"},
		{SPAN("\"a\\\\\"b\""), 5, "escaped backslash, then the quote"},
		{SPAN("\"J Rosenberg \\\\\\\"\"    "), 18, "RFC 4475 3.1.1.1"},
		{SPAN("\"BEL:\\\a NUL:\\\0 DEL:\\\177\""), 22,
			"escaped control bytes (RFC 4475 3.1.1.2)"},
		{SPAN("\"\xd1\x80\xd0\xb0\""), 6, "UTF-8"},
		{SPAN("\"a\r\n b\""), 7, "folded"},
		{SPAN("\"a,;<>()b\""), 10, "separators"},
		{SPAN("\""), 0, "a quote"},
		{SPAN("\"abc"), 0, "not closed"},
		{SPAN("\"abc\\"), 0, "ends in a backslash"},
		{SPAN("\"abc\\\""), 0, "its only other quote is escaped"},
		{SPAN("\"a\\\r\n b\""), 0, "CR and LF are no quoted-pair"},
		{SPAN("\"a\\\nb\""), 0, "nor is LF alone"},
	};
	for (size_t i = 0; i < COUNT(cases); i++)
		expect_number(quoted_length(guarded(cases[i].text)), cases[i].length, cases[i].why);
}

static void undoes_escapes_and_keeps_the_rest(void **state)
{
	(void)state;
	char out[64];
	struct span text = guarded(SPAN("a\\\"b\\\\c\\d \xd1\x80"));
	expect_text(span_of(out, quoted_unescape(text, out)), "a\"b\\cd \xd1\x80", "escapes");
	assert_int_equal(quoted_unescape(guarded(SPAN("\\\0x")), out), 2);
	assert_memory_equal(out, "\0x", 2);
	expect_text(
		span_of(out, quoted_unescape(guarded(SPAN("a\\")), out)), "a\\", "lone backslash");
	assert_int_equal(quoted_unescape((struct span){NULL, 0}, out), 0);
}

static const struct {
	const char *text;
	uint32_t length;
	const char *why;
} hosts[] = {
	{"example.com", 11, "name"},
	{"example.com;lr", 11, "ends at ';'"},
	{"example.com:5060", 11, "ends at ':'"},
	{"a", 1, "one letter"},
	{"example.com.", 12, "a dot may end it (RFC 3261: hostname)"},
	{"3com.com", 8, "digit first"},
	{"xn--bcher-kva.example", 21, "hyphens inside"},
	{"_sip._udp.example.com", 21, "underscores, as in the field"},
	{"3f2a1b4c5d6e", 12, "container names begin with digits"},
	{"8884442222", 10, "a number without domain, as in the field"},
	{"sip.194.213.29.100", 18, "a name though it ends in numbers"},
	{"192.0.2.1", 9, "IPv4"},
	{"192.0.2.1:5060", 9, "IPv4 and port"},
	{"[2001:db8::10]", 14, "IPv6"},
	{"[2001:db8::10]:5070", 14, "IPv6 and port"},
	{"[2001:db8:::192.0.2.1]", 22, "three colons (RFC 5118 4.10)"},
	{"[::ffff:192.0.2.2]>", 18, "mapped"},
	{"", 0, "nothing"},
	{".", 0, "a dot"},
	{".example.com", 0, "dot first"},
	{"example..com", 0, "empty label"},
	{"-example.com", 0, "hyphen first"},
	{"example-.com", 0, "hyphen last in a label"},
	{"example.-com", 0, "hyphen first in a label"},
	{"example.com-", 0, "hyphen last"},
	{"256.0.0.1", 0, "looks like IPv4 but is not"},
	{"1.2.3", 0, "short IPv4, which some resolvers would complete"},
	{"1.2.3.4.5", 0, "long IPv4"},
	{"192.0.2.1.", 0, "IPv4 with a dot behind"},
	{"[2001:db8::10", 0, "open bracket"},
	{"[]", 0, "empty brackets"},
	{"[example.com]", 0, "a name in brackets"},
	{"[192.0.2.1]", 0, "IPv4 in brackets"},
	{"[fe80::1%25eth0]", 0, "zone"},
	{" example.com", 0, "blank first"},
	{"%41.com", 0, "hosts know no escapes"},
};

static void finds_the_host_that_a_text_begins_with(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++)
		expect_number(host_length(guarded(span_str(hosts[i].text))), hosts[i].length,
			hosts[i].why);
	assert_int_equal(host_length((struct span){NULL, 0}), 0);
}

static void reads_ports_without_wrapping(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int port;
	} ports[] = {{"5060", 5060}, {"1", 1}, {"65535", 65535}, {"005060", 5060}, {"0", -1},
		{"65536", -1}, {"70596", -1}, {"4294972356", -1}, {"18446744073709556676", -1},
		{"", -1}, {"-1", -1}, {"5060 ", -1}, {"0x10", -1}};
	for (size_t i = 0; i < COUNT(ports); i++) {
		uint16_t port = 0;
		struct span text = guarded(span_str(ports[i].text));
		bool ok = port_skip(text.p, span_end(text), &port) == span_end(text);
		expect_number(ok ? port : -1, ports[i].port, ports[i].text);
	}
}

/* Values joined by '|'. */
static const struct {
	const char *text, *values, *why;
} lists[] = {
	{"a", "a|", "one"},
	{"a,b", "a|b|", "two"},
	{" a , \r\n b\t", "a|b|", "folds and blanks go"},
	{"", "", "an empty list"},
	{" \r\n ", "", "blanks only"},
	{",", "|", "a stray comma is an empty value"},
	{"a,", "a||", "at the end too"},
	{"a, ", "a||", "blanks behind it change nothing"},
	{",a", "|a|", "and in front"},
	{"a,,b", "a||b|", "and inside"},
	{"a, ,b", "a||b|", "and with a blank"},
	{"192.0.2.15;;,;,,", "192.0.2.15;;|;||", "RFC 4475 3.1.2.1"},
	{"\"a,b\" <sip:x>,c", "\"a,b\" <sip:x>|c|", "comma in quotes"},
	{"\"a\\\",b\" <sip:x>,c", "\"a\\\",b\" <sip:x>|c|", "escaped quote"},
	{"<sip:a,b@c>,<sip:d>", "<sip:a,b@c>|<sip:d>|", "comma in a URI"},
	{"<sip:a\"b@c>,<sip:d>", "<sip:a\"b@c>|<sip:d>|", "quotes mean nothing in <>"},
	{"<sip:a>;x=\"1,2\",<sip:b>", "<sip:a>;x=\"1,2\"|<sip:b>|", "comma in a parameter"},
	{"h (one, two), i", "h (one, two)|i|", "comma in a comment"},
	{"h (a (b, c) \\), d), i", "h (a (b, c) \\), d)|i|", "comments nest and escape"},
	{"sip:a(b@h, sip:c@d", "sip:a(b@h|sip:c@d|", "'(' is no comment inside a word"},
	{"\"open, a", "\"open, a|", "an open quote takes the rest"},
	{"<open, a", "<open, a|", "so does '<'"},
	{"x (open, a", "x (open, a|", "and a comment"},
	{"Bell, Alexander <sip:a>", "Bell|Alexander <sip:a>|", "RFC 4475 3.1.2.15"},
};

static void cuts_lists_at_their_commas(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct span text = guarded(span_str(lists[i].text)), rest = text, value;
		char joined[256];
		size_t n = 0;
		while (list_next(&rest, &value)) {
			assert_inside(value, text);
			assert_inside(rest, text);
			assert_true(n + value.n + 1 < sizeof joined);
			memcpy(joined + n, value.p, value.n);
			n += value.n;
			joined[n++] = '|';
		}
		expect_text(span_of(joined, n), lists[i].values, lists[i].why);
	}
	struct span none = {NULL, 0}, value;
	assert_false(list_next(&none, &value));
}

/* "name=value|" or "name|"; "!" where param_next says that it is malformed. */
static const struct {
	struct span text;
	const char *params, *why;
} params[] = {
	{SPAN(""), "", "none"},
	{SPAN(";lr"), "lr|", "without value"},
	{SPAN(";tag=98asjd8"), "tag=98asjd8|", "with value"},
	{SPAN(";a=1;b;c=3"), "a=1|b|c=3|", "several"},
	{SPAN(" ;a"), "!", "starts at ';'"},
	{SPAN(";\r\n  tag = 98asjd8"), "tag=98asjd8|", "RFC 4475 3.1.1.1, From"},
	{SPAN("; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33"),
		"newparam=newvalue|secondparam|q=0.33|", "RFC 4475 3.1.1.1, Contact"},
	{SPAN(";a=\"x;y=\\\"z\";b"), "a=\"x;y=\\\"z\"|b|", "quoted value"},
	{SPAN(";received=[2001:db8::9:255];rport"), "received=[2001:db8::9:255]|rport|",
		"IPv6 in brackets"},
	{SPAN(";received=2001:db8::9:255"), "received=2001:db8::9:255|",
		"and without (RFC 5118 4.5)"},
	{SPAN(";tag=_token~1'+`*%!-."), "tag=_token~1'+`*%!-.|", "all of token (RFC 4475 3.1.1.2)"},
	{SPAN(";fromParam''~+*_!.-%=\"\xd1\x80\""), "fromParam''~+*_!.-%=\"\xd1\x80\"|",
		"the same"},
	{SPAN(";tag=a@b/c=d"), "tag=a@b/c=d|", "wider than token, as in the field"},
	{SPAN(";x="), "x=|", "nothing behind '=', as in the field"},
	{SPAN(";x=;y"), "x=|y|", "the same before another"},
	{SPAN(";"), "!", "no name"},
	{SPAN(";;a"), "!", "stray ';'"},
	{SPAN(";a;"), "a|!", "stray ';' at the end"},
	{SPAN(";a;;;;"), "a|!", "RFC 4475 3.1.2.1"},
	{SPAN(";=a"), "!", "no name before '='"},
	{SPAN(";a=\"b"), "!", "open quote"},
	{SPAN(";a=\"b\"c"), "!", "text behind a quoted value"},
	{SPAN(";a b"), "!", "blank in a name"},
	{SPAN(";a=b c"), "!", "blank in a value"},
	{SPAN(";a=b,c"), "!", "comma"},
	{SPAN(";a=b?c"), "!", "question mark"},
	{SPAN(";a=<b>"), "!", "brackets"},
	{SPAN(";a\0=b"), "!", "NUL in a name"},
	{SPAN(";a=b\0c"), "!", "NUL in a value"},
	{SPAN(";a[b]=c"), "!", "no token"},
};

static void steps_through_parameters(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(params); i++) {
		struct span text = guarded(params[i].text), rest = text;
		struct param param;
		char joined[256];
		size_t n = 0, whole = 0;
		int found;
		while ((found = param_next(&rest, &param)) > 0) {
			assert_inside(param.name, text);
			assert_inside(param.value, text);
			assert_inside(param.whole, text);
			assert_ptr_equal(param.whole.p, text.p + whole);
			whole += param.whole.n;
			n += (size_t)snprintf(joined + n, sizeof joined - n, "%.*s%s%.*s|",
				(int)param.name.n, param.name.p, param.value.p ? "=" : "",
				(int)param.value.n, param.value.p ? param.value.p : "");
		}
		if (found < 0)
			joined[n++] = '!';
		else
			assert_int_equal(whole, text.n);
		expect_text(span_of(joined, n), params[i].params, params[i].why);
	}
}

static void finds_a_parameter_by_name_in_any_letter_case(void **state)
{
	(void)state;
	struct span text = guarded(SPAN(" ;TAG=a ; lr;tag=b"));
	struct param param;
	assert_true(param_find(span_from(text, 1), SPAN("tag"), &param));
	expect_text(param.value, "a", "the first");
	assert_true(param_find(span_from(text, 1), SPAN("LR"), &param));
	expect_text(param.value, NULL, "no value");
	assert_false(param_find(span_from(text, 1), SPAN("ta"), &param));
	assert_false(param_find((struct span){NULL, 0}, SPAN("tag"), &param));
}

/* What costs n steps each at n places would take minutes here. */
static void hostile_lists_cost_linear_time(void **state)
{
	(void)state;
	static char text[400 * 1024];
	static const char *const units[] = {
		"(,", " (,", "\",", "\"\\\",", "<,", ",", ";a=\"\\\"", "[,", " (\\,"};
	for (size_t i = 0; i < COUNT(units); i++) {
		size_t unit = strlen(units[i]);
		for (size_t at = 0; at + unit <= sizeof text; at += unit)
			memcpy(text + at, units[i], unit);
		struct span rest = span_of(text, sizeof text / unit * unit), value;
		clock_t begin = clock();
		while (list_next(&rest, &value))
			;
		rest = span_of(text, sizeof text / unit * unit);
		struct param param;
		while (param_next(&rest, &param) > 0)
			;
		assert_true(clock() - begin < 2 * CLOCKS_PER_SEC);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_hold_what_the_rfc_says),
		cmocka_unit_test(a_token_has_at_least_one_character),
		cmocka_unit_test(finds_the_end_of_a_quoted_string),
		cmocka_unit_test(undoes_escapes_and_keeps_the_rest),
		cmocka_unit_test(finds_the_host_that_a_text_begins_with),
		cmocka_unit_test(reads_ports_without_wrapping),
		cmocka_unit_test(cuts_lists_at_their_commas),
		cmocka_unit_test(steps_through_parameters),
		cmocka_unit_test(finds_a_parameter_by_name_in_any_letter_case),
		cmocka_unit_test(hostile_lists_cost_linear_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
