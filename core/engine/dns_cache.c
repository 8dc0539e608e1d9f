#include "engine/dns_cache.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/table.h"
#include "engine/dns_pack.h"

enum { NAME_MAX_N = 255 };

struct ring {
	struct ring *next, *prev;
};

/* An answer, or a question that is open (`question` is its id). While anybody waits for it, it
 * stays. */
struct entry {
	struct table_link link;
	struct dns_cache *cache;
	struct ring used;    /* of the answers: the one used last first */
	struct ring waiters; /* in the order they asked */
	uint64_t question;
	enum dns_type type;
	enum dns_status status;
	int64_t since_ms, until_ms;
	void *records;
	uint32_t n, size;
	uint32_t name_n;
	char name[]; /* lower case, without the last dot */
};

struct waiter {
	struct ring link;
	struct timer timer;  /* its deadline, or now when the answer was there */
	struct entry *entry; /* NULL: none could be made, or its answer is being told */
	struct dns_cache *cache;
	lookup_fn done; /* NULL: free */
	void *arg;
	uint32_t slot, generation;
	struct waiter *next_free;
};

struct dns_cache {
	struct engine *engine;
	struct siphash_key key;
	struct table entries;
	struct ring used;
	size_t bytes;
	uint32_t entries_max, n_open;
	struct waiter **waiters;
	uint32_t n_waiters;
	struct waiter *free_waiter;
};

#define OWNER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static void ring_init(struct ring *ring)
{
	ring->next = ring->prev = ring;
}

static void ring_remove(struct ring *link)
{
	link->next->prev = link->prev;
	link->prev->next = link->next;
	ring_init(link);
}

static void ring_add(struct ring *before, struct ring *link)
{
	link->next = before;
	link->prev = before->prev;
	link->prev->next = link;
	before->prev = link;
}

static bool ring_is_empty(const struct ring *ring)
{
	return ring->next == ring;
}

/* --- entries --- */

struct name {
	char text[NAME_MAX_N];
	uint32_t n;
	enum dns_type type;
	uint64_t hash;
};

/* False: longer than any name. */
static bool name_of(
	const struct dns_cache *cache, enum dns_type type, struct span text, struct name *name)
{
	if (text.n && text.p[text.n - 1] == '.')
		text.n--;
	if (text.n > NAME_MAX_N)
		return false;
	for (uint32_t i = 0; i < text.n; i++)
		name->text[i] = ascii_lower(text.p[i]);
	name->n = text.n;
	name->type = type;
	name->hash = siphash(&cache->key, name->text, name->n) + type;
	return true;
}

static struct entry *find(const struct dns_cache *cache, const struct name *name)
{
	struct table_link *link = table_first(&cache->entries, name->hash);
	for (; link; link = table_next(link)) {
		struct entry *entry = OWNER(link, struct entry, link);
		if (entry->type == name->type &&
			span_eq(span_of(entry->name, entry->name_n), span_of(name->text, name->n)))
			return entry;
	}
	return NULL;
}

static void drop(struct entry *entry)
{
	struct dns_cache *cache = entry->cache;
	table_remove(&cache->entries, &entry->link);
	ring_remove(&entry->used);
	cache->bytes -= entry->size;
	free(entry->records);
	free(entry);
}

/* The answer that was not used for longest and that nobody waits for; false: there is none. */
static bool drop_oldest(struct dns_cache *cache)
{
	for (struct ring *link = cache->used.prev; link != &cache->used; link = link->prev) {
		struct entry *entry = OWNER(link, struct entry, used);
		if (ring_is_empty(&entry->waiters)) {
			drop(entry);
			return true;
		}
	}
	return false;
}

static struct entry *add(struct dns_cache *cache, const struct name *name)
{
	if (cache->entries.n >= cache->entries_max && !drop_oldest(cache))
		return NULL;
	struct entry *entry = must_zalloc(sizeof *entry + name->n);
	entry->cache = cache;
	entry->type = name->type;
	entry->name_n = name->n;
	memcpy(entry->name, name->text, name->n);
	ring_init(&entry->used);
	ring_init(&entry->waiters);
	table_insert(&cache->entries, &entry->link, name->hash);
	return entry;
}

static bool is_fresh(const struct entry *entry, int64_t now_ms)
{
	return !entry->question && entry->until_ms > now_ms;
}

static void touch(struct entry *entry)
{
	ring_remove(&entry->used);
	ring_add(entry->cache->used.next, &entry->used);
}

static uint32_t unpack(
	const struct entry *entry, int64_t now_ms, struct dns_record records[DNS_RECORDS_MAX])
{
	uint32_t aged_s = (uint32_t)((now_ms - entry->since_ms) / 1000);
	dns_unpack(entry->records, entry->n, entry->type, aged_s, records);
	return entry->n;
}

/* --- waiters --- */

