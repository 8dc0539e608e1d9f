#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../guard.h"
#include "base/network.h"

static void an_address_belongs_to_a_network_when_its_first_bits_are_the_same(void **state)
{
	static const struct {
		const char *network, *addr;
		bool has;
	} cases[] = {
		{"10.0.0.0/8", "10.255.1.2", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.1.2.3/8", "10.9.9.9", true},
		{"192.0.2.128/25", "192.0.2.129", true},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"198.51.100.8/31", "198.51.100.9", true},
		{"198.51.100.8/31", "198.51.100.10", false},
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"[2001:db8::1]/128", "2001:db8::1", true},
		{"::/0", "192.0.2.1", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct network network;
		struct addr addr;
		assert_true(network_parse(guarded(span_str(cases[i].network)), &network));
		assert_true(addr_parse_ip(span_str(cases[i].addr), 0, &addr));
		if (network_has(&network, &addr) != cases[i].has)
			fail_msg("%s in %s: not as expected", cases[i].addr, cases[i].network);
	}
}

static void what_is_no_network_is_refused(void **state)
{
	static const char *const texts[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8",
		"10.0.0.0/8/8", "2001:db8::/129", "example.com", "10.0.0.0/-1", "10.0.0.0/ 8"};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct network network;
		if (network_parse(guarded(span_str(texts[i])), &network))
			fail_msg("'%s' is taken for a network", texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_belongs_to_a_network_when_its_first_bits_are_the_same),
		cmocka_unit_test(what_is_no_network_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
