/* A hash table of records that grows and shrinks by one bucket (linear hashing): no call ever moves
 * more than the few records of one bucket, and no table is ever copied. Buckets lie in segments
 * that double in size and never move. It owns the segments, not the records. */
#pragma once

#include "store/record.h"

enum {
	BUCKETS_MIN = 16,
	BUCKETS_SEGMENTS = 28, /* 2^31 buckets */
};

struct buckets {
	struct record **segments[BUCKETS_SEGMENTS];
	uint32_t n;
	enum record_index index; /* which link and hash of the records it uses */
};

void buckets_init(struct buckets *buckets, enum record_index index);
void buckets_fini(struct buckets *buckets);
/* To be called for each record that came or went: one bucket more, or up to two less, as their
 * number wants it. */
void buckets_grow(struct buckets *buckets, uint32_t records);
void buckets_shrink(struct buckets *buckets, uint32_t records);
size_t buckets_bytes(const struct buckets *buckets);

/* The head of the chain in bucket `i`. */
struct record **buckets_at(const struct buckets *buckets, uint32_t i);
struct record **buckets_of(const struct buckets *buckets, uint64_t hash);

/* A walk of all hashes by their bits from the lowest up, so that splitting and merging buckets does
 * not change the order. A record has been passed when its place is before the position. */
uint64_t buckets_place(uint64_t hash);
/* The first place after the bucket that `position` lies in; 0: that was the last. */
uint64_t buckets_after(const struct buckets *buckets, uint64_t position);
