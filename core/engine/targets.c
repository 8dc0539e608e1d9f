#include "engine/targets.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/table.h"

struct record {
	struct table_link link;
	uint32_t number; /* in `records` */
	enum transport transport;
	struct addr addr;
	uint32_t times;
	int64_t since_ms, until_ms;
	char reason[TARGETS_REASON_MAX];
};

struct targets {
	struct siphash_key key;
	struct table table;
	struct record *records[TARGETS_DEAD_MAX];
	int64_t latest_ms; /* by then all are back */
};

static struct record *record_at(struct table_link *link)
{
	return (struct record *)((char *)link - offsetof(struct record, link));
}

static uint64_t hash_of(
	const struct targets *targets, enum transport transport, const struct addr *addr)
{
	struct siphash_state state;
	uint16_t numbers[2] = {(uint16_t)transport, addr_port(addr)};
	siphash_init(&state, &targets->key);
	siphash_add(&state, span_of((const char *)numbers, sizeof numbers));
	if (addr->sa.sa_family == AF_INET6)
		siphash_add(&state, span_of((const char *)&addr->in6.sin6_addr, 16));
	else
		siphash_add(&state, span_of((const char *)&addr->in4.sin_addr, 4));
	return siphash_end(&state);
}

static struct record *find(const struct targets *targets, uint64_t hash, enum transport transport,
	const struct addr *addr)
{
	struct table_link *link = table_first(&targets->table, hash);
	for (; link; link = table_next(link)) {
		struct record *record = record_at(link);
		if (record->transport == transport && addr_eq(&record->addr, addr))
			return record;
	}
	return NULL;
}

static void forget(struct targets *targets, struct record *record)
{
	table_remove(&targets->table, &record->link);
	struct record *last = targets->records[targets->table.n];
	last->number = record->number;
	targets->records[last->number] = last;
	free(record);
}

static void forget_soonest_back(struct targets *targets)
{
	struct record *soonest = targets->records[0];
	for (uint32_t i = 1; i < targets->table.n; i++)
		if (targets->records[i]->until_ms < soonest->until_ms)
			soonest = targets->records[i];
	forget(targets, soonest);
}

static struct record *add(
	struct targets *targets, uint64_t hash, enum transport transport, const struct addr *addr)
{
	if (targets->table.n == TARGETS_DEAD_MAX)
		forget_soonest_back(targets);
	struct record *record = must_zalloc(sizeof *record);
	record->transport = transport;
	record->addr = *addr;
	record->number = targets->table.n;
	targets->records[record->number] = record;
	table_insert(&targets->table, &record->link, hash);
	return record;
}

/* How long one that died that many times in a row is out. */
static int64_t term_ms(uint32_t times)
{
	int64_t ms = TARGETS_DEAD_MS;
	while (--times && ms < TARGETS_DEAD_LONGEST_MS)
		ms *= 2;
	return ms < TARGETS_DEAD_LONGEST_MS ? ms : TARGETS_DEAD_LONGEST_MS;
}

void targets_mark_dead(struct targets *targets, enum transport transport, const struct addr *addr,
	const char *reason, uint32_t for_ms, int64_t now_ms)
{
	uint64_t hash = hash_of(targets, transport, addr);
	struct record *record = find(targets, hash, transport, addr);
	if (!record)
		record = add(targets, hash, transport, addr);
	/* Those that were on their way when it died say nothing new. */
	bool is_news = record->until_ms <= now_ms;
	if (record->times && is_news && now_ms - record->until_ms >= term_ms(record->times))
		record->times = 0;
	if (!record->times)
		record->since_ms = now_ms;
	if (!record->times || (is_news && record->times < UINT32_MAX))
		record->times++;
	int64_t out_ms = for_ms ? for_ms : term_ms(record->times);
	if (out_ms > TARGETS_DEAD_LONGEST_MS)
		out_ms = TARGETS_DEAD_LONGEST_MS;
	if (record->until_ms < now_ms + out_ms)
		record->until_ms = now_ms + out_ms;
	if (targets->latest_ms < record->until_ms)
		targets->latest_ms = record->until_ms;
	snprintf(record->reason, sizeof record->reason, "%s", reason);
}

void targets_mark_alive(struct targets *targets, enum transport transport, const struct addr *addr)
{
	if (!targets->table.n)
		return;
	struct record *record = find(targets, hash_of(targets, transport, addr), transport, addr);
	if (record)
		forget(targets, record);
}

bool targets_is_dead(const struct targets *targets, enum transport transport,
	const struct addr *addr, int64_t now_ms)
{
	if (!targets->table.n || targets->latest_ms <= now_ms)
		return false;
	const struct record *record =
		find(targets, hash_of(targets, transport, addr), transport, addr);
	return record && record->until_ms > now_ms;
}

uint32_t targets_order(
	const struct targets *targets, struct locate_target *list, uint32_t n, int64_t now_ms)
{
	struct locate_target dead[LOCATE_TARGETS_MAX];
	uint32_t n_dead = 0, alive = 0;
	for (uint32_t i = 0; i < n; i++) {
		bool is_dead = n_dead < LOCATE_TARGETS_MAX &&
			       targets_is_dead(targets, list[i].transport, &list[i].addr, now_ms);
		if (is_dead)
			dead[n_dead++] = list[i];
		else
			list[alive++] = list[i];
	}
	memcpy(list + alive, dead, n_dead * sizeof *dead);
	return alive;
}

bool targets_walk(
	const struct targets *targets, uint32_t *position, struct dead_target *dead, int64_t now_ms)
{
	while (*position < targets->table.n) {
		const struct record *record = targets->records[(*position)++];
		if (record->until_ms <= now_ms)
			continue;
		*dead = (struct dead_target){.transport = record->transport,
			.addr = record->addr,
			.reason = record->reason,
			.times = record->times,
			.since_ms = record->since_ms,
			.until_ms = record->until_ms};
		return true;
	}
	return false;
}

struct targets *targets_new(const struct siphash_key *key)
{
	struct targets *targets = must_zalloc(sizeof *targets);
	targets->key = *key;
	return targets;
}

void targets_free(struct targets *targets)
{
	if (!targets)
		return;
	while (targets->table.n)
		forget(targets, targets->records[0]);
	table_fini(&targets->table);
	free(targets);
}
