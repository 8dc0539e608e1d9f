/* A hash table of records that embed a link, growing by one bucket at a time (linear hashing): no
 * insert ever moves more than one bucket, however large the table is, and records are taken out at
 * once, however many of one hash there are. The table owns its buckets,
 * never the records. Several records may have the same hash; the owner compares. */
#pragma once

#include <stdint.h>

struct table_link {
	struct table_link *next, **at;
	uint64_t hash;
};

enum { TABLE_SEGMENTS = 28, TABLE_FIRST = 64 };

/* All zero to begin with. */
struct table {
	struct table_link **segments[TABLE_SEGMENTS];
	uint32_t n_buckets, n;
};

/* All records are out by then. */
void table_fini(struct table *table);
void table_insert(struct table *table, struct table_link *link, uint64_t hash);
void table_remove(struct table *table, struct table_link *link);
/* The first record of that hash, and the next one after it; NULL: none. */
struct table_link *table_first(const struct table *table, uint64_t hash);
struct table_link *table_next(const struct table_link *link);
/* Every record, bucket by bucket: starts with *bucket = 0 and link NULL. The table must not change
 * meanwhile. */
struct table_link *table_walk(const struct table *table, uint32_t *bucket, struct table_link *link);
