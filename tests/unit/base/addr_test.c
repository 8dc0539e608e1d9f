#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"
#include "../guard.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* printed NULL: no IP literal. */
static const struct {
	const char *text, *printed, *why;
} literals[] = {
	{"192.0.2.1", "192.0.2.1", "IPv4"},
	{"0.0.0.0", "0.0.0.0", "smallest IPv4"},
	{"255.255.255.255", "255.255.255.255", "largest IPv4"},
	{"010.001.002.099", "10.1.2.99", "leading zeros are decimal (RFC 3261: 1*3DIGIT)"},
	{"256.0.0.1", NULL, "octet above 255"},
	{"192.0.2", NULL, "three octets"},
	{"192.0.2.1.", NULL, "dot behind"},
	{"192.0.2.1.5", NULL, "five octets"},
	{"192..2.1", NULL, "empty octet"},
	{"0192.0.2.1", NULL, "four digits"},
	{"192.0.2.1 ", NULL, "blank behind"},
	{"192.0.2.-1", NULL, "sign"},
	{"2130706433", NULL, "a number is not an address, whatever inet_aton thinks"},
	{"0x7f.0.0.1", NULL, "hexadecimal"},
	{"[192.0.2.1]", NULL, "brackets are for IPv6"},
	{"", NULL, "nothing"},
	{"example.com", NULL, "a name"},
	{"::", "::", "all zero"},
	{"::1", "::1", "loopback"},
	{"[::1]", "::1", "brackets go"},
	{"1::", "1::", "zeros at the end"},
	{"2001:DB8::10", "2001:db8::10", "lower case (RFC 5952 4.3)"},
	{"2001:db8:0:0:0:0:0:1", "2001:db8::1", "longest run is cut"},
	{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1", "longest, not first"},
	{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "first of equal runs"},
	{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", "one zero group stays (4.2.2)"},
	{"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", "'::' for one group"},
	{"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8", "the same in front"},
	{"00ab:0:0:0:0:0:0:0001", "ab::1", "leading zeros go"},
	{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		"largest"},
	{"::ffff:192.0.2.10", "::ffff:192.0.2.10", "IPv4-mapped (RFC 5118 4.9)"},
	{"::ffff:c000:20a", "::ffff:192.0.2.10", "the same in hexadecimal"},
	{"64:ff9b::192.0.2.33", "64:ff9b::c000:221", "IPv4 tail of another prefix"},
	{"1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201", "IPv4 tail of a full address"},
	{"2001:db8::192.0.2.1", "2001:db8::c000:201", "two colons (RFC 5118 4.10)"},
	{"2001:db8:::192.0.2.1", "2001:db8::c000:201",
		"three colons must be tolerated (RFC 5118 4.10)"},
	{":::192.0.2.1", "::c000:201", "the same without a group before"},
	{"2001:db8:::1", NULL, "three colons without IPv4 are nobody's bug but the sender's"},
	{"2001:db8::::192.0.2.1", NULL, "four colons"},
	{"::ffff:192.0.2.256", NULL, "bad IPv4 tail"},
	{"::192.0.2.1:5", NULL, "IPv4 not last"},
	{"1:2:3:4:5:6:7:192.0.2.1", NULL, "IPv4 tail without room"},
	{"1:2:3:4:5:6:7:8:9", NULL, "nine groups"},
	{"1:2:3:4:5:6:7", NULL, "seven groups"},
	{"1:2:3:4:5:6:7:8::", NULL, "nothing left for '::'"},
	{"1::2::3", NULL, "'::' twice"},
	{":1::2", NULL, "colon in front"},
	{"1::2:", NULL, "colon behind"},
	{":", NULL, "a colon"},
	{"12345::", NULL, "five digits"},
	{"g::", NULL, "no hexadecimal digit"},
	{"fe80::1%eth0", NULL, "zones mean nothing on the wire"},
	{"[::1", NULL, "open bracket"},
	{"::1]", NULL, "closing bracket alone"},
	{"[]", NULL, "empty brackets"},
	{"[", NULL, "a bracket"},
	{"[[::1]]", NULL, "two pairs"},
};

static void reads_ip_literals_and_prints_them_in_canonical_form(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(literals); i++) {
		char out[ADDR_TEXT_MAX];
		struct addr addr;
		bool ok = addr_parse_ip(guarded(span_str(literals[i].text)), 5060, &addr);
		expect_number(ok, literals[i].printed != NULL, literals[i].text);
		expect_text(span_of(ok ? out : NULL, ok ? addr_print_ip(&addr, out) : 0),
			literals[i].printed, literals[i].why);
		expect_number(addr_is_set(&addr), ok, "unset when refused");
	}
}

static void measures_the_ipv4_address_that_a_text_begins_with(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint32_t length;
	} cases[] = {{"192.0.2.1", 9}, {"192.0.2.1:5060", 9}, {"192.0.2.1;lr", 9}, {"1.2.3.4.5", 7},
		{"1.2.3.2004", 9}, {"1.2.3.", 0}, {"1.2.3", 0}, {"1.2.256.4", 0}, {".1.2.3.4", 0},
		{"a", 0}, {"", 0}};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct span text = guarded(span_str(cases[i].text));
		uint8_t v4[4];
		const char *behind = addr_ipv4_skip(text.p, span_end(text), v4);
		expect_number(
			behind ? (uint32_t)(behind - text.p) : 0, cases[i].length, cases[i].text);
	}
}

