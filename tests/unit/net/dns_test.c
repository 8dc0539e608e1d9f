/* Questions to DNS, answered by a server that the tests are. */
#include "recorder.h"
#include "net/dns_reply.h"

struct server {
	int fd;
	char address[64];
	uint8_t question[512];
	struct addr from;
	uint16_t n; /* of the question */
	uint32_t asked;
};

static struct server *server_new(void)
{
	struct server *server = must_zalloc(sizeof *server);
	struct addr addr = parse("127.0.0.1:0");
	socklen_t n = sizeof addr;
	server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->fd, &addr.sa, addr_len(&addr)), 0);
	assert_int_equal(getsockname(server->fd, &addr.sa, &n), 0);
	sprintf(server->address, "127.0.0.1:%d", addr_port(&addr));
	return server;
}

static struct recorder *recorder_of(const struct server *server)
{
	return recorder_new(&(struct live_options){
		.dns_servers = server->address, .dns_try_ms = 1000, .dns_outstanding = 8});
}

static void stop(struct recorder *r, struct server *server)
{
	recorder_free(r);
	close(server->fd);
	free(server);
}

/* True when a question has come. */
static bool is_asked(struct server *server)
{
	socklen_t n = sizeof server->from;
	ssize_t size = recvfrom(
		server->fd, server->question, sizeof server->question, 0, &server->from.sa, &n);
	if (size <= 0)
		return false;
	server->n = (uint16_t)size;
	server->asked++;
	return true;
}

/* `records` follow the question as they are. */
static void reply(
	struct server *server, uint8_t code, uint16_t count, const void *records, size_t n)
{
	uint8_t bytes[65000];
	memcpy(bytes, server->question, server->n);
	memcpy(bytes + 2,
		(uint8_t[]){
			0x81, 0x80 | code, 0, 1, (uint8_t)(count >> 8), (uint8_t)count, 0, 0, 0, 0},
		10);
	memcpy(bytes + server->n, records, n);
	assert_true(sendto(server->fd, bytes, server->n + n, 0, &server->from.sa,
			    addr_len(&server->from)) > 0);
}

static void query(struct recorder *r, uint64_t id, enum dns_type type, const char *name)
{
	r->world->dns_query(r->world, id, type, span_str(name), 2000);
}

#define NAME "\xc0\x0c" /* as in the question */

static void tells_addresses_with_their_ttl(void **state)
{
	(void)state;
	static const char a[] =
		NAME "\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1" NAME "\0\1\0\1\0\0\1\0\0\4\xc0\0\2\2";
	static const char aaaa[] =
		NAME "\0\x1c\0\1\0\0\0\5\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7";
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	query(r, 7, DNS_A, "host.example.com");
	RUN_UNTIL(r, is_asked(server));
	reply(server, 0, 2, a, sizeof a - 1);
	RUN_UNTIL(r, r->count[EVENT_DNS] == 1);
	const struct event *event = &r->events[0];
	assert_int_equal(event->query, 7);
	assert_int_equal(event->status, DNS_OK);
	assert_int_equal(event->n, 2);
	struct addr one = parse("192.0.2.1:0"), two = parse("192.0.2.2:0"),
		    six = parse("[2001:db8::7]:0");
	bool in_order = addr_eq(&event->records[0].addr, &one);
	assert_true(addr_eq(&event->records[!in_order].addr, &one));
	assert_true(addr_eq(&event->records[in_order].addr, &two));
	assert_int_equal(event->records[!in_order].ttl_s, 60);
	assert_int_equal(event->records[in_order].ttl_s, 256);
	query(r, 8, DNS_AAAA, "host.example.com.");
	RUN_UNTIL(r, is_asked(server));
	reply(server, 0, 1, aaaa, sizeof aaaa - 1);
	RUN_UNTIL(r, r->count[EVENT_DNS] == 2);
	event = nth(r, EVENT_DNS, 1);
	assert_int_equal(event->records[0].type, DNS_AAAA);
	assert_int_equal(event->records[0].ttl_s, 5);
	assert_true(addr_eq(&event->records[0].addr, &six));
	stop(r, server);
}

