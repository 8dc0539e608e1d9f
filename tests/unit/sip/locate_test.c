#include "locate_zone.h"

/* RFC 3263 4.1, the example, with addresses. */
#define RFC_3263                                                                                   \
	"example.com NAPTR 50 50 s SIPS+D2T _sips._tcp.example.com\n"                              \
	"example.com NAPTR 90 50 s SIP+D2T _sip._tcp.example.com\n"                                \
	"example.com NAPTR 100 50 s SIP+D2U _sip._udp.example.com\n"                               \
	"_sips._tcp.example.com SRV 0 1 5061 server1.example.com\n"                                \
	"_sip._tcp.example.com SRV 0 1 5060 server1.example.com\n"                                 \
	"_sip._tcp.example.com SRV 1 2 5060 server2.example.com\n"                                 \
	"_sip._udp.example.com SRV 0 1 5060 server2.example.com\n"                                 \
	"server1.example.com A 192.0.2.1\n"                                                        \
	"server2.example.com A 192.0.2.2\n"
#define SRV_ONLY                                                                                   \
	"_sip._udp.b.net SRV 10 0 5070 u.b.net\n"                                                  \
	"_sip._tcp.b.net SRV 10 0 5080 t.b.net\n"                                                  \
	"u.b.net A 192.0.2.10\n"                                                                   \
	"t.b.net A 192.0.2.20\n"                                                                   \
	"b.net A 192.0.2.99\n"
#define PLAIN "c.org A 192.0.2.30\nc.org AAAA 2001:db8::30\n"

