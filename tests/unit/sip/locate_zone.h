/* Zones as text, and who asks them: what the tests of locate share.
 *
 * A zone has one record a line, as zone files write them but without class: "name TYPE value...";
 * "name TYPE !timeout" and "name TYPE !failed" let the question end so. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../guard.h"
#include "base/check.h"
#include "sip/locate.h"

#define N_OF(array) (sizeof(array) / sizeof *(array))

enum {
	UDP4 = 1,
	TCP4 = 2,
	TLS4 = 4,
	UDP6 = 8,
	TCP6 = 16,
	TLS6 = 32,
	UDP_TCP = UDP4 | TCP4,
	ALL4 = UDP4 | TCP4 | TLS4,
	ALL = 63,
	TCP_FIRST = 64,
	IPV4_FIRST = 128,
	BIG = 256,
	LAST_ANSWER_FIRST = 512, /* of the questions open, the last asked is answered first */
};

static inline struct locate_options options_of(unsigned flags, uint64_t seed)
{
	static const enum transport transports[] = {TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS};
	struct locate_options options = {
		.ipv4_first = flags & IPV4_FIRST, .too_big_for_udp = flags & BIG, .seed = seed};
	for (unsigned i = 0; i < 3; i++) {
		unsigned t = flags & TCP_FIRST && i < 2 ? 1 - i : i;
		uint8_t families = (uint8_t)((flags & UDP4 << t ? LOCATE_IPV4 : 0) |
					     (flags & UDP6 << t ? LOCATE_IPV6 : 0));
		if (families)
			options.allowed[options.n_allowed++] = (struct locate_transport){
				.transport = transports[t], .families = families};
	}
	return options;
}

/* "@" is the root, as text cannot be empty. */
static inline void zone_value(struct dns_record *record, const char *value)
{
	unsigned a = 0, b = 0, port = 0;
	int n = 0;
	switch (record->type) {
	case DNS_A:
	case DNS_AAAA:
		n = addr_parse_ip(span_str(value), 0, &record->addr);
		BUG(n != 1);
		break;
	case DNS_SRV:
		n = sscanf(value, "%u %u %u %255s", &a, &b, &port, record->target);
		BUG(n != 4);
		record->port = (uint16_t)port;
		break;
	case DNS_NAPTR:
		n = sscanf(value, "%u %u %7s %31s %255s", &a, &b, record->flags, record->service,
			record->target);
		BUG(n != 5);
		break;
	}
	if (strcmp(record->target, "@") == 0)
		record->target[0] = '\0';
	record->priority = (uint16_t)a;
	record->weight = (uint16_t)b;
}

static inline enum dns_status zone_ask(const char *zone, const struct locate_question *question,
	struct dns_record records[DNS_RECORDS_MAX], uint32_t *n)
{
	static const char *const types[] = {"A", "AAAA", "SRV", "NAPTR"};
	char name[300], type[8], value[300];
	int used;
	*n = 0;
	for (; sscanf(zone, "%299s %7s %299[^\n]\n%n", name, type, value, &used) == 3;
		zone += used) {
		if (!span_ieq(span_str(name), question->name) ||
			strcmp(type, types[question->type]) != 0)
			continue;
		if (value[0] == '!')
			return strcmp(value, "!timeout") == 0 ? DNS_TIMEOUT : DNS_FAILED;
		BUG(*n == DNS_RECORDS_MAX);
		records[*n] = (struct dns_record){.type = question->type, .ttl_s = 60};
		zone_value(&records[(*n)++], value);
	}
	return *n ? DNS_OK : DNS_NOT_FOUND;
}

/* Asks the zone until all is known; returns how many questions that took. */
static inline uint32_t zone_run(struct locate *locate, const char *zone, unsigned flags)
{
	struct locate_question open[64];
	uint32_t n_open = 0, asked = 0;
	for (;;) {
		while (locate_next(locate, &open[n_open]))
			n_open++, asked++;
		if (!n_open)
			break;
		uint32_t at = flags & LAST_ANSWER_FIRST ? n_open - 1 : 0;
		struct locate_question question = open[at];
		struct dns_record records[DNS_RECORDS_MAX];
		uint32_t n;
		memmove(&open[at], &open[at + 1], (n_open - at - 1) * sizeof *open);
		n_open--;
		assert_false(locate_is_done(locate));
		enum dns_status status = zone_ask(zone, &question, records, &n);
		locate_answer(locate, question.id, status, records, n);
	}
	assert_true(locate_is_done(locate));
	return asked;
}

/* "udp 192.0.2.1:5060 tcp 192.0.2.1:5060", or the name of the error. */
static inline const char *zone_text(const struct locate *locate)
{
	static char text[8192];
	struct locate_target targets[LOCATE_TARGETS_MAX];
	uint32_t count = locate_targets(locate, targets, LOCATE_TARGETS_MAX);
	size_t n = 0;
	text[0] = '\0';
	for (uint32_t i = 0; i < count; i++) {
		static const char *const names[] = {"none", "udp", "tcp", "tls"};
		char addr[ADDR_TEXT_MAX];
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %.*s", i ? " " : "",
			names[targets[i].transport], (int)addr_print(&targets[i].addr, addr), addr);
	}
	assert_int_equal(count > 0, locate->result == LOCATE_FOUND);
	return count ? text : locate_errno_name(locate->result);
}

/* Where a request to `uri` goes, in order. `locate` may be NULL. */
static inline const char *zone_locate(struct locate *locate, const char *zone, const char *uri_text,
	unsigned flags, uint64_t seed)
{
	static struct locate own;
	struct locate_options options = options_of(flags, seed);
	struct uri uri;
	locate = locate ? locate : &own;
	memset(locate, 0xa5, sizeof *locate);
	assert_int_equal(uri_parse(guarded(span_str(uri_text)), &uri), 0);
	locate_start(locate, &uri, &options);
	zone_run(locate, zone, flags);
	return zone_text(locate);
}