static void put_back(struct waiter *waiter)
{
	timers_cancel(&waiter->cache->engine->timers, &waiter->timer);
	ring_remove(&waiter->link);
	waiter->done = NULL;
	waiter->entry = NULL;
	waiter->generation++;
	waiter->next_free = waiter->cache->free_waiter;
	waiter->cache->free_waiter = waiter;
}

/* Through with the question though its answer has not come. */
static void abandon(struct entry *entry)
{
	engine_lookup_cancel(entry->cache->engine, entry->question);
	entry->cache->n_open--;
	drop(entry);
}

static void tell(
	struct waiter *waiter, enum dns_status status, const struct dns_record *records, uint32_t n)
{
	lookup_fn done = waiter->done;
	void *arg = waiter->arg;
	put_back(waiter);
	done(arg, status, records, n);
}

/* A deadline. The question goes on to fill the cache, unless too many do. */
static void tell_timeout(struct waiter *waiter)
{
	struct entry *entry = waiter->entry;
	struct dns_cache *cache = waiter->cache;
	ring_remove(&waiter->link);
	if (ring_is_empty(&entry->waiters) && cache->n_open > cache->entries_max / 2)
		abandon(entry);
	tell(waiter, DNS_TIMEOUT, NULL, 0);
}

static void on_time(struct timer *timer)
{
	struct waiter *waiter = OWNER(timer, struct waiter, timer);
	struct entry *entry = waiter->entry;
	if (!entry) {
		tell(waiter, DNS_FAILED, NULL, 0);
	} else if (entry->question) {
		tell_timeout(waiter);
	} else {
		struct dns_record records[DNS_RECORDS_MAX];
		uint32_t n = unpack(entry, engine_now_ms(waiter->cache->engine), records);
		tell(waiter, entry->status, records, n);
	}
}

static struct waiter *add_waiter(
	struct dns_cache *cache, struct entry *entry, int64_t until_ms, lookup_fn done, void *arg)
{
	struct waiter *waiter = cache->free_waiter;
	if (waiter) {
		cache->free_waiter = waiter->next_free;
	} else {
		waiter = must_zalloc(sizeof *waiter);
		waiter->cache = cache;
		waiter->slot = cache->n_waiters;
		waiter->generation = 1;
		waiter->timer.fire = on_time;
		ring_init(&waiter->link);
		cache->waiters = must_realloc(
			cache->waiters, (cache->n_waiters + 1) * sizeof *cache->waiters);
		cache->waiters[cache->n_waiters++] = waiter;
	}
	waiter->entry = entry;
	waiter->done = done;
	waiter->arg = arg;
	if (entry)
		ring_add(&entry->waiters, &waiter->link);
	timers_arm(&cache->engine->timers, &waiter->timer, until_ms);
	return waiter;
}

/* --- answers --- */

static uint32_t ttl_of(enum dns_status status, const struct dns_record *records, uint32_t n)
{
	if (status == DNS_TIMEOUT || status == DNS_FAILED)
		return DNS_CACHE_FAILURE_S;
	if (status == DNS_NOT_FOUND || !n)
		return DNS_CACHE_NEGATIVE_S;
	uint32_t ttl_s = DNS_CACHE_TTL_MAX_S;
	for (uint32_t i = 0; i < n; i++)
		if (records[i].ttl_s < ttl_s)
			ttl_s = records[i].ttl_s;
	return ttl_s;
}

static void keep(struct entry *entry, uint32_t ttl_s, const struct dns_record *records, uint32_t n)
{
	struct dns_cache *cache = entry->cache;
	entry->since_ms = engine_now_ms(cache->engine);
	entry->until_ms = entry->since_ms + (int64_t)ttl_s * 1000;
	entry->records = dns_pack(records, n, entry->type, &entry->n, &entry->size);
	cache->bytes += entry->size;
	touch(entry);
	while (cache->bytes > DNS_CACHE_BYTES_MAX && drop_oldest(cache))
		;
}

/* Whoever is called may ask and cancel: waiters leave the entry first, and the entry is looked at
 * no more. */
static void on_answer(
	void *arg, enum dns_status status, const struct dns_record *records, uint32_t n)
{
	struct entry *entry = arg;
	struct ring told;
	n = status != DNS_OK ? 0 : n < DNS_RECORDS_MAX ? n : DNS_RECORDS_MAX;
	ring_init(&told);
	while (!ring_is_empty(&entry->waiters)) {
		struct waiter *waiter = OWNER(entry->waiters.next, struct waiter, link);
		waiter->entry = NULL;
		ring_remove(&waiter->link);
		ring_add(&told, &waiter->link);
	}
	entry->question = 0;
	entry->status = status;
	entry->cache->n_open--;
	uint32_t ttl_s = ttl_of(status, records, n);
	if (ttl_s)
		keep(entry, ttl_s, records, n);
	else
		drop(entry);
	while (!ring_is_empty(&told))
		tell(OWNER(told.next, struct waiter, link), status, records, n);
}