static const struct {
	const char *zone, *uri;
	unsigned flags;
	const char *expected, *why;
} cases[] = {
	/* numeric hosts, RFC 3263 4.1 and 4.2 */
	{"", "sip:192.0.2.1", UDP_TCP, "udp 192.0.2.1:5060", "a numeric host is UDP, 5060"},
	{"", "sip:192.0.2.1:5080", UDP_TCP, "udp 192.0.2.1:5080", "with its port"},
	{"", "sip:[2001:db8::1]", ALL, "udp [2001:db8::1]:5060", "IPv6"},
	{"", "sip:192.0.2.1;transport=tcp", UDP_TCP, "tcp 192.0.2.1:5060", "transport parameter"},
	{"", "sip:192.0.2.1;transport=TLS", ALL, "tls 192.0.2.1:5061", "DI-41: TLS is at 5061"},
	{"", "sips:192.0.2.1", ALL, "tls 192.0.2.1:5061", "sips is TLS"},
	{"", "sips:192.0.2.1;transport=tcp", ALL, "tls 192.0.2.1:5061", "sips over TCP is TLS"},
	{"", "sips:192.0.2.1;transport=udp", ALL, "ENOPROTOOPT", "sips can not go by UDP"},
	{"", "sips:192.0.2.1", UDP_TCP, "ENOPROTOOPT", "sips without TLS"},
	{"", "sip:192.0.2.1;transport=sctp", ALL, "ENOPROTOOPT", "a transport nobody has here"},
	{"", "sip:192.0.2.1;transport=tcp", UDP4, "ENOPROTOOPT", "no leg of that transport"},
	{"", "sip:192.0.2.1", TCP4 | TLS4, "tcp 192.0.2.1:5060", "without UDP it is TCP"},
	{"", "sip:192.0.2.1", TLS4, "tls 192.0.2.1:5061", "and TLS when there is nothing else"},
	{"", "sip:192.0.2.1", UDP_TCP | TCP_FIRST, "tcp 192.0.2.1:5060", "who asks prefers TCP"},
	{"", "sip:192.0.2.1", UDP6 | TCP4, "tcp 192.0.2.1:5060", "DI-32: the leg of its family"},
	{"", "sip:192.0.2.1", UDP6, "EHOSTUNREACH", "no leg of its family"},
	{"", "sip:192.0.2.1", 0, "ENOPROTOOPT", "no leg at all"},
	{"", "sip:0.0.0.0", ALL, "EHOSTUNREACH", "nobody is there"},
	{"", "sip:224.0.1.75", ALL, "EHOSTUNREACH", "nor are many"},
	{"", "tel:+123", ALL, "EHOSTUNREACH", "tel: has no host"},
	{"", "mailto:a@b", ALL, "EHOSTUNREACH", "nor is it SIP"},

	/* maddr */
	{"", "sip:a@b.net;maddr=192.0.2.7", UDP4, "udp 192.0.2.7:5060",
		"maddr stands for the host"},
	{"", "sip:a@b.net:5070;maddr=192.0.2.7", UDP4, "udp 192.0.2.7:5070", "the port stays"},
	{SRV_ONLY, "sip:a@192.0.2.1;maddr=b.net", UDP4, "udp 192.0.2.10:5070", "maddr is a name"},
	{"", "sip:a@b.net;maddr=[2001:db8::7]", ALL, "udp [2001:db8::7]:5060", "maddr is IPv6"},
	{"", "sip:a@b.net;maddr=b$net", ALL, "EHOSTUNREACH", "maddr is nothing"},

	/* a port: addresses only */
	{SRV_ONLY, "sip:b.net:5099", UDP_TCP, "udp 192.0.2.99:5099", "a port ends SRV (DI-46)"},
	{SRV_ONLY, "sip:b.net:5099;transport=tcp", UDP_TCP, "tcp 192.0.2.99:5099", "by TCP"},
	{SRV_ONLY, "sips:b.net:5099", ALL, "tls 192.0.2.99:5099", "by TLS"},
	{RFC_3263, "sip:example.com:5060", ALL, "EHOSTUNREACH", "the domain has no address"},

	/* NAPTR */
	{RFC_3263, "sip:user@example.com", ALL4,
		"tls 192.0.2.1:5061 tcp 192.0.2.1:5060 tcp 192.0.2.2:5060 udp 192.0.2.2:5060",
		"RFC 3263 4.1: in the order of the zone, each with its transport and port"},
	{RFC_3263, "sip:user@example.com", UDP_TCP,
		"tcp 192.0.2.1:5060 tcp 192.0.2.2:5060 udp 192.0.2.2:5060",
		"the example's client without TLS"},
	{RFC_3263, "sip:EXAMPLE.com.", UDP4, "udp 192.0.2.2:5060", "only UDP; any letter case"},
	{RFC_3263, "sips:user@example.com", ALL4, "tls 192.0.2.1:5061", "sips takes SIPS+D2T only"},
	{RFC_3263, "sip:example.com;transport=udp", ALL4, "udp 192.0.2.2:5060",
		"a transport parameter ends NAPTR"},
	{"d.com NAPTR 1 1 s SIPS+D2T _sips._tcp.d.com\nd.com A 192.0.2.1\n", "sip:d.com", UDP_TCP,
		"ENOPROTOOPT", "only TLS is offered: nothing less safe is tried"},
	{"d.com NAPTR 1 1 s SIP+D2S _sip._sctp.d.com\nd.com A 192.0.2.1\n", "sip:d.com", ALL,
		"ENOPROTOOPT", "only SCTP is offered"},
	{"d.com NAPTR 1 1 u E2U+sip !x! \nd.com NAPTR 1 1 s SIP+D2U b.net\n" SRV_ONLY
	 "b.net SRV 1 1 5090 t.b.net\n",
		"sip:d.com", UDP_TCP, "udp 192.0.2.20:5090", "other services, a short replacement"},
	{"b.net NAPTR 1 1 u E2U+sip b.net\n" SRV_ONLY, "sip:b.net", UDP4, "udp 192.0.2.10:5070",
		"no NAPTR that is about SIP: as if there were none"},
	{"b.net NAPTR 1 1 a SIP+D2U t.b.net\n" SRV_ONLY, "sip:b.net", UDP4, "udp 192.0.2.10:5070",
		"flags other than s are not for SIP"},
	{"b.net NAPTR 1 1 S sip+d2u _sip._udp.b.net.\n" SRV_ONLY, "sip:b.net", UDP_TCP,
		"udp 192.0.2.10:5070", "any letter case, last dot"},
	{"b.net NAPTR 2 1 s SIP+D2U _sip._udp.b.net\n"
	 "b.net NAPTR 1 9 s SIP+D2U _a.b.net\nb.net NAPTR 1 5 s SIP+D2T _b.b.net\n"
	 "_a.b.net SRV 1 1 1001 t.b.net\n_b.b.net SRV 1 1 1002 t.b.net\n" SRV_ONLY,
		"sip:b.net", UDP_TCP, "tcp 192.0.2.20:1002 udp 192.0.2.20:1001 udp 192.0.2.10:5070",
		"order before preference; two replacements of one service"},
	{"c.org NAPTR 1 1 s SIP+D2T _sip._tcp.c.org\n" PLAIN, "sip:c.org", UDP_TCP,
		"tcp 192.0.2.30:5060",
		"RFC 3263 4.2: no SRV behind NAPTR: the domain by that transport"},

	/* SRV without NAPTR */
	{SRV_ONLY, "sip:b.net", UDP_TCP, "udp 192.0.2.10:5070 tcp 192.0.2.20:5080",
		"each transport's SRV, by our preference"},
	{SRV_ONLY, "sip:b.net", UDP_TCP | TCP_FIRST, "tcp 192.0.2.20:5080 udp 192.0.2.10:5070",
		"TCP preferred"},
	{SRV_ONLY, "sip:b.net", TCP4, "tcp 192.0.2.20:5080", "only TCP"},
	{SRV_ONLY, "sip:b.net;transport=tcp", UDP_TCP, "tcp 192.0.2.20:5080", "one asked for"},
	{SRV_ONLY "_sips._tcp.b.net SRV 1 1 5061 t.b.net\n", "sips:b.net", ALL4,
		"tls 192.0.2.20:5061", "sips"},
	{SRV_ONLY "_sips._tcp.b.net SRV 1 1 5061 t.b.net\n", "sip:b.net;transport=tls", ALL4,
		"tls 192.0.2.20:5061", "transport=tls"},
	{SRV_ONLY, "sips:b.net", ALL4, "tls 192.0.2.99:5061", "no SRV for it: the domain"},
	{"_sip._udp.e.com SRV 20 0 1 a.e.com\n_sip._udp.e.com SRV 10 0 2 a.e.com\n"
	 "_sip._udp.e.com SRV 30 0 3 a.e.com\na.e.com A 192.0.2.1\n",
		"sip:e.com", UDP4, "udp 192.0.2.1:2 udp 192.0.2.1:1 udp 192.0.2.1:3",
		"priorities; each keeps its own port"},
	{"_sip._udp.e.com SRV 1 0 1 gone.e.com\n_sip._udp.e.com SRV 2 0 2 a.e.com\n"
	 "a.e.com A 192.0.2.1\n",
		"sip:e.com", UDP4, "udp 192.0.2.1:2", "a target without address is passed over"},
	{"_sip._udp.e.com SRV 1 0 1 gone.e.com\ne.com A 192.0.2.1\n", "sip:e.com", UDP4,
		"EHOSTUNREACH", "where there is SRV the domain's own address is none (RFC 2782)"},
	{"_sip._udp.e.com SRV 1 0 5 a.e.com\n_sip._udp.e.com SRV 2 0 5 A.E.com.\n"
	 "_sip._udp.e.com SRV 3 0 5 b.e.com\na.e.com A 192.0.2.1\nb.e.com A 192.0.2.1\n",
		"sip:e.com", UDP4, "udp 192.0.2.1:5", "the same place once"},

	/* target "." */
	{"_sip._udp.e.com SRV 0 0 0 .\ne.com A 192.0.2.1\n", "sip:e.com", UDP4, "EHOSTUNREACH",
		"RFC 2782: decidedly not available"},
	{"_sip._udp.e.com SRV 0 0 0 @\ne.com A 192.0.2.1\n", "sip:e.com;transport=udp", UDP4,
		"EHOSTUNREACH", "the root as c-ares writes it"},
	{"_sip._udp.e.com SRV 0 0 0 .\ne.com A 192.0.2.1\n", "sip:e.com", UDP_TCP,
		"tcp 192.0.2.1:5060", "not by UDP; nothing is said of TCP"},
	{"_sip._udp.e.com SRV 0 0 0 .\n_sip._tcp.e.com SRV 0 0 5 a.e.com\na.e.com A 192.0.2.1\n",
		"sip:e.com", UDP_TCP, "tcp 192.0.2.1:5", "not by UDP but by TCP"},
	{"_sip._udp.e.com SRV 0 0 0 .\n_sip._udp.e.com SRV 1 0 5 a.e.com\na.e.com A 192.0.2.1\n",
		"sip:e.com", UDP4, "udp 192.0.2.1:5", "a dot among others says nothing"},

	/* no SRV */
	{PLAIN, "sip:c.org", UDP_TCP, "udp 192.0.2.30:5060", "the domain, UDP, 5060"},
	{PLAIN, "sip:c.org", ALL, "udp [2001:db8::30]:5060 udp 192.0.2.30:5060", "IPv6 first"},
	{PLAIN, "sip:c.org", ALL | IPV4_FIRST, "udp 192.0.2.30:5060 udp [2001:db8::30]:5060",
		"IPv4 first when preferred"},
	{PLAIN, "sip:c.org", UDP4 | TCP6, "tcp [2001:db8::30]:5060 udp 192.0.2.30:5060",
		"DI-32: each address by the leg that reaches it"},
	{PLAIN, "sip:c.org", UDP_TCP | TCP_FIRST, "tcp 192.0.2.30:5060", "TCP preferred"},
	{PLAIN, "sip:c.org;transport=tls", ALL4, "tls 192.0.2.30:5061", "TLS at 5061"},

	/* RFC 3261 18.1.1 */
	{"", "sip:192.0.2.1", UDP_TCP | BIG, "tcp 192.0.2.1:5060 udp 192.0.2.1:5060",
		"too big: TCP, then UDP when that is refused"},
	{"", "sip:192.0.2.1;transport=udp", UDP_TCP | BIG, "tcp 192.0.2.1:5060 udp 192.0.2.1:5060",
		"too big whatever the URI says"},
	{"", "sip:192.0.2.1", UDP4 | BIG, "udp 192.0.2.1:5060", "too big, but there is no TCP"},
	{"", "sips:192.0.2.1", ALL4 | BIG, "tls 192.0.2.1:5061", "TLS carries all"},
	{SRV_ONLY, "sip:b.net", UDP_TCP | BIG, "tcp 192.0.2.20:5080 udp 192.0.2.10:5070",
		"too big: the zone's TCP first, and no other"},
	{"_sip._udp.e.com SRV 1 0 5 a.e.com\na.e.com A 192.0.2.1\n", "sip:e.com", UDP_TCP | BIG,
		"tcp 192.0.2.1:5 udp 192.0.2.1:5", "only UDP is told: TCP to the same place first"},
	{"_sip._udp.e.com SRV 1 0 5 a.e.com\n_sip._tcp.e.com SRV 0 0 0 .\na.e.com A 192.0.2.1\n",
		"sip:e.com", UDP_TCP | BIG, "udp 192.0.2.1:5",
		"the zone says that there is no TCP"},
	{RFC_3263, "sip:example.com", UDP_TCP | BIG,
		"tcp 192.0.2.1:5060 tcp 192.0.2.2:5060 udp 192.0.2.2:5060", "NAPTR"},
	{"b.net NAPTR 1 1 s SIP+D2U _sip._udp.b.net\nb.net NAPTR 2 1 s SIP+D2T "
	 "_sip._tcp.b.net\n" SRV_ONLY,
		"sip:b.net", UDP_TCP | BIG, "tcp 192.0.2.20:5080 udp 192.0.2.10:5070",
		"NAPTR prefers UDP, the size does not"},
	{PLAIN, "sip:c.org", UDP_TCP | BIG, "tcp 192.0.2.30:5060 udp 192.0.2.30:5060", "no SRV"},
	{PLAIN, "sip:c.org", UDP4 | TCP6 | BIG, "tcp [2001:db8::30]:5060 udp 192.0.2.30:5060",
		"TCP reaches IPv6 only"},

	/* answers that fail */
	{"b.net NAPTR !timeout\n" SRV_ONLY, "sip:b.net", UDP4, "udp 192.0.2.10:5070",
		"NAPTR is not answered: as if there were none"},
	{"c.org NAPTR !failed\n_sip._udp.c.org SRV !timeout\n" PLAIN, "sip:c.org", UDP4,
		"udp 192.0.2.30:5060", "nor SRV"},
	{"c.org AAAA !timeout\n" PLAIN, "sip:c.org", ALL4, "udp 192.0.2.30:5060",
		"one family is enough"},
	{"c.org A !timeout\n", "sip:c.org", ALL4, "ETIMEDOUT", "nothing, and DNS is silent"},
	{"c.org A !failed\n", "sip:c.org", ALL4, "EAGAIN", "nothing, and DNS is broken"},
	{"", "sip:c.org", ALL4, "EHOSTUNREACH", "no such name"},
};

