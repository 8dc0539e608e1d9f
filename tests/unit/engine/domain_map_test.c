#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../guard.h"
#include "engine/domain_map.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))

static void add(struct domain_map *map, const char *pattern, const char *proxy)
{
	char error[256] = "";
	struct span value = guarded(span_str(proxy));
	if (domain_map_add(map, guarded(span_str(pattern)), &value, 1, error))
		fail_msg("%s: %s", pattern, error);
}

/* The first proxy's URI, or NULL. */
static const char *find(const struct domain_map *map, const char *host)
{
	static char text[5000];
	const struct domain_route *route = domain_map_find(map, guarded(span_str(host)));
	if (!route)
		return NULL;
	assert_true(route->n >= 1);
	snprintf(
		text, sizeof text, "%.*s", (int)route->proxies[0].text.n, route->proxies[0].text.p);
	return text;
}

static void assert_found(
	const struct domain_map *map, const char *host, const char *expected, const char *why)
{
	const char *got = find(map, host);
	if (!expected || !got)
		assert_true(!expected && !got);
	else
		expect_text(span_str(got), expected, why);
}

/* B-10, the six cases of Net::SIP's t/03. */
static void requests_go_where_net_sip_sends_them(void **state)
{
	(void)state;
	static const struct {
		const char *host, *expected;
	} cases[] = {
		{"example.com", "sip:10.0.0.3:3"},
		{"foo.com", "sip:10.0.0.3:3"},
		{"example.org", "sip:10.0.0.2:2"},
		{"org", "sip:10.0.0.2:2"},
		{"a.b.org", "sip:10.0.0.2:2"},
		{"com", "sip:10.0.0.1:1"},
	};
	struct domain_map *map = domain_map_new();
	add(map, "com", "10.0.0.1:1");
	add(map, "org", "10.0.0.2:2");
	add(map, "*.org", "10.0.0.2:2");
	add(map, "*", "10.0.0.3:3");
	for (size_t i = 0; i < N_OF(cases); i++)
		assert_found(map, cases[i].host, cases[i].expected, cases[i].host);
	domain_map_free(map);
}

static void the_longest_match_wins(void **state)
{
	(void)state;
	static const struct {
		const char *host, *expected, *why;
	} cases[] = {
		{"a.net", "sip:wild-a.net", "*.domain includes the domain itself"},
		{"x.a.net", "sip:wild-a.net", "and what is below"},
		{"y.x.a.net", "sip:wild-a.net", "however far"},
		{"b.a.net", "sip:exact-b.a.net", "exact before *. of the same length"},
		{"c.b.a.net", "sip:wild-b.a.net", "the longer *."},
		{"B.A.NET", "sip:exact-b.a.net", "any letter case"},
		{"b.a.net.", "sip:exact-b.a.net", "a last dot"},
		{"xa.net", "sip:rest", "labels, not letters"},
		{"net", "sip:rest", "nothing but the rest"},
		{"192.0.2.1", "sip:one", "an IP literal by its text"},
		{"192.0.2.2", "sip:rest", "another"},
		{"[2001:db8::1]", "sip:six", "IPv6"},
		{"[2001:DB8::1]", "sip:six", "in any letter case"},
		{"[2001:db8:0::1]", "sip:rest", "but not written otherwise"},
		{"1.0.2.a.net", "sip:wild-a.net", "digits make no address"},
		{".", "sip:rest", "nothing of a domain"},
		{"", "sip:rest", "nothing at all"},
	};
	struct domain_map *map = domain_map_new();
	add(map, "*.a.net", "wild-a.net");
	add(map, "b.a.net", "exact-b.a.net");
	add(map, "*.B.a.net.", "wild-b.a.net");
	add(map, "192.0.2.1", "one");
	add(map, "2001:db8::1", "six");
	assert_found(map, "net", NULL, "no rest yet");
	add(map, "*", "rest");
	for (size_t i = 0; i < N_OF(cases); i++)
		assert_found(map, cases[i].host, cases[i].expected, cases[i].why);
	domain_map_free(map);
}

/* The labels of an address are no domains: "*.2.1" would match half of what ends so. */
static void an_ip_literal_has_no_domains_above_it(void **state)
{
	(void)state;
	struct domain_map *map = domain_map_new();
	add(map, "*.1a", "x");
	assert_found(map, "192.0.2.1a", "sip:x", "a name");
	assert_found(map, "192.0.2.1", NULL, "an address");
	domain_map_free(map);
}

