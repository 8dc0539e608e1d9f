#include "base/siphash.h"

#include <endian.h>

/* J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012: 2 rounds a word and 4
 * at the end for bytes, 1 and 3 for pieces, of which every message hashes a dozen. */

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

static inline void short_word_in(struct siphash_state *s, uint64_t word)
{
	s->v3 ^= word;
	round_of(s);
	s->v0 ^= word;
}

static inline uint64_t finish(struct siphash_state *s, int rounds)
{
	s->v2 ^= 0xff;
	for (int i = 0; i < rounds; i++)
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

enum { LONG_PIECE = 255 };

/* Read from the end, each piece says where it begins: its last word has its length on top, or
 * LONG_PIECE, and then the word before it is the length. No byte is shifted from piece to piece. */
void siphash_add(struct siphash_state *s, struct span piece)
{
	struct siphash_state local = *s; /* in registers, whatever `piece` points to */
	const char *p = piece.p;
	size_t n = piece.n;
	uint64_t last = load_rest(p, n) | (uint64_t)(n < LONG_PIECE ? n : LONG_PIECE) << 56;
	for (; n >= 8; p += 8, n -= 8)
		short_word_in(&local, load64(p));
	if (piece.n >= LONG_PIECE)
		short_word_in(&local, piece.n);
	short_word_in(&local, last);
	*s = local;
}

void siphash_word(struct siphash_state *s, uint64_t word)
{
	short_word_in(s, word);
}

uint64_t siphash_end(struct siphash_state *s)
{
	return finish(s, 3);
}

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t n)
{
	struct siphash_state s;
	const char *p = bytes;
	uint64_t last = (n ? load_rest(p, n) : 0) | (uint64_t)n << 56;
	siphash_init(&s, key);
	for (; n >= 8; p += 8, n -= 8)
		word_in(&s, load64(p));
	word_in(&s, last);
	return finish(&s, 4);
}
