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

/* Up to 8 bytes as a little-endian number. */
static inline uint64_t load(const char *p, size_t n)
{
	uint64_t word = 0;
	memcpy(&word, p, n);
	return le64toh(word);
}

/* `tail` holds the total % 8 bytes that make no word yet. */
static inline void bytes_in(struct siphash_state *s, const char *p, size_t n)
{
	unsigned held = s->total & 7;
	s->total += n;
	if (held) {
		size_t fill = 8 - held;
		size_t take = n < fill ? n : fill;
		s->tail |= load(p, take) << 8 * held;
		if (take < fill)
			return;
		word_in(s, s->tail);
		p += take;
		n -= take;
	}
	for (; n >= 8; p += 8, n -= 8)
		word_in(s, load(p, 8));
	s->tail = n ? load(p, n) : 0;
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

void siphash_add(struct siphash_state *s, struct span piece)
{
	uint32_t length = htole32(piece.n);
	bytes_in(s, (const char *)&length, sizeof length);
	if (piece.n)
		bytes_in(s, piece.p, piece.n);
}

uint64_t siphash_end(struct siphash_state *s)
{
	word_in(s, s->tail | s->total << 56);
	s->v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		round_of(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t siphash(const struct siphash_key *key, const void *bytes, size_t n)
{
	struct siphash_state s;
	siphash_init(&s, key);
	if (n)
		bytes_in(&s, bytes, n);
	return siphash_end(&s);
}
