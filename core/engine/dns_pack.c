#include "engine/dns_pack.h"

#include <stdlib.h>

#include "base/check.h"

enum { RECORD_MAX = 4 + 6 + 256 + 8 + 32 }; /* of any kind */

static char *put(char *at, const void *bytes, size_t n)
{
	memcpy(at, bytes, n);
	return at + n;
}

/* Length and text; `size` is the room it has in a record, NUL included. */
static char *put_text(char *at, const char *text, size_t size)
{
	uint8_t n = (uint8_t)strnlen(text, size - 1);
	*at++ = (char)n;
	return put(at, text, n);
}

static const char *get(const char *at, void *bytes, size_t n)
{
	memcpy(bytes, at, n);
	return at + n;
}

static const char *get_text(const char *at, char *text)
{
	uint8_t n = (uint8_t)*at++;
	text[n] = '\0';
	return get(at, text, n);
}

static char *pack(char *at, const struct dns_record *record)
{
	at = put(at, &record->ttl_s, 4);
	switch (record->type) {
	case DNS_A:
		return put(at, &record->addr.in4.sin_addr, 4);
	case DNS_AAAA:
		return put(at, &record->addr.in6.sin6_addr, 16);
	case DNS_SRV:
	case DNS_NAPTR:
		break;
	}
	at = put(at, &record->priority, 2);
	at = put(at, &record->weight, 2);
	at = put_text(at, record->target, sizeof record->target);
	if (record->type == DNS_SRV)
		return put(at, &record->port, 2);
	at = put_text(at, record->flags, sizeof record->flags);
	return put_text(at, record->service, sizeof record->service);
}

static const char *unpack(const char *at, struct dns_record *record)
{
	at = get(at, &record->ttl_s, 4);
	switch (record->type) {
	case DNS_A:
		record->addr.sa.sa_family = AF_INET;
		return get(at, &record->addr.in4.sin_addr, 4);
	case DNS_AAAA:
		record->addr.sa.sa_family = AF_INET6;
		return get(at, &record->addr.in6.sin6_addr, 16);
	case DNS_SRV:
	case DNS_NAPTR:
		break;
	}
	at = get(at, &record->priority, 2);
	at = get(at, &record->weight, 2);
	at = get_text(at, record->target);
	if (record->type == DNS_SRV)
		return get(at, &record->port, 2);
	at = get_text(at, record->flags);
	return get_text(at, record->service);
}

void *dns_pack(const struct dns_record *records, uint32_t n, enum dns_type type, uint32_t *packed,
	uint32_t *size)
{
	char bytes[DNS_RECORDS_MAX * RECORD_MAX], *at = bytes;
	*packed = 0;
	for (uint32_t i = 0; i < n && i < DNS_RECORDS_MAX; i++) {
		if (records[i].type != type)
			continue;
		at = pack(at, &records[i]);
		*packed += 1;
	}
	*size = (uint32_t)(at - bytes);
	return *size ? memcpy(must_alloc(*size), bytes, *size) : NULL;
}

void dns_unpack(const void *bytes, uint32_t n, enum dns_type type, uint32_t aged_s,
	struct dns_record *records)
{
	const char *at = bytes;
	for (uint32_t i = 0; i < n; i++) {
		struct dns_record *record = &records[i];
		memset(&record->addr, 0, sizeof record->addr);
		record->type = type;
		record->priority = record->weight = record->port = 0;
		record->target[0] = record->flags[0] = record->service[0] = '\0';
		at = unpack(at, record);
		record->ttl_s = record->ttl_s > aged_s ? record->ttl_s - aged_s : 0;
	}
}
