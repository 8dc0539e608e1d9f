#include "base/table.h"

#include <stdlib.h>

#include "base/check.h"

/* Segment 0 holds TABLE_FIRST buckets, each further one as many as all before it. */
static struct table_link **bucket_at(const struct table *table, uint32_t i)
{
	if (i < TABLE_FIRST)
		return &table->segments[0][i];
	int segment = 31 - __builtin_clz(i / TABLE_FIRST) + 1;
	return &table->segments[segment][i - (TABLE_FIRST << (segment - 1))];
}

/* Buckets below the split point are addressed by one bit more. */
static uint32_t bucket_of(const struct table *table, uint64_t hash)
{
	uint32_t round = UINT32_C(1) << (31 - __builtin_clz(table->n_buckets));
	uint32_t i = (uint32_t)hash & (2 * round - 1);
	return i < table->n_buckets ? i : (uint32_t)hash & (round - 1);
}

static void put(struct table_link **at, struct table_link *link)
{
	link->next = *at;
	link->at = at;
	if (link->next)
		link->next->at = &link->next;
	*at = link;
}

static void take_out(struct table_link *link)
{
	*link->at = link->next;
	if (link->next)
		link->next->at = link->at;
}

static void grow(struct table *table)
{
	uint32_t added = table->n_buckets;
	if (!added) {
		table->segments[0] = must_zalloc(TABLE_FIRST * sizeof(struct table_link *));
		table->n_buckets = TABLE_FIRST;
		return;
	}
	if ((added & (added - 1)) == 0) {
		int segment = 31 - __builtin_clz(added / TABLE_FIRST) + 1;
		if (segment == TABLE_SEGMENTS)
			return;
		table->segments[segment] = must_zalloc(added * sizeof(struct table_link *));
	}
	uint32_t round = UINT32_C(1) << (31 - __builtin_clz(added));
	struct table_link **from = bucket_at(table, added - round), **to = bucket_at(table, added);
	table->n_buckets++;
	while (*from) {
		struct table_link *link = *from;
		if (bucket_of(table, link->hash) != added) {
			from = &link->next;
			continue;
		}
		take_out(link);
		put(to, link);
	}
}

void table_fini(struct table *table)
{
	BUG(table->n);
	for (int i = 0; i < TABLE_SEGMENTS; i++)
		free(table->segments[i]);
	*table = (struct table){0};
}

void table_insert(struct table *table, struct table_link *link, uint64_t hash)
{
	if (table->n >= table->n_buckets)
		grow(table);
	link->hash = hash;
	put(bucket_at(table, bucket_of(table, hash)), link);
	table->n++;
}

void table_remove(struct table *table, struct table_link *link)
{
	take_out(link);
	link->next = NULL;
	table->n--;
}

struct table_link *table_first(const struct table *table, uint64_t hash)
{
	if (!table->n)
		return NULL;
	struct table_link *link = *bucket_at(table, bucket_of(table, hash));
	while (link && link->hash != hash)
		link = link->next;
	return link;
}

struct table_link *table_next(const struct table_link *link)
{
	struct table_link *next = link->next;
	while (next && next->hash != link->hash)
		next = next->next;
	return next;
}

struct table_link *table_walk(const struct table *table, uint32_t *bucket, struct table_link *link)
{
	if (link && link->next)
		return link->next;
	if (link)
		++*bucket;
	for (; *bucket < table->n_buckets; ++*bucket)
		if (*bucket_at(table, *bucket))
			return *bucket_at(table, *bucket);
	return NULL;
}
