#include "store/buckets.h"

#include <stdlib.h>

#include "base/check.h"

/* Bucket i >= 2^k > i / 2 has the records of bucket i - 2^k whose hash has bit k set. */
static unsigned top_bit(uint32_t i)
{
	return 31 - (unsigned)__builtin_clz(i);
}

/* Segment 0 holds the first BUCKETS_MIN buckets, each further one as many as all before it. */
static unsigned segment_of(uint32_t i)
{
	return i < BUCKETS_MIN ? 0 : top_bit(i) - top_bit(BUCKETS_MIN) + 1;
}

static uint32_t segment_first(unsigned segment)
{
	return segment ? (uint32_t)BUCKETS_MIN << (segment - 1) : 0;
}

static uint32_t segment_size(unsigned segment)
{
	return segment ? segment_first(segment) : BUCKETS_MIN;
}

struct record **buckets_at(const struct buckets *buckets, uint32_t i)
{
	unsigned segment = segment_of(i);
	return &buckets->segments[segment][i - segment_first(segment)];
}

static uint32_t bucket_of(const struct buckets *buckets, uint64_t hash)
{
	uint32_t low = (1U << top_bit(buckets->n)) - 1;
	uint32_t i = (uint32_t)hash & (low << 1 | 1);
	return i < buckets->n ? i : i & low;
}

struct record **buckets_of(const struct buckets *buckets, uint64_t hash)
{
	return buckets_at(buckets, bucket_of(buckets, hash));
}

void buckets_init(struct buckets *buckets, enum record_index index)
{
	*buckets = (struct buckets){.n = BUCKETS_MIN, .index = index};
	buckets->segments[0] = must_zalloc(BUCKETS_MIN * sizeof *buckets->segments[0]);
}

void buckets_fini(struct buckets *buckets)
{
	for (unsigned i = 0; i < BUCKETS_SEGMENTS; i++)
		free(buckets->segments[i]);
}

void buckets_grow(struct buckets *buckets, uint32_t records)
{
	uint32_t i = buckets->n;
	unsigned segment = segment_of(i), bit = top_bit(i);
	if (records <= i || segment == BUCKETS_SEGMENTS)
		return;
	if (!buckets->segments[segment])
		buckets->segments[segment] =
			must_zalloc(segment_size(segment) * sizeof *buckets->segments[0]);
	buckets->n++;
	struct record **stay = buckets_at(buckets, i - (1U << bit)), **go = buckets_at(buckets, i);
	for (struct record *record = *stay; record; record = record->next[buckets->index]) {
		struct record ***tail = record->hash[buckets->index] >> bit & 1 ? &go : &stay;
		**tail = record;
		*tail = &record->next[buckets->index];
	}
	*stay = *go = NULL;
}

/* Puts the records of the last bucket back to where they were split from. */
static void merge_last(struct buckets *buckets)
{
	uint32_t i = --buckets->n;
	unsigned segment = segment_of(i);
	struct record **end = buckets_at(buckets, i - (1U << top_bit(i)));
	while (*end)
		end = &(*end)->next[buckets->index];
	*end = *buckets_at(buckets, i);
	*buckets_at(buckets, i) = NULL;
	if (i == segment_first(segment)) {
		free(buckets->segments[segment]);
		buckets->segments[segment] = NULL;
	}
}

void buckets_shrink(struct buckets *buckets, uint32_t records)
{
	/* Two for each record that went keep up with them. */
	for (int i = 0; i < 2 && buckets->n > BUCKETS_MIN && records < buckets->n / 2; i++)
		merge_last(buckets);
}

size_t buckets_bytes(const struct buckets *buckets)
{
	size_t bytes = 0;
	for (unsigned i = 0; i < BUCKETS_SEGMENTS && buckets->segments[i]; i++)
		bytes += segment_size(i) * sizeof *buckets->segments[0];
	return bytes;
}

uint64_t buckets_place(uint64_t hash)
{
	hash = (hash >> 1 & 0x5555555555555555) | (hash & 0x5555555555555555) << 1;
	hash = (hash >> 2 & 0x3333333333333333) | (hash & 0x3333333333333333) << 2;
	hash = (hash >> 4 & 0x0f0f0f0f0f0f0f0f) | (hash & 0x0f0f0f0f0f0f0f0f) << 4;
	return __builtin_bswap64(hash);
}

uint64_t buckets_after(const struct buckets *buckets, uint64_t position)
{
	unsigned bits = top_bit(buckets->n);
	uint32_t low = bucket_of(buckets, buckets_place(position)) & ((1U << bits) - 1);
	if (low + (1U << bits) < buckets->n) /* this bucket has been split already */
		bits++;
	return ((position >> (64 - bits)) + 1) << (64 - bits);
}