static void tells_services(void **state)
{
	(void)state;
	static const char srv[] =
		NAME "\0\x21\0\1\0\0\0\x1e\0\x0e\0\1\0\2\x13\xc4\5proxy\xc0\x16" NAME
		     "\0\x21\0\1\x80\0\0\0\0\7\0\3\0\4\x13\xc5\0";
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	query(r, 1, DNS_SRV, "_sip._udp.example.com");
	RUN_UNTIL(r, is_asked(server));
	reply(server, 0, 2, srv, sizeof srv - 1);
	RUN_UNTIL(r, r->count[EVENT_DNS] == 1);
	const struct dns_record *records = r->events[0].records;
	assert_int_equal(r->events[0].status, DNS_OK);
	assert_int_equal(r->events[0].n, 2);
	assert_int_equal(records[0].type, DNS_SRV);
	assert_string_equal(records[0].target, "proxy.example.com");
	assert_int_equal(records[0].ttl_s, 30);
	assert_int_equal(records[0].priority, 1);
	assert_int_equal(records[0].weight, 2);
	assert_int_equal(records[0].port, 5060);
	assert_string_equal(records[1].target, ""); /* not offered (RFC 2782) */
	assert_int_equal(records[1].ttl_s, 0);	    /* above 2^31 (RFC 2181) */
	stop(r, server);
}

static void tells_naming_authority_pointers(void **state)
{
	(void)state;
	static const char naptr[] =
		NAME "\0\x23\0\1\0\0\0\x1e\0\x16\0\x0a\0\x14\1s\7SIP+D2U\0\4_sip\xc0\x0c" NAME
		     "\0\x23\0\1\0\0\0\x1e\0\x0c\0\x0a\0\x14\1u\0\3!x!\0" NAME
		     "\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1";
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	query(r, 1, DNS_NAPTR, "example.com");
	RUN_UNTIL(r, is_asked(server));
	reply(server, 0, 3, naptr, sizeof naptr - 1);
	RUN_UNTIL(r, r->count[EVENT_DNS] == 1);
	assert_int_equal(r->events[0].n, 1);
	const struct dns_record *record = &r->events[0].records[0];
	assert_int_equal(record->type, DNS_NAPTR);
	assert_int_equal(record->priority, 10);
	assert_int_equal(record->weight, 20);
	assert_string_equal(record->flags, "s");
	assert_string_equal(record->service, "SIP+D2U");
	assert_string_equal(record->target, "_sip.example.com");
	stop(r, server);
}

static void no_such_name_and_no_such_record_are_not_found(void **state)
{
	(void)state;
	static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV, DNS_NAPTR};
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	for (uint32_t i = 0; i < 8; i++) {
		query(r, i, types[i / 2], "host.example.com");
		RUN_UNTIL(r, is_asked(server));
		reply(server, i % 2 ? 3 : 0, 0, "", 0);
		RUN_UNTIL(r, r->count[EVENT_DNS] == i + 1);
		assert_int_equal(r->events[i].status, DNS_NOT_FOUND);
		assert_int_equal(r->events[i].query, i);
		assert_int_equal(r->events[i].n, 0);
	}
	stop(r, server);
}

static void a_server_that_is_silent_costs_the_time_given(void **state)
{
	(void)state;
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	int64_t begin_ms = clock_ms();
	r->world->dns_query(r->world, 1, DNS_SRV, SPAN("silent.example.com"), 40);
	RUN_UNTIL(r, r->count[EVENT_DNS] == 1);
	assert_int_equal(r->events[0].status, DNS_TIMEOUT);
	assert_in_range(clock_ms() - begin_ms, 30, 900);
	assert_int_equal(statistics(r).dns_timeouts, 1);
	assert_true(is_asked(server));
	reply(server, 3, 0, "", 0); /* too late: told once */
	run_dry(r);
	assert_int_equal(r->count[EVENT_DNS], 1);
	stop(r, server);
}

static void a_lost_question_is_asked_again(void **state)
{
	(void)state;
	struct server *server = server_new();
	struct recorder *r = recorder_new(
		&(struct live_options){.dns_servers = server->address, .dns_try_ms = 30});
	query(r, 1, DNS_SRV, "host.example.com");
	RUN_UNTIL(r, is_asked(server));
	RUN_UNTIL(r, is_asked(server));
	reply(server, 3, 0, "", 0);
	RUN_UNTIL(r, r->count[EVENT_DNS] == 1);
	assert_int_equal(r->events[0].status, DNS_NOT_FOUND);
	stop(r, server);
}