static void a_request_goes_where_the_uri_and_the_zone_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(cases); i++) {
		const char *got = zone_locate(NULL, cases[i].zone, cases[i].uri, cases[i].flags, 1);
		expect_text(span_str(got), cases[i].expected, cases[i].why);
		got = zone_locate(
			NULL, cases[i].zone, cases[i].uri, cases[i].flags | LAST_ANSWER_FIRST, 1);
		expect_text(span_str(got), cases[i].expected, cases[i].why);
	}
}

static const struct {
	const char *zone;
	enum transport transport;
	const char *host;
	uint16_t port;
	unsigned flags;
	const char *expected, *why;
} responses[] = {
	{SRV_ONLY, TRANSPORT_UDP, "b.net", 5099, UDP_TCP, "udp 192.0.2.99:5099",
		"a port: addresses only"},
	{SRV_ONLY, TRANSPORT_UDP, "b.net", 0, UDP_TCP, "udp 192.0.2.10:5070", "SRV of UDP"},
	{SRV_ONLY, TRANSPORT_TCP, "b.net", 0, UDP_TCP, "tcp 192.0.2.20:5080", "SRV of TCP"},
	{SRV_ONLY, TRANSPORT_TLS, "b.net", 0, ALL4, "tls 192.0.2.99:5061", "no SRV of TLS"},
	{RFC_3263, TRANSPORT_UDP, "example.com", 0, ALL4, "udp 192.0.2.2:5060", "never NAPTR"},
	{SRV_ONLY, TRANSPORT_UDP, "b.net", 0, UDP_TCP | BIG, "udp 192.0.2.10:5070",
		"size does not change the transport of a response"},
	{SRV_ONLY, TRANSPORT_TCP, "b.net", 0, UDP4, "ENOPROTOOPT", "the transport stands"},
	{SRV_ONLY, TRANSPORT_NONE, "b.net", 0, ALL, "ENOPROTOOPT", "a transport unknown here"},
	{"", TRANSPORT_UDP, "192.0.2.5", 0, UDP4, "udp 192.0.2.5:5060", "numeric"},
	{"", TRANSPORT_UDP, "b net", 0, UDP4, "EHOSTUNREACH", "no host"},
};

