#include <ares.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/dns_reply.h"

enum { LABEL_MAX = 63 };

static bool is_name_char(char c)
{
	c = ascii_lower(c);
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool dns_is_host_name(struct span name)
{
	uint32_t label = 0;
	if (name.n > DNS_NAME_MAX)
		return false;
	for (uint32_t i = 0; i < name.n; i++) {
		if (name.p[i] == '.' && label) {
			label = 0;
		} else if (!is_name_char(name.p[i]) || ++label > LABEL_MAX) {
			return false;
		}
	}
	return label > 0;
}

/* RFC 2181 8: a TTL with the highest bit set is 0. */
static uint32_t ttl_of(uint32_t ttl_s)
{
	return ttl_s > INT32_MAX ? 0 : ttl_s;
}

uint32_t dns_reply_addresses(
	const struct ares_addrinfo *result, enum dns_type type, struct dns_record **records)
{
	struct dns_record *list = must_zalloc(DNS_RECORDS_MAX * sizeof *list);
	int family = type == DNS_AAAA ? AF_INET6 : AF_INET;
	uint32_t n = 0;
	for (const struct ares_addrinfo_node *node = result->nodes; node; node = node->ai_next) {
		if (node->ai_family != family || n == DNS_RECORDS_MAX)
			continue;
		struct dns_record *record = &list[n++];
		record->type = type;
		record->ttl_s = ttl_of((uint32_t)node->ai_ttl);
		memcpy(&record->addr, node->ai_addr,
			family == AF_INET6 ? sizeof record->addr.in6 : sizeof record->addr.in4);
		addr_set_port(&record->addr, 0);
	}
	*records = list;
	return n;
}

/* A reply (RFC 1035 4.1) and how far it is read. `failed` once something went past the end. */
struct reply {
	const unsigned char *bytes;
	uint32_t size, at;
	bool failed;
};

static void skip(struct reply *reply, uint32_t n)
{
	if (n > reply->size - reply->at)
		reply->failed = true;
	else
		reply->at += n;
}

static uint16_t get_u16(struct reply *reply)
{
	uint32_t at = reply->at;
	skip(reply, 2);
	if (reply->failed)
		return 0;
	return (uint16_t)(reply->bytes[at] << 8 | reply->bytes[at + 1]);
}

static uint32_t get_u32(struct reply *reply)
{
	uint32_t high = get_u16(reply);
	return high << 16 | get_u16(reply);
}

/* Into `name`, of DNS_NAME_MAX + 1 bytes or NULL. False when it is no host name and not ".". */
static bool get_name(struct reply *reply, char *name)
{
	char *text;
	long n;
	if (reply->failed || reply->at >= reply->size ||
		ares_expand_name(reply->bytes + reply->at, reply->bytes, (int)reply->size, &text,
			&n) != ARES_SUCCESS) {
		reply->failed = true;
		return false;
	}
	skip(reply, (uint32_t)n);
	struct span span = span_str(text);
	bool is_good = !span.n || dns_is_host_name(span);
	if (name && is_good)
		memcpy(name, text, span.n + 1);
	ares_free_string(text);
	return is_good;
}

/* A character-string (RFC 1035 3.3) into `out` with NUL. False when it is longer or holds NUL. */
static bool get_string(struct reply *reply, char *out, uint32_t room)
{
	uint32_t at = reply->at;
	skip(reply, 1);
	if (reply->failed)
		return false;
	uint32_t n = reply->bytes[at];
	skip(reply, n);
	if (reply->failed || n >= room || memchr(reply->bytes + at + 1, '\0', n))
		return false;
	memcpy(out, reply->bytes + at + 1, n);
	out[n] = '\0';
	return true;
}

/* RFC 2782. */
static bool get_srv(struct reply *reply, struct dns_record *record)
{
	record->priority = get_u16(reply);
	record->weight = get_u16(reply);
	record->port = get_u16(reply);
	return get_name(reply, record->target);
}

/* RFC 3403 4.1. */
static bool get_naptr(struct reply *reply, struct dns_record *record)
{
	char none[1];
	record->priority = get_u16(reply);
	record->weight = get_u16(reply);
	return get_string(reply, record->flags, sizeof record->flags) &&
	       get_string(reply, record->service, sizeof record->service) &&
	       get_string(reply, none, sizeof none) && get_name(reply, record->target);
}

/* One resource record; false when it is not of `type` or not to be used. */
static bool get_record(struct reply *reply, enum dns_type type, struct dns_record *record)
{
	*record = (struct dns_record){.type = type};
	get_name(reply, NULL);
	uint16_t kind = get_u16(reply), class = get_u16(reply);
	record->ttl_s = ttl_of(get_u32(reply));
	uint32_t n = get_u16(reply);
	struct reply value = *reply;
	skip(reply, n);
	if (reply->failed || class != DNS_CLASS_IN ||
		kind != (type == DNS_SRV ? DNS_TYPE_SRV : DNS_TYPE_NAPTR))
		return false;
	bool is_good = type == DNS_SRV ? get_srv(&value, record) : get_naptr(&value, record);
	return is_good && !value.failed && value.at == reply->at;
}

uint32_t dns_reply_records(
	const unsigned char *bytes, uint32_t size, enum dns_type type, struct dns_record **records)
{
	struct reply reply = {.bytes = bytes, .size = size};
	struct dns_record *list = must_zalloc(DNS_RECORDS_MAX * sizeof *list);
	uint32_t n = 0;
	skip(&reply, 4); /* id, flags */
	uint16_t questions = get_u16(&reply), answers = get_u16(&reply);
	skip(&reply, 4); /* the other counts */
	while (questions-- && !reply.failed) {
		get_name(&reply, NULL);
		skip(&reply, 4);
	}
	while (answers-- && !reply.failed && n < DNS_RECORDS_MAX)
		if (get_record(&reply, type, &list[n]))
			n++;
	*records = list;
	return n;
}