/* --- questions --- */

bool dns_cache_peek(struct dns_cache *cache, enum dns_type type, struct span text,
	enum dns_status *status, struct dns_record records[DNS_RECORDS_MAX], uint32_t *n)
{
	struct name name;
	int64_t now_ms = engine_now_ms(cache->engine);
	struct entry *entry = name_of(cache, type, text, &name) ? find(cache, &name) : NULL;
	if (!entry || !is_fresh(entry, now_ms))
		return false;
	touch(entry);
	cache->engine->count[COUNT_lookups_cached]++;
	*status = entry->status;
	*n = unpack(entry, now_ms, records);
	return true;
}

/* The entry to wait for, asked when it is not fresh; NULL when too many questions are open. */
static struct entry *entry_for(
	struct dns_cache *cache, const struct name *name, uint32_t timeout_ms, int64_t now_ms)
{
	struct entry *entry = find(cache, name);
	if (entry && entry->question) {
		cache->engine->count[COUNT_lookups_joined]++;
		return entry;
	}
	if (entry && (is_fresh(entry, now_ms) || !ring_is_empty(&entry->waiters))) {
		cache->engine->count[COUNT_lookups_cached]++;
		touch(entry);
		return entry;
	}
	if (entry)
		drop(entry);
	entry = add(cache, name);
	if (!entry)
		return NULL;
	if (timeout_ms < DNS_CACHE_PATIENCE_MS)
		timeout_ms = DNS_CACHE_PATIENCE_MS;
	entry->question = engine_lookup(cache->engine, name->type,
		span_of(entry->name, entry->name_n), timeout_ms, on_answer, entry);
	if (!entry->question) {
		drop(entry);
		return NULL;
	}
	cache->n_open++;
	return entry;
}

uint64_t dns_cache_lookup(struct dns_cache *cache, enum dns_type type, struct span text,
	uint32_t timeout_ms, lookup_fn done, void *arg)
{
	struct name name;
	struct entry *entry = NULL;
	int64_t now_ms = engine_now_ms(cache->engine), until_ms = now_ms;
	if (!cache->free_waiter && cache->n_waiters == DNS_CACHE_WAITERS_MAX)
		return 0;
	if (name_of(cache, type, text, &name)) {
		entry = entry_for(cache, &name, timeout_ms, now_ms);
		if (!entry)
			return 0;
		if (entry->question)
			until_ms += timeout_ms;
	}
	struct waiter *waiter = add_waiter(cache, entry, until_ms, done, arg);
	return (uint64_t)waiter->generation << 32 | waiter->slot;
}

void dns_cache_cancel(struct dns_cache *cache, uint64_t id)
{
	uint32_t slot = (uint32_t)id;
	struct waiter *waiter = slot < cache->n_waiters ? cache->waiters[slot] : NULL;
	if (!waiter || !waiter->done || waiter->generation != id >> 32)
		return;
	struct entry *entry = waiter->entry;
	put_back(waiter);
	if (entry && entry->question && ring_is_empty(&entry->waiters))
		abandon(entry);
}

/* --- the whole --- */

struct dns_cache *dns_cache_new(struct engine *engine, uint32_t entries_max)
{
	struct dns_cache *cache = must_zalloc(sizeof *cache);
	cache->engine = engine;
	cache->entries_max = entries_max ? entries_max : DNS_CACHE_ENTRIES_MAX;
	engine->world->random(engine->world, &cache->key, sizeof cache->key);
	ring_init(&cache->used);
	return cache;
}

/* Any entry; NULL: none is left. */
static struct entry *first_entry(struct dns_cache *cache)
{
	uint32_t bucket = 0;
	struct table_link *link = table_walk(&cache->entries, &bucket, NULL);
	return link ? OWNER(link, struct entry, link) : NULL;
}

void dns_cache_free(struct dns_cache *cache)
{
	if (!cache)
		return;
	for (uint32_t i = 0; i < cache->n_waiters; i++) {
		timers_cancel(&cache->engine->timers, &cache->waiters[i]->timer);
		free(cache->waiters[i]);
	}
	for (struct entry *entry; (entry = first_entry(cache));) {
		if (entry->question)
			abandon(entry);
		else
			drop(entry);
	}
	table_fini(&cache->entries);
	free(cache->waiters);
	free(cache);
}

void dns_cache_flush(struct dns_cache *cache)
{
	for (struct ring *link = cache->used.next, *next; link != &cache->used; link = next) {
		struct entry *entry = OWNER(link, struct entry, used);
		next = link->next;
		entry->until_ms = 0;
		if (ring_is_empty(&entry->waiters))
			drop(entry);
	}
}

uint32_t dns_cache_entries(const struct dns_cache *cache)
{
	return cache->entries.n;
}

size_t dns_cache_bytes(const struct dns_cache *cache)
{
	return cache->bytes;
}
