#include "sip/grammar.h"
#include "sip/locate_parts.h"

enum { WEIGHT_SHARES = 256 }; /* of a weight of 1, where a weight of 0 has one */

struct span record_target(const struct dns_record *record)
{
	struct span name = span_of(record->target, strnlen(record->target, sizeof record->target));
	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	bool is_name = name.n <= LOCATE_NAME_MAX && span_is(name, CHAR_HOST);
	return is_name ? name : span_of(NULL, 0);
}

bool record_is_denial(const struct dns_record *record)
{
	return !record->target[0] || (record->target[0] == '.' && !record->target[1]);
}

/* --- chance --- */

/* One stream of numbers for each type, so that the choice of a server tells nothing about that of
 * its address. */
static uint64_t random_start(uint64_t seed, enum dns_type type)
{
	return seed ^ ((uint64_t)type + 1) * 0xd1342543de82ef95u;
}

/* splitmix64 (Steele, Lea, Flood 2014): good from any seed, also from neighbouring ones. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* --- sorting: at most 64 --- */

typedef int (*compare_fn)(const struct dns_record *a, const struct dns_record *b);

static void insert(const struct dns_record *records, uint8_t *order, uint32_t n, uint8_t number,
	compare_fn compare)
{
	uint32_t at = n;
	for (; at && compare(&records[order[at - 1]], &records[number]) > 0; at--)
		order[at] = order[at - 1];
	order[at] = number;
}

static int compare_targets(const struct dns_record *a, const struct dns_record *b)
{
	struct span x = record_target(a), y = record_target(b);
	for (uint32_t i = 0; i < x.n && i < y.n; i++) {
		int d = (unsigned char)ascii_lower(x.p[i]) - (unsigned char)ascii_lower(y.p[i]);
		if (d)
			return d;
	}
	return (int)x.n - (int)y.n;
}

static int compare_srv(const struct dns_record *a, const struct dns_record *b)
{
	int d = (int)a->priority - (int)b->priority;
	if (!d)
		d = compare_targets(a, b);
	if (!d)
		d = (int)a->port - (int)b->port;
	return d ? d : (int)a->weight - (int)b->weight;
}

static int compare_naptr(const struct dns_record *a, const struct dns_record *b)
{
	int d = (int)a->priority - (int)b->priority;
	if (!d)
		d = (int)a->weight - (int)b->weight;
	if (!d)
		d = strncmp(a->service, b->service, sizeof a->service);
	return d ? d : compare_targets(a, b);
}

static int compare_addresses(const struct dns_record *a, const struct dns_record *b)
{
	if (a->type == DNS_AAAA)
		return memcmp(&a->addr.in6.sin6_addr, &b->addr.in6.sin6_addr, 16);
	return memcmp(&a->addr.in4.sin_addr, &b->addr.in4.sin_addr, 4);
}

/* --- SRV --- */

static uint64_t shares_of(const struct dns_record *record)
{
	return record->weight ? (uint64_t)record->weight * WEIGHT_SHARES : 1;
}

static uint32_t draw(
	const struct dns_record *records, const uint8_t *order, uint32_t n, uint64_t *random)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < n; i++)
		sum += shares_of(&records[order[i]]);
	uint64_t point = random_next(random) % sum;
	uint32_t at = 0;
	for (; point >= shares_of(&records[order[at]]); at++)
		point -= shares_of(&records[order[at]]);
	return at;
}

/* RFC 2782 draws a number from 0 to the sum, both included, which gives the first record one share
 * too many (of the weights 1 and 3 it picks the first in 2 of 5 cases). Here each has what its
 * weight says, and those of weight 0 the "very small chance" that is meant; if all are 0, all are
 * equal. */
static void order_group(
	const struct dns_record *records, uint8_t *order, uint32_t n, uint64_t *random)
{
	for (uint32_t i = 0; i + 1 < n; i++) {
		uint32_t at = i + draw(records, order + i, n - i, random);
		uint8_t number = order[at];
		order[at] = order[i];
		order[i] = number;
	}
}

uint32_t order_srv(
	const struct dns_record *records, uint32_t n, uint64_t seed, uint8_t order[DNS_RECORDS_MAX])
{
	uint64_t random = random_start(seed, DNS_SRV);
	uint32_t used = 0, begin = 0;
	for (uint32_t i = 0; i < n && i < DNS_RECORDS_MAX; i++)
		if (records[i].type == DNS_SRV && records[i].port && record_target(&records[i]).n)
			insert(records, order, used++, (uint8_t)i, compare_srv);
	for (uint32_t i = 1; i <= used; i++) {
		if (i < used && records[order[i]].priority == records[order[begin]].priority)
			continue;
		order_group(records, order + begin, i - begin, &random);
		begin = i;
	}
	return used;
}

/* --- the others --- */

uint32_t order_naptr(const struct dns_record *records, uint32_t n, uint8_t order[DNS_RECORDS_MAX])
{
	uint32_t used = 0;
	for (uint32_t i = 0; i < n && i < DNS_RECORDS_MAX; i++)
		if (records[i].type == DNS_NAPTR && record_target(&records[i]).n)
			insert(records, order, used++, (uint8_t)i, compare_naptr);
	return used;
}

static bool is_of_use(const struct dns_record *record, enum dns_type type)
{
	struct addr addr = record->addr;
	if (record->type != type || addr.sa.sa_family != (type == DNS_A ? AF_INET : AF_INET6))
		return false;
	addr_set_port(&addr, 1);
	return !addr_is_unroutable(&addr);
}

uint32_t order_addresses(const struct dns_record *records, uint32_t n, enum dns_type type,
	uint64_t seed, uint8_t order[DNS_RECORDS_MAX])
{
	uint64_t random = random_start(seed, type);
	uint32_t sorted = 0, used = 0;
	for (uint32_t i = 0; i < n && i < DNS_RECORDS_MAX; i++)
		if (is_of_use(&records[i], type))
			insert(records, order, sorted++, (uint8_t)i, compare_addresses);
	for (uint32_t i = 0; i < sorted; i++)
		if (!used || compare_addresses(&records[order[used - 1]], &records[order[i]]))
			order[used++] = order[i];
	for (uint32_t i = used; i > 1; i--) {
		uint32_t at = (uint32_t)(random_next(&random) % i);
		uint8_t number = order[at];
		order[at] = order[i - 1];
		order[i - 1] = number;
	}
	return used;
}
