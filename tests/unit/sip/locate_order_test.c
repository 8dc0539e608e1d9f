/* Chance and hostile zones. */
#include "locate_zone.h"

enum { PICKS = 20000 };

/* How often each of n SRV records, told apart by port 1 to n, comes at `place`. */
static void count_picks(const char *zone, uint32_t n, uint32_t place, double share[])
{
	struct locate locate;
	for (uint32_t i = 0; i < n; i++)
		share[i] = 0;
	for (uint64_t seed = 0; seed < PICKS; seed++) {
		struct locate_target targets[LOCATE_TARGETS_MAX];
		zone_locate(&locate, zone, "sip:w.net;transport=udp", UDP4, seed);
		uint32_t found = locate_targets(&locate, targets, LOCATE_TARGETS_MAX);
		assert_true(found > place);
		share[addr_port(&targets[place].addr) - 1] += 1.0 / PICKS;
	}
}

static const struct {
	const char *zone;
	uint32_t n, place;
	double share[4], tolerance;
	const char *why;
} picks[] = {
	{"_sip._udp.w.net SRV 1 60 1 a.w.net\n_sip._udp.w.net SRV 1 20 2 a.w.net\n"
	 "_sip._udp.w.net SRV 1 20 3 a.w.net\na.w.net A 192.0.2.1\n",
		3, 0, {.6, .2, .2}, .006, "60, 20, 20"},
	{"_sip._udp.w.net SRV 1 60 1 a.w.net\n_sip._udp.w.net SRV 1 20 2 a.w.net\n"
	 "_sip._udp.w.net SRV 1 20 3 a.w.net\na.w.net A 192.0.2.1\n",
		3, 1, {.3, .35, .35}, .009, "the second place is drawn from what is left"},
	{"_sip._udp.w.net SRV 1 1 1 a.w.net\n_sip._udp.w.net SRV 1 3 2 a.w.net\n"
	 "a.w.net A 192.0.2.1\n",
		2, 0, {.25, .75}, .0075, "small weights are as exact as large ones"},
	{"_sip._udp.w.net SRV 1 65535 1 a.w.net\n_sip._udp.w.net SRV 1 65535 2 a.w.net\n"
	 "a.w.net A 192.0.2.1\n",
		2, 0, {.5, .5}, .015, "the largest weights"},
	{"_sip._udp.w.net SRV 1 0 1 a.w.net\n_sip._udp.w.net SRV 1 0 2 a.w.net\n"
	 "_sip._udp.w.net SRV 1 0 3 a.w.net\na.w.net A 192.0.2.1\n",
		3, 0, {1 / 3., 1 / 3., 1 / 3.}, .01, "all weights 0: all are equal"},
	{"_sip._udp.w.net SRV 1 0 1 a.w.net\n_sip._udp.w.net SRV 1 10 2 a.w.net\n"
	 "a.w.net A 192.0.2.1\n",
		2, 0, {.0004, .9996}, .0004, "RFC 2782: 0 has a very small chance"},
	{"_sip._udp.w.net SRV 1 0 1 a.w.net\n_sip._udp.w.net SRV 1 10 2 a.w.net\n"
	 "a.w.net A 192.0.2.1\n",
		2, 1, {.9996, .0004}, .0004, "but it is not lost"},
	{"_sip._udp.w.net SRV 2 1000 1 a.w.net\n_sip._udp.w.net SRV 1 1 2 a.w.net\n"
	 "a.w.net A 192.0.2.1\n",
		2, 0, {0, 1}, .0001, "no weight outdoes a priority"},
};

static void servers_are_drawn_by_their_weights(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(picks); i++) {
		double share[4];
		count_picks(picks[i].zone, picks[i].n, picks[i].place, share);
		for (uint32_t k = 0; k < picks[i].n; k++) {
			double off = share[k] - picks[i].share[k];
			if (off > picks[i].tolerance || off < -picks[i].tolerance)
				fail_msg("%s: number %u has %.4f, not %.4f", picks[i].why, k + 1,
					share[k], picks[i].share[k]);
		}
	}
}

