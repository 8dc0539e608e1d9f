#include "base/siphash.h"

#include <endian.h>

/* J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012: 2 rounds a word, 4 at
 * the end. */

static inline uint64_t rotate(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void round_of(struct siphash_state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

static inline void word_in(struct siphash_state *s, uint64_t word)
{
	s->v3 ^= word;
	round_of(s);
	round_of(s);
	s->v0 ^= word;
}

static inline uint64_t load64(const char *p)
{
	uint64_t word;
	memcpy(&word, p, 8);
	return le64toh(word);
}

static inline uint64_t load32(const char *p)
{
	uint32_t word;
	memcpy(&word, p, 4);
	return le32toh(word);
}

/* The last n % 8 of n bytes as a little-endian number, without reading outside of them. */
static inline uint64_t load_rest(const char *p, size_t n)
{
	size_t rest = n & 7;
	if (!rest)
		return 0;
	if (n >= 8)
		return load64(p + n - 8) >> 8 * (8 - rest);
	if (n >= 4)
		return load32(p) | load32(p + n - 4) << 8 * (n - 4);
	return (uint64_t)(uint8_t)p[0] | (uint64_t)(uint8_t)p[n / 2] << 8 * (n / 2) |
	       (uint64_t)(uint8_t)p[n - 1] << 8 * (n - 1);
}

static inline void words_in(struct siphash_state *s, const char *p, size_t n)
{
	for (; n >= 8; p += 8, n -= 8)
		word_in(s, load64(p));
}

static inline uint64_t finish(struct siphash_state *s, uint64_t last)
{
	word_in(s, last);
	s->v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		round_of(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void siphash_init(struct siphash_state *s, const struct siphash_key *key)
{
	*s = (struct siphash_state){
		.v0 = key->k0 ^ 0x736f6d6570736575,
		.v1 = key->k1 ^ 0x646f72616e646f6d,
		.v2 = key->k0 ^ 0x6c7967656e657261,
		.v3 = key->k1 ^ 0x7465646279746573,
	};
}

/* Each piece begins a word of its own, after its length: no byte is shifted from piece to piece. */
void siphash_add(struct siphash_state *s, struct span piece)
{
	struct siphash_state local = *s; /* in registers, whatever `piece` points to */
	word_in(&local, piece.n);
	words_in(&local, piece.p, piece.n);
	if (piece.n & 7)
		word_in(&local, load_rest(piece.p, piece.n));
	*s = local;
}

uint64_t siphash_end(struct siphash_state *s)
{
	return finish(s, 0);
}

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t n)
{
	struct siphash_state s;
	siphash_init(&s, key);
	words_in(&s, bytes, n);
	return finish(&s, (n ? load_rest(bytes, n) : 0) | (uint64_t)n << 56);
}
