/* DNS answers, kept as long as their TTL says, in front of engine_lookup.
 *
 * Equal questions that are open at one time are asked once. What is not there is remembered too
 * (RFC 2308). Entries are bounded in number and bytes; what was not used for longest goes first.
 * Names count in any letter case, with or without the last dot. */
#pragma once

#include "engine/engine.h"

enum {
	DNS_CACHE_ENTRIES_MAX = 4096,
	DNS_CACHE_BYTES_MAX = 8 << 20, /* of records, packed */
	DNS_CACHE_WAITERS_MAX = 65536, /* look-ups open */
	DNS_CACHE_TTL_MAX_S = 86400,   /* longer ones are cut; 0 is not kept */
	DNS_CACHE_NEGATIVE_S = 30,     /* "no such name" */
	DNS_CACHE_FAILURE_S = 2, /* time-out and server failure: spares a dead zone the rush */
	DNS_CACHE_PATIENCE_MS = 10000, /* a question goes on at least that long to fill the cache,
					  whatever the deadline of who asked */
};

struct dns_cache;

/* `entries_max` 0: DNS_CACHE_ENTRIES_MAX. The engine is borrowed. */
struct dns_cache *dns_cache_new(struct engine *engine, uint32_t entries_max);
/* Before the engine. Open look-ups end without a call. NULL is fine. */
void dns_cache_free(struct dns_cache *cache);

/* The answer, when it is known now: true, and its records in `records`, with what is left of their
 * TTL. Never asks anybody. */
bool dns_cache_peek(struct dns_cache *cache, enum dns_type type, struct span name,
	enum dns_status *status, struct dns_record records[DNS_RECORDS_MAX], uint32_t *n);

/* As engine_lookup: `done` is called later, once, unless cancelled; DNS_TIMEOUT after `timeout_ms`
 * at the latest. Returns an id, 0 when too many questions are open. */
uint64_t dns_cache_lookup(struct dns_cache *cache, enum dns_type type, struct span name,
	uint32_t timeout_ms, lookup_fn done, void *arg);
void dns_cache_cancel(struct dns_cache *cache, uint64_t id);

/* All answers go, as after a change of the zone; open questions go on. */
void dns_cache_flush(struct dns_cache *cache);
uint32_t dns_cache_entries(const struct dns_cache *cache); /* kept or being asked */
size_t dns_cache_bytes(const struct dns_cache *cache);	   /* of kept records */