static void the_addresses_of_a_host_share_its_load(void **state)
{
	(void)state;
	unsigned count[3] = {0}, pairs[2][2] = {{0}};
	for (uint64_t seed = 0; seed < PICKS; seed++) {
		const char *got = zone_locate(NULL,
			"c.org A 192.0.2.1\nc.org A 192.0.2.2\nc.org A 192.0.2.0\n", "sip:c.org",
			UDP4, seed);
		count[got[12] - '0']++;
		/* which server and which of its addresses have nothing to do with each other */
		got = zone_locate(NULL,
			"_sip._udp.e.com SRV 0 1 1 e.com\n_sip._udp.e.com SRV 0 1 2 e.com\n"
			"e.com A 192.0.2.0\ne.com A 192.0.2.1\n",
			"sip:e.com", UDP4, seed);
		pairs[got[12] - '0'][got[14] - '1']++;
	}
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(count[i], PICKS / 3 - PICKS / 50, PICKS / 3 + PICKS / 50);
	for (unsigned i = 0; i < 4; i++)
		assert_in_range(
			pairs[i / 2][i % 2], PICKS / 4 - PICKS / 50, PICKS / 4 + PICKS / 50);
}

/* A retransmission must take the way of the original (RFC 3261 16.11), though resolvers turn the
 * records of an answer. */
static void the_same_seed_gives_the_same_order_whatever_the_order_of_the_records(void **state)
{
	(void)state;
	static const char zone[] =
		"_sip._udp.w.net SRV 1 5 1 a.w.net\n"
		"_sip._udp.w.net SRV 1 5 2 b.w.net\n"
		"_sip._udp.w.net SRV 2 0 3 a.w.net\n"
		"a.w.net A 192.0.2.1\na.w.net A 192.0.2.2\nb.w.net A 192.0.2.3\n";
	static const char turned[] =
		"b.w.net A 192.0.2.3\na.w.net A 192.0.2.2\na.w.net A 192.0.2.1\n"
		"_sip._udp.w.net SRV 2 0 3 A.w.net\n"
		"_sip._udp.w.net SRV 1 5 2 b.W.net\n"
		"_sip._udp.w.net SRV 1 5 1 a.w.net.\n";
	for (uint64_t seed = 0; seed < 200; seed++) {
		char first[8192];
		snprintf(first, sizeof first, "%s",
			zone_locate(NULL, zone, "sip:w.net", UDP4, seed));
		expect_text(span_str(zone_locate(
				    NULL, turned, "sip:w.net", UDP4 | LAST_ANSWER_FIRST, seed)),
			first, "turned records");
	}
}

/* --- hostile zones --- */

static struct dns_record srv(const char *target, uint16_t priority, uint16_t port)
{
	struct dns_record record = {.type = DNS_SRV, .priority = priority, .port = port};
	snprintf(record.target, sizeof record.target, "%s", target);
	return record;
}

/* Starts with `uri` and goes on to the SRV question of UDP. */
static uint32_t ask_srv(struct locate *locate, const char *uri_text, unsigned flags)
{
	struct locate_options options = options_of(flags, 1);
	struct locate_question question;
	struct uri uri;
	assert_int_equal(uri_parse(span_str(uri_text), &uri), 0);
	locate_start(locate, &uri, &options);
	assert_true(locate_next(locate, &question));
	assert_int_equal(question.type, DNS_SRV);
	return question.id;
}

static void of_too_many_records_the_best_are_used(void **state)
{
	(void)state;
	struct dns_record records[DNS_RECORDS_MAX];
	struct locate_question question;
	struct locate locate;
	char name[32];
	for (uint16_t i = 0; i < DNS_RECORDS_MAX; i++) {
		snprintf(name, sizeof name, "h%u.big.net", i);
		records[i] = srv(name, (uint16_t)(1000 - i), 5060);
	}
	uint32_t id = ask_srv(&locate, "sip:big.net;transport=udp", ALL), n = 0;
	locate_answer(&locate, id, DNS_OK, records, DNS_RECORDS_MAX);
	for (; locate_next(&locate, &question); n++) {
		struct dns_record answers[DNS_RECORDS_MAX] = {0};
		snprintf(name, sizeof name, "h%u.big.net", DNS_RECORDS_MAX - 1 - n / 2);
		expect_text(question.name, name, "the best first");
		for (unsigned k = 0; k < DNS_RECORDS_MAX; k++) {
			char ip[40];
			answers[k].type = question.type;
			snprintf(ip, sizeof ip,
				question.type == DNS_A ? "10.1.%u.%u" : "2001:db8::%x:%x", n, k);
			assert_true(addr_parse_ip(span_str(ip), 0, &answers[k].addr));
		}
		locate_answer(&locate, question.id, DNS_OK, answers, DNS_RECORDS_MAX);
	}
	assert_int_equal(n, 2 * LOCATE_HOSTS_MAX);
	assert_int_equal(locate.result, LOCATE_FOUND);
	struct locate_target targets[LOCATE_TARGETS_MAX + 1];
	assert_int_equal(
		locate_targets(&locate, targets, LOCATE_TARGETS_MAX + 1), LOCATE_TARGETS_MAX);
}