static const struct {
	const char *text, *printed, *why;
} endpoints[] = {
	{"192.0.2.1", "192.0.2.1:5060", "default port"},
	{"192.0.2.1:5070", "192.0.2.1:5070", "port"},
	{"192.0.2.1:0", "192.0.2.1:0", "any port, for binding"},
	{"192.0.2.1:65535", "192.0.2.1:65535", "largest port"},
	{"192.0.2.1:65536", NULL, "port too large"},
	{"192.0.2.1:4294967297", NULL, "2^32 + 1 must not wrap to 1"},
	{"192.0.2.1:", NULL, "empty port"},
	{"192.0.2.1:+1", NULL, "sign"},
	{"192.0.2.1:5060 ", NULL, "blank behind"},
	{"[2001:db8::1]:5070", "[2001:db8::1]:5070", "IPv6 with port"},
	{"[2001:db8::1]", "[2001:db8::1]:5060", "IPv6 without port"},
	{"2001:db8::1", "[2001:db8::1]:5060", "bare IPv6 takes no port"},
	{"[2001:db8::10:5070]", "[2001:db8::10:5070]:5060",
		"inside the brackets is no port (RFC 5118 4.3)"},
	{"[::1]5060", NULL, "no colon"},
	{"[::1]:", NULL, "empty port behind brackets"},
	{"[::1", NULL, "open bracket"},
	{":5060", NULL, "port only"},
	{"", NULL, "nothing"},
};

static void reads_addresses_with_ports(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(endpoints); i++) {
		char out[ADDR_TEXT_MAX];
		struct addr addr;
		bool ok = addr_parse(guarded(span_str(endpoints[i].text)), 5060, &addr);
		expect_text(span_of(ok ? out : NULL, ok ? addr_print(&addr, out) : 0),
			endpoints[i].printed, endpoints[i].why);
	}
}

static struct addr must_parse(const char *text)
{
	struct addr addr;
	if (!addr_parse(span_str(text), 5060, &addr))
		fail_msg("not an address: %s", text);
	return addr;
}