static void a_response_goes_by_the_transport_of_its_via(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(responses); i++) {
		struct locate locate;
		struct locate_options options = options_of(responses[i].flags, 1);
		locate_start_response(&locate, responses[i].transport,
			guarded(span_str(responses[i].host)), responses[i].port, &options);
		zone_run(&locate, responses[i].zone, 0);
		expect_text(span_str(zone_text(&locate)), responses[i].expected, responses[i].why);
	}
}

static void questions_that_do_not_wait_for_each_other_are_asked_at_once(void **state)
{
	(void)state;
	static const char zone[] = "_sip._udp.b.net SRV 1 0 1 x.b.net\n"
				   "_sip._udp.b.net SRV 2 0 2 y.b.net\n"
				   "_sip._tcp.b.net SRV 1 0 3 X.b.net\n";
	struct locate_options options = options_of(ALL, 1);
	struct locate locate;
	struct uri uri;
	struct locate_question open[64];
	uint32_t n = 0;
	assert_int_equal(uri_parse(SPAN("sip:b.net"), &uri), 0);
	locate_start(&locate, &uri, &options);
	assert_true(locate_next(&locate, &open[0]));
	assert_int_equal(open[0].type, DNS_NAPTR);
	assert_false(locate_next(&locate, &open[1]));
	locate_answer(&locate, open[0].id, DNS_NOT_FOUND, NULL, 0);
	while (locate_next(&locate, &open[n]))
		assert_int_equal(open[n++].type, DNS_SRV);
	assert_int_equal(n, 3);
	for (uint32_t i = 0; i < 3; i++) {
		struct dns_record records[DNS_RECORDS_MAX];
		uint32_t count;
		enum dns_status status = zone_ask(zone, &open[i], records, &count);
		locate_answer(&locate, open[i].id, status, records, count);
	}
	for (n = 0; locate_next(&locate, &open[n]);)
		n++;
	assert_int_equal(n, 4); /* x and y, A and AAAA: x is one host though two services name it */
}