static void more_records_than_an_answer_can_have_are_not_read(void **state)
{
	(void)state;
	struct dns_record records[DNS_RECORDS_MAX];
	struct locate locate;
	for (unsigned i = 0; i < DNS_RECORDS_MAX; i++)
		records[i] = srv("a.big.net", 1, 5060);
	uint32_t id = ask_srv(&locate, "sip:big.net;transport=udp", UDP4);
	locate_answer(&locate, id, DNS_OK, records, 100000);
	assert_false(locate_is_done(&locate));
}

static void names_of_the_greatest_length_do_not_overflow(void **state)
{
	(void)state;
	struct dns_record records[DNS_RECORDS_MAX];
	struct locate_question question;
	struct locate locate;
	uint32_t n = 0;
	for (uint16_t i = 0; i < DNS_RECORDS_MAX; i++) {
		records[i] = srv("", i, 5060);
		memset(records[i].target, 'a' + i % 26, LOCATE_NAME_MAX);
	}
	memset(records[0].target, 'x', sizeof records[0].target); /* no NUL: no name */
	uint32_t id = ask_srv(&locate, "sip:big.net;transport=udp", UDP4);
	locate_answer(&locate, id, DNS_OK, records, DNS_RECORDS_MAX);
	for (; locate_next(&locate, &question); n++) {
		assert_int_equal(question.name.n, LOCATE_NAME_MAX);
		assert_int_equal(question.name.p[0], 'b' + (char)n);
		locate_answer(&locate, question.id, DNS_NOT_FOUND, NULL, 0);
	}
	assert_int_equal(n, (LOCATE_TEXT_MAX - strlen("_sip._udp.big.net")) / LOCATE_NAME_MAX);
	assert_int_equal(locate.result, LOCATE_NOT_FOUND);
}

static void a_domain_too_long_for_dns_is_not_asked_for(void **state)
{
	(void)state;
	char uri[400] = "sip:";
	for (unsigned n = 1; n < 380; n++) {
		strcat(uri, n % 20 ? "a" : ".");
		if (n % 20 == 0 || n < 240)
			continue;
		struct locate locate;
		const char *got = zone_locate(&locate, "", uri, ALL, 1);
		expect_text(span_str(got), "EHOSTUNREACH", uri);
	}
}

static const struct {
	const char *zone;
	unsigned asked;
	const char *expected, *why;
} hostile[] = {
	{"l.net NAPTR 1 1 s SIP+D2U l.net\nl.net SRV 1 1 5060 l.net\nl.net A 192.0.2.1\n", 3,
		"udp 192.0.2.1:5060", "a name that points at itself is asked once for each type"},
	{"l.net NAPTR 1 1 s SIP+D2U l.net\nl.net SRV 1 1 5060 _sip._udp.l.net\n"
	 "_sip._udp.l.net SRV 1 1 5060 l.net\n",
		3, "EHOSTUNREACH", "a circle of names is left after three rounds"},
	{"l.net NAPTR 1 1 s SIP+D2U .\nl.net A 192.0.2.1\n", 3, "udp 192.0.2.1:5060",
		"the root is no replacement"},
	{"_sip._udp.l.net SRV 1 1 0 a.l.net\n_sip._udp.l.net SRV 2 1 9 a.l.net\na.l.net A "
	 "192.0.2.1\n",
		3, "udp 192.0.2.1:9", "port 0 is none"},
	{"_sip._udp.l.net SRV 1 1 0 a.l.net\na.l.net A 192.0.2.1\nl.net A 192.0.2.2\n", 3,
		"udp 192.0.2.2:5060", "nothing but port 0: as if there were no SRV"},
	{"_sip._udp.l.net SRV 1 1 5 a;b\n_sip._udp.l.net SRV 1 2 5 a.l.net\na.l.net A 192.0.2.1\n",
		3, "udp 192.0.2.1:5", "a target that is no name"},
	{"_sip._udp.l.net SRV 1 1 5 a.l.net\na.l.net A 0.0.0.0\na.l.net A 255.255.255.255\n"
	 "a.l.net A 224.0.0.1\na.l.net A 192.0.2.9\n",
		3, "udp 192.0.2.9:5", "addresses nobody may be sent to"},
	{"_sip._udp.l.net SRV 1 1 5 a.l.net\na.l.net A 0.0.0.0\n", 3, "EHOSTUNREACH",
		"none that may be"},
	{"l.net NAPTR 1 1 s SIP+D2U a.l.net\nl.net NAPTR 1 2 s SIP+D2U b.l.net\n"
	 "l.net NAPTR 1 3 s SIP+D2U c.l.net\nl.net NAPTR 1 4 s SIP+D2U d.l.net\n"
	 "l.net NAPTR 1 5 s SIP+D2U e.l.net\nl.net NAPTR 1 1 s SIP+D2U A.L.net\n"
	 "d.l.net SRV 1 1 5 d.l.net\nd.l.net A 192.0.2.4\n",
		1 + LOCATE_SERVICES_MAX + 1, "udp 192.0.2.4:5", "more services than are asked for"},
};