static void prints_into_the_room_that_the_header_promises(void **state)
{
	(void)state;
	struct addr longest = must_parse("[::ffff:255.255.255.255]:65535");
	char out[ADDR_TEXT_MAX];
	assert_true(addr_print(&longest, out) <= ADDR_TEXT_MAX);
	longest = must_parse("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
	assert_true(addr_print(&longest, out) <= ADDR_TEXT_MAX);
	assert_int_equal(addr_print(&(struct addr){0}, out), 0);
}

static const struct {
	const char *text;
	bool loopback, any, unroutable;
	const char *why;
} kinds[] = {
	{"192.0.2.1:5060", false, false, false, "ordinary IPv4"},
	{"[2001:db8::1]:5060", false, false, false, "ordinary IPv6"},
	{"127.0.0.1:5060", true, false, false, "loopback"},
	{"127.255.0.1:5060", true, false, false, "all of 127/8"},
	{"[::1]:5060", true, false, false, "IPv6 loopback"},
	{"[::ffff:127.0.0.1]:5060", true, false, false, "loopback in disguise"},
	{"0.0.0.0:5060", false, true, true, "any"},
	{"[::]:5060", false, true, true, "IPv6 any"},
	{"[::ffff:0.0.0.0]:5060", false, true, true, "any in disguise"},
	{"255.255.255.255:5060", false, false, true, "broadcast (RFC 4475 3.3.10)"},
	{"[::ffff:255.255.255.255]:5060", false, false, true, "broadcast in disguise"},
	{"224.0.1.75:5060", false, false, true, "multicast"},
	{"239.255.255.255:5060", false, false, true, "last multicast"},
	{"240.0.0.1:5060", false, false, false, "behind multicast"},
	{"[ff02::1]:5060", false, false, true, "IPv6 multicast"},
	{"192.0.2.1:0", false, false, true, "port 0"},
};

static void knows_what_nobody_may_be_sent_to(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct addr addr = must_parse(kinds[i].text);
		expect_number(addr_is_loopback(&addr), kinds[i].loopback, kinds[i].why);
		expect_number(addr_is_any(&addr), kinds[i].any, kinds[i].why);
		expect_number(addr_is_unroutable(&addr), kinds[i].unroutable, kinds[i].why);
	}
	assert_true(addr_is_unroutable(&(struct addr){0}));
	assert_false(addr_is_any(&(struct addr){0}));
	assert_false(addr_is_loopback(&(struct addr){0}));
}

static void compares_family_ip_port_and_scope(void **state)
{
	(void)state;
	struct addr a = must_parse("192.0.2.1:5060"), b = must_parse("192.0.2.1:5061");
	assert_true(addr_eq(&a, &a) && addr_same_ip(&a, &b));
	assert_false(addr_eq(&a, &b));
	addr_set_port(&b, 5060);
	assert_true(addr_eq(&a, &b));
	b = must_parse("[::ffff:192.0.2.1]:5060");
	assert_false(addr_same_ip(&a, &b));
	a = b = must_parse("[fe80::1]:5060");
	b.in6.sin6_scope_id = 2;
	assert_true(addr_same_ip(&a, &b));
	assert_false(addr_eq(&a, &b));
	addr_set_port(&b, 7);
	assert_int_equal(addr_port(&b), 7);
	assert_int_equal(addr_len(&b), sizeof(struct sockaddr_in6));
}

static void knows_transports_in_any_letter_case(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum transport transport;
	} names[] = {
		{"UDP", TRANSPORT_UDP},
		{"udp", TRANSPORT_UDP},
		{"Tcp", TRANSPORT_TCP},
		{"tLS", TRANSPORT_TLS},
		{"SCTP", TRANSPORT_NONE},
		{"UD", TRANSPORT_NONE},
		{"UDPX", TRANSPORT_NONE},
		{"", TRANSPORT_NONE},
	};
	for (size_t i = 0; i < COUNT(names); i++)
		expect_number(transport_of(guarded(span_str(names[i].text))), names[i].transport,
			names[i].text);
	for (enum transport t = TRANSPORT_UDP; t <= TRANSPORT_TLS; t++)
		assert_int_equal(transport_of(transport_name(t)), t);
	assert_int_equal(transport_name(TRANSPORT_NONE).n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_ip_literals_and_prints_them_in_canonical_form),
		cmocka_unit_test(measures_the_ipv4_address_that_a_text_begins_with),
		cmocka_unit_test(reads_addresses_with_ports),
		cmocka_unit_test(prints_into_the_room_that_the_header_promises),
		cmocka_unit_test(knows_what_nobody_may_be_sent_to),
		cmocka_unit_test(compares_family_ip_port_and_scope),
		cmocka_unit_test(knows_transports_in_any_letter_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
