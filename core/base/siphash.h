/* SipHash: a keyed hash for tables and branches that outsiders can neither collide nor forge.
 * SipHash-2-4 of bytes, SipHash-1-3 of pieces. */
#pragma once

#include <stdint.h>

#include "base/span.h"

struct siphash_key {
	uint64_t k0, k1;
};

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t n);

/* Several pieces as one message; each is delimited, so ("ab","c") and ("a","bc") differ. */
struct siphash_state {
	uint64_t v0, v1, v2, v3;
};
void siphash_init(struct siphash_state *state, const struct siphash_key *key);
void siphash_add(struct siphash_state *state, struct span piece);
/* Eight bytes as they are, at a place where nothing else can stand: nothing says that it is no
 * piece. */
void siphash_word(struct siphash_state *state, uint64_t word);
uint64_t siphash_end(struct siphash_state *state);