static void no_zone_can_keep_us_asking(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_OF(hostile); i++) {
		struct locate_options options = options_of(UDP4, 1);
		struct locate locate;
		struct uri uri;
		assert_int_equal(uri_parse(SPAN("sip:l.net"), &uri), 0);
		locate_start(&locate, &uri, &options);
		uint32_t asked = zone_run(&locate, hostile[i].zone, 0);
		expect_text(span_str(zone_text(&locate)), hostile[i].expected, hostile[i].why);
		expect_number(asked, hostile[i].asked, hostile[i].why);
	}
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void make_record(struct dns_record *record, uint64_t *random)
{
	static const char *const services[] = {
		"SIP+D2U", "SIP+D2T", "SIPS+D2T", "SIP+D2S", "E2U+sip", ""};
	static const char *const names[] = {
		"r.net", ".", "", "_sip._udp.r.net", "a.r.net", "b.r.net.", "\xff", "c"};
	memset(record, 0xee, sizeof *record);
	record->type = (enum dns_type)(next_random(random) % 4);
	record->priority = (uint16_t)(next_random(random) % 3);
	record->weight = (uint16_t)(next_random(random) % 3);
	record->port = (uint16_t)(next_random(random) % 3);
	record->addr.sa.sa_family = next_random(random) % 4 ? AF_INET : AF_INET6;
	if (next_random(random) % 8)
		strcpy(record->target, names[next_random(random) % N_OF(names)]);
	if (next_random(random) % 8)
		strcpy(record->flags, next_random(random) % 4 ? "s" : "");
	if (next_random(random) % 8)
		strcpy(record->service, services[next_random(random) % N_OF(services)]);
}

static void random_answers_always_end(void **state)
{
	(void)state;
	static const char *const uris[] = {"sip:r.net", "sips:r.net", "sip:r.net;transport=tcp",
		"sip:r.net:5", "sip:r.net;maddr=m.net"};
	uint64_t random = 7;
	for (unsigned run = 0; run < 20000; run++) {
		struct locate_options options =
			options_of((unsigned)next_random(&random) & 511, next_random(&random));
		struct locate_question question, former = {0};
		struct locate locate;
		struct uri uri;
		unsigned asked = 0;
		assert_int_equal(uri_parse(guarded(span_str(uris[run % N_OF(uris)])), &uri), 0);
		memset(&locate, 0xa5, sizeof locate);
		locate_start(&locate, &uri, &options);
		while (locate_next(&locate, &question)) {
			struct dns_record records[DNS_RECORDS_MAX];
			uint32_t n = (uint32_t)next_random(&random) % 12;
			for (uint32_t i = 0; i < n; i++)
				make_record(&records[i], &random);
			locate_answer(&locate, former.id, DNS_OK, records, n);
			locate_answer(&locate, question.id,
				(enum dns_status)(next_random(&random) % 8 ? 0 : run % 4), records,
				n);
			former = question;
			assert_true(++asked <= 1 + LOCATE_SERVICES_MAX + 2 * LOCATE_HOSTS_MAX);
		}
		assert_true(locate_is_done(&locate));
		zone_text(&locate);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_are_drawn_by_their_weights),
		cmocka_unit_test(the_addresses_of_a_host_share_its_load),
		cmocka_unit_test(
			the_same_seed_gives_the_same_order_whatever_the_order_of_the_records),
		cmocka_unit_test(of_too_many_records_the_best_are_used),
		cmocka_unit_test(more_records_than_an_answer_can_have_are_not_read),
		cmocka_unit_test(names_of_the_greatest_length_do_not_overflow),
		cmocka_unit_test(a_domain_too_long_for_dns_is_not_asked_for),
		cmocka_unit_test(no_zone_can_keep_us_asking),
		cmocka_unit_test(random_answers_always_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