static void better_targets_are_told_before_slower_names_are_known(void **state)
{
	(void)state;
	static const char zone[] = "_sip._udp.b.net SRV 1 0 1 x.b.net\n"
				   "_sip._udp.b.net SRV 2 0 2 y.b.net\n"
				   "x.b.net A 192.0.2.1\ny.b.net A 192.0.2.2\n";
	struct locate_options options = options_of(UDP4, 1);
	struct locate_target targets[4];
	struct locate_question question, second;
	struct dns_record records[DNS_RECORDS_MAX];
	struct locate locate;
	struct uri uri;
	uint32_t n;
	assert_int_equal(uri_parse(SPAN("sip:b.net;transport=udp"), &uri), 0);
	locate_start(&locate, &uri, &options);
	assert_int_equal(locate_targets(&locate, targets, 4), 0);
	assert_true(locate_next(&locate, &question));
	zone_ask(zone, &question, records, &n);
	locate_answer(&locate, question.id, DNS_OK, records, n);
	assert_int_equal(locate_targets(&locate, targets, 4), 0);
	assert_true(locate_next(&locate, &question) && locate_next(&locate, &second));

	zone_ask(zone, &question, records, &n);
	locate_answer(&locate, question.id, DNS_OK, records, n);
	assert_false(locate_is_done(&locate));
	assert_int_equal(locate_targets(&locate, targets, 4), 1);
	assert_int_equal(addr_port(&targets[0].addr), 1);
	expect_text(targets[0].name, "x.b.net", "its name is told too");
	locate_answer(&locate, second.id, DNS_TIMEOUT, NULL, 0);
	assert_int_equal(locate.result, LOCATE_FOUND);
	assert_int_equal(locate_targets(&locate, targets, 4), 1);
}