static void a_cancelled_question_is_not_answered(void **state)
{
	(void)state;
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	query(r, 1, DNS_A, "one.example.com");
	query(r, 2, DNS_A, "localhost");
	r->world->dns_cancel(r->world, 1);
	r->world->dns_cancel(r->world, 2); /* whose answer is ready */
	r->world->dns_cancel(r->world, 3); /* never asked */
	RUN_UNTIL(r, is_asked(server));
	reply(server, 3, 0, "", 0);
	run_dry(r);
	assert_int_equal(r->count[EVENT_DNS], 0);
	stop(r, server);
}

/* The first IPv4 line of the hosts file with a name to it other than localhost. */
static bool find_host(char ip[64], char name[64])
{
	FILE *file = fopen("/etc/hosts", "re");
	char line[256];
	bool found = false;
	while (file && !found && fgets(line, sizeof line, file))
		found = sscanf(line, "%63[0-9.] %63s", ip, name) == 2 &&
			!strstr(name, "localhost") && dns_is_host_name(span_str(name));
	if (file)
		fclose(file);
	return found;
}

static void the_hosts_file_is_asked_first(void **state)
{
	(void)state;
	char ip[64], name[64];
	if (!find_host(ip, name))
		skip();
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	struct addr addr = parse(ip);
	query(r, 1, DNS_A, name);
	assert_int_equal(r->count[EVENT_DNS], 0);
	RUN_UNTIL(r, r->count[EVENT_DNS] == 1);
	assert_int_equal(r->events[0].status, DNS_OK);
	assert_true(addr_eq(&r->events[0].records[0].addr, &addr));
	assert_false(is_asked(server));
	stop(r, server);
}

static void localhost_is_the_loopback_address(void **state)
{
	(void)state;
	static const char *const names[] = {"localhost", "LocalHost.", "any.name.localhost"};
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	struct addr four = parse("127.0.0.1:0"), six = parse("[::1]:0");
	for (uint32_t i = 0; i < 3; i++) {
		query(r, 2 * i, DNS_A, names[i]);
		query(r, 2 * i + 1, DNS_AAAA, names[i]);
	}
	assert_int_equal(r->count[EVENT_DNS], 0); /* never before dns_query returns */
	RUN_UNTIL(r, r->count[EVENT_DNS] == 6);
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(r->events[i].status, DNS_OK);
		assert_true(addr_eq(&r->events[i].records[0].addr, i % 2 ? &six : &four));
	}
	assert_false(is_asked(server));
	stop(r, server);
}

