#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../guard.h"
#include "engine/dns_pack.h"

/* Each kind twice: the longest texts there can be, and none at all. */
static struct dns_record record_of(enum dns_type type, bool is_long)
{
	struct dns_record record = {.type = type, .ttl_s = is_long ? UINT32_MAX : 5};
	if (type == DNS_A || type == DNS_AAAA) {
		struct span ip = type == DNS_A ? SPAN("192.0.2.1") : SPAN("2001:db8::1");
		assert_true(addr_parse_ip(ip, 0, &record.addr));
		return record;
	}
	record.priority = 1;
	record.weight = 65535;
	record.port = type == DNS_SRV ? 5060 : 0;
	if (is_long)
		memset(record.target, 't', sizeof record.target - 1);
	if (is_long && type == DNS_NAPTR) {
		memset(record.flags, 'f', sizeof record.flags - 1);
		memset(record.service, 's', sizeof record.service - 1);
	}
	return record;
}

static void records_come_back_as_they_were(void **state)
{
	(void)state;
	for (int type = DNS_A; type <= DNS_NAPTR; type++) {
		struct dns_record records[2] = {record_of((enum dns_type)type, true),
			record_of((enum dns_type)type, false)};
		struct dns_record got[2];
		uint32_t n, size;
		void *bytes = dns_pack(records, 2, (enum dns_type)type, &n, &size);
		assert_int_equal(n, 2);
		memset(got, 0, sizeof got);
		dns_unpack(guarded(span_of(bytes, size)).p, n, (enum dns_type)type, 0, got);
		assert_memory_equal(got, records, sizeof got);
		free(bytes);
	}
}

static void ttls_grow_older_but_not_below_0(void **state)
{
	(void)state;
	struct dns_record records[2] = {record_of(DNS_A, true), record_of(DNS_A, false)};
	uint32_t n, size;
	void *bytes = dns_pack(records, 2, DNS_A, &n, &size);
	memset(records, 0xff, sizeof records);
	dns_unpack(bytes, n, DNS_A, 6, records);
	assert_int_equal(records[0].ttl_s, UINT32_MAX - 6);
	assert_int_equal(records[1].ttl_s, 0);
	assert_int_equal(records[1].target[0], '\0');
	free(bytes);
}

static void records_of_other_types_and_too_many_are_left_out(void **state)
{
	(void)state;
	static struct dns_record records[DNS_RECORDS_MAX + 10];
	uint32_t n, size;
	assert_null(dns_pack(records, 0, DNS_A, &n, &size));
	assert_int_equal(n + size, 0);
	for (uint32_t i = 0; i < DNS_RECORDS_MAX + 10; i++)
		records[i] = record_of(i % 2 ? DNS_NAPTR : DNS_SRV, true);
	free(dns_pack(records, 10, DNS_NAPTR, &n, &size));
	assert_int_equal(n, 5);
	for (uint32_t i = 0; i < DNS_RECORDS_MAX + 10; i++)
		records[i] = record_of(DNS_NAPTR, true);
	free(dns_pack(records, DNS_RECORDS_MAX + 10, DNS_NAPTR, &n, &size));
	assert_int_equal(n, DNS_RECORDS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back_as_they_were),
		cmocka_unit_test(ttls_grow_older_but_not_below_0),
		cmocka_unit_test(records_of_other_types_and_too_many_are_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