static void values_become_uris_in_their_order(void **state)
{
	(void)state;
	static const struct {
		const char *value, *uri;
		uint16_t port;
	} cases[] = {
		{"192.0.2.1", "sip:192.0.2.1", 0},
		{"192.0.2.1:5070", "sip:192.0.2.1:5070", 5070},
		{"2001:db8::1", "sip:[2001:db8::1]", 0},
		{"[2001:db8::1]:5070", "sip:[2001:db8::1]:5070", 5070},
		{"proxy.net", "sip:proxy.net", 0},
		{"proxy.net:5070", "sip:proxy.net:5070", 5070},
		{"192.0.2.1;transport=tcp", "sip:192.0.2.1;transport=tcp", 0},
		{"sip:proxy.net;lr", "sip:proxy.net;lr", 0},
		{"SIPS:proxy.net", "SIPS:proxy.net", 0},
	};
	struct domain_map *map = domain_map_new();
	struct span values[N_OF(cases)];
	char error[256];
	for (size_t i = 0; i < N_OF(cases); i++)
		values[i] = span_str(cases[i].value);
	assert_int_equal(domain_map_add(map, SPAN("a.net"), values, N_OF(cases), error), 0);
	const struct domain_route *route = domain_map_find(map, SPAN("a.net"));
	assert_int_equal(route->n, N_OF(cases));
	expect_text(route->pattern, "a.net", "pattern");
	for (size_t i = 0; i < N_OF(cases); i++) {
		expect_text(route->proxies[i].text, cases[i].uri, cases[i].value);
		assert_int_equal(route->proxies[i].port, cases[i].port);
	}
	domain_map_free(map);
}

static void what_can_not_be_meant_is_refused_with_advice(void **state)
{
	(void)state;
	static const struct {
		const char *pattern, *value, *error;
	} cases[] = {
		{"", "x", "\"\" is no domain"},
		{"a b", "x", "\"a b\" is no domain"},
		{"*a.net", "x", "\"*a.net\" is no domain"},
		{"*.*.net", "x", "\"*.*.net\" is no domain"},
		{"a.*", "x", "\"a.*\" is no domain"},
		{"*.192.0.2.1", "x", "an IP address has nothing below it"},
		{"known.net", "x", "\"known.net\" is there already"},
		{"KNOWN.net.", "x", "\"KNOWN.net.\" is there already"},
		{"*.known.net", "x", "is there already"},
		{"*", "x", "is there already"},
		{"b.net", "", "\"\" is no proxy"},
		{"b.net", "tel:+1", "\"tel:+1\" is no proxy"},
		{"b.net", "udp:10.0.0.1:5060", "is no proxy: write \"192.0.2.1:5060\""},
		{"b.net", "10.0.0.1:0", "is no proxy"},
		{"b.net", "10.0.0.1:70000", "is no proxy"},
	};
	struct domain_map *map = domain_map_new();
	char error[256], large[5000];
	add(map, "known.net", "x");
	add(map, "*.known.net", "x");
	add(map, "*", "x");
	for (size_t i = 0; i < N_OF(cases); i++) {
		struct span value = guarded(span_str(cases[i].value));
		error[0] = '\0';
		assert_int_equal(
			domain_map_add(map, guarded(span_str(cases[i].pattern)), &value, 1, error),
			-1);
		if (!strstr(error, cases[i].error))
			fail_msg("%s: %s", cases[i].pattern, error);
	}
	assert_found(map, "b.net", "sip:x", "nothing has changed");
	struct span values[DOMAIN_MAP_PROXIES_MAX + 1];
	for (size_t i = 0; i < N_OF(values); i++)
		values[i] = SPAN("x");
	assert_int_equal(domain_map_add(map, SPAN("c.net"), values, N_OF(values), error), -1);
	assert_int_equal(domain_map_add(map, SPAN("c.net"), values, 0, error), -1);
	memset(large, 'a', sizeof large);
	values[0] = span_of(large, sizeof large);
	assert_int_equal(domain_map_add(map, SPAN("c.net"), values, 1, error), -1);
	assert_int_equal(domain_map_add(map, span_of(large, 256), values + 1, 1, error), -1);
	assert_found(map, "c.net", "sip:x", "nothing has changed");
	domain_map_free(map);
}

static void a_hundred_thousand_domains_meet_the_limit(void **state)
{
	(void)state;
	struct domain_map *map = domain_map_new();
	char pattern[32], error[256];
	struct span value = SPAN("10.0.0.1");
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(pattern, sizeof pattern, "%sd%u.net", i % 2 ? "*." : "", i);
		int rc = domain_map_add(map, span_str(pattern), &value, 1, error);
		assert_int_equal(rc, i < DOMAIN_MAP_ROUTES_MAX ? 0 : -1);
	}
	assert_found(map, "d65534.net", "sip:10.0.0.1", "exact");
	assert_found(map, "x.d65535.net", "sip:10.0.0.1", "below");
	assert_found(map, "d65536.net", NULL, "beyond the limit");
	domain_map_free(map);
	domain_map_free(NULL);
}

static void hosts_of_any_length_are_looked_up(void **state)
{
	(void)state;
	struct domain_map *map = domain_map_new();
	char host[2000];
	add(map, "*.net", "net");
	for (size_t n = 4; n < sizeof host; n += 13) {
		memset(host, 'a', n);
		for (size_t i = 1; i < n; i += 2)
			host[i] = '.';
		memcpy(host + n - 4, ".net", 5);
		assert_found(map, host, n <= 255 ? "sip:net" : NULL, "long");
	}
	domain_map_free(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_go_where_net_sip_sends_them),
		cmocka_unit_test(the_longest_match_wins),
		cmocka_unit_test(an_ip_literal_has_no_domains_above_it),
		cmocka_unit_test(values_become_uris_in_their_order),
		cmocka_unit_test(what_can_not_be_meant_is_refused_with_advice),
		cmocka_unit_test(a_hundred_thousand_domains_meet_the_limit),
		cmocka_unit_test(hosts_of_any_length_are_looked_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