static void what_is_no_host_name_is_not_asked(void **state)
{
	(void)state;
	static const char *const names[] = {"", ".", "a..b", ".a", "a b", "a/b", "a\r\nb",
		"ex\xc3\xa4.com", "a.b..", "*.example.com",
		"a234567890123456789012345678901234567890123456789012345678901234.com"};
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	uint32_t n = sizeof names / sizeof *names;
	for (uint32_t i = 0; i < n; i++)
		query(r, i, DNS_SRV, names[i]);
	r->world->dns_query(r->world, n++, DNS_A, span_of("a\0b", 3), 1000);
	assert_int_equal(r->count[EVENT_DNS], 0);
	RUN_UNTIL(r, r->count[EVENT_DNS] == n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(r->events[i].status, DNS_FAILED);
	assert_false(is_asked(server));
	assert_int_equal(statistics(r).dns_refused, n);
	stop(r, server);
}

static void no_more_than_so_many_are_outstanding(void **state)
{
	(void)state;
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	char name[32];
	for (uint32_t i = 0; i < 10; i++) {
		sprintf(name, "host%u.example.com", i);
		query(r, i, DNS_SRV, name);
	}
	RUN_UNTIL(r, r->count[EVENT_DNS] == 2);
	assert_int_equal(r->events[0].query, 8);
	assert_int_equal(r->events[0].status, DNS_FAILED);
	assert_int_equal(statistics(r).dns_refused, 2);
	REPEAT_UNTIL(r, r->count[EVENT_DNS] == 10, {
		while (is_asked(server))
			reply(server, 3, 0, "", 0);
	});
	assert_int_equal(server->asked, 8);
	stop(r, server);
}

static void at_most_so_many_records_are_told(void **state)
{
	(void)state;
	static const char question[] = "\0\1\x81\x80\0\1\0\x64\0\0\0\0\7example\3com\0\0\x21\0\1";
	static const char record[] = NAME "\0\x21\0\1\0\0\0\x1e\0\7\0\1\0\2\x13\xc4\0";
	enum { HEAD = sizeof question - 1, SIZE = sizeof record - 1, N = 100 };
	unsigned char bytes[HEAD + N * SIZE];
	struct dns_record *records;
	memcpy(bytes, question, HEAD);
	for (int i = 0; i < N; i++)
		memcpy(bytes + HEAD + i * SIZE, record, SIZE);
	assert_int_equal(
		dns_reply_records(bytes, sizeof bytes, DNS_SRV, &records), DNS_RECORDS_MAX);
	assert_int_equal(records[DNS_RECORDS_MAX - 1].port, 5060);
	free(records);
}

static void ask_again(struct recorder *r)
{
	if (r->count[EVENT_DNS] && r->count[EVENT_DNS] < 4)
		query(r, r->count[EVENT_DNS], DNS_A, "localhost");
}

static void an_engine_may_ask_again_when_answered(void **state)
{
	(void)state;
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	r->on_turn_end = ask_again;
	query(r, 0, DNS_A, "localhost");
	RUN_UNTIL(r, r->count[EVENT_DNS] >= 4);
	stop(r, server);
}

/* Every prefix of a reply, and every reply with one byte changed, is read without harm. */
static void a_broken_reply_does_no_harm(void **state)
{
	(void)state;
	static const char good[] =
		"\0\1\x81\x80\0\1\0\2\0\0\0\0\7example\3com\0\0\x23\0\1" NAME
		"\0\x23\0\1\0\0\0\x1e\0\x16\0\x0a\0\x14\1s\7SIP+D2U\0\4_sip\xc0\x0c" NAME
		"\0\x21\0\1\0\0\0\x1e\0\x0e\0\1\0\2\x13\xc4\5proxy\xc0\x0c";
	struct dns_record *records;
	for (uint32_t n = 0; n < sizeof good; n++) {
		unsigned char *bytes = must_alloc(n + 1);
		memcpy(bytes, good, n);
		bytes = must_realloc(bytes, n ? n : 1);
		assert_true(dns_reply_records(bytes, n, DNS_NAPTR, &records) <= 1);
		free(records);
		free(bytes);
	}
	for (uint32_t at = 0; at < sizeof good - 1; at++)
		for (int value = 0; value < 256; value++) {
			unsigned char bytes[sizeof good - 1];
			memcpy(bytes, good, sizeof bytes);
			bytes[at] = (unsigned char)value;
			for (int type = DNS_SRV; type <= DNS_NAPTR; type++) {
				assert_true(dns_reply_records(
						    bytes, sizeof bytes, type, &records) <= 2);
				free(records);
			}
		}
}

static void questions_left_open_are_forgotten_at_the_end(void **state)
{
	(void)state;
	struct server *server = server_new();
	struct recorder *r = recorder_of(server);
	query(r, 1, DNS_A, "one.example.com");
	query(r, 2, DNS_SRV, "two.example.com");
	query(r, 3, DNS_A, "localhost");
	r->world->dns_query(r->world, 4, DNS_SRV, SPAN("four.example.com"), 1);
	query(r, 5, DNS_A, "-/-");
	stop(r, server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_addresses_with_their_ttl),
		cmocka_unit_test(tells_services),
		cmocka_unit_test(tells_naming_authority_pointers),
		cmocka_unit_test(no_such_name_and_no_such_record_are_not_found),
		cmocka_unit_test(a_server_that_is_silent_costs_the_time_given),
		cmocka_unit_test(a_lost_question_is_asked_again),
		cmocka_unit_test(a_cancelled_question_is_not_answered),
		cmocka_unit_test(the_hosts_file_is_asked_first),
		cmocka_unit_test(localhost_is_the_loopback_address),
		cmocka_unit_test(what_is_no_host_name_is_not_asked),
		cmocka_unit_test(no_more_than_so_many_are_outstanding),
		cmocka_unit_test(at_most_so_many_records_are_told),
		cmocka_unit_test(an_engine_may_ask_again_when_answered),
		cmocka_unit_test(a_broken_reply_does_no_harm),
		cmocka_unit_test(questions_left_open_are_forgotten_at_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
