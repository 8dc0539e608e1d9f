/* A notebook of fixed size: what is known about a 64-bit key, and since when.
 *
 * Keys are hashes that no outsider can choose (base/siphash.h); two that are the same are one. A
 * new note goes into one of NOTES_WAYS places, and takes that of the oldest when all are taken:
 * nothing grows, and no call looks further. So whoever keeps notes must stay safe when one is gone.
 * It reads no clock. */
#pragma once

#include <stdint.h>

enum { NOTES_WAYS = 8 };

struct note {
	uint64_t key;
	int64_t at_ms; /* decides who is oldest */
	uint64_t value;
};

struct notes;

/* Room for `n` notes, a power of two and at least NOTES_WAYS; memory nobody wrote to costs nothing.
 */
struct notes *notes_new(uint32_t n);
void notes_free(struct notes *notes); /* NULL is fine */
/* NULL: none. Valid until the next notes_put, and may be written to. */
struct note *notes_find(const struct notes *notes, uint64_t key);
/* A note for a key that has none, its value 0. `*gone` (may be NULL) becomes the note that had to
 * make room; its key is 0 when none had to. */
struct note *notes_put(struct notes *notes, uint64_t key, int64_t at_ms, struct note *gone);