static void answers_nobody_asked_for_change_nothing(void **state)
{
	(void)state;
	struct locate_options options = options_of(UDP4, 1);
	struct locate_question question;
	struct dns_record record = {.type = DNS_A};
	struct locate locate;
	struct uri uri;
	assert_true(addr_parse_ip(SPAN("192.0.2.1"), 0, &record.addr));
	assert_int_equal(uri_parse(SPAN("sip:c.org:5060"), &uri), 0);
	locate_start(&locate, &uri, &options);
	for (uint32_t id = 0; id < 200; id++)
		locate_answer(&locate, id, DNS_OK, &record, 1);
	assert_false(locate_is_done(&locate));
	assert_true(locate_next(&locate, &question));
	locate_answer(&locate, question.id, DNS_NOT_FOUND, NULL, 0);
	locate_answer(&locate, question.id, DNS_OK, &record, 1);
	assert_int_equal(locate.result, LOCATE_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_goes_where_the_uri_and_the_zone_say),
		cmocka_unit_test(a_response_goes_by_the_transport_of_its_via),
		cmocka_unit_test(questions_that_do_not_wait_for_each_other_are_asked_at_once),
		cmocka_unit_test(better_targets_are_told_before_slower_names_are_known),
		cmocka_unit_test(answers_nobody_asked_for_change_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
